// The stages of the forward pass and of the loss (5.2, 3).
"use strict";

const OUTPUT_WORDS = {
  softmax:
    "Softmax turns each column into probabilities: every exponential over the sum of its column, so that they add up to 1.",
  linear: "The output is linear: it is the last pre-activation as it is.",
  sigmoid: "The logistic function turns each pre-activation into a probability between 0 and 1.",
};

const LOSS_WORDS = {
  cross_entropy: "minus the logarithm of the probability given to its true class",
  squared_error: "half the squared distance between outputs and targets",
  binary_cross_entropy:
    "minus the logarithm of the probability given to what is true, summed over the outputs",
};

function forwardStages(k, sizes, names) {
  const L = sizes.length - 1;
  return [
    preActivationStage(k, sizes),
    k < L ? activationStage(k, names.hidden[k - 1]) : outputStage(L, sizes[L], names.output),
  ];
}

function preActivationStage(k, sizes) {
  const where = k < sizes.length - 1 ? `layer ${k}` : "the output layer";
  return {
    phase: "forward",
    result: [["A", k]],
    operands: Object.entries({ W: k, b: k, H: k - 1 }),
    section: "5.2",
    title: `Pre-activation of ${where}`,
    words:
      "Each unit adds up what comes from the layer below, every activation times the weight of its connection, and its own bias.",
    equation: (shown) => [
      ...[shown("A", k), mo("="), shown("W", k), shown("H", k - 1)],
      ...[mo("+"), shown("b", k), transposed(sub(mn(1), "m"))],
    ],
    spell: (i, j) =>
      spelledSum(
        range(sizes[k - 1]).map((q) => [at("W", k)(i, q), at("H", k - 1)(q, j)]),
        [at("b", k)(i, 0)],
      ),
  };
}

function activationStage(k, g) {
  return {
    phase: "forward",
    result: [["H", k]],
    operands: [["A", k]],
    section: "5.2",
    title: `Activation of layer ${k}`,
    words: `The activation function g, here ${g}, is applied to each pre-activation by itself.`,
    equation: (shown) => [shown("H", k), mo("="), mi("g"), bracketed(shown("A", k))],
    spell: (i, j) => spelled(`${g}(`, at("A", k)(i, j), ")"),
  };
}

function outputStage(L, p, name) {
  return {
    phase: "forward",
    result: [["H", L]],
    operands: [["A", L]],
    section: "5.2",
    title: `Output: ${name}`,
    words: OUTPUT_WORDS[name],
    equation: (shown) => [shown("H", L), mo("="), mtext(name), bracketed(shown("A", L))],
    spell(i, j) {
      const a = at("A", L);
      if (name !== "softmax") return spelled(`${name}(`, a(i, j), ")");
      const total = range(p).flatMap((q) => [q ? ") + exp(" : "exp(", a(q, j)]);
      return spelled("exp(", a(i, j), ") / (", ...total, "))");
    },
  };
}

function lossStage(sizes, names) {
  const L = sizes.length - 1;
  return {
    phase: "loss",
    result: [["losses", L]],
    operands: Object.entries({ H: L, E: L }),
    section: "3",
    title: "Loss",
    words: `How far is the output from the truth? For each example, ${LOSS_WORDS[names.loss]}; ℒ is the mean over the examples.`,
    equation: () => [
      ...[THE_LOSS, mo("="), fraction(mn(1), mi("m")), summed("j", "m"), sub(mi("ℓ"), "j")],
      ...[mo(","), SPACE, sub(mi("ℓ"), "j"), mo("="), ...LOSS_EQUATIONS[names.loss]()],
    ],
    spell: (_, j) =>
      spelled(...LOSS_SPELLED[names.loss](range(sizes[L]), (name) => (i) => at(name, L)(i, j))),
  };
}

const LOSS_EQUATIONS = {
  cross_entropy: () => [mo("−"), summed("i", "p"), sub(mi("e"), "i", "j"), mi("log"), yHat()],
  squared_error: () => {
    const difference = bracketed(yHat(), mo("−"), sub(mi("e"), "i", "j"));
    return [fraction(mn(1), mn(2)), summed("i", "p"), `<msup>${difference}${mn(2)}</msup>`];
  },
  binary_cross_entropy: () => {
    const e = sub(mi("e"), "i", "j");
    const not = (part) => bracketed(mn(1), mo("−"), part);
    const both = [e, mi("log"), yHat(), mo("+"), not(e), mi("log"), not(yHat())];
    return [mo("−"), summed("i", "p"), bracketed(...both)];
  },
};

const yHat = () => sub(hat("y"), "i", "j");

// The terms of one example; those that are 0 for sure are left out.
const LOSS_SPELLED = {
  cross_entropy(units, of) {
    const terms = units.filter((i) => valueOf(of("E")(i)) !== 0);
    return terms.flatMap((i, n) => [n ? " − " : "−", of("E")(i), " · log ", of("H")(i)]);
  },
  squared_error: (units, of) =>
    units.flatMap((i, n) => [n ? " + ½ (" : "½ (", of("H")(i), " − ", of("E")(i), ")²"]),
  binary_cross_entropy: (units, of) =>
    units.flatMap((i, n) => [
      ...[n ? " − " : "−", of("E")(i), " · log ", of("H")(i)],
      ...[" − (1 − ", of("E")(i), ") · log(1 − ", of("H")(i), ")"],
    ]),
};
