// The network as the note draws it: each unit in two halves, pre-activation and activation, coloured by
// what the walk has reached; or the paths of one weight, lit up with their factors.
"use strict";

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const subscript = (k) => [...String(k)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");

// Where everything goes in so many pixels of width; nothing is scaled, so text keeps its size.
function diagramLayout(width, sizes) {
  const tallest = Math.max(...sizes);
  const widest = width < 480 ? 62 : 74;
  const pitch = Math.max(13, Math.min(widest, 420 / tallest));
  const top = 40;
  const [left, right] = [34, 30];
  const step = (width - left - right) / sizes.length;
  // A window may be of no width for a moment.
  const r = Math.max(2, Math.min(17, pitch * 0.3, step * 0.22));
  // A layer of few units spreads as far as a tall drawing lets it.
  const pitchOf = (k) => Math.min(widest, (tallest * pitch) / sizes[k]);
  const middle = top + (tallest * pitch) / 2;
  return {
    r,
    hasNumbers: (k) => pitchOf(k) >= 2 * r + 13,
    hasNames: (k) => pitchOf(k) >= 2 * r + 25,
    height: top + tallest * pitch + 6,
    middle,
    x: (k) => left + k * step,
    y: (k, i) => middle + (i + 0.5 - sizes[k] / 2) * pitchOf(k),
  };
}

// The latest of some quantities of layer k that the walk has reached, or undefined.
function latest(names, k) {
  if (k === 0) return names.includes("H") ? "H" : undefined;
  const reached = names.filter((name) => reachedAt(name, k) <= state.stage);
  return reached.sort((a, b) => reachedAt(b, k) - reachedAt(a, k))[0];
}

function unitText(name, k) {
  const letter = { A: "a", H: "h", grad_A: "∇a", grad_H: "∇h" }[name];
  if (k === 0) return "x";
  return k === L && name.endsWith("H") ? letter.replace("h", "ŷ") : letter + subscript(k);
}

function renderDiagram() {
  const figure = byId("diagram");
  const layout = diagramLayout(figure.clientWidth, sizes);
  const lit = state.view === "paths" ? state.paths : null;
  const drawing = svg("svg", {
    width: figure.clientWidth,
    height: layout.height,
    role: "img",
    "aria-label": describeDiagram(lit),
  });
  for (let k = 1; k <= L; k++) drawing.append(edges(k, layout, lit));
  drawing.append(lossEdges(layout, lit));
  for (let k = 0; k <= L; k++) drawing.append(units(k, layout, lit));
  drawing.append(lossUnit(layout));
  if (lit) drawing.append(factors(layout, lit));
  figure.replaceChildren(drawing);
  // It may stay in sight only if that leaves the rest in sight too.
  byId("network").classList.toggle("stays", layout.height < innerHeight * 0.42);
  byId("see").classList.toggle("stays", byId("see").offsetHeight < innerHeight);
}

function describeDiagram(lit) {
  const shape = `Network of ${sizes.join(", ")} units`;
  if (!lit) return `${shape}, at the stage “${stages[state.stage].title}”`;
  return `${shape}, with the paths of ${weightText(state.weight)} lit up`;
}

const weightText = ({ k, i, j }) => `W${subscript(k)}[${i + 1}, ${j + 1}]`;

// The path picked in the list, as {layer: unit}, or null if all of them are shown.
function pickedPath(lit) {
  const path = lit?.paths[state.path];
  if (!path) return null;
  const { k, j } = state.weight;
  return new Map([[k - 1, j], ...path.units.map((u, n) => [k + n, u])]);
}

function edges(k, layout, lit) {
  const group = svg("g", { class: "edges" });
  const largest = lit ? largestOf(lit.flow.flat()) : largestOf(now.W[k]);
  const path = pickedPath(lit);
  const stage = stages[state.stage];
  const isActive =
    !lit && [...stage.result, ...stage.operands].some(([name, l]) => l === k && name.endsWith("W"));
  now.W[k].forEach((weights, i) =>
    weights.forEach((w, j) => {
      const isPicked = state.weight.k === k && state.weight.i === i && state.weight.j === j;
      const shown = !lit ? w : isPicked ? lit.total : k > state.weight.k ? lit.flow[k][i][j] : 0;
      const share = largest > 0 ? Math.min(1, Math.abs(shown) / largest) : 0;
      const onPath = path ? path.get(k) === i && path.get(k - 1) === j : lit && shown !== 0;
      const ends = {
        x1: layout.x(k - 1) + layout.r,
        y1: layout.y(k - 1, j),
        x2: layout.x(k) - layout.r,
        y2: layout.y(k, i),
      };
      const line = svg("line", {
        ...ends,
        "stroke-width": 0.8 + 3.2 * (isPicked && lit ? 1 : share),
        class: "edge",
      });
      tint(line, shown, largest);
      line.classList.toggle("dim", Boolean(lit) && !onPath);
      line.classList.toggle("lit", Boolean(lit) && Boolean(onPath));
      line.classList.toggle("active", isActive);
      if (isPicked) group.append(svg("line", { ...ends, class: "picked" }));
      const target = svg("line", { ...ends, class: "target" });
      target.append(
        svg("title", {}, `${weightText({ k, i, j })} = ${format(w, decimalsFor([w], 4))}`),
      );
      target.addEventListener("click", () => pickWeight({ k, i, j }));
      group.append(line, target);
    }),
  );
  return group;
}

function lossEdges(layout, lit) {
  const path = pickedPath(lit);
  return svg(
    "g",
    {},
    ...range(sizes[L]).map((i) =>
      svg("line", {
        x1: layout.x(L) + layout.r,
        y1: layout.y(L, i),
        x2: layout.x(L + 1) - layout.r,
        y2: layout.middle,
        class: `edge plain${path && path.get(L) !== i ? " dim" : ""}`,
      }),
    ),
  );
}

function units(k, layout, lit) {
  const group = svg("g");
  const [inA, inH] = [latest(["A", "grad_A"], k), latest(["H", "grad_H"], k)];
  const name = latest(["A", "H", "grad_A", "grad_H"], k);
  const path = pickedPath(lit);
  const x = layout.x(k);
  const results = stages[state.stage].result
    .filter(([, layer]) => layer === k)
    .map(([result]) => result);
  const heading = k === 0 ? "input" : k < L ? `layer ${k}` : "output";
  group.append(svg("text", { x, y: 14, class: "heading" }, heading));
  group.append(svg("text", { x, y: 30, class: "quantity" }, lit || !name ? "" : unitText(name, k)));
  const largest = { A: 0, H: 0, grad_A: 0, grad_H: 0 };
  for (const each of [inA, inH, name]) if (each) largest[each] = largestOf(now[each][k]);
  const decimals = name && decimalsFor(chosenColumn(name, k), layout.r < 15 ? 2 : 3, 4);
  for (const i of range(sizes[k])) {
    const y = layout.y(k, i);
    const unit = svg("g", { class: "unit" });
    unit.classList.toggle("dim", Boolean(path) && path.get(k) !== i);
    const half = (sweep, each, marks) => {
      const d = `M${x} ${y - layout.r}A${layout.r} ${layout.r} 0 0 ${sweep} ${x} ${y + layout.r}Z`;
      const shape = svg("path", { d, class: "half" });
      if (each) tint(shape, valueOf({ name: each, k, i, j: chosen() }), largest[each]);
      shape.classList.toggle("active", !lit && results.some((result) => marks.includes(result)));
      return shape;
    };
    if (k > 0) unit.append(half(0, inA, ["A", "grad_A", "b", "grad_b"]));
    unit.append(half(1, inH, ["H", "grad_H"]));
    if (k === 0) unit.append(half(0, inH, []));
    if (!lit && layout.hasNames(k)) {
      const called = k === 0 ? problem.feature_names[i] : k === L ? problem.output_names[i] : "";
      const short = called.length > 9 ? `${called.slice(0, 8)}…` : called;
      unit.append(svg("text", { x, y: y - layout.r - 4, class: "called" }, short));
    }
    if (!lit && name && layout.hasNumbers(k)) {
      const entry = { name, k, i, j: chosen() };
      const text = svg("text", { x, y: y + layout.r + 12, class: "value" });
      label(text, { ...entry, value: valueOf(entry) }, decimals);
      unit.append(text);
    }
    group.append(unit);
  }
  return group;
}

function lossUnit(layout) {
  const [x, y, r] = [layout.x(L + 1), layout.middle, layout.r];
  const group = svg("g", { class: "unit" }, svg("text", { x, y: 14, class: "heading" }, "loss"));
  group.append(
    svg("circle", { cx: x, cy: y, r, class: "half" }),
    svg("text", { x, y: y + 5, class: "ell" }, "ℓ"),
  );
  if (reachedAt("losses", L) <= state.stage || state.view === "paths") {
    const text = svg("text", { x, y: y + r + 12, class: "value" });
    const entry = { name: "losses", k: L, i: 0, j: chosen() };
    label(text, { ...entry, value: valueOf(entry) }, decimalsFor([valueOf(entry)]));
    group.append(text);
  }
  return group;
}

// The factors of the picked path, each where it belongs: weights on their edges, slopes at their units.
function factors(layout, lit) {
  const group = svg("g", { class: "factors" });
  const path = pickedPath(lit);
  if (!path) return group;
  const put = (x, y, before, entry) => {
    const value = entry.value ?? valueOf(entry);
    const text = svg("tspan");
    label(text, { ...entry, value }, decimalsFor([value], 3));
    group.append(svg("text", { x, y, class: "value" }, before, text));
  };
  const { k } = state.weight;
  for (const [q, u] of path) {
    const [x, y] = [layout.x(q), layout.y(q, u) + layout.r + 12];
    if (q === k - 1) put(x, y, unitText("H", q) + " ", { name: "H", k: q, i: u, j: chosen() });
    else if (q < L) put(x, y, "g′ ", { name: "slope", k: q, i: u, j: chosen() });
    else put(x, y, "∂ℓ/∂a ", { name: "one_grad_A", k: q, i: u, j: 0 });
    if (q <= k) continue;
    const below = path.get(q - 1);
    const middle = (layout.y(q, u) + layout.y(q - 1, below)) / 2;
    put((layout.x(q) + layout.x(q - 1)) / 2, middle - 4, "", { name: "W", k: q, i: u, j: below });
  }
  return group;
}
