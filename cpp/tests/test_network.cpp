// The engine against the note: loss, predictions, gradients and the trace of whole networks.
#include "problem.hpp"

using namespace backprop;
using test::Index;
using test::Problem;
using test::Real;
using test::Shape;

namespace {

/// Rounding of a chain of dot products: a few epsilon a layer, and the square root of their length.
template <class T>
constexpr double tolerance = 30 * std::numeric_limits<T>::epsilon();

template <class T>
std::vector<Shape> shapes() {
  const Index lane = lanes<T>;
  std::vector<Shape> out;
  for (const auto& pair : losses<T>)
    for (const bool labels : {false, true}) {
      if (labels && !pair.takes_labels) continue;
      const auto add = [&](std::vector<Index> sizes, std::vector<std::string> hidden, Index m) {
        out.push_back({std::move(sizes), std::move(hidden), pair.output, pair.name, m, labels,
                       out.size() % 3 == 0});
      };
      for (const Index m : {Index{1}, lane + 1, 4 * lane + 3}) add({4, 3}, {}, m);
      for (const auto& g : activations<T>) add({5, 7, 2}, {g.name}, 2 * lane + 3);
      add({1, 1}, {}, 5);
      add({3, 2 * lane + 1, 13, lane, 1}, {"tanh", "relu", "silu"}, 20);
      if (labels) add({300, 130, 270, 10}, {"relu", "tanh"}, 5 * lane + 2);
    }
  return out;
}

}  // namespace

TEST_CASE_TEMPLATE("loss and gradients are the note's, to rounding", T, float, double) {
  test::Random random(31);
  for (const Shape& shape : shapes<T>()) {
    CAPTURE(shape.described());
    const auto problem = test::problem_away_from_kinks<T>(shape, random);
    const auto reference = problem->reference();
    std::vector<T> gradient(reference.grad_theta.size(), T(99));
    Workspace<T> ws(problem->net, problem->m, Keep::gradient);
    const double loss = problem->gradient(ws, 2, gradient.data());
    CHECK(std::abs(loss - static_cast<double>(reference.loss)) <=
          tolerance<T> * (1 + std::abs(static_cast<double>(reference.loss))));
    CHECK(test::relative_difference(gradient.data(), reference.grad_theta) <= tolerance<T>);
  }
}

TEST_CASE_TEMPLATE("a workspace gives the same bytes for a small batch after a large one", T, float,
                   double) {
  test::Random random(32);
  for (Shape shape : shapes<T>()) {
    CAPTURE(shape.described());
    Shape larger = shape;
    larger.m = shape.m + 7 * lanes<T> + 1;
    Problem<T> large(larger, random), small(shape, random);
    Workspace<T> fresh(small.net, small.m, Keep::gradient),
        used(small.net, larger.m, Keep::gradient);
    std::vector<T> expected(small.theta().size()), got(expected.size());
    large.gradient(used, 1, got.data());
    const double loss = small.gradient(fresh, 1, expected.data());
    CHECK(small.gradient(used, 1, got.data()) == loss);
    CHECK(got == expected);
  }
}

TEST_CASE_TEMPLATE("the trace holds every A, H, grad_A and grad_H of the note", T, float, double) {
  test::Random random(33);
  for (const Shape& shape : shapes<T>()) {
    CAPTURE(shape.described());
    const auto problem = test::problem_away_from_kinks<T>(shape, random);
    const auto reference = problem->reference();
    const Layout& layout = problem->net.layout();
    const Index L = layout.n_layers(), m = problem->m;
    std::vector<T> gradient(reference.grad_theta.size());
    Workspace<T> ws(problem->net, m, Keep::trace);
    problem->gradient(ws, 1, gradient.data());
    finish_trace(problem->net, ws, problem->targets(), m);
    CHECK(test::relative_difference(gradient.data(), reference.grad_theta) <= tolerance<T>);

    const auto check = [&](const Panels<T>& panels, const test::Matrix<Real>& exact) {
      const Index n = exact.rows();
      std::vector<T> rows(static_cast<std::size_t>(n * m));
      unpack(panels, n, 0, m, rows.data());
      const std::vector<Real> expected(exact.data(), exact.data() + n * m);
      CHECK(test::relative_difference(rows.data(), expected) <= tolerance<T>);
    };
    for (Index k = 1; k <= L; ++k) {
      CAPTURE(k);
      const auto i = static_cast<std::size_t>(k);
      check(ws.layer(k).A, reference.A[i]);
      check(ws.layer(k).H, reference.H[i]);
      check(ws.layer(k).grad_A, reference.grad_A[i]);
      check(ws.layer(k).grad_H, reference.grad_H[i]);
    }
  }
}

TEST_CASE_TEMPLATE("predictions for many, for one, and the loss of a data set agree with the note",
                   T, float, double) {
  test::Random random(34);
  for (Shape shape : shapes<T>()) {
    CAPTURE(shape.described());
    for (const Index m : {shape.m, examples_at_once + 5}) {
      if (m > shape.m && shape.layer_sizes.size() != 3) continue;
      shape.m = m;
      Problem<T> problem(shape, random);
      const auto reference = problem.reference();
      const Index n = problem.net.layout().n_inputs(), p = problem.net.layout().n_outputs();
      const std::vector<Real> expected(reference.H.back().data(),
                                       reference.H.back().data() + p * m);
      std::vector<T> Y_hat(static_cast<std::size_t>(p * m), T(99)), single = Y_hat;
      Workspace<T> output(problem.net, std::min(m, examples_at_once), Keep::output);
      predict(problem.net, output, problem.examples(), 2, Y_hat.data());
      CHECK(test::relative_difference(Y_hat.data(), expected) <= tolerance<T>);

      SingleExample<T> one(problem.net);
      for (Index j = 0; j < m; ++j)
        one.predict(problem.net, problem.X.data() + j * n, 1, single.data() + j * p);
      CHECK(test::relative_difference(single.data(), expected) <= tolerance<T>);

      Workspace<T> loss(problem.net, std::min(m, examples_at_once), Keep::loss);
      const double got = mean_loss(problem.net, loss, problem.examples(), problem.targets(), 2);
      CHECK(std::abs(got - static_cast<double>(reference.loss)) <=
            tolerance<T> * (1 + std::abs(static_cast<double>(reference.loss))));
    }
  }
}

TEST_CASE_TEMPLATE("strided data gives the bytes of the same data copied together", T, float,
                   double) {
  test::Random random(35);
  const Index n = 19, p = 3, m = 2 * lanes<T> + 3;
  Problem<T> problem({{n, 8, p}, {"tanh"}, "linear", "squared_error", m}, random);
  // Every second example and feature of something larger, backwards, and in columns.
  std::vector<T> wide(static_cast<std::size_t>(4 * m * n), std::numeric_limits<T>::quiet_NaN());
  std::vector<T> columns(static_cast<std::size_t>(m * n));
  std::vector<T> tall_y(static_cast<std::size_t>(3 * m * p), T(7));
  for (Index j = 0; j < m; ++j) {
    for (Index f = 0; f < n; ++f) {
      const T x = problem.X[static_cast<std::size_t>(j * n + f)];
      wide[static_cast<std::size_t>(2 * (m - 1 - j) * 2 * n + 2 * (n - 1 - f))] = x;
      columns[static_cast<std::size_t>(f * m + j)] = x;
    }
    for (Index i = 0; i < p; ++i)
      tall_y[static_cast<std::size_t>(i * m * 3 + 3 * j)] =
          problem.Y[static_cast<std::size_t>(j * p + i)];
  }
  const Examples<T> backwards{wide.data() + 2 * (m - 1) * 2 * n + 2 * (n - 1), m, n, -4 * n, -2};
  const Examples<T> by_column{columns.data(), m, n, 1, m};
  const Targets<T> y{nullptr, 0, {tall_y.data(), m, p, 3, 3 * m}};

  const auto run = [&](const Examples<T>& X, const Targets<T>& targets) {
    Workspace<T> ws(problem.net, m, Keep::gradient);
    std::vector<T> out(problem.theta().size());
    loss_and_gradient(problem.net, ws, X, targets, 1, out.data());
    Workspace<T> output(problem.net, m, Keep::output);
    out.resize(out.size() + static_cast<std::size_t>(m * p + p));
    T* const rest = out.data() + problem.theta().size();
    predict(problem.net, output, X, 1, rest);
    SingleExample<T>(problem.net).predict(problem.net, X.data, X.feature_stride, rest + m * p);
    return out;
  };
  const auto expected = run(problem.examples(), problem.targets());
  CHECK(run(backwards, y) == expected);
  CHECK(run(by_column, y) == expected);
}

TEST_CASE_TEMPLATE("a network is refused unless it names one activation a hidden layer", T, float,
                   double) {
  CHECK_THROWS_WITH_AS(Network<T>({2, 3, 1}, {}, "linear", "squared_error"),
                       doctest::Contains("each of the 1 hidden layers, got 0"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(Network<T>({2, 1}, {"relu"}, "linear", "squared_error"),
                       doctest::Contains("got 1"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(Network<T>({2, 3, 1}, {"nope"}, "linear", "squared_error"),
                       doctest::Contains("'nope'"), std::invalid_argument);
  const Network<T> net({2, 3, 1}, {"relu"}, "linear", "squared_error");
  CHECK(std::all_of(net.theta(), net.theta() + net.layout().n_parameters(),
                    [](T x) { return x == T(0); }));
}
