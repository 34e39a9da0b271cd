// A network with random weights and a random data set for it, ready for the engine and for the
// reference.
#pragma once

#include <memory>

#include "backprop/predict.hpp"
#include "backprop/trainer.hpp"
#include "reference.hpp"

namespace test {

struct Shape {
  std::vector<Index> layer_sizes;
  std::vector<std::string> hidden;
  std::string output;
  Index m;
  bool labels = false;
};

inline const char* matched_loss(const std::string& output) {
  for (const auto& pair : backprop::losses<double>)
    if (output == pair.output) return pair.name;
  FAIL("no loss for the output " << output);
  return "";
}

template <class T>
struct Problem {
  backprop::Network<T> net;
  Index m;
  std::vector<T> X, Y;                ///< one example after another
  std::vector<std::int64_t> classes;  ///< empty, or what y is instead of Y
  bool labels;

  Problem(const Shape& shape, Random& random)
      : net(shape.layer_sizes, shape.hidden, shape.output, matched_loss(shape.output)),
        m(shape.m),
        X(random.numbers<T>(m * shape.layer_sizes.front())),
        Y(random.numbers<T>(m * shape.layer_sizes.back(), 0, 1)),
        labels(shape.labels) {
    const backprop::Layout& layout = net.layout();
    for (Index k = 1; k <= layout.n_layers(); ++k) {
      const double bound = std::sqrt(6.0 / static_cast<double>(layout.size(k - 1)));
      for (Index i = layout.w(k); i < layout.b(k); ++i)
        net.theta()[i] = static_cast<T>(random.uniform(-bound, bound));
      for (Index i = 0; i < layout.size(k); ++i)
        net.theta()[layout.b(k) + i] = static_cast<T>(random.uniform(-0.5, 0.5));
    }
    for (Index j = 0; labels && j < m; ++j) {
      classes.push_back(random.below(layout.n_outputs()));
      for (Index i = 0; i < layout.n_outputs(); ++i)
        Y[static_cast<std::size_t>(j * layout.n_outputs() + i)] = T(i == classes.back());
    }
  }

  backprop::Examples<T> examples() const { return rows_of(X, net.layout().n_inputs()); }
  backprop::Targets<T> targets() const {
    if (labels) return {classes.data(), 1, {}};
    return {nullptr, 0, rows_of(Y, net.layout().n_outputs())};
  }

  Reference reference() const {
    using Columns = Matrix<T>;
    return Reference(
        net, Eigen::Map<const Columns>(X.data(), net.layout().n_inputs(), m).template cast<Real>(),
        Eigen::Map<const Columns>(Y.data(), net.layout().n_outputs(), m).template cast<Real>());
  }

  /// One pass over everything as a single batch, its gradient handed to `rule`.
  template <class Rule>
  double step(backprop::Workspace<T>& ws, int threads, const Rule& rule) {
    const backprop::FlushDenormals flush;
    ws.reserve_scratch(threads);
    return backprop::step(net, ws, backprop::row_blocks(net.layout()), examples(), targets(),
                          backprop::Batch{nullptr, 0, m}, threads, rule);
  }

  std::vector<T> theta() const { return {net.theta(), net.theta() + net.layout().n_parameters()}; }
};

/// A problem whose hidden pre-activations stay clear of ReLU's kink, where rounding may choose
/// another derivative than the reference.
template <class T>
std::unique_ptr<Problem<T>> problem_away_from_kinks(const Shape& shape, Random& random) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    auto problem = std::make_unique<Problem<T>>(shape, random);
    if (problem->reference().distance_from_kinks() > 100 * std::numeric_limits<T>::epsilon())
      return problem;
  }
  FAIL("no problem away from the kinks in 100 attempts");
  return nullptr;
}

}  // namespace test
