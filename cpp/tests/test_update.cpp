// Optimizers at work: their arithmetic, and that it does not depend on where a number lies.
#include "problem.hpp"

using namespace backprop;

TEST_CASE_TEMPLATE("square roots are correctly rounded", T, float, double) {
  test::Random random(60);
  const double reach = std::log2(static_cast<double>(std::numeric_limits<T>::max())) - 4;
  for (int round = 0; round < 20000; ++round) {
    EIGEN_ALIGN_MAX T a[lanes<T>], root[lanes<T>];
    for (T& number : a) number = static_cast<T>(std::exp2(random.uniform(-reach, reach)));
    store(root, square_root(load(a)));
    for (Index i = 0; i < lanes<T>; ++i) CHECK(root[i] == std::sqrt(a[i]));
  }
  CHECK(first(square_root(Packet<T>(T(0)))) == 0);
}

namespace {

template <class T>
std::unique_ptr<Optimizer<T>> put_to_work(const OptimizerRow<T>& row, std::vector<T>& theta) {
  return row.make(theta.data(), static_cast<Index>(theta.size()), find_options(row, {}));
}

}  // namespace

TEST_CASE_TEMPLATE("an optimizer steps by nothing where gradient and state are 0", T, float,
                   double) {
  for (const OptimizerRow<T>& row : optimizers<T>) {
    CAPTURE(row.name);
    std::vector<T> theta{1, -2, 0}, zero(3);
    const auto optimizer = put_to_work(row, theta);
    optimizer->begin_step(1, 0.1);
    // As biases, which do not decay.
    optimizer->update(false, 0, 3, zero.data(), T(1));
    CHECK(theta == std::vector<T>{1, -2, 0});
  }
}

TEST_CASE_TEMPLATE("a square that overflowed stops its parameter, and does not make it NaN", T,
                   float, double) {
  std::vector<T> theta{1}, gradient{1};
  const auto optimizer = put_to_work(find_optimizer<T>("adagrad"), theta);
  optimizer->state(0)[0] = std::numeric_limits<T>::infinity();
  optimizer->begin_step(1, 0.1);
  optimizer->update(true, 0, 1, gradient.data(), T(1));
  CHECK(theta[0] == 1);
}

TEST_CASE_TEMPLATE("a number is updated alike wherever it lies, and nothing beside it", T, float,
                   double) {
  for (const OptimizerRow<T>& row : optimizers<T>)
    for (Index n = 1; n <= 5 * lanes<T>; ++n) {
      CAPTURE(row.name);
      CAPTURE(n);
      test::Random random(61);
      const Index around = 5, size = n + 2 * around;
      std::vector<T> together = random.numbers<T>(size), apart = together;
      const std::vector<T> before = together, gradient = random.numbers<T>(size),
                           square = random.numbers<T>(size, 0, 1);
      const auto whole = put_to_work(row, together), parts = put_to_work(row, apart);
      for (Index s = 0; s < whole->n_states(); ++s)
        for (Index i = 0; i < size; ++i)
          whole->state(s)[i] = parts->state(s)[i] = square[static_cast<std::size_t>(i)];
      whole->begin_step(3, 0.01);
      parts->begin_step(3, 0.01);
      whole->update(true, around, n, gradient.data(), T(0.5));
      for (Index i = around; i < around + n; ++i)
        parts->update(true, i, 1, gradient.data(), T(0.5));
      CHECK(together == apart);
      for (Index s = 0; s < whole->n_states(); ++s)
        CHECK(std::equal(whole->state(s), whole->state(s) + size, parts->state(s)));
      for (Index i = 0; i < around; ++i)
        for (const Index at : {i, size - 1 - i}) {
          CHECK(together[static_cast<std::size_t>(at)] == before[static_cast<std::size_t>(at)]);
          for (Index s = 0; s < whole->n_states(); ++s)
            CHECK(whole->state(s)[at] == square[static_cast<std::size_t>(at)]);
        }
    }
}

TEST_CASE_TEMPLATE("a block is updated alike from registers and from memory", T, float, double) {
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
      const auto before = problem.theta();
      const auto n = static_cast<Index>(before.size());
      const auto first = random.numbers<T>(n, 0, 1), second = random.numbers<T>(n, 0, 1);
      for (const OptimizerRow<T>& row : optimizers<T>)
        for (const bool has_l2 : {false, true}) {
          CAPTURE(shape.described());
          CAPTURE(row.name);
          UpdateSettings how;
          how.optimizer = row.name;
          if (has_l2) how.l2.assign(shape.layer_sizes.size() - 1, 0.1);
          double penalty = 0;
          const auto updated = [&](bool open) {
            std::copy(before.begin(), before.end(), problem.net.theta());
            Updater<T> updater(problem.net, how);
            updater.set_steps(2);
            Optimizer<T>& optimizer = updater.optimizer();
            if (optimizer.n_states() > 0) std::copy_n(first.data(), n, optimizer.state(0));
            if (optimizer.n_states() > 1) std::copy_n(second.data(), n, optimizer.state(1));
            if (open) {
              Gradient<T> gradient(problem.net.layout());
              write_gradient(problem.net, ws, updater.blocks(), m, gradient.values.data(), 1);
              penalty = updater.update(gradient, 0.01, 1);
            } else {
              penalty = updater.multiply_and_update(ws, m, 1, 0.01, 1);
            }
            auto result = problem.theta();
            for (Index s = 0; s < optimizer.n_states(); ++s)
              result.insert(result.end(), optimizer.state(s), optimizer.state(s) + n);
            return result;
          };
          const auto expected = updated(true);
          const double expected_penalty = penalty;
          CHECK(updated(false) == expected);
          CHECK(penalty == doctest::Approx(expected_penalty).epsilon(1e-5));
          CHECK((penalty > 0) == has_l2);
        }
    }
}
