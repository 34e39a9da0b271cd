// The buffers of one mini-batch, layer by layer: allocated once, used by every step.
#pragma once

#include <vector>

#include "backprop/dropout.hpp"
#include "backprop/multiply.hpp"
#include "backprop/network.hpp"
#include "backprop/panels.hpp"

BACKPROP_NAMESPACE_BEGIN

/// What a workspace has room for:
///
///     level     H   Y, loss   grad_A, H by features, slopes   grad_H_0   A, grad_H of all layers
///     output    x
///     loss      x   x         grad_A_L only
///     gradient  x   x         x
///     inputs    x   x         x                               x
///     trace     x   x         x                               x          x
enum class Keep { output, loss, gradient, inputs, trace };

/// Layer k of a batch. What a level does not keep is empty.
template <class T>
struct Layer {
  Panels<T> H;           ///< H_k in panels of examples, as W_{k+1} H_k reads it; H_L holds A_L
  Panels<T> H_features;  ///< H_k in panels of features, as grad_A_{k+1} H_k^T reads it (k < L)
  Panels<T> grad_A;      ///< in panels of examples (k > 0)
  Panels<T> slope;       ///< g'(A_k), where H_k does not tell it, times the mask of dropout
  Panels<T> A, grad_H;   ///< for a trace; grad_H_0 also for the gradient w.r.t. the inputs
  Dropout mask;          ///< of the present step
};

template <class T>
struct Workspace {
  /// `dropout`: whether there will be masks, which the slopes carry.
  Workspace(const Network<T>& net, Index capacity_, Keep keep_, bool dropout = false)
      : capacity(capacity_),
        keep(keep_),
        layers(static_cast<std::size_t>(net.layout().n_layers()) + 1) {
    const Layout& layout = net.layout();
    const Index L = layout.n_layers(), n_0 = layout.n_inputs();
    const bool gradient = keep >= Keep::gradient, trace = keep == Keep::trace;
    layer(0).H_features = Panels<T>(capacity, n_0);
    layer(0).H = Panels<T>(n_0, capacity);
    if (keep >= Keep::inputs) layer(0).grad_H = Panels<T>(n_0, capacity);
    for (Index k = 1; k <= L; ++k) {
      const Index n = layout.size(k);
      Layer<T>& at_k = layer(k);
      at_k.H = Panels<T>(n, capacity);
      if (gradient || (keep == Keep::loss && k == L)) at_k.grad_A = Panels<T>(n, capacity);
      if (gradient && k < L) at_k.H_features = Panels<T>(capacity, n);
      if (gradient && k < L && (dropout || net.hidden(k).backward == nullptr))
        at_k.slope = Panels<T>(n, capacity);
      if (trace) at_k.A = Panels<T>(n, capacity);
      if (trace) at_k.grad_H = Panels<T>(n, capacity);
    }
    if (keep == Keep::output) return;
    const Index padded = ceil_div(capacity, panel_width<T>) * panel_width<T>;
    targets = Panels<T>(layout.n_outputs(), capacity);
    labels.resize(static_cast<std::size_t>(padded));
    share = Buffer<T>(padded);
    loss.resize(static_cast<std::size_t>(padded / lanes<T>));
  }

  Layer<T>& layer(Index k) { return layers[static_cast<std::size_t>(k)]; }

  /// One scratch a thread for packed tiles; call before the threads start.
  void reserve_scratch(int threads) {
    while (static_cast<int>(scratch.size()) < threads) scratch.emplace_back(scratch_size<T>);
  }

  Index capacity;  ///< examples there is room for
  Keep keep;
  std::vector<Layer<T>> layers;      ///< 0 .. L
  Panels<T> targets;                 ///< Y in panels of examples, where there are no labels
  std::vector<std::int32_t> labels;  ///< the class of each example
  Buffer<T> share;                   ///< each example's part of the mean
  std::vector<double> loss;          ///< each slice's part of the loss
  std::vector<Buffer<T>> scratch;
};

BACKPROP_NAMESPACE_END
