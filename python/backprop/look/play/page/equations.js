// The equations of sections 5.2 and 6.1, one function each, in the order they are applied.
// A matrix is an array of rows; examples stand in columns, as in the note. Layers count from 1, so
// the list of a family of matrices has an empty place 0 (but H[0] is X). Nothing here knows a page.
"use strict";

const range = (n) => Array.from({ length: n }, (_, i) => i);
const sum = (values) => values.reduce((total, value) => total + value, 0);
const matrix = (rows, columns, entry) =>
  range(rows).map((i) => range(columns).map((j) => entry(i, j)));
const map = (M, f) => M.map((row, i) => row.map((value, j) => f(value, i, j)));
const column = (M, j) => M.map((row) => row[j]);

// g and g', the derivatives written from the output h = g(a) as in 6.1. At a = 0 ReLU counts as flat.
const ACTIVATIONS = {
  relu: { g: (a) => (a > 0 ? a : 0), slope: (h) => (h > 0 ? 1 : 0) },
  sigmoid: { g: sigmoid, slope: (h) => h * (1 - h) },
  tanh: { g: Math.tanh, slope: (h) => 1 - h * h },
  linear: { g: (a) => a, slope: () => 1 },
};

// O of one column, all of them safe from overflow.
const OUTPUTS = { softmax, linear: (a) => a, sigmoid: (a) => a.map(sigmoid) };

// The loss of one example from its column a of A_L and its targets t, and ∂loss/∂ŷ (4.3.1). Never a
// logarithm of a rounded ŷ: cross-entropy is a log-sum-exp, binary cross-entropy a softplus.
const LOSSES = {
  cross_entropy: {
    value: (a, t) => sum(a.map((a_i, i) => t[i] * (logSumExp(a) - a_i))),
    slope: (y, t) => (t === 0 ? 0 : -t / y),
  },
  squared_error: {
    value: (a, t) => sum(a.map((a_i, i) => (a_i - t[i]) ** 2)) / 2,
    slope: (y, t) => y - t,
  },
  binary_cross_entropy: {
    value: (a, t) => sum(a.map((a_i, i) => t[i] * softplus(-a_i) + (1 - t[i]) * softplus(a_i))),
    slope: (y, t) => (t === 1 ? 0 : (1 - t) / (1 - y)) - (t === 0 ? 0 : t / y),
  },
};

function sigmoid(a) {
  return a >= 0 ? 1 / (1 + Math.exp(-a)) : Math.exp(a) / (1 + Math.exp(a));
}

function softplus(a) {
  return Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));
}

function logSumExp(a) {
  const largest = Math.max(...a);
  return largest + Math.log(sum(a.map((a_i) => Math.exp(a_i - largest))));
}

function softmax(a) {
  const largest = Math.max(...a);
  const exponentials = a.map((a_i) => Math.exp(a_i - largest));
  const total = sum(exponentials);
  return exponentials.map((e) => e / total);
}

// --- forward ------------------------------------------------------------------------------------

// A_k = W_k H_{k-1} + b_k 1ᵀ
function preActivation(W_k, H_below, b_k) {
  return matrix(W_k.length, H_below[0].length, (i, j) =>
    W_k[i].reduce((total, w, q) => total + w * H_below[q][j], b_k[i]),
  );
}

// H_k = g_k(A_k)
function activation(A_k, g) {
  return map(A_k, g);
}

// Ŷ = O(A_L), column by column
function output(A_L, O) {
  const columns = range(A_L[0].length).map((j) => O(column(A_L, j)));
  return matrix(A_L.length, columns.length, (i, j) => columns[j][i]);
}

// The loss of each example; 𝓛 is their mean (3)
function losses(A_L, E, value) {
  return range(A_L[0].length).map((j) => value(column(A_L, j), column(E, j)));
}

// --- backward -----------------------------------------------------------------------------------

// ∇Ŷ = 1/m ∂loss/∂ŷ, for a class l: -(1/ŷ_l) e_l (4.3.1)
function gradYHat(Y_hat, E, slope) {
  return map(Y_hat, (y, i, j) => slope(y, E[i][j]) / E[0].length);
}

// ∇A_L = 1/m (Ŷ - E), for every output with its own loss
function gradAOutput(Y_hat, E) {
  return map(Y_hat, (y, i, j) => (y - E[i][j]) / E[0].length);
}

// ∇H_k = W_{k+1}ᵀ ∇A_{k+1}
function gradH(W_above, grad_A_above) {
  return matrix(W_above[0].length, grad_A_above[0].length, (i, j) =>
    sum(W_above.map((row, q) => row[i] * grad_A_above[q][j])),
  );
}

// ∇A_k = ∇H_k ⊙ g'(A_k)
function gradA(grad_H_k, H_k, slope) {
  return map(grad_H_k, (grad, i, j) => grad * slope(H_k[i][j]));
}

// ∇W_k = ∇A_k H_{k-1}ᵀ
function gradW(grad_A_k, H_below) {
  return matrix(grad_A_k.length, H_below.length, (i, j) =>
    sum(grad_A_k[i].map((grad, q) => grad * H_below[j][q])),
  );
}

// ∇b_k = ∇A_k 1_m
function gradB(grad_A_k) {
  return grad_A_k.map(sum);
}

// θ ← θ - η ∇θ
function gradientDescent(theta, gradient, lr) {
  return {
    W: theta.W.map((W_k, k) => W_k && map(W_k, (w, i, j) => w - lr * gradient.grad_W[k][i][j])),
    b: theta.b.map((b_k, k) => b_k && b_k.map((b, i) => b - lr * gradient.grad_b[k][i])),
  };
}

// --- both passes ---------------------------------------------------------------------------------

function forwardPass(theta, X, names) {
  const L = theta.W.length - 1;
  const A = [null];
  const H = [X];
  for (let k = 1; k <= L; k++) {
    A[k] = preActivation(theta.W[k], H[k - 1], theta.b[k]);
    H[k] =
      k < L
        ? activation(A[k], ACTIVATIONS[names.hidden[k - 1]].g)
        : output(A[k], OUTPUTS[names.output]);
  }
  return { A, H };
}

function backwardPass(theta, { A, H }, E, names) {
  const L = theta.W.length - 1;
  const ell = LOSSES[names.loss];
  const [grad_A, grad_H, grad_W, grad_b] = [[null], [null], [null], [null]];
  for (let k = L; k >= 1; k--) {
    grad_H[k] = k < L ? gradH(theta.W[k + 1], grad_A[k + 1]) : gradYHat(H[L], E, ell.slope);
    grad_A[k] =
      k < L ? gradA(grad_H[k], H[k], ACTIVATIONS[names.hidden[k - 1]].slope) : gradAOutput(H[L], E);
    grad_W[k] = gradW(grad_A[k], H[k - 1]);
    grad_b[k] = gradB(grad_A[k]);
  }
  const each = losses(A[L], E, ell.value);
  return { losses: each, loss: sum(each) / each.length, grad_A, grad_H, grad_W, grad_b };
}
