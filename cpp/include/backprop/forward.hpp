// The forward equations of the note (5.2): A_k = W_k H_{k-1} + b_k 1^T, H_k = g_k(A_k).
#pragma once

#include "backprop/network.hpp"
#include "backprop/product.hpp"
#include "backprop/workspace.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Rows of A_k, and of H_k = g(A_k), for a range of examples. H_L receives A_L: the output
/// activation belongs to the loss, which works from A_L.
template <class T>
void forward_layer(const Network<T>& net, Workspace<T>& ws, Index k, Rows rows, Slices slices,
                   T* scratch) {
  const Index n = net.layout().size(k - 1);
  multiply<false>(net.W(k), n, rows, n, ws.h(k - 1), net.b(k), ws.h(k), slices, scratch,
                  [&](Index slice, Index packets, Index row, Index count) {
                    const Index at = row * panel_width<T>;
                    T* a = ws.h(k).slice(slice) + at;
                    if (!ws.A.empty())
                      copy_tile(a, ws.A[static_cast<std::size_t>(k - 1)].slice(slice) + at, count,
                                packets);
                    T* slope = ws.slope(k).empty() ? nullptr : ws.slope(k).slice(slice) + at;
                    if (k == net.layout().n_layers()) return;
                    net.hidden(k).forward(a, slope, count, packets);
                    if (ws.mask(k).drops()) ws.mask(k).apply(a, slope, slice, packets, row, count);
                  });
}

/// From H_0 to A_L for a range of examples, where the first `done` layers of it are there already.
template <class T>
void forward(const Network<T>& net, Workspace<T>& ws, Slices slices, T* scratch, Index done = 0) {
  const Layout& layout = net.layout();
  const Index L = layout.n_layers();
  for (Index k = 1; k <= L; ++k) {
    if (k > done) forward_layer(net, ws, k, {0, layout.size(k)}, slices, scratch);
    if (k < L && ws.keep >= Keep::gradient)
      for (Index s = slices.begin; s < slices.end; ++s)
        to_features(ws.h(k), layout.size(k), ws.h_features(k), s);
  }
}

BACKPROP_NAMESPACE_END
