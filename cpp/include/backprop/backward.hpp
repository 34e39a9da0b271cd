// The backward equations of the note (5.2):
//
//     grad_H_k = W_{k+1}^T grad_A_{k+1}
//     grad_A_k = grad_H_k o g'(A_k)
//     grad_W_k = grad_A_k H_{k-1}^T,   grad_b_k = grad_A_k 1_m
//
// grad_A needs the examples, grad_W the neurons: the first two are divided over threads by
// examples, the last two by rows of W. So a step needs two meetings of the threads, whatever its
// depth, and one more for each layer that is worth it (see count_layers_by_neurons).
#pragma once

#include "backprop/network.hpp"
#include "backprop/product.hpp"
#include "backprop/workspace.hpp"

BACKPROP_NAMESPACE_BEGIN

/// From grad_A_L down to grad_A_1 for a range of examples; grad_H_0 is never needed.
template <class T>
void backward(const Network<T>& net, Workspace<T>& ws, Slices slices, T* scratch) {
  const Layout& layout = net.layout();
  for (Index k = layout.n_layers() - 1; k >= 1; --k) {
    const Index n = layout.size(k);

    multiply<true>(net.W(k + 1), n, {0, n}, layout.size(k + 1), ws.grad_a(k + 1),
                   static_cast<const T*>(nullptr), ws.grad_a(k), slices, scratch,
                   [&](Index slice, Index packets, Index row, Index rows) {
                     const Index at = row * panel_width<T>;
                     T* grad = ws.grad_a(k).slice(slice) + at;
                     if (!ws.grad_H.empty())
                       copy_tile(grad, ws.grad_H[static_cast<std::size_t>(k - 1)].slice(slice) + at,
                                 rows, packets);
                     if (ws.slope(k).empty())
                       net.hidden(k).backward(ws.h(k).slice(slice) + at, grad, rows, packets);
                     else
                       multiply_by_slope(ws.slope(k).slice(slice) + at, grad, rows, packets);
                   });
  }
}

/// Rows [begin, end) of grad_W_k and grad_b_k: one task of the second half of a step.
struct RowBlock {
  Index k, begin, end;
};

/// Hands the gradient of a block, summed over m examples, to `rule` (see optimizer.hpp).
template <class T, class Rule>
void block_gradient(const Network<T>& net, Workspace<T>& ws, Index m, const RowBlock& block,
                    const Rule& rule) {
  const Layout& layout = net.layout();
  const auto [k, begin, end] = block;
  multiply_gradient(ws.grad_a(k), ws.h_features(k - 1), m, layout.size(k - 1), begin, end,
                    layout.w(k), rule);
  sum_gradient(ws.grad_a(k), ceil_div(m, lanes<T>), begin, end, layout.b(k), rule);
}

BACKPROP_NAMESPACE_END
