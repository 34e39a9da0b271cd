// A matrix as a table that the keyboard can walk: one stop for Tab, arrow keys from entry to entry.
"use strict";

const OVER_EXAMPLES = ["A", "H", "grad_A", "grad_H", "E", "losses"];

// The columns of a table are examples or the units of the layer below.
function columnHeads(name, n_columns) {
  if (!OVER_EXAMPLES.includes(name)) return range(n_columns).map((j) => String(j + 1));
  return shownExamples().map((example) => String(example + 1));
}

function matrixFigure(name, k, isResult) {
  const M = now[name][k].map((row) => (Array.isArray(row) ? row : [row]));
  const figure = document.createElement("figure");
  figure.className = `matrix${isResult ? " result" : ""}`;
  const caption = document.createElement("figcaption");
  caption.innerHTML = math(symbol(name, k, L));
  caption.append(` ${M.length} × ${M[0].length}`);
  if (OVER_EXAMPLES.includes(name)) caption.append(hint("columns are examples"));
  else if (M[0].length > 1) caption.append(hint("pick an entry to follow its weight"));
  const scroller = document.createElement("div");
  scroller.className = "scroller";
  scroller.append(table(M, name, k));
  figure.append(caption, scroller);
  return figure;
}

function hint(text) {
  const node = document.createElement("small");
  node.textContent = text;
  return node;
}

function table(M, name, k) {
  const table = document.createElement("table");
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", `${spoken(name, k, L)}, ${M.length} by ${M[0].length}`);
  table.dataset.overExamples = OVER_EXAMPLES.includes(name);
  const head = table.createTHead().insertRow();
  head.append(document.createElement("td"));
  for (const text of columnHeads(name, M[0].length)) head.append(headCell(text, "col"));
  const [decimals, largest] = [decimalsFor(M.flat()), largestOf(M)];
  const body = table.createTBody();
  M.forEach((values, i) => {
    const line = body.insertRow();
    line.append(headCell(String(i + 1), "row"));
    values.forEach((value, j) => {
      const cell = line.insertCell();
      label(cell, { name, k, i, j, value }, decimals);
      tint(cell, value, largest);
      cell.tabIndex = i === 0 && j === 0 ? 0 : -1;
    });
  });
  return table;
}

function headCell(text, scope) {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.textContent = text;
  return cell;
}

// Arrow keys, Home and End inside a table; true if the key was one of them.
function walkTable(cell, key) {
  const body = cell.closest("tbody");
  const [i, j] = [cell.parentNode.rowIndex - 1, cell.cellIndex];
  const last = cell.parentNode.cells.length - 1;
  const target = {
    ArrowLeft: [i, j - 1],
    ArrowRight: [i, j + 1],
    ArrowUp: [i - 1, j],
    ArrowDown: [i + 1, j],
    Home: [i, 1],
    End: [i, last],
  }[key];
  if (!target) return false;
  const next = body.rows[target[0]]?.cells[target[1]];
  if (next && next.tabIndex !== undefined && next.tagName === "TD") {
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
  return true;
}

const sameEntry = (node, { name, k, i, j }) =>
  node.dataset.name === name &&
  Number(node.dataset.k) === k &&
  Number(node.dataset.i) === i &&
  Number(node.dataset.j ?? 0) === (j ?? 0);

// --- the stage on show ------------------------------------------------------------------------------

function renderStage() {
  const stage = stages[state.stage];
  byId("stage-title").textContent = stage.title;
  byId("stage-section").textContent = `note ${stage.section}`;
  byId("stage-words").textContent = stage.words;
  const shown = (name, k) => under(symbol(name, k, L), shapeOf(name, k));
  byId("stage-equation").innerHTML = displayed(...stage.equation(shown));
  const figures = [
    ...stage.operands.map(([name, k]) => matrixFigure(name, k, false)),
    ...stage.result.map(([name, k]) => matrixFigure(name, k, true)),
  ];
  byId("stage-matrices").replaceChildren(...figures);
  byId("stage-loss").hidden = stage.phase !== "loss";
  byId("stage-loss").replaceChildren("mean 𝓛 = ", number({ name: "loss", value: now.loss }));
  spellOut(null);
  markExample(true);
}

function shapeOf(name, k) {
  const M = now[name][k];
  return `${M.length}×${Array.isArray(M[0]) ? M[0].length : 1}`;
}

// Write out how the focused entry of a result comes about, and mark what it is made of.
function spellOut(cell) {
  const nodes = [...byId("stage-matrices").querySelectorAll("td.number")];
  nodes.forEach((node) => node.classList.remove("used"));
  const line = byId("stage-spelled");
  const stage = stages[state.stage];
  const from =
    cell && stage.result.find(([name, k]) => cell.dataset.name === name && +cell.dataset.k === k);
  if (!from) {
    line.replaceChildren("Choose a number of the result to see how it is computed.");
    return;
  }
  const [i, j] = [Number(cell.dataset.i), Number(cell.dataset.j)];
  const { pieces, used } = stage.spell(i, j, from);
  for (const entry of used) nodes.find((node) => sameEntry(node, entry))?.classList.add("used");
  const name = document.createElement("span");
  name.innerHTML = math(symbol(...from, L));
  const place = cell.closest("table").rows[0].cells[j + 1].textContent;
  line.replaceChildren(
    name,
    `[${i + 1}, ${place}] = `,
    ...pieces.flatMap(spelledPiece),
    " = ",
    number({ name: from[0], k: from[1], i, j, value: Number(cell.dataset.value) }),
  );
}

// A negative number after an operator or before a square stands in parentheses.
function spelledPiece(piece, n, pieces) {
  if (typeof piece === "string") return [piece];
  const value = piece.value ?? valueOf(piece);
  const node = number({ ...piece, value });
  const isOperand = n > 0 && !pieces[n - 1].endsWith?.("(");
  const isBare = value < 0 && (isOperand || pieces[n + 1]?.startsWith?.("²"));
  return isBare ? ["(", node, ")"] : [node];
}

// Mark the column of the chosen example in every table over examples.
function markExample(scroll) {
  const place = shownExamples().indexOf(state.example);
  for (const table of document.querySelectorAll("table[data-over-examples=true]")) {
    for (const line of table.rows) {
      [...line.cells].forEach((cell, n) => cell.classList.toggle("chosen", n === place + 1));
    }
    if (!scroll) continue;
    const [scroller, head] = [table.parentNode, table.rows[0].cells[place + 1]];
    scroller.scrollLeft = head.offsetLeft - (scroller.clientWidth - head.offsetWidth) / 2;
  }
}
