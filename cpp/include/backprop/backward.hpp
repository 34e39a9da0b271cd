// The backward equations of the note (docs/note.md, 5.2):
//
//     grad_H_k = W_{k+1}^T grad_A_{k+1}
//     grad_A_k = grad_H_k o g'(A_k)
//     grad_W_k = grad_A_k H_{k-1}^T,   grad_b_k = grad_A_k 1_m
//
// grad_A needs the examples, grad_W the neurons: the first two are divided over threads by
// examples, the last two by rows of W. So a step needs two meetings of the threads, whatever its
// depth, and one more for each layer that is worth it (see count_layers_by_neurons).
#pragma once

#include <vector>

#include "backprop/forward.hpp"
#include "backprop/gradient_product.hpp"

BACKPROP_NAMESPACE_BEGIN

/// From grad_A_L down to grad_A_1 for a range of examples, and to grad_H_0, the gradient with
/// respect to X, where the workspace has room for it.
template <class T>
void backward(const Network<T>& net, Workspace<T>& ws, Slices slices, T* scratch) {
  const Layout& layout = net.layout();
  const T* const no_bias = nullptr;
  for (Index k = layout.n_layers() - 1; k >= 1; --k) {
    const Index n = layout.size(k);
    Layer<T>& layer = ws.layer(k);
    multiply<true>(net.W(k + 1), n, {0, n}, layout.size(k + 1), ws.layer(k + 1).grad_A, no_bias,
                   layer.grad_A, slices, scratch,
                   [&](Index slice, Index packets, Index row, Index rows) {
                     const Index at = row * panel_width<T>;
                     T* grad = layer.grad_A.slice(slice) + at;
                     if (!layer.grad_H.empty())
                       copy_tile(grad, layer.grad_H.slice(slice) + at, rows, packets);
                     if (layer.slope.empty())
                       net.hidden(k).backward(layer.H.slice(slice) + at, grad, rows, packets);
                     else
                       multiply_by_slope(layer.slope.slice(slice) + at, grad, rows, packets);
                   });
  }
  if (ws.layer(0).grad_H.empty()) return;
  const Index n = layout.n_inputs();
  multiply<true>(net.W(1), n, {0, n}, layout.size(1), ws.layer(1).grad_A, no_bias,
                 ws.layer(0).grad_H, slices, scratch, [](Index, Index, Index, Index) {});
}

/// Rows [begin, end) of W_k and b_k: what one task of the second half of a step works on.
struct RowBlock {
  Index k, begin, end;
};

/// Cuts the layers into blocks of rows of similar cost: enough for threads to share evenly, few
/// enough that each reads its operands from cache.
inline std::vector<RowBlock> row_blocks(const Layout& layout) {
  const Index cost = ceil_div(layout.n_parameters(), most_row_tasks);
  std::vector<RowBlock> blocks;
  for (Index k = 1; k <= layout.n_layers(); ++k) {
    const Index rows = layout.size(k);
    const Index n = count_row_tasks(rows, rows * layout.size(k - 1) / cost);
    for (Index i = 0; i < n; ++i) blocks.push_back({k, i * rows / n, (i + 1) * rows / n});
  }
  return blocks;
}

/// Hands the gradient of a block, summed over m examples, to sinks, one for W and one for b.
template <class T, class SinkOfW, class SinkOfB>
void block_gradient(const Network<T>& net, Workspace<T>& ws, Index m, const RowBlock& block,
                    SinkOfW& of_W, SinkOfB& of_b) {
  const Layout& layout = net.layout();
  const Rows rows{block.begin, block.end};
  const Panels<T>& grad_A = ws.layer(block.k).grad_A;
  gradient_product(grad_A, ws.layer(block.k - 1).H_features, m, layout.size(block.k - 1), rows,
                   layout.w(block.k), of_W);
  gradient_sum(grad_A, ceil_div(m, lanes<T>), rows, layout.b(block.k), of_b);
}

BACKPROP_NAMESPACE_END
