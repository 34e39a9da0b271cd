// The stages of the backward pass, and the step (4.2, 4.3, 5.2).
"use strict";

// g' from the output h (6.1), in words and for one entry.
const SLOPE_TEXT = {
  relu: "1 where a > 0, else 0",
  sigmoid: "h (1 − h)",
  tanh: "1 − h²",
  linear: "1",
};
const SLOPE_SPELLED = {
  relu: (h, slope) => [slope],
  sigmoid: (h) => [h, " · (1 − ", h, ")"],
  tanh: (h) => ["(1 − ", h, "²)"],
  linear: (h, slope) => [slope],
};

const perExample = () => fraction(mn(1), mi("m"));
const n_shown = () => shownExamples().length;

function backwardStages(k, sizes, names) {
  const L = sizes.length - 1;
  const through =
    k < L
      ? [gradHStage(k, sizes[k + 1]), gradAStage(k, names.hidden[k - 1])]
      : [gradAOutputStage(L, names)];
  return [...through, gradWStage(k), gradBStage(k)];
}

function gradYHatStage(names) {
  const L = names.hidden.length + 1;
  return {
    phase: "backward",
    result: [["grad_H", L]],
    operands: Object.entries({ H: L, E: L }),
    section: "4.2, 4.3.1",
    title: "Gradient of the output",
    words:
      "We talk to the output layer: “Hey! You are not producing the desired output, better take responsibility.” How much does the loss change with each output?",
    equation: (shown) => [...[shown("grad_H", L), mo("=")], ...GRAD_Y_HAT_EQUATIONS[names.loss]()],
    spell: (i, j) =>
      spelled(...GRAD_Y_HAT_SPELLED[names.loss](at("H", L)(i, j), at("E", L)(i, j), n_shown())),
  };
}

// Fractions of matrices are meant entry by entry.
const GRAD_Y_HAT_EQUATIONS = {
  cross_entropy: () => [mo("−"), perExample(), fraction(mi("E"), hat("Y"))],
  squared_error: () => [perExample(), bracketed(hat("Y"), mo("−"), mi("E"))],
  binary_cross_entropy: () => {
    const not = (part) => row(mn(1), mo("−"), part);
    const wrong = fraction(not(mi("E")), not(hat("Y")));
    return [perExample(), bracketed(wrong, mo("−"), fraction(mi("E"), hat("Y")))];
  },
};
const GRAD_Y_HAT_SPELLED = {
  cross_entropy: (y, t, m) => ["−", t, ` / (${m} · `, y, ")"],
  squared_error: (y, t, m) => ["(", y, " − ", t, `) / ${m}`],
  binary_cross_entropy: (y, t, m) => [
    ...["((1 − ", t, ") / (1 − ", y, ") − "],
    ...[t, " / ", y, `) / ${m}`],
  ],
};

function gradAOutputStage(L, names) {
  return {
    phase: "backward",
    result: [["grad_A", L]],
    operands: Object.entries({ H: L, E: L }),
    section: "4.3.1, 5.2",
    title: "Gradient of the output layer's pre-activation",
    words: `The output says: “I am only as good as the pre-activation below me.” For ${names.output} with ${names.loss.replaceAll("_", " ")}, the two derivatives multiply to a plain difference: output minus truth.`,
    equation: (shown) => [
      ...[shown("grad_A", L), mo("="), perExample()],
      bracketed(shown("H", L), mo("−"), shown("E", L)),
    ],
    spell: (i, j) => spelled("(", at("H", L)(i, j), " − ", at("E", L)(i, j), `) / ${n_shown()}`),
  };
}

function gradHStage(k, n_above) {
  return {
    phase: "backward",
    result: [["grad_H", k]],
    operands: Object.entries({ W: k + 1, grad_A: k + 1 }),
    section: "4.3.2, 5.2",
    title: `Gradient of the activation of layer ${k}`,
    words:
      "We talk to the previous hidden layer. Each of its units has fed every unit above, so its responsibility is a sum over the paths that lead up from it.",
    equation: (shown) => [
      ...[shown("grad_H", k), mo("=")],
      ...[transposed(shown("W", k + 1)), shown("grad_A", k + 1)],
    ],
    spell: (i, j) =>
      spelledSum(range(n_above).map((q) => [at("W", k + 1)(q, i), at("grad_A", k + 1)(q, j)])),
  };
}

function gradAStage(k, g) {
  return {
    phase: "backward",
    result: [["grad_A", k]],
    operands: Object.entries({ grad_H: k, H: k }),
    section: "4.3.2, 6.1",
    title: `Gradient of the pre-activation of layer ${k}`,
    words: `The activation says: “I am only as good as the pre-activation layer.” It passes the gradient on, times its own slope: for ${g}, g′(a) is ${SLOPE_TEXT[g]}.`,
    equation: (shown) => [
      ...[shown("grad_A", k), mo("="), shown("grad_H", k), mo("⊙")],
      ...[mi("g′"), bracketed(shown("A", k))],
    ],
    spell: (i, j) =>
      spelled(
        at("grad_H", k)(i, j),
        " · ",
        ...SLOPE_SPELLED[g](at("H", k)(i, j), at("slope", k)(i, j)),
      ),
  };
}

function gradWStage(k) {
  return {
    phase: "backward",
    result: [["grad_W", k]],
    operands: Object.entries({ grad_A: k, H: k - 1 }),
    section: "4.3.3, 5.2",
    title: `Gradient of the weights of layer ${k}`,
    words:
      "And now we talk to the weights, who take full responsibility: each is as responsible as the unit it leads to, times the activation it lets through, summed over the examples.",
    equation: (shown) => [
      ...[shown("grad_W", k), mo("=")],
      ...[shown("grad_A", k), transposed(shown("H", k - 1))],
    ],
    spell: (i, j) =>
      spelledSum(range(n_shown()).map((q) => [at("grad_A", k)(i, q), at("H", k - 1)(j, q)])),
  };
}

function gradBStage(k) {
  return {
    phase: "backward",
    result: [["grad_b", k]],
    operands: [["grad_A", k]],
    section: "4.3.3, 5.2",
    title: `Gradient of the biases of layer ${k}`,
    words:
      "A bias adds to its unit directly: it is as responsible as the unit itself, summed over the examples.",
    equation: (shown) => [shown("grad_b", k), mo("="), shown("grad_A", k), sub(mn(1), "m")],
    spell: (i) => spelledSum(range(n_shown()).map((q) => [at("grad_A", k)(i, q)])),
  };
}

// θ = [W_1 b_1 … W_L b_L], before and after.
function stepStage(sizes) {
  const layers = range(sizes.length - 1).map((n) => n + 1);
  const ofEach = (...names) => layers.flatMap((k) => names.map((name) => [name, k]));
  return {
    phase: "step",
    result: ofEach("W_next", "b_next"),
    operands: ofEach("W", "grad_W", "b", "grad_b"),
    section: "3",
    title: "Gradient descent",
    words:
      "Every parameter moves against its gradient, as far as the learning rate η says. These are the parameters that the next step will give: “Take a step” makes them so.",
    equation: () => [
      ...[mi("θ"), mo("←"), mi("θ"), mo("−"), mi("η"), nabla(mi("θ")), mo(","), SPACE],
      ...[mi("θ"), mo("="), mo("["), sub(mi("W"), 1), sub(mi("b"), 1), mo("…")],
      ...[sub(mi("W"), "L"), sub(mi("b"), "L"), mo("]")],
    ],
    spell: (i, j, [name, k]) =>
      spelled(
        ...[at(name[0], k)(i, j), " − ", { name: "lr", value: state.lr }],
        ...[" · ", at(`grad_${name[0]}`, k)(i, j)],
      ),
  };
}
