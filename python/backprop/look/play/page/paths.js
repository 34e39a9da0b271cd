// Who is responsible for the loss of one example? The derivative w.r.t. one weight as the sum, over
// all paths from it up to the loss, of a product of factors (4.1, 4.2, 4.3.2):
//   ∂𝓛/∂W_k[i, j] = Σ ∂𝓛/∂a_L · ∏ W_{q+1} g'(a_q) · h_{k-1}[j]
"use strict";

// g'(a_q) of every unit, for one example: columns[q][u].
function slopes(H, hidden) {
  return hidden.map((name, n) => column(H[n + 1], 0).map(ACTIVATIONS[name].slope));
}

// `pass` is both passes over the one example, `weight` {k, i, j} counts units from 0. At most
// `limit` paths are listed, the strongest first; sum, number and magnitude are of all.
function followPaths(theta, pass, names, { k, i, j }, limit) {
  const L = theta.W.length - 1;
  const g_slope = [null, ...slopes(pass.H, names.hidden)];
  const h = pass.H[k - 1][j][0];
  const strongest = (paths) =>
    paths.sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, limit);

  // From the loss down to a_k[i]. A path among the strongest of a unit goes on from one of the
  // strongest of a unit above, so that no list need ever be longer than the limit.
  let level = column(pass.grad_A[L], 0).map((grad, u) => ({
    paths: [{ units: [u], value: grad }],
    total: grad,
    magnitude: Math.abs(grad),
  }));
  for (let q = L - 1; q >= k; q--) {
    level = g_slope[q].map((slope, u) => {
      const factor = theta.W[q + 1].map((row) => row[u] * slope);
      return {
        paths: strongest(
          level.flatMap((unit, v) =>
            unit.paths.map(({ units, value }) => ({
              units: [u, ...units],
              value: value * factor[v],
            })),
          ),
        ),
        total: sum(level.map((unit, v) => unit.total * factor[v])),
        magnitude: sum(level.map((unit, v) => unit.magnitude * Math.abs(factor[v]))),
      };
    });
  }
  const { paths, total, magnitude } = level[i];
  return {
    paths: paths.map(({ units, value }) => ({
      units,
      value: value * h,
      share: magnitude === 0 ? 0 : Math.abs(value) / magnitude,
    })),
    n_paths: theta.W.slice(k + 1).reduce((n, W_q) => n * W_q.length, 1),
    total: total * h,
    magnitude: magnitude * Math.abs(h),
    flow: flows(theta, pass, g_slope, { k, i }, h),
  };
}

// flow[q][v][u]: the part of the derivative whose paths run over the weight W_q[v, u], q > k.
function flows(theta, pass, g_slope, { k, i }, h) {
  const L = theta.W.length - 1;
  const flow = [];
  // ∂a_q/∂a_k[i], from a_k[i] up.
  let response = theta.W[k].map((_, u) => (u === i ? 1 : 0));
  for (let q = k + 1; q <= L; q++) {
    const below = response.map((r, u) => r * g_slope[q - 1][u]);
    flow[q] = map(theta.W[q], (w, v, u) => pass.grad_A[q][v][0] * w * below[u] * h);
    response = theta.W[q].map((row) => sum(row.map((w, u) => w * below[u])));
  }
  return flow;
}
