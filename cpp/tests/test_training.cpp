// Epochs: what they compute, that threads change no bit, where they stop, what mode they leave.
#include "problem.hpp"

using namespace backprop;
using test::Index;
using test::Problem;
using test::Shape;

namespace {

const std::vector<Shape> trained_shapes = {
    {{4, 16, 3}, {"relu"}, "softmax", "cross_entropy", 150, true},
    {{64, 100, 10}, {"relu"}, "softmax", "cross_entropy", 200, true},
    {{5, 1}, {}, "linear", "squared_error", 40},
    {{9, 33, 31, 8, 2},
     {"tanh", "sigmoid", "linear"},
     "sigmoid",
     "binary_cross_entropy",
     77,
     false,
     true},
    {{300, 270, 40, 10}, {"relu", "tanh"}, "softmax", "cross_entropy", 130, true},
};

const auto never = [] { return false; };

/// theta and the losses of a few epochs of plain descent.
template <class T>
using Trained = std::pair<std::vector<T>, std::vector<double>>;

/// As users train: the trainer itself chooses which steps to take on how many of the threads.
template <class T>
Trained<T> train(const Shape& shape, Index batch_size, int threads, int epochs) {
  test::Random random(41);
  Problem<T> problem(shape, random);
  ThreadPool::instance().set_n_threads(threads);
  Trainer<T> trainer(problem.net, batch_size);
  std::vector<std::int64_t> order(static_cast<std::size_t>(problem.m));
  std::vector<double> losses;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    shuffle(order.data(), problem.m, 3, static_cast<std::uint64_t>(epoch));
    const auto result = trainer.epoch(problem.examples(), problem.targets(),
                                      {order.data(), problem.m}, T(0.05), never);
    CHECK(result.failed_batch == -1);
    CHECK_FALSE(result.interrupted);
    losses.push_back(result.loss);
  }
  return {problem.theta(), losses};
}

/// The same step by step, every step on all of the threads, however small it is.
template <class T>
Trained<T> train_on_all_threads(const Shape& shape, Index batch_size, int threads, int epochs) {
  const FlushDenormals flush;
  test::Random random(41);
  Problem<T> problem(shape, random);
  Workspace<T> ws(problem.net, batch_size, Keep::gradient);
  ws.reserve_scratch(threads);
  Updater<T> updater(problem.net);
  std::vector<double> losses;
  for (int epoch = 0; epoch < epochs; ++epoch)
    for (Index begin = 0; begin < problem.m; begin += batch_size) {
      const Batch batch{nullptr, begin, std::min(batch_size, problem.m - begin)};
      losses.push_back(
          differentiate(problem.net, ws, problem.examples(), problem.targets(), batch, threads));
      updater.multiply_and_update(ws, batch.count, 1, 0.05, threads);
    }
  return {problem.theta(), losses};
}

struct RestoreThreads {
  int saved = ThreadPool::instance().n_threads();
  ~RestoreThreads() { ThreadPool::instance().set_n_threads(saved); }
};

/// Whether this thread computes with denormal numbers.
bool denormals_live() {
  volatile float tiny = std::numeric_limits<float>::denorm_min();
  volatile float least = std::numeric_limits<float>::min();
  const float from_denormal = tiny * 2.0f, to_denormal = least * 0.5f;
  return from_denormal != 0 && to_denormal != 0;
}

/// Which share of `n` steps is taken on two threads, if a step takes so long and the first of a row
/// of them has to wake a thread.
double share_together(ThreadChoice& choice, double alone, double together, double waking, int n) {
  int count = 0;
  bool were = false;
  for (int i = 0; i < n; ++i) {
    const bool are = choice.choose(2) == 2;
    choice.record(are ? together + (were ? 0 : waking) : alone);
    count += are;
    were = are;
  }
  return static_cast<double>(count) / n;
}

}  // namespace

TEST_CASE("steps are soon and mostly taken the faster way, whatever it costs to wake a thread") {
  for (const double unit : {1e-5, 1e-4, 1e-2}) {
    CAPTURE(unit);
    ThreadChoice choice(1e8);
    CHECK(share_together(choice, 6 * unit, 3.5 * unit, 6 * unit, 100) > 0.9);
    // A neighbour takes a core, for long, and leaves it.
    CHECK(share_together(choice, 6 * unit, 60 * unit, 6 * unit, 10000) < 0.1);
    CHECK(share_together(choice, 6 * unit, 3.5 * unit, 6 * unit, 100000) > 0.9);
    ThreadChoice small(1e8);
    CHECK(share_together(small, unit, 1.5 * unit, unit, 1000) < 0.1);
  }
  // The others of a step that is too small or too large are not asked for.
  CHECK(ThreadChoice(1e6).choose(2) == 1);
  CHECK(ThreadChoice(1e10).choose(2) == 2);
  CHECK(ThreadChoice(1e10).choose(1) == 1);
}

TEST_CASE_TEMPLATE("1, 2, 3 and 4 threads train to the same bytes", T, float, double) {
  const RestoreThreads restore;
  for (const Shape& shape : trained_shapes)
    for (const Index batch_size : {Index{1}, lanes<T> + 1, Index{32}, shape.m, shape.m + 50}) {
      CAPTURE(shape.described());
      CAPTURE(batch_size);
      const int epochs = shape.layer_sizes.front() > 100 ? 1 : 3;
      const auto alone = train_on_all_threads<T>(shape, batch_size, 1, epochs);
      const auto chosen = train<T>(shape, batch_size, 1, epochs);
      for (const int threads : {2, 3, 4}) {
        CAPTURE(threads);
        CHECK(train_on_all_threads<T>(shape, batch_size, threads, epochs) == alone);
        CHECK(train<T>(shape, batch_size, threads, epochs) == chosen);
      }
    }
}

TEST_CASE_TEMPLATE("1, 2, 3 and 4 threads predict the same bytes", T, float, double) {
  test::Random random(42);
  for (Shape shape : trained_shapes)
    for (const Index m : {lanes<T> + 1, Index{100}, examples_at_once + 3}) {
      shape.m = m;
      Problem<T> problem(shape, random);
      const Index p = problem.net.layout().n_outputs();
      std::vector<T> alone;
      double loss_alone = 0;
      for (const int threads : {1, 2, 3, 4}) {
        std::vector<T> Y_hat(static_cast<std::size_t>(m * p));
        Workspace<T> output(problem.net, examples_at_once, Keep::output);
        predict(problem.net, output, problem.examples(), threads, Y_hat.data());
        Workspace<T> loss(problem.net, examples_at_once, Keep::loss);
        const double value =
            mean_loss(problem.net, loss, problem.examples(), problem.targets(), threads);
        if (threads == 1) {
          alone = Y_hat;
          loss_alone = value;
        }
        CHECK(Y_hat == alone);
        CHECK(value == loss_alone);
      }
    }
}

TEST_CASE_TEMPLATE("an epoch is theta <- theta - lr grad, batch after batch in the given order", T,
                   float, double) {
  for (const Shape& shape : trained_shapes) {
    CAPTURE(shape.layer_sizes.size());
    test::Random random(43), again(43);
    Problem<T> problem(shape, random), by_hand(shape, again);
    const Index m = problem.m, batch_size = 32;
    const T lr = T(0.1);
    std::vector<std::int64_t> order(static_cast<std::size_t>(m));
    shuffle(order.data(), m, 8, 2);
    Trainer<T> trainer(problem.net, batch_size);
    const auto result =
        trainer.epoch(problem.examples(), problem.targets(), {order.data(), problem.m}, lr, never);

    double loss = 0, weight = 0;
    Workspace<T> ws(by_hand.net, batch_size, Keep::gradient);
    ws.reserve_scratch(1);
    const FlushDenormals flush;
    std::vector<T> gradient(by_hand.theta().size());
    for (Index begin = 0; begin < m; begin += batch_size) {
      const Batch batch{order.data(), begin, std::min(batch_size, m - begin)};
      const double batch_weight = total_weight(by_hand.targets(), batch);
      weight += batch_weight;
      loss += batch_weight *
              differentiate(by_hand.net, ws, by_hand.examples(), by_hand.targets(), batch, 1);
      write_gradient(by_hand.net, ws, row_blocks(by_hand.net.layout()), batch.count,
                     gradient.data(), 1);
      for (std::size_t i = 0; i < gradient.size(); ++i) by_hand.net.theta()[i] -= lr * gradient[i];
    }
    CHECK(result.loss == doctest::Approx(loss / weight).epsilon(1e-6));
    const auto theta = by_hand.theta();
    // The fused update may round once where this loop rounds twice.
    CHECK(test::relative_difference(problem.net.theta(),
                                    std::vector<test::Real>(theta.begin(), theta.end())) <=
          10 * std::numeric_limits<T>::epsilon());
  }
}

TEST_CASE_TEMPLATE("no order means the order of the data", T, float, double) {
  test::Random random(44), again(44);
  Problem<T> problem(trained_shapes[0], random), same(trained_shapes[0], again);
  std::vector<std::int64_t> order(static_cast<std::size_t>(problem.m));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  Trainer<T> trainer(problem.net, 7), other(same.net, 7);
  trainer.epoch(problem.examples(), problem.targets(), {nullptr, problem.m}, T(0.1), never);
  other.epoch(same.examples(), same.targets(), {order.data(), same.m}, T(0.1), never);
  CHECK(problem.theta() == same.theta());
}

TEST_CASE_TEMPLATE("training lowers the loss", T, float, double) {
  const RestoreThreads restore;
  for (const Shape& shape : trained_shapes) {
    const auto losses = train<T>(shape, 16, 2, 8).second;
    CHECK(losses.back() < losses.front());
  }
}

TEST_CASE_TEMPLATE("a batch whose loss is not finite stops the epoch before its update", T, float,
                   double) {
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    test::Random random(45), again(45);
    Problem<T> problem(trained_shapes[1], random), until_then(trained_shapes[1], again);
    const Index batch_size = 10, n = problem.net.layout().n_inputs();
    problem.X[static_cast<std::size_t>(35 * n)] = bad;
    Trainer<T> trainer(problem.net, batch_size), other(until_then.net, batch_size);
    const auto result =
        trainer.epoch(problem.examples(), problem.targets(), {nullptr, problem.m}, T(0.1), never);
    CHECK(result.failed_batch == 3);
    CHECK_FALSE(result.interrupted);
    CHECK_FALSE(std::isfinite(result.loss));
    other.epoch(until_then.examples(), until_then.targets(), {nullptr, 30}, T(0.1), never);
    CHECK(problem.theta() == until_then.theta());
  }
}

TEST_CASE_TEMPLATE("an interrupt is honoured between batches", T, float, double) {
  test::Random random(46), again(46);
  Problem<T> problem(trained_shapes[0], random), until_then(trained_shapes[0], again);
  Trainer<T> trainer(problem.net, 10), other(until_then.net, 10);
  int asked = 0;
  const auto result = trainer.epoch(problem.examples(), problem.targets(), {nullptr, problem.m},
                                    T(0.1), [&] { return ++asked == 4; });
  CHECK(result.interrupted);
  CHECK(result.failed_batch == -1);
  other.epoch(until_then.examples(), until_then.targets(), {nullptr, 30}, T(0.1), never);
  CHECK(problem.theta() == until_then.theta());
}

namespace {

/// A stage that leaves the gradient as it is and remembers what it was shown.
template <class T>
struct Onlooker : Between<T> {
  std::vector<Index> layers;
  std::vector<Verdict> found;
  std::vector<double> weights;

  void layer_is_final(Gradient<T>&, Index k) override { layers.push_back(k); }
  Verdict decide(Gradient<T>& gradient, Verdict verdict) override {
    found.push_back(verdict);
    weights.push_back(gradient.weight);
    return verdict;
  }
};

/// Every optimizer with every penalty and limit that may stand around it.
std::vector<Training> all_ways() {
  std::vector<Training> ways;
  for (const OptimizerRow<double>& optimizer : optimizers<double>)
    for (int kind = 0; kind < 6; ++kind) {
      Training how;
      how.optimizer = optimizer.name;
      if (kind == 1 || kind == 5) how.l2 = {0.1, 0.01};
      if (kind == 2 || kind == 5) how.l1 = {0.01, 0};
      if (kind == 3 || kind == 5) how.clip_value = 0.01;
      if (kind == 4 || kind == 5) how.clip_norm = 0.1;
      if (kind == 1 || kind == 5) how.max_norm = 0.8;
      if (kind == 1) how.dropout = {0.3};
      ways.push_back(how);
    }
  return ways;
}

}  // namespace

TEST_CASE_TEMPLATE("the open way and the shortcut train to the same bytes", T, float, double) {
  const RestoreThreads restore;
  for (const Index inputs : {Index{5}, 2 * panel_width<T> + 3})
    for (const Training& how : all_ways())
      for (const int threads : {1, 2}) {
        CAPTURE(how.optimizer);
        const Shape shape{{inputs, 37, 3}, {"tanh"}, "softmax", "cross_entropy", 70, true, true};
        test::Random random(49), again(49);
        Problem<T> problem(shape, random), open(shape, again);
        ThreadPool::instance().set_n_threads(threads);
        Trainer<T> trainer(problem.net, 16, how), other(open.net, 16, how);
        Onlooker<T> onlooker;
        other.set_between(&onlooker);
        for (int epoch = 0; epoch < 3; ++epoch) {
          const auto loss =
              trainer.epoch(problem.examples(), problem.targets(), {nullptr, 70}, 0.05, never).loss;
          const auto open_loss =
              other.epoch(open.examples(), open.targets(), {nullptr, 70}, 0.05, never).loss;
          CHECK(open_loss == doctest::Approx(loss).epsilon(1e-5));
        }
        CHECK(problem.theta() == open.theta());
      }
}

TEST_CASE_TEMPLATE("a stage in between sees layers from the last to the first, then the whole", T,
                   float, double) {
  test::Random random(50);
  Problem<T> problem({{4, 6, 5, 3}, {"tanh", "relu"}, "softmax", "cross_entropy", 20, true},
                     random);
  Trainer<T> trainer(problem.net, 8);
  Onlooker<T> onlooker;
  trainer.set_between(&onlooker);
  trainer.epoch(problem.examples(), problem.targets(), {nullptr, 20}, 0.1, never);
  CHECK(onlooker.layers == std::vector<Index>{3, 2, 1, 3, 2, 1, 3, 2, 1});
  CHECK(onlooker.weights == std::vector<double>{8, 8, 4});
}

TEST_CASE_TEMPLATE("what a stage decides is done, whatever was found here", T, float, double) {
  struct Deciding : Onlooker<T> {
    Verdict verdict = Verdict::update;
    Verdict decide(Gradient<T>& gradient, Verdict found) override {
      Onlooker<T>::decide(gradient, found);
      CHECK((found == Verdict::update || gradient.values[0] == T(0)));
      return verdict;
    }
  };
  const Shape shape{{4, 3}, {}, "softmax", "cross_entropy", 20, true};
  test::Random random(51);
  Problem<T> problem(shape, random);
  const auto before = problem.theta();
  Trainer<T> trainer(problem.net, 8);
  Deciding stage;
  trainer.set_between(&stage);
  const auto epoch = [&](const std::function<bool()>& interrupted) {
    return trainer.epoch(problem.examples(), problem.targets(), {nullptr, 20}, 0.1, interrupted);
  };
  stage.verdict = Verdict::skip;
  CHECK(epoch(never).failed_batch == -1);
  stage.verdict = Verdict::not_finite;
  CHECK(epoch(never).failed_batch == 0);
  stage.verdict = Verdict::interrupted;
  CHECK(epoch(never).interrupted);
  CHECK(problem.theta() == before);
  // An interruption here is not the end where all go on.
  stage.verdict = Verdict::skip;
  stage.found.clear();
  CHECK_FALSE(epoch([] { return true; }).interrupted);
  CHECK(stage.found == std::vector<Verdict>(3, Verdict::interrupted));
}

TEST_CASE_TEMPLATE(
    "two halves of a batch, their means joined in between, make the step of the whole", T, float,
    double) {
  // As processes would: each has some of the examples, and all take the same step.
  const Shape shape{{6, 9, 2}, {"tanh"}, "linear", "squared_error", 21, false, true};
  test::Random random(52), again(52);
  Problem<T> problem(shape, random), halves(shape, again);
  Trainer<T> trainer(problem.net, 21);
  trainer.epoch(problem.examples(), problem.targets(), {nullptr, 21}, 0.1, never);

  Workspace<T> ws(halves.net, 21, Keep::gradient);
  Gradient<T> total(halves.net.layout());
  const Index n = halves.net.layout().n_parameters();
  const auto blocks = row_blocks(halves.net.layout());
  for (const Batch part : {Batch{nullptr, 0, 8}, Batch{nullptr, 8, 13}}) {
    ws.reserve_scratch(1);
    Gradient<T> gradient(halves.net.layout());
    gradient.weight = total_weight(halves.targets(), part);
    differentiate(halves.net, ws, halves.examples(), halves.targets(), part, 1);
    write_gradient(halves.net, ws, blocks, part.count, gradient.values.data(), 1);
    for (Index i = 0; i < n; ++i)
      total.values[i] += static_cast<T>(gradient.weight) * gradient.values[i];
    total.weight += gradient.weight;
  }
  for (Index i = 0; i < n; ++i) total.values[i] /= static_cast<T>(total.weight);
  Updater<T>(halves.net).update(total, 0.1, 1);
  const auto theta = halves.theta();
  CHECK(test::relative_difference(problem.net.theta(),
                                  std::vector<test::Real>(theta.begin(), theta.end())) <=
        20 * std::numeric_limits<T>::epsilon());
}

TEST_CASE_TEMPLATE("a custom loss that computes the built-in one trains alike", T, float, double) {
  const Shape shape{{5, 12, 2}, {"tanh"}, "linear", "squared_error", 30, false, true};
  test::Random random(53), again(53);
  Problem<T> problem(shape, random), custom(shape, again);
  Trainer<T> trainer(problem.net, 8), other(custom.net, 8);
  other.set_loss([&](const T* A, Batch batch, double* loss, T* grad) {
    for (Index j = 0; j < batch.count; ++j) {
      loss[j] = 0;
      for (Index i = 0; i < 2; ++i) {
        grad[j * 2 + i] = A[j * 2 + i] - custom.Y[static_cast<std::size_t>(batch[j] * 2 + i)];
        loss[j] +=
            0.5 * static_cast<double>(grad[j * 2 + i]) * static_cast<double>(grad[j * 2 + i]);
      }
    }
  });
  for (int epoch = 0; epoch < 3; ++epoch) {
    const auto loss =
        trainer.epoch(problem.examples(), problem.targets(), {nullptr, 30}, 0.1, never).loss;
    CHECK(other.epoch(custom.examples(), custom.targets(), {nullptr, 30}, 0.1, never).loss ==
          doctest::Approx(loss).epsilon(1e-5));
  }
  CHECK(problem.theta() == custom.theta());
}

TEST_CASE_TEMPLATE("denormal numbers are flushed inside, and live again after every call", T, float,
                   double) {
  REQUIRE(denormals_live());
  {
    const FlushDenormals flush;
    CHECK_FALSE(denormals_live());
    {
      const FlushDenormals nested;
      CHECK_FALSE(denormals_live());
    }
    CHECK_FALSE(denormals_live());
  }
  CHECK(denormals_live());

  test::Random random(47);
  Problem<T> problem(trained_shapes[1], random);
  const T tiny = std::numeric_limits<T>::min() / T(64);
  for (Index i = 0; i < problem.net.layout().n_parameters(); i += 2) problem.net.theta()[i] = tiny;
  for (std::size_t i = 0; i < problem.X.size(); i += 3) problem.X[i] = tiny;
  const Index p = problem.net.layout().n_outputs();
  std::vector<T> Y_hat(static_cast<std::size_t>(problem.m * p));
  Workspace<T> output(problem.net, 64, Keep::output), loss(problem.net, 64, Keep::loss);
  predict(problem.net, output, problem.examples(), 2, Y_hat.data());
  CHECK(denormals_live());
  CHECK(std::isfinite(mean_loss(problem.net, loss, problem.examples(), problem.targets(), 2)));
  CHECK(denormals_live());
  SingleExample<T>(problem.net).predict(problem.net, problem.X.data(), 1, Y_hat.data());
  CHECK(denormals_live());
  Trainer<T> trainer(problem.net, 32);
  bool flushed_between_batches = true;
  const auto result =
      trainer.epoch(problem.examples(), problem.targets(), {nullptr, problem.m}, T(0.1), [&] {
        flushed_between_batches = flushed_between_batches && !denormals_live();
        return false;
      });
  CHECK(std::isfinite(result.loss));
  CHECK(flushed_between_batches);
  CHECK(denormals_live());
}

TEST_CASE_TEMPLATE("the pool's threads flush denormal numbers as the caller does", T, float,
                   double) {
  // Weights so small that products with them are denormal: any thread that kept them would differ.
  const RestoreThreads restore;
  const auto bytes = [&](int threads) {
    test::Random random(48);
    Problem<T> problem({{40, 64, 64, 5}, {"linear", "linear"}, "linear", "squared_error", 400},
                       random);
    for (Index i = 0; i < problem.net.layout().n_parameters(); ++i)
      problem.net.theta()[i] *= std::sqrt(std::numeric_limits<T>::min());
    ThreadPool::instance().set_n_threads(threads);
    Trainer<T> trainer(problem.net, 100);
    trainer.epoch(problem.examples(), problem.targets(), {nullptr, problem.m}, T(1e-3), never);
    return problem.theta();
  };
  const auto alone = bytes(1);
  for (int round = 0; round < 20; ++round) CHECK(bytes(3) == alone);
}
