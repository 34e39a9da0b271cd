// The page itself: its state, what follows from it, and what the reader can do.
"use strict";

const byId = (id) => document.getElementById(id);
const problem = JSON.parse(byId("problem").textContent);
const sizes = problem.layer_sizes;
const L = sizes.length - 1;
const m = problem.X.length;
// In the note examples are columns.
const X = range(sizes[0]).map((i) => column(problem.X, i));
const E = range(sizes[L]).map((i) => column(problem.E, i));

const state = {
  start: 0,
  theta: null,
  example: 0,
  batch: "all",
  stage: 0,
  view: "values",
  weight: { k: 1, i: 0, j: 0 },
  path: 0,
  paths: null,
  output: 0,
  lr: problem.lr,
  history: [],
  last: null,
  running: false,
};
// Every array on show, by name and layer; and both passes over all examples.
let now = {};
let all = null;
const stages = buildStages(sizes, problem);
const stageOf = new Map(
  stages.flatMap(({ result }, n) => result.map(([name, k]) => [`${name} ${k}`, n])),
);

const theta = () => state.theta;
const everything = () => all;
const shownExamples = () => (state.batch === "all" ? range(m) : [state.example]);
const chosen = () => shownExamples().indexOf(state.example);
const chosenColumn = (name, k) => column(now[name][k], chosen());
const reachedAt = (name, k) => stageOf.get(`${name} ${k}`);

function valueOf({ name, k, i, j }) {
  const values = now[name][k][i];
  return Array.isArray(values) ? values[j] : values;
}

function passesOver(examples) {
  const [inputs, targets] = [X, E].map((M) => M.map((values) => examples.map((n) => values[n])));
  const forward = forwardPass(state.theta, inputs, problem);
  return { ...forward, ...backwardPass(state.theta, forward, targets, problem), E: targets };
}

// Everything that follows from parameters, examples and learning rate.
function compute() {
  all = passesOver(range(m));
  const one = passesOver([state.example]);
  const shown = state.batch === "all" ? all : one;
  const next = gradientDescent(state.theta, shown, state.lr);
  const atOutput = (M) => ({ [L]: M });
  now = {
    ...state.theta,
    ...shown,
    E: atOutput(shown.E),
    losses: atOutput([shown.losses]),
    slope: problem.hidden.reduce(
      (slope, name, n) => [...slope, map(shown.H[n + 1], (h) => ACTIVATIONS[name].slope(h))],
      [null],
    ),
    W_next: next.W,
    b_next: next.b,
    one_grad_A: one.grad_A,
    one_grad_H: one.grad_H,
    one_grad_W: one.grad_W,
    all_grad_W: all.grad_W,
  };
  state.paths = followPaths(state.theta, one, problem, state.weight, N_PATHS_LISTED);
}

function render() {
  compute();
  renderControls();
  renderStage();
  renderPictures();
  renderWeight();
}

function renderPictures() {
  renderDiagram();
  renderPlane();
  renderCurve();
}

function renderControls() {
  const stage = stages[state.stage];
  byId("example").value = state.example + 1;
  byId("lr").value = state.lr;
  byId("lr-slider").value = Math.log10(state.lr);
  byId("lr-slider").setAttribute("aria-valuetext", String(state.lr));
  byId("run").textContent = state.running ? "Pause" : "Run";
  byId("run").setAttribute("aria-pressed", state.running);
  byId("steps").textContent = state.history.length - 1;
  byId("loss").replaceChildren(number({ name: "loss_of_all", value: all.loss }));
  byId("accuracy-row").hidden = !isClassifier();
  const right = range(m).filter((example) => !isWrong(example)).length;
  byId("accuracy").replaceChildren(number({ name: "accuracy", value: right / m }, 2));
  byId("last-step").hidden = !state.last;
  if (state.last) {
    byId("predicted").replaceChildren(number({ name: "predicted", value: state.last.predicted }));
    byId("observed").replaceChildren(number({ name: "observed", value: state.last.observed }));
  }
  byId("position").textContent = `${state.stage + 1} of ${stages.length}`;
  byId("back").disabled = state.stage === 0;
  byId("next").disabled = state.stage === stages.length - 1;
  [...document.querySelectorAll("#chips button")].forEach((chip, n) => {
    if (n === state.stage) chip.setAttribute("aria-current", "step");
    else chip.removeAttribute("aria-current");
    chip.classList.toggle("passed", n < state.stage);
  });
  for (const radio of document.querySelectorAll("input[name=view]"))
    radio.checked = radio.value === state.view;
  for (const radio of document.querySelectorAll("input[name=batch]"))
    radio.checked = radio.value === state.batch;
  byId("picked-weight").textContent = weightText(state.weight);
  byId("stage").dataset.phase = stage.phase;
}

// --- what the reader can do -------------------------------------------------------------------------

function announce(text) {
  byId("announce").textContent = text;
}

function goTo(n) {
  state.stage = Math.min(stages.length - 1, Math.max(0, n));
  state.view = "values";
  render();
  announce(`${byId("position").textContent}: ${stages[state.stage].title}`);
}

function chooseExample(n) {
  state.example = Math.min(m - 1, Math.max(0, n));
  state.path = state.path === null ? null : 0;
  render();
  announce(`Example ${state.example + 1}`);
}

function pickWeight({ k, i, j }) {
  state.weight = { k, i: Math.min(i, sizes[k] - 1), j: Math.min(j, sizes[k - 1] - 1) };
  state.path = 0;
  state.view = "paths";
  render();
  announce(`Following ${weightText(state.weight)}`);
}

function setLr(lr) {
  if (lr > 0 && Number.isFinite(lr)) state.lr = lr;
  render();
}

// θ ← θ - η ∇θ with the gradient on show; false where the loss has left the numbers.
function takeStep() {
  const before = now.loss;
  const squares = [...now.grad_W.slice(1).flat(2), ...now.grad_b.slice(1).flat()].map(
    (grad) => grad * grad,
  );
  state.theta = gradientDescent(state.theta, now, state.lr);
  compute();
  state.last = { predicted: -state.lr * sum(squares), observed: now.loss - before };
  state.history.push(all.loss);
  return Number.isFinite(all.loss) && Number.isFinite(now.loss);
}

function takeSteps(n) {
  let isFinite = Number.isFinite(all.loss);
  for (let step = 0; step < n && isFinite; step++) isFinite = takeStep();
  if (!isFinite) state.running = false;
  byId("diverged").hidden = isFinite;
  render();
  announce(`Loss ${format(all.loss, 4)} after ${state.history.length - 1} steps`);
}

function run() {
  if (!state.running) return;
  takeSteps(1);
  requestAnimationFrame(run);
}

function toggleRun() {
  state.running = !state.running;
  renderControls();
  run();
}

function reset() {
  const { W, b } = problem.starts[state.start];
  state.theta = { W: [null, ...W], b: [null, ...b] };
  state.running = false;
  state.last = null;
  compute();
  state.history = [all.loss];
  byId("diverged").hidden = true;
  render();
}

function setView(view) {
  state.view = view;
  renderControls();
  renderDiagram();
}

// --- events -------------------------------------------------------------------------------------------

const KEYS = {
  ArrowRight: () => goTo(state.stage + 1),
  ArrowLeft: () => goTo(state.stage - 1),
  Home: () => goTo(0),
  End: () => goTo(stages.length - 1),
  n: () => chooseExample((state.example + 1) % m),
  p: () => chooseExample((state.example + m - 1) % m),
  s: () => takeSteps(1),
  r: () => toggleRun(),
  0: () => reset(),
  w: () => byId("weight-k").focus(),
  v: () => setView(state.view === "values" ? "paths" : "values"),
  "?": () => {
    byId("help").open = true;
    byId("help").querySelector("summary").focus();
  },
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const cell = event.target.closest("td.number[tabindex]");
  if (cell && walkTable(cell, event.key)) return event.preventDefault();
  if (cell && event.key === "Enter") return pickFrom(cell);
  if (!byId("shortcuts").checked || event.target.closest("input, select")) return;
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

// An entry of a weight matrix picks the weight, one of a matrix over examples picks the example.
function pickFrom(cell) {
  const { name, k, i, j } = cell.dataset;
  const isInTable = byId("stage-matrices").contains(cell);
  if (OVER_EXAMPLES.includes(name)) chooseExample(shownExamples()[Number(j)]);
  else if (name.includes("W")) pickWeight({ k: Number(k), i: Number(i), j: Number(j) });
  if (isInTable) refocus({ name, k: Number(k), i: Number(i), j: Number(j) });
}

// The tables were drawn anew; the focus goes back to the same entry.
function refocus(entry) {
  const cells = [...byId("stage-matrices").querySelectorAll("td.number")];
  cells.find((cell) => sameEntry(cell, entry))?.focus();
}

function nearestExample(event) {
  const box = byId("points").getBoundingClientRect();
  const distance = (example) => {
    const [x, y] = placeOf(example);
    const [dx, dy] = [event.clientX - box.left, event.clientY - box.top];
    return Math.hypot((x * box.width) / 100 - dx, (y * box.height) / 100 - dy);
  };
  return range(m).reduce(
    (best, example) => (distance(example) < distance(best) ? example : best),
    0,
  );
}

function listen() {
  const on = (id, type, action) => byId(id).addEventListener(type, action);
  on("back", "click", () => goTo(state.stage - 1));
  on("next", "click", () => goTo(state.stage + 1));
  on("example", "change", (event) => chooseExample(event.target.valueAsNumber - 1 || 0));
  on("lr", "change", (event) => setLr(event.target.valueAsNumber));
  on("lr-slider", "input", (event) =>
    setLr(Number((10 ** event.target.valueAsNumber).toPrecision(2))),
  );
  for (const button of document.querySelectorAll("[data-steps]")) {
    button.addEventListener("click", () => takeSteps(Number(button.dataset.steps)));
  }
  on("run", "click", toggleRun);
  on("reset", "click", reset);
  on("start", "change", (event) => {
    state.start = Number(event.target.value);
    reset();
  });
  on("output", "change", (event) => {
    state.output = Number(event.target.value);
    renderPictures();
    renderLegend();
  });
  for (const radio of document.querySelectorAll("input[name=view]")) {
    radio.addEventListener("change", () => setView(radio.value));
  }
  for (const radio of document.querySelectorAll("input[name=batch]")) {
    radio.addEventListener("change", () => {
      state.batch = radio.value;
      render();
    });
  }
  const picked = () => ["k", "i", "j"].map((name) => Number(byId(`weight-${name}`).value));
  for (const id of ["weight-k", "weight-i", "weight-j"]) {
    on(id, "change", () => {
      const [k, i, j] = picked();
      pickWeight({ k: k + 1, i, j });
    });
  }
  on("path-rows", "change", (event) => {
    state.path = event.target.value === "null" ? null : Number(event.target.value);
    state.view = "paths";
    renderFactors();
    setView("paths");
  });
  on("stage-matrices", "focusin", (event) => spellOut(event.target.closest("td.number")));
  on("stage-matrices", "click", (event) => {
    const cell = event.target.closest("td.number");
    if (cell) pickFrom(cell);
  });
  on("points", "click", (event) => chooseExample(nearestExample(event)));
  addEventListener("keydown", onKey);
  addEventListener("resize", renderPictures);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", renderPlane);
}

function setUp() {
  byId("title").textContent = problem.title;
  const kinds = [...new Set(problem.hidden)].join(", ");
  byId("about").textContent =
    `Network ${sizes.join("-")}, ${kinds ? `${kinds} inside, ` : ""}${problem.output} output, ` +
    `${problem.loss.replaceAll("_", " ")} loss; ${m} examples.`;
  byId("example").max = m;
  byId("batch-size").textContent = `all ${m} examples (5.2)`;
  problem.starts.forEach(({ name }, n) => byId("start").append(new Option(name, n)));
  byId("start-row").hidden = problem.starts.length === 1;
  byId("output-row").hidden = isClassifier() || sizes[L] === 1 || sizes[0] !== 2;
  fillSelect(byId("output"), sizes[L], 0, (n) => problem.output_names[n]);
  byId("x-axis").textContent = problem.feature_names[0];
  byId("y-axis").textContent = problem.feature_names[1] ?? "";
  const phases = ["forward", "loss", "backward", "step"];
  for (const phase of phases) {
    const list = byId(`chips-${phase}`);
    stages.forEach((stage, n) => {
      if (stage.phase !== phase) return;
      const chip = document.createElement("button");
      chip.type = "button";
      chip.innerHTML = math(phase === "step" ? mi("θ") : symbol(...stage.result[0], L));
      chip.setAttribute("aria-label", stage.title);
      chip.addEventListener("click", () => goTo(n));
      const item = document.createElement("li");
      item.append(chip);
      list.append(item);
    });
  }
  renderLegend();
  listen();
  reset();
  // Where there is most to talk about.
  chooseExample(all.losses.indexOf(Math.max(...all.losses)));
}

setUp();
