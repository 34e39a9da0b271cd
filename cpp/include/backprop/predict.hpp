// Forward only: predictions, the loss of a data set, and the short way for a single example.
#pragma once

#include <vector>

#include "backprop/forward.hpp"
#include "backprop/parallel.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Examples that pass through the network together when only outputs are wanted: memory stays flat
/// whatever the size of the data set.
constexpr Index examples_at_once = 512;

/// Passes a batch forward on as many of the threads as it is worth; calls then(slices) on each
/// range of examples when its A_L is there.
template <class T, class F>
void forward_in_parts(const Network<T>& net, Workspace<T>& ws, const Examples<T>& X,
                      const Batch& batch, int threads, const F& then) {
  const double work =
      2.0 * static_cast<double>(net.layout().n_parameters()) * static_cast<double>(batch.count);
  if (work < least_work_together) threads = 1;
  // More ranges than threads, so that one which lost its core leaves work to the others; but each
  // range reads all of W.
  constexpr Index least_slices = 8;
  const Index n_slices = ceil_div(batch.count, lanes<T>);
  const Index parts =
      threads == 1 ? 1 : std::min(n_slices, std::max<Index>(threads, n_slices / least_slices));
  forward_batch(net, ws, X, batch, parts, threads, [&](Slices slices, T*) { then(slices); });
}

/// Y_hat (m x p, rows are examples) for all of X, or A_L, its pre-activation.
template <class T>
void predict(const Network<T>& net, Workspace<T>& ws, const Examples<T>& X, int threads, T* Y_hat,
             bool activated = true) {
  const FlushDenormals flush;
  const Index p = net.layout().n_outputs(), L = net.layout().n_layers();
  ws.reserve_scratch(threads);
  for (Index begin = 0; begin < X.count; begin += ws.capacity) {
    const Batch batch{nullptr, begin, std::min(ws.capacity, X.count - begin)};
    forward_in_parts(net, ws, X, batch, threads, [&](Slices slices) {
      for (Index s = slices.begin; s < slices.end; ++s) {
        Panels<T>& output = ws.layer(L).H;
        if (activated) net.loss().predict(output.slice(s), p);
        const Index first = s * lanes<T>;
        unpack(output, p, first, std::min(lanes<T>, batch.count - first), Y_hat + begin * p);
      }
    });
  }
}

/// The mean loss over all of X.
template <class T>
double mean_loss(const Network<T>& net, Workspace<T>& ws, const Examples<T>& X, const Targets<T>& y,
                 int threads) {
  const FlushDenormals flush;
  const Index p = net.layout().n_outputs(), L = net.layout().n_layers();
  const double share = share_of_1(y, {nullptr, 0, X.count});
  ws.reserve_scratch(threads);
  double loss = 0;
  for (Index begin = 0; begin < X.count; begin += ws.capacity) {
    const Batch batch{nullptr, begin, std::min(ws.capacity, X.count - begin)};
    forward_in_parts(net, ws, X, batch, threads, [&](Slices slices) {
      for (Index s = slices.begin; s < slices.end; ++s)
        ws.loss[static_cast<std::size_t>(s)] = net.loss().differentiate(
            ws.layer(L).H.slice(s), gather_targets(y, batch, ws, s, p, share),
            ws.layer(L).grad_A.slice(s), p);
    });
    for (Index s = 0; s < ceil_div(batch.count, lanes<T>); ++s)
      loss += ws.loss[static_cast<std::size_t>(s)];
  }
  return loss;
}

/// Turns A_L into H_L = Y_hat and fills grad_H_L, the gradient w.r.t. y_hat (4.3.1): what the lean
/// pass never needs and a trace shows.
template <class T>
void finish_trace(const Network<T>& net, Workspace<T>& ws, const Targets<T>& y, Index m) {
  const Index p = net.layout().n_outputs(), L = net.layout().n_layers();
  Layer<T>& output = ws.layer(L);
  for (Index s = 0; s < ceil_div(m, lanes<T>); ++s) {
    net.loss().predict(output.H.slice(s), p);
    for (Index j = s * lanes<T>; j < std::min(m, (s + 1) * lanes<T>); ++j)
      for (Index i = 0; i < p; ++i) {
        const Index at = i * panel_width<T> + j % lanes<T>;
        const T target =
            y.labels ? T(y.labels[j * y.label_stride] == i)
                     : y.values.data[j * y.values.example_stride + i * y.values.feature_stride];
        output.grad_H.slice(s)[at] =
            ws.share[j] * net.loss().grad_output(output.H.slice(s)[at], target, p);
      }
  }
}

/// One example at a time: with one column there is nothing to share between lanes, so the sums run
/// along the rows of W instead.
template <class T>
class SingleExample {
 public:
  explicit SingleExample(const Network<T>& net) {
    const auto& sizes = net.layout().sizes();
    const Index widest = *std::max_element(sizes.begin(), sizes.end());
    const Index padded = ceil_div(widest, panel_width<T>) * panel_width<T>;
    h_ = Buffer<T>(padded);
    a_ = Buffer<T>(padded);
    output_ = Buffer<T>(net.layout().n_outputs() * panel_width<T>);
  }

  /// y_hat (p) of the example whose features lie feature_stride apart.
  void predict(const Network<T>& net, const T* x, Index feature_stride, T* y_hat) {
    using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
    using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const FlushDenormals flush;
    const Layout& layout = net.layout();
    const Index L = layout.n_layers(), p = layout.n_outputs();
    if (feature_stride != 1) {
      for (Index f = 0; f < layout.n_inputs(); ++f) h_[f] = x[f * feature_stride];
      x = h_.data();
    }
    for (Index k = 1; k <= L; ++k) {
      const Index n = layout.size(k);
      Eigen::Map<Vector> a(a_.data(), n);
      a = Eigen::Map<const Vector>(net.b(k), n);
      a.noalias() += Eigen::Map<const Rows>(net.W(k), n, layout.size(k - 1)) *
                     Eigen::Map<const Vector>(x, layout.size(k - 1));
      if (k < L) net.hidden(k).forward(a_.data(), nullptr, ceil_div(n, panel_width<T>), 2);
      std::swap(a_, h_);
      x = h_.data();
    }
    for (Index i = 0; i < p; ++i) output_[i * panel_width<T>] = h_[i];
    net.loss().predict(output_.data(), p);
    for (Index i = 0; i < p; ++i) y_hat[i] = output_[i * panel_width<T>];
  }

 private:
  Buffer<T> h_, a_, output_;
};

BACKPROP_NAMESPACE_END
