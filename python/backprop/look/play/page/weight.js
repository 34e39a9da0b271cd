// One weight: whom it can blame, path by path, in the words of section 4.2.
"use strict";

const N_PATHS_LISTED = 8;

function renderWeight() {
  const { k, i, j } = state.weight;
  fillSelect(byId("weight-k"), L, k - 1, (n) => String(n + 1));
  fillSelect(byId("weight-i"), sizes[k], i, (n) => unitName(k, n));
  fillSelect(byId("weight-j"), sizes[k - 1], j, (n) => unitName(k - 1, n));
  byId("weight-value").replaceChildren(
    ...withMath(sub(mi("W"), k, i + 1, j + 1)),
    " = ",
    number({ name: "W", k, i, j, value: now.W[k][i][j] }),
  );
  renderPathList();
  renderFactors();
  renderSums();
}

function fillSelect(select, n, chosenOption, text) {
  const options = range(n).map((value) => new Option(text(value), value));
  select.replaceChildren(...options);
  select.value = chosenOption;
}

function unitName(k, n) {
  if (k === 0) return problem.feature_names[n];
  return k === L ? `${n + 1}: ${problem.output_names[n]}` : String(n + 1);
}

function withMath(...parts) {
  const holder = document.createElement("span");
  holder.innerHTML = math(...parts);
  return [...holder.childNodes];
}

function renderPathList() {
  const { paths, n_paths } = state.paths;
  const listed = sum(paths.map(({ share }) => share));
  byId("paths-about").textContent =
    n_paths === 1
      ? "One path leads from this weight to the loss: the network is thin here (4.1)."
      : `${n_paths} paths lead from this weight to the loss, and the derivative is the sum of their products (4.3.2).` +
        (paths.length < n_paths
          ? ` Listed are the ${paths.length} strongest, ${format(100 * listed, 0)} % of all by magnitude.`
          : "");
  const rows = paths.map(({ units, value, share }, n) => {
    const id = units.join("-");
    return pathRow(n, pathText(units), [
      number({ name: "path", k: state.weight.k, i: id, value }),
      number({ name: "share", k: state.weight.k, i: id, value: 100 * share }, 1),
    ]);
  });
  if (n_paths > 1) rows.unshift(pathRow(null, document.createTextNode("all of them"), ["", ""]));
  byId("path-rows").replaceChildren(...rows);
}

function pathText(units) {
  const { k, j } = state.weight;
  const steps = units.map((u, n) => sub(mi("a"), k + n, u + 1));
  const from = k === 1 ? sub(mi("x"), j + 1) : sub(mi("h"), k - 1, j + 1);
  return withMath([from, ...steps, mi("ℓ")].join(mo("→")))[0];
}

function pathRow(n, text, cells) {
  const line = document.createElement("tr");
  const radio = Object.assign(document.createElement("input"), {
    type: "radio",
    name: "path",
    value: String(n),
  });
  radio.checked = state.path === n;
  const name = document.createElement("label");
  name.append(radio, " ", text);
  for (const content of [name, ...cells]) {
    const cell = document.createElement("td");
    cell.append(content);
    line.append(cell);
  }
  return line;
}

// The product of the picked path, one question a line.
function renderFactors() {
  const path = state.paths.paths[state.path];
  byId("factors").hidden = !path;
  if (!path) return;
  const { k, i, j } = state.weight;
  const unitOf = (q) => path.units[q - k];
  const at = (name, layer, i, j) => ({
    name,
    k: layer,
    i,
    j,
    value: valueOf({ name, k: layer, i, j }),
  });
  const lines = [outputLine(unitOf(L), at)];
  for (let q = L - 1; q >= k; q--) {
    const [a, h] = [sub(mi("a"), q, unitOf(q) + 1), sub(mi("h"), q, unitOf(q) + 1)];
    lines.push({
      question: "Talk to the previous hidden layer",
      formula: [partial(sub(mi("a"), q + 1, unitOf(q + 1) + 1), h), partial(h, a)],
      values: [at("W", q + 1, unitOf(q + 1), unitOf(q)), at("slope", q, unitOf(q), chosen())],
    });
  }
  lines.push({
    question: "and now talk to the weights",
    formula: [partial(sub(mi("a"), k, i + 1), sub(mi("W"), k, i + 1, j + 1))],
    values: [at("H", k - 1, j, chosen())],
  });
  byId("factor-lines").replaceChildren(...lines.map(factorLine));
  byId("product").replaceChildren(
    "product = ",
    number({ name: "path", k, i: path.units.join("-"), value: path.value }),
  );
}

function outputLine(u, at) {
  const question = "Talk to the output layer";
  const target = column(now.E[L], chosen());
  const a = sub(mi("a"), L, u + 1);
  const isSoft = problem.output === "softmax" && !target.includes(1);
  // Rows of probabilities for targets: every output is true in part, only the sum is simple.
  if (isSoft)
    return { question, formula: [partial(mi("ℓ"), a)], values: [at("one_grad_A", L, u, 0)] };
  const l = problem.output === "softmax" ? classOf(target) : u;
  const y = sub(hat("y"), l + 1);
  return {
    question,
    formula: [partial(mi("ℓ"), y), partial(y, a)],
    values: [
      at("one_grad_H", L, l, 0),
      {
        name: "output_slope",
        k: L,
        i: l,
        j: u,
        value: outputSlope(column(now.H[L], chosen()), l, u),
      },
    ],
  };
}

// ∂ŷ_l/∂a_L[u] (4.3.1)
function outputSlope(y_hat, l, u) {
  if (problem.output === "linear") return 1;
  return y_hat[l] * ((l === u ? 1 : 0) - y_hat[u]);
}

function factorLine({ question, formula, values }) {
  const line = document.createElement("tr");
  const cells = [question, withMath(displayStyle(...formula))[0], document.createElement("span")];
  values.forEach((entry, n) => cells[2].append(...(n ? [" · ", number(entry)] : [number(entry)])));
  for (const content of cells) {
    const cell = document.createElement("td");
    cell.append(content);
    line.append(cell);
  }
  return line;
}

function renderSums() {
  const { k, i, j } = state.weight;
  const rows = [
    [
      state.paths.n_paths === 1 ? "the one path" : "sum over all paths",
      { name: "path_total", value: state.paths.total },
    ],
    [
      "the backward pass, this example alone",
      { name: "one_grad_W", value: valueOf({ name: "one_grad_W", k, i, j }) },
    ],
    [
      `its mean over all ${m} examples, ∇W`,
      { name: "all_grad_W", value: valueOf({ name: "all_grad_W", k, i, j }) },
    ],
  ];
  byId("sums").replaceChildren(
    ...rows.flatMap(([text, entry]) => {
      const [term, value] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = text;
      value.append(number({ k, i, j, ...entry }));
      return [term, value];
    }),
  );
}
