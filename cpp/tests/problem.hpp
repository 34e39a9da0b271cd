// A network with random weights and a random data set for it, ready for the engine and for the
// reference.
#pragma once

#include <memory>
#include <numeric>

#include "backprop/predict.hpp"
#include "backprop/trainer.hpp"
#include "reference.hpp"

namespace test {

struct Shape {
  std::vector<Index> layer_sizes;
  std::vector<std::string> hidden;
  std::string output, loss;
  Index m;
  bool labels = false;
  bool weights = false;

  std::string described() const {
    std::string out = output + " " + loss + (labels ? " labels, " : ", ");
    for (const Index size : layer_sizes) out += std::to_string(size) + "-";
    for (const auto& g : hidden) out += g + "-";
    return out + "m=" + std::to_string(m);
  }
};

template <class T>
struct Problem {
  backprop::Network<T> net;
  Index m;
  std::vector<T> X, Y;                ///< one example after another
  std::vector<std::int64_t> classes;  ///< what y is, instead of Y, where there are labels
  std::vector<T> weights;             ///< or empty

  Problem(const Shape& shape, Random& random)
      : net(shape.layer_sizes, shape.hidden, shape.output, shape.loss),
        m(shape.m),
        X(random.numbers<T>(m * shape.layer_sizes.front())),
        Y(random.numbers<T>(m * shape.layer_sizes.back(), 0, 1)) {
    const backprop::Layout& layout = net.layout();
    for (Index k = 1; k <= layout.n_layers(); ++k) {
      const double bound = std::sqrt(3.0 / static_cast<double>(layout.size(k - 1)));
      for (Index i = layout.w(k); i < layout.b(k); ++i)
        net.theta()[i] = static_cast<T>(random.uniform(-bound, bound));
      for (Index i = 0; i < layout.size(k); ++i)
        net.theta()[layout.b(k) + i] = static_cast<T>(random.uniform(-0.5, 0.5));
    }
    for (Index j = 0; shape.labels && j < m; ++j) {
      classes.push_back(random.below(layout.n_outputs()));
      for (Index i = 0; i < layout.n_outputs(); ++i)
        Y[static_cast<std::size_t>(j * layout.n_outputs() + i)] = T(i == classes.back());
    }
    if (shape.weights) {
      weights = random.numbers<T>(m, 0, 2);
      weights.front() = m > 1 ? T(0) : T(3);
    }
  }

  backprop::Examples<T> examples() const { return rows_of(X, net.layout().n_inputs()); }
  backprop::Targets<T> targets() const {
    backprop::Targets<T> y{nullptr, 0, rows_of(Y, net.layout().n_outputs())};
    if (!classes.empty()) y = {classes.data(), 1, {}};
    if (!weights.empty()) {
      y.weights = weights.data();
      y.weight_stride = 1;
    }
    return y;
  }

  Matrix<Real> exact(const std::vector<T>& data, Index rows) const {
    return Eigen::Map<const Matrix<T>>(data.data(), rows, m).template cast<Real>();
  }
  Reference reference() const {
    std::vector<Real> shares(static_cast<std::size_t>(m), 1);
    if (!weights.empty()) shares.assign(weights.begin(), weights.end());
    const Real total = std::accumulate(shares.begin(), shares.end(), Real(0));
    for (Real& share : shares) share /= total;
    return Reference(net, exact(X, net.layout().n_inputs()), exact(Y, net.layout().n_outputs()),
                     shares);
  }

  /// The loss and the gradient of everything as a single batch.
  double gradient(backprop::Workspace<T>& ws, int threads, T* values) {
    return backprop::loss_and_gradient(net, ws, examples(), targets(), threads, values);
  }

  std::vector<T> theta() const { return {net.theta(), net.theta() + net.layout().n_parameters()}; }
};

/// A problem that stays clear of the kinks, where rounding may choose another derivative than the
/// reference.
template <class T>
std::unique_ptr<Problem<T>> problem_away_from_kinks(const Shape& shape, Random& random) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    auto problem = std::make_unique<Problem<T>>(shape, random);
    const Matrix<Real> Y = problem->exact(problem->Y, shape.layer_sizes.back());
    if (problem->reference().distance_from_kinks(Y) > 50 * std::numeric_limits<T>::epsilon())
      return problem;
  }
  FAIL("no problem away from the kinks in 100 attempts");
  return nullptr;
}

}  // namespace test
