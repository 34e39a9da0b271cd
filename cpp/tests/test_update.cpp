// Update rules: their arithmetic, and that it does not depend on where a number lies.
#include "problem.hpp"

using namespace backprop;

namespace {

/// Random parameters, gradients and states of two rows, `columns` wide and a few numbers apart.
template <class T>
struct TwoRows {
  static constexpr Index gap = 5;
  Index columns;
  std::vector<T> theta, gradient, states[2];
  std::vector<double> options;
  const Optimizer<T>& optimizer;

  TwoRows(const Optimizer<T>& optimizer_, Index columns_)
      : columns(columns_), optimizer(optimizer_) {
    test::Random random(61);
    const Index n = 2 * (columns + gap);
    theta = random.numbers<T>(n);
    gradient = random.numbers<T>(n);
    for (auto& state : states) state = random.numbers<T>(n, 0, 1);
    options = find_options(optimizer, {});
  }

  /// Updates columns [begin, end) of both rows.
  Sums update(Index begin, Index end) {
    Update<T> update{theta.data(), {states[0].data(), states[1].data()}, T(0.5), T(1), {}, {}};
    update.layers.push_back({T(0.01), T(0.1)});
    double numbers[8] = {};
    optimizer.numbers(options.data(), 3, 0.01, 1, numbers);
    for (int i = 0; i < 8; ++i) update.numbers[1][i] = static_cast<T>(numbers[i]);
    Sums sums;
    const Index stride = columns + gap;
    optimizer.whole(
        update, {1, true, begin, stride, gradient.data() + begin, stride, 2, end - begin}, sums);
    return sums;
  }
};

}  // namespace

TEST_CASE_TEMPLATE("square roots are correctly rounded", T, float, double) {
  test::Random random(60);
  const double reach = std::log2(static_cast<double>(std::numeric_limits<T>::max())) - 4;
  for (int round = 0; round < 20000; ++round) {
    EIGEN_ALIGN_MAX T a[lanes<T>], root[lanes<T>];
    for (T& number : a) number = static_cast<T>(std::exp2(random.uniform(-reach, reach)));
    Eigen::internal::pstore(root, square_root(Eigen::internal::pload<Packet<T>>(a)));
    for (Index i = 0; i < lanes<T>; ++i) CHECK(root[i] == std::sqrt(a[i]));
  }
  CHECK(Eigen::internal::pfirst(square_root(Eigen::internal::pset1<Packet<T>>(T(0)))) == 0);
}

TEST_CASE_TEMPLATE("a rule steps by nothing where gradient and state are 0", T, float, double) {
  for (const Optimizer<T>& optimizer : optimizers<T>) {
    CAPTURE(optimizer.name);
    T theta[3] = {1, -2, 0}, zero[3] = {}, state[2][3] = {};
    Update<T> update{theta, {state[0], state[1]}, T(1), T(1), {}, {}};
    update.layers.push_back({});
    double numbers[8] = {};
    const auto options = find_options(optimizer, {});
    // Of a bias, which does not decay.
    optimizer.numbers(options.data(), 1, 0.1, 0, numbers);
    for (int i = 0; i < 8; ++i) update.numbers[0][i] = static_cast<T>(numbers[i]);
    Sums sums;
    optimizer.bare(update, {1, false, 0, 0, zero, 0, 1, 3}, sums);
    CHECK(theta[0] == 1);
    CHECK(theta[1] == -2);
    CHECK(theta[2] == 0);
  }
}

TEST_CASE_TEMPLATE("a square that overflowed stops its parameter, and does not make it NaN", T,
                   float, double) {
  T theta = 1, square = std::numeric_limits<T>::infinity();
  const T gradient = 1;
  Update<T> update{&theta, {&square, nullptr}, T(1), T(1), {}, {}};
  update.layers.push_back({});
  const Optimizer<T>& adagrad = find_optimizer<T>("adagrad");
  double numbers[8] = {};
  adagrad.numbers(find_options(adagrad, {}).data(), 1, 0.1, 1, numbers);
  for (int i = 0; i < 8; ++i) update.numbers[1][i] = static_cast<T>(numbers[i]);
  Sums sums;
  adagrad.bare(update, {1, true, 0, 0, &gradient, 0, 1, 1}, sums);
  CHECK(theta == 1);
}

TEST_CASE_TEMPLATE("a number is updated alike wherever it lies, and nothing beside it", T, float,
                   double) {
  for (const Optimizer<T>& optimizer : optimizers<T>)
    for (Index columns = 1; columns <= 5 * lanes<T>; ++columns) {
      CAPTURE(optimizer.name);
      CAPTURE(columns);
      TwoRows<T> whole(optimizer, columns), cut(optimizer, columns);
      const TwoRows<T> before = whole;
      const double penalty = whole.update(0, columns).penalty;
      double parts = 0;
      for (Index c = 0; c < columns; ++c) parts += cut.update(c, c + 1).penalty;
      CHECK(whole.theta == cut.theta);
      CHECK(whole.states[0] == cut.states[0]);
      CHECK(whole.states[1] == cut.states[1]);
      CHECK(penalty == doctest::Approx(parts).epsilon(1e-5));
      for (Index r : {0, 1})
        for (Index c = columns; c < columns + TwoRows<T>::gap; ++c) {
          const auto at = static_cast<std::size_t>(r * (columns + TwoRows<T>::gap) + c);
          CHECK(whole.theta[at] == before.theta[at]);
          CHECK(whole.states[0][at] == before.states[0][at]);
        }
    }
}

TEST_CASE_TEMPLATE("a block is updated alike whether its tiles wait or not", T, float, double) {
  using Problem = test::Problem<T>;
  // Tiles of many heights, as wide as a panel and narrower, one and several to a block.
  const test::Shape shapes[] = {
      {{4, 16, 3}, {"relu"}, "softmax", "cross_entropy", 0},
      {{64, 100, 10}, {"tanh"}, "softmax", "cross_entropy", 0},
      {{290, 270, 33, 2}, {"tanh", "tanh"}, "linear", "squared_error", 0},
  };
  test::Random random(62);
  for (test::Shape shape : shapes)
    for (const Index m : {Index{1}, Index{7}, lanes<T>, 2 * panel_width<T> + 3, Index{70}}) {
      shape.m = m;
      Problem problem(shape, random);
      Workspace<T> ws(problem.net, m, Keep::gradient);
      ws.reserve_scratch(1);
      differentiate(problem.net, ws, problem.examples(), problem.targets(), Batch{nullptr, 0, m},
                    1);
      const auto n = static_cast<Index>(problem.theta().size());
      for (const Optimizer<T>& optimizer : optimizers<T>) {
        CAPTURE(shape.described());
        CAPTURE(optimizer.name);
        const std::vector<T> states[2] = {random.numbers<T>(n, 0, 1), random.numbers<T>(n, 0, 1)};
        double penalty = 0;
        const auto updated = [&](bool has_l2, bool may_wait) {
          constexpr T none = std::numeric_limits<T>::infinity();
          std::vector<T> theta = problem.theta(), first = states[0], second = states[1];
          Update<T> update{theta.data(), {first.data(), second.data()}, none, T(1), {}, {}};
          update.layers.resize(shape.layer_sizes.size() - 1, {T(0), has_l2 ? T(0.1) : T(0)});
          for (const bool is_weight : {false, true}) {
            double numbers[8] = {};
            optimizer.numbers(find_options(optimizer, {}).data(), 3, 0.01, is_weight, numbers);
            for (int i = 0; i < 8; ++i) update.numbers[is_weight][i] = static_cast<T>(numbers[i]);
          }
          penalty = 0;
          for (const RowBlock& block : row_blocks(problem.net.layout())) {
            Sums sums;
            const auto take = has_l2 ? optimizer.whole : optimizer.bare;
            const TileRule<T> rule{update, take, nullptr, optimizer.n_states, block.k, sums};
            if (may_wait)
              optimizer.update_block[has_l2](problem.net, ws, m, block, rule);
            else
              block_gradient(problem.net, ws, m, block, rule);
            penalty += sums.penalty;
          }
          theta.insert(theta.end(), first.begin(), first.end());
          theta.insert(theta.end(), second.begin(), second.end());
          return theta;
        };
        for (const bool has_l2 : {false, true}) {
          const std::vector<T> expected = updated(has_l2, false);
          const double expected_penalty = penalty;
          CHECK(updated(has_l2, true) == expected);
          CHECK(penalty == doctest::Approx(expected_penalty).epsilon(1e-5));
          CHECK((penalty > 0) == has_l2);
        }
      }
    }
}
