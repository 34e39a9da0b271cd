// Where the network decides what, on the plane of its two inputs; and the loss, step by step.
"use strict";

const SHAPES = [
  "M-4.6 0a4.6 4.6 0 1 0 9.2 0a4.6 4.6 0 1 0 -9.2 0Z",
  "M0 -5.6L5.2 4.2L-5.2 4.2Z",
  "M-4.2 -4.2H4.2V4.2H-4.2Z",
  "M0 -6L5.2 0L0 6L-5.2 0Z",
  "M-2 -5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2Z",
  "M0 5.6L-5.2 -4.2L5.2 -4.2Z",
];
const N_COLOURS = 6;
const CELLS = 72;

function classOf(column) {
  return column.indexOf(Math.max(...column));
}

// What a point of the plane is shaded by: a class and how sure, or a value between two ends.
const isClassifier = () => problem.output === "softmax";

function middleAndSpan() {
  if (problem.output === "sigmoid") return [0.5, 0.5];
  const targets = E[state.output];
  const [low, high] = [Math.min(...targets), Math.max(...targets)];
  return [(low + high) / 2, (high - low) / 2 || 1];
}

function planeRange() {
  return [0, 1].map((axis) => {
    const values = X[axis];
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const margin = 0.12 * (high - low || 1);
    return [low - margin, high + margin];
  });
}

function cssColour(name) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

function renderPlane() {
  const figure = byId("plane");
  figure.hidden = sizes[0] !== 2;
  byId("no-plane").hidden = sizes[0] === 2;
  byId("legend").hidden = sizes[0] !== 2;
  if (sizes[0] === 2) {
    drawRegions(byId("regions"));
    drawPoints(byId("points"));
  } else {
    listOutputs(byId("no-plane"));
  }
}

function drawRegions(canvas) {
  const [[x_low, x_high], [y_low, y_high]] = planeRange();
  const centre = (low, high, n) => low + ((high - low) * (n + 0.5)) / CELLS;
  const grid = [
    range(CELLS * CELLS).map((n) => centre(x_low, x_high, n % CELLS)),
    range(CELLS * CELLS).map((n) => centre(y_high, y_low, Math.floor(n / CELLS))),
  ];
  const { H } = forwardPass(theta(), grid, problem);
  canvas.width = canvas.height = CELLS;
  const context = canvas.getContext("2d");
  const image = context.createImageData(CELLS, CELLS);
  const colours = range(N_COLOURS).map((n) => cssColour(`--class-${n}`));
  const [up, down] = [cssColour("--positive"), cssColour("--negative")];
  const [middle, span] = middleAndSpan();
  for (const n of range(CELLS * CELLS)) {
    const y_hat = column(H[L], n);
    let [colour, alpha] = [up, 0];
    if (isClassifier()) {
      const best = classOf(y_hat);
      colour = colours[best % N_COLOURS];
      alpha = 0.12 + (0.4 * (y_hat[best] - 1 / sizes[L])) / (1 - 1 / sizes[L]);
    } else {
      const value = (y_hat[state.output] - middle) / span;
      colour = value > 0 ? up : down;
      alpha = 0.08 + 0.44 * Math.min(1, Math.abs(value));
    }
    image.data.set([...colour, 255 * alpha], 4 * n);
  }
  context.putImageData(image, 0, 0);
}

// Where an example lies, in the 100 × 100 of the figure.
function placeOf(example) {
  const [[x_low, x_high], [y_low, y_high]] = planeRange();
  return [
    (100 * (X[0][example] - x_low)) / (x_high - x_low),
    (100 * (y_high - X[1][example])) / (y_high - y_low),
  ];
}

function isWrong(example) {
  if (!isClassifier()) return false;
  return classOf(column(everything().H[L], example)) !== classOf(column(E, example));
}

function drawPoints(drawing) {
  const size = drawing.clientWidth;
  const [middle, span] = middleAndSpan();
  const points = range(m).map((example) => {
    const [x, y] = placeOf(example).map((percent) => (percent * size) / 100);
    const target = column(E, example);
    const kind = isClassifier() ? classOf(target) : target[state.output] > middle ? 0 : 1;
    const point = svg("path", {
      d: SHAPES[kind % SHAPES.length],
      transform: `translate(${x} ${y})`,
      class: "point",
    });
    if (isClassifier()) point.style.setProperty("fill", `var(--class-${kind % N_COLOURS})`);
    else tint(point, target[state.output] - middle, span);
    point.classList.toggle("wrong", isWrong(example));
    if (example !== state.example) return point;
    return svg("g", {}, svg("circle", { cx: x, cy: y, r: 11, class: "ring" }), point);
  });
  drawing.setAttribute("viewBox", `0 0 ${size} ${size}`);
  drawing.replaceChildren(...points);
}

function renderLegend() {
  const legend = byId("legend");
  const [middle] = middleAndSpan();
  const above = isClassifier()
    ? problem.output_names
    : [`target above ${format(middle, 2)}`, `at most ${format(middle, 2)}`];
  const items = above.map((name, n) => {
    const shape = svg("path", { d: SHAPES[n % SHAPES.length], class: "point" });
    if (isClassifier()) shape.style.setProperty("fill", `var(--class-${n % N_COLOURS})`);
    else tint(shape, n ? -1 : 1, 1);
    const item = document.createElement("span");
    item.append(
      svg("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": true }, shape),
      ` ${name}`,
    );
    return item;
  });
  if (isClassifier()) {
    const wrong = document.createElement("span");
    const shape = svg("path", { d: SHAPES[0], class: "point wrong" });
    wrong.append(
      svg("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": true }, shape),
      " outlined: wrong",
    );
    items.push(wrong);
  }
  legend.replaceChildren(...items);
}

// With no plane to draw on, the outputs for the chosen example as bars.
function listOutputs(box) {
  const y_hat = column(everything().H[L], state.example);
  const largest = Math.max(...y_hat.map(Math.abs));
  const decimals = decimalsFor(y_hat);
  box.replaceChildren(
    ...y_hat.map((value, i) => {
      const line = document.createElement("div");
      line.className = "bar";
      const name = document.createElement("span");
      name.textContent = problem.output_names[i];
      const bar = document.createElement("i");
      tint(bar, value, largest);
      line.append(
        name,
        bar,
        number({ name: "all_Y_hat", k: L, i, j: state.example, value }, decimals),
      );
      return line;
    }),
  );
}

function renderCurve() {
  const [width, height, left, bottom] = [byId("curve").clientWidth, 200, 50, 22];
  const values = state.history.filter(Number.isFinite);
  const top = Math.max(...values) * 1.08 || 1;
  const n_steps = Math.max(1, state.history.length - 1);
  const x = (n) => left + ((width - left - 8) * n) / n_steps;
  const y = (loss) => 8 + (height - bottom - 8) * (1 - loss / top);
  const first = format(values[0], 3);
  const last = format(values.at(-1), 3);
  const drawing = svg("svg", {
    width,
    height,
    role: "img",
    "aria-label": `Loss from ${first} to ${last} in ${state.history.length - 1} steps`,
  });
  for (const tick of [0, top / 2.16, top / 1.08]) {
    drawing.append(
      svg("line", { x1: left, x2: width - 8, y1: y(tick), y2: y(tick), class: "grid" }),
      svg(
        "text",
        { x: left - 6, y: y(tick) + 4, class: "tick end" },
        format(tick, decimalsFor([top], 2)),
      ),
    );
  }
  const points = values.map((loss, n) => `${x(n).toFixed(1)},${y(loss).toFixed(1)}`);
  drawing.append(svg("polyline", { points: points.join(" "), class: "curve" }));
  drawing.append(
    svg("circle", { cx: x(values.length - 1), cy: y(values.at(-1)), r: 3.5, class: "now" }),
  );
  drawing.append(svg("text", { x: left, y: height - 6, class: "tick" }, "0"));
  const steps = state.history.length - 1;
  drawing.append(
    svg(
      "text",
      { x: width - 8, y: height - 6, class: "tick end" },
      `${steps} step${steps === 1 ? "" : "s"}`,
    ),
  );
  byId("curve").replaceChildren(drawing);
}
