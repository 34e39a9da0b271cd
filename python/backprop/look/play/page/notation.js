// How a quantity is written: its number as text, its name as MathML.
// An entry {name, k, i, j} is one number of the arrays on show: name and layer, row and column from 0.
"use strict";

// Digits after the point that give the largest of some values three significant ones, or null where
// so many are too long to read and a power of ten is better.
function decimalsFor(values, significant = 3, most = 7) {
  const largest = Math.max(0, ...values.map(Math.abs).filter(Number.isFinite));
  if (largest === 0) return 1;
  const decimals = significant - 1 - Math.floor(Math.log10(largest));
  return decimals > most ? null : Math.max(0, decimals);
}

function format(value, decimals) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const text = decimals === null ? value.toExponential(2) : value.toFixed(decimals);
  // What rounds to 0 has no sign.
  return /^-[0.]+$/.test(text) ? text.slice(1) : text.replaceAll("-", "−");
}

// Every number on the page: its text is rounded, its data-value is not.
function number(entry, decimals = decimalsFor([entry.value], 4)) {
  const node = document.createElement("span");
  label(node, entry, decimals);
  return node;
}

function label(node, { name, k, i, j, value }, decimals = decimalsFor([value], 4)) {
  node.textContent = format(value, decimals);
  node.classList.add("number");
  Object.assign(node.dataset, { name, value: String(value) });
  for (const [key, place] of Object.entries({ k, i, j })) {
    if (place !== undefined) node.dataset[key] = place;
  }
}

// How strong the tint of a value is, beside the largest of its array: --t is used by the style sheet.
function tint(node, value, largest) {
  const strength =
    largest > 0 && Number.isFinite(value) ? Math.min(1, Math.abs(value) / largest) : 0;
  node.classList.toggle("positive", value > 0);
  node.classList.toggle("negative", value < 0);
  node.style.setProperty("--t", strength.toFixed(3));
}

const largestOf = (M) => Math.max(0, ...M.flat().map(Math.abs).filter(Number.isFinite));

// --- MathML -----------------------------------------------------------------------------------------

const mi = (text) => `<mi>${text}</mi>`;
const mn = (text) => `<mn>${text}</mn>`;
const mo = (text) => `<mo>${text}</mo>`;
const mtext = (text) => `<mtext>${text}</mtext>`;
const row = (...parts) => `<mrow>${parts.join("")}</mrow>`;
const index = (value) => (Number.isInteger(value) ? mn(value) : mi(value));
const sub = (base, ...indices) => `<msub>${base}${row(indices.map(index).join(mo(",")))}</msub>`;
const transposed = (base) => `<msup>${row(base)}${mi("T")}</msup>`;
const fraction = (above, below) => `<mfrac>${row(above)}${row(below)}</mfrac>`;
const under = (base, text) => `<munder>${row(base)}${mtext(text)}</munder>`;
const displayStyle = (...parts) => `<mstyle displaystyle="true">${parts.join("")}</mstyle>`;
const math = (...parts) => `<math>${parts.join("")}</math>`;
const displayed = (...parts) => `<math display="block">${parts.join("")}</math>`;
// One character: an accent drawn over another sits badly in many mathematical fonts.
const hat = (letter) => `<mi class="hat">${{ y: "ŷ", Y: "Ŷ" }[letter]}</mi>`;
const nabla = (base) => row(mo("∇"), base);
const partial = (above, below) => fraction(row(mo("∂"), above), row(mo("∂"), below));
const THE_LOSS = mi("ℒ");

// The matrix of a name and a layer, as the note writes it.
function symbol(name, k, L) {
  switch (name) {
    case "H":
      return k === 0 ? mi("X") : k === L ? hat("Y") : sub(mi("H"), k);
    case "E":
      return mi("E");
    case "losses":
      return mi("ℓ");
    case "W_next":
    case "b_next":
      return `<msubsup>${mi(name[0])}${mn(k)}${mtext("new")}</msubsup>`;
    default:
      return name.startsWith("grad_") ? nabla(symbol(name.slice(5), k, L)) : sub(mi(name), k);
  }
}

// The same in plain text, for labels that are read aloud.
function spoken(name, k, L) {
  const letter = name.replace("grad_", "").replace("_next", "");
  const base =
    letter === "H" && k === 0
      ? "X"
      : letter === "H" && k === L
        ? "Y hat"
        : letter === "E" || letter === "losses"
          ? letter
          : `${letter} ${k}`;
  if (name.startsWith("grad_")) return `gradient with respect to ${base}`;
  return name.endsWith("_next") ? `new ${base}` : base;
}
