// The forward equations of the note (docs/note.md, 5.2): A_k = W_k H_{k-1} + b_k 1^T, H_k =
// g_k(A_k), and how they are divided over threads.
#pragma once

#include "backprop/gather.hpp"
#include "backprop/multiply.hpp"
#include "backprop/network.hpp"
#include "backprop/parallel.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Keeps a tile of one of the working buffers, for a trace.
template <class T>
void copy_tile(const T* from, T* to, Index rows, Index packets) {
  for (Index r = 0; r < rows; ++r)
    std::copy_n(from + r * panel_width<T>, packets * lanes<T>, to + r * panel_width<T>);
}

/// Rows of A_k, and of H_k = g(A_k), for a range of examples. H_L receives A_L: the output
/// activation belongs to the loss, which works from A_L.
template <class T>
void forward_layer(const Network<T>& net, Workspace<T>& ws, Index k, Rows rows, Slices slices,
                   T* scratch) {
  const Index n = net.layout().size(k - 1);
  Layer<T>& layer = ws.layer(k);
  multiply<false>(net.W(k), n, rows, n, ws.layer(k - 1).H, net.b(k), layer.H, slices, scratch,
                  [&](Index slice, Index packets, Index row, Index count) {
                    const Index at = row * panel_width<T>;
                    T* a = layer.H.slice(slice) + at;
                    if (!layer.A.empty()) copy_tile(a, layer.A.slice(slice) + at, count, packets);
                    T* slope = layer.slope.empty() ? nullptr : layer.slope.slice(slice) + at;
                    if (k == net.layout().n_layers()) return;
                    net.hidden(k).forward(a, slope, count, packets);
                    if (layer.mask.drops()) layer.mask.apply(a, slope, slice, packets, row, count);
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
        to_features(ws.layer(k).H, layout.size(k), ws.layer(k).H_features, s);
  }
}

/// At most so many tasks share the rows of one layer.
constexpr Index most_row_tasks = 16;

/// Into how many tasks rows are cut: about as many as they have tiles, in pairs for two threads.
inline Index count_row_tasks(Index rows, Index most) {
  const Index tiles = ceil_div(rows, max_tile_rows);
  return std::max<Index>(1, std::min(tiles == 1 ? 1 : tiles + tiles % 2, most));
}

/// How many layers, from the first on, are divided over threads by neurons instead of examples: up
/// to the last that has more weights than numbers in H_{k-1} and A_k. Then each thread keeps the
/// rows of W that it updates, and activations are what moves between cores.
inline Index count_layers_by_neurons(const Layout& layout, Index m) {
  Index k = layout.n_layers() - 1;
  while (k > 0 && layout.size(k - 1) * layout.size(k) <= m * (layout.size(k - 1) + layout.size(k)))
    --k;
  return k;
}

/// From the examples to H_k of the layers 1 .. n, each divided over threads by neurons.
template <class T>
void forward_by_neurons(const Network<T>& net, Workspace<T>& ws, const Examples<T>& X,
                        const Batch& batch, Index n, int threads) {
  ThreadPool& pool = ThreadPool::instance();
  const Slices slices{0, ceil_div(batch.count, lanes<T>)};
  pool.run(slices.end, threads, [&](Index slice, int) { gather_examples(X, batch, ws, slice); });
  for (Index k = 1; k <= n; ++k) {
    const Index rows = net.layout().size(k);
    const Index tasks = count_row_tasks(rows, std::max<Index>(most_row_tasks, threads));
    pool.run(tasks, threads, [&](Index task, int thread) {
      forward_layer(net, ws, k, {task * rows / tasks, (task + 1) * rows / tasks}, slices,
                    ws.scratch[static_cast<std::size_t>(thread)].data());
    });
  }
}

/// Brings a batch in and passes it forward; calls then(slices, scratch) on each of `parts` ranges
/// of examples when its A_L is there.
template <class T, class F>
void forward_batch(const Network<T>& net, Workspace<T>& ws, const Examples<T>& X,
                   const Batch& batch, Index parts, int threads, const F& then) {
  const Index n_slices = ceil_div(batch.count, lanes<T>);
  const Index done = threads > 1 ? count_layers_by_neurons(net.layout(), batch.count) : 0;
  if (done > 0) forward_by_neurons(net, ws, X, batch, done, threads);
  ThreadPool::instance().run(parts, threads, [&](Index part, int thread) {
    const Slices slices = slice_range(n_slices, parts, part);
    T* scratch = ws.scratch[static_cast<std::size_t>(thread)].data();
    if (done == 0)
      for (Index s = slices.begin; s < slices.end; ++s) gather_examples(X, batch, ws, s);
    forward(net, ws, slices, scratch, done);
    then(slices, scratch);
  });
}

BACKPROP_NAMESPACE_END
