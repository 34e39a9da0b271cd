// A step in three calls:
//
//     gradient = backward_batch(batch)       forward, loss and backward, the gradient in memory
//     a stage in between                     (see between.hpp)
//     updater.update(gradient)               (see updater.hpp)
//
// Where nothing stands in between, the last halves of the first call and of the last are one:
// differentiate(batch), then updater.multiply_and_update. This is a shortcut with bitwise the same
// result, in which the gradient never leaves the registers.
#pragma once

#include <cmath>
#include <functional>

#include "backprop/backward.hpp"
#include "backprop/between.hpp"
#include "backprop/parallel.hpp"

BACKPROP_NAMESPACE_BEGIN

/// A loss that the caller differentiates: from A_L (m, p) of a batch, one example after another, it
/// fills the loss of each example (m) and the derivatives of that loss with respect to A_L (m, p).
template <class T>
using CustomLoss = std::function<void(const T* A_L, const Batch& batch, double* loss, T* grad_A_L)>;

/// What such a loss reads and writes.
template <class T>
struct OutputBuffers {
  Buffer<T> A_L, grad_A_L;  ///< (m, p)
  Buffer<double> losses;    ///< (m,)

  void reserve(Index m, Index p) {
    if (losses.size() >= m) return;
    A_L = Buffer<T>(m * p);
    grad_A_L = Buffer<T>(m * p);
    losses = Buffer<double>(m);
  }
};

/// Into how many ranges of examples a batch is cut. A small network works on a few panels at a
/// time, from input to gradient while they are in cache; a large one on as many as possible, since
/// it reads all of W for each range.
inline Index count_parts(const Layout& layout, std::size_t scalar_size, Index n_slices,
                         int threads) {
  constexpr Index slices_at_once = 16;
  const Index bytes = layout.n_parameters() * static_cast<Index>(scalar_size);
  const Index wanted = bytes <= largest_in_place ? ceil_div(n_slices, slices_at_once) : 1;
  return std::min(ceil_div(wanted, threads) * threads, n_slices);
}

/// Forward, loss and backward down to grad_A_1; returns the mean loss of the batch.
template <class T>
double differentiate(const Network<T>& net, Workspace<T>& ws, const Examples<T>& X,
                     const Targets<T>& y, const Batch& batch, int threads) {
  const Index L = net.layout().n_layers(), p = net.layout().n_outputs();
  const Index n_slices = ceil_div(batch.count, lanes<T>);
  const double share = share_of_1(y, batch);
  const Index parts = count_parts(net.layout(), sizeof(T), n_slices, threads);
  forward_batch(net, ws, X, batch, parts, threads, [&](Slices slices, T* scratch) {
    Layer<T>& output = ws.layer(L);
    for (Index s = slices.begin; s < slices.end; ++s)
      ws.loss[static_cast<std::size_t>(s)] = net.loss().differentiate(
          output.H.slice(s), gather_targets(y, batch, ws, s, p, share), output.grad_A.slice(s), p);
    backward(net, ws, slices, scratch);
  });
  double loss = 0;
  for (Index s = 0; s < n_slices; ++s) loss += ws.loss[static_cast<std::size_t>(s)];
  return loss;
}

/// From grad_A_L of a whole batch, which somebody else has filled, down to grad_A_1.
template <class T>
void backward_from_output(const Network<T>& net, Workspace<T>& ws, Index m, int threads) {
  const Index n_slices = ceil_div(m, lanes<T>);
  const Index parts = count_parts(net.layout(), sizeof(T), n_slices, threads);
  ThreadPool::instance().run(parts, threads, [&](Index part, int thread) {
    backward(net, ws, slice_range(n_slices, parts, part),
             ws.scratch[static_cast<std::size_t>(thread)].data());
  });
}

/// Forward to A_L of a whole batch.
template <class T>
void forward_to_output(const Network<T>& net, Workspace<T>& ws, const Examples<T>& X,
                       const Batch& batch, int threads) {
  const Index parts =
      count_parts(net.layout(), sizeof(T), ceil_div(batch.count, lanes<T>), threads);
  forward_batch(net, ws, X, batch, parts, threads, [](Slices, T*) {});
}

/// The same as differentiate, for a loss of the caller's, which is called once, on this thread.
template <class T>
double differentiate_custom(const Network<T>& net, Workspace<T>& ws, const Examples<T>& X,
                            const Targets<T>& y, const Batch& batch, int threads,
                            const CustomLoss<T>& custom, OutputBuffers<T>& outputs) {
  const Index L = net.layout().n_layers(), p = net.layout().n_outputs(), m = batch.count;
  forward_to_output(net, ws, X, batch, threads);
  unpack(ws.layer(L).H, p, 0, m, outputs.A_L.data());
  custom(outputs.A_L.data(), batch, outputs.losses.data(), outputs.grad_A_L.data());
  const double share = share_of_1(y, batch);
  double loss = 0;
  for (Index j = 0; j < m; ++j) {
    const double weight =
        y.weights ? static_cast<double>(y.weights[batch[j] * y.weight_stride]) : 1.0;
    loss += weight * share * outputs.losses[j];
    for (Index i = 0; i < p; ++i) outputs.grad_A_L[j * p + i] *= static_cast<T>(weight * share);
  }
  pack(outputs.grad_A_L.data(), p, m, ws.layer(L).grad_A);
  backward_from_output(net, ws, m, threads);
  return loss;
}

/// Writes the gradient of blocks [begin, end) to `values`, in theta's layout, for a batch of m
/// examples whose grad_A are there.
template <class T>
void write_blocks(const Network<T>& net, Workspace<T>& ws, const RowBlock* begin,
                  const RowBlock* end, Index m, T* values, int threads) {
  const StoreGradient<T> sink{values};
  ThreadPool::instance().run(end - begin, threads, [&](Index task, int) {
    block_gradient(net, ws, m, begin[task], sink, sink);
  });
}

/// Writes the whole gradient.
template <class T>
void write_gradient(const Network<T>& net, Workspace<T>& ws, const std::vector<RowBlock>& blocks,
                    Index m, T* values, int threads) {
  write_blocks(net, ws, blocks.data(), blocks.data() + blocks.size(), m, values, threads);
}

/// The same layer by layer, the last first; calls then(k) when the values of layer k are final.
template <class T, class F>
void write_gradient_by_layer(const Network<T>& net, Workspace<T>& ws,
                             const std::vector<RowBlock>& blocks, Index m, T* values, int threads,
                             F&& then) {
  const RowBlock* end = blocks.data() + blocks.size();
  while (end != blocks.data()) {
    const Index k = (end - 1)->k;
    const RowBlock* begin = end - 1;
    while (begin != blocks.data() && (begin - 1)->k == k) --begin;
    write_blocks(net, ws, begin, end, m, values, threads);
    then(k);
    end = begin;
  }
}

/// The whole of X as one batch: the mean loss, and its gradient into `values` (n_parameters), NaN
/// where the loss is not finite.
template <class T>
double loss_and_gradient(const Network<T>& net, Workspace<T>& ws, const Examples<T>& X,
                         const Targets<T>& y, int threads, T* values) {
  const FlushDenormals flush;
  ws.reserve_scratch(threads);
  const double loss = differentiate(net, ws, X, y, Batch{nullptr, 0, X.count}, threads);
  if (std::isfinite(loss))
    write_gradient(net, ws, row_blocks(net.layout()), X.count, values, threads);
  else
    std::fill_n(values, net.layout().n_parameters(), std::numeric_limits<T>::quiet_NaN());
  return loss;
}

/// What the derivatives that a caller gives are taken with respect to.
enum class Derivative { of_A, of_Y_hat };

/// The gradient of a function of the output over the whole of X, into `values` (n_parameters)
/// unless that is null. `grad` (m, p) are the function's derivatives with respect to A_L or Y_hat.
template <class T>
void gradient_from_output(const Network<T>& net, Workspace<T>& ws, const Examples<T>& X,
                          const T* grad, Derivative given, int threads, T* values) {
  const FlushDenormals flush;
  ws.reserve_scratch(threads);
  const Index L = net.layout().n_layers(), p = net.layout().n_outputs(), m = X.count;
  forward_to_output(net, ws, X, Batch{nullptr, 0, m}, threads);
  Layer<T>& output = ws.layer(L);
  pack(grad, p, m, output.grad_A);
  if (given == Derivative::of_Y_hat)
    for (Index s = 0; s < ceil_div(m, lanes<T>); ++s) {
      net.loss().predict(output.H.slice(s), p);
      net.loss().chain(output.H.slice(s), output.grad_A.slice(s), p);
    }
  backward_from_output(net, ws, m, threads);
  if (values != nullptr) write_gradient(net, ws, row_blocks(net.layout()), m, values, threads);
}

/// d(Y_hat)/d(x) of each example, to J[(j p + i) n_0 + f], for a workspace that keeps inputs: one
/// forward pass, and a backward pass for each output.
template <class T>
void jacobian(const Network<T>& net, Workspace<T>& ws, const Examples<T>& X, int threads, T* J) {
  const FlushDenormals flush;
  ws.reserve_scratch(threads);
  const Index L = net.layout().n_layers(), p = net.layout().n_outputs();
  const Index n = net.layout().n_inputs();
  Layer<T>& output = ws.layer(L);
  for (Index begin = 0; begin < X.count; begin += ws.capacity) {
    const Index m = std::min(ws.capacity, X.count - begin), slices = ceil_div(m, lanes<T>);
    forward_to_output(net, ws, X, Batch{nullptr, begin, m}, threads);
    for (Index s = 0; s < slices; ++s) net.loss().predict(output.H.slice(s), p);
    for (Index i = 0; i < p; ++i) {
      for (Index s = 0; s < slices; ++s) {
        T* grad = output.grad_A.slice(s);
        for (Index row = 0; row < p; ++row)
          store(grad + row * panel_width<T>, Packet<T>(row == i ? T(1) : T(0)));
        net.loss().chain(output.H.slice(s), grad, p);
      }
      backward_from_output(net, ws, m, threads);
      for (Index j = 0; j < m; ++j) {
        const T* from = ws.layer(0).grad_H.slice(j / lanes<T>) + j % lanes<T>;
        T* to = J + ((begin + j) * p + i) * n;
        for (Index f = 0; f < n; ++f) to[f] = from[f * panel_width<T>];
      }
    }
  }
}

BACKPROP_NAMESPACE_END
