// Output/loss pairs against long double, for logits of ordinary and of absurd size.
#include "backprop/loss.hpp"

#include "backprop/parallel.hpp"
#include "reference.hpp"

using namespace backprop;
using test::Index;
using test::Matrix;
using test::Real;

namespace {

enum class Kind { labels, one_hot, soft };

/// One packet of examples through a pair, with what it should have given.
template <class T>
struct Slice {
  Index p;
  Panels<T> A, targets, grad;
  std::vector<std::int32_t> labels;
  Buffer<T> share;
  Matrix<Real> A_exact, Y_exact;

  Slice(Index p_, const std::vector<T>& logits, Kind kind, test::Random& random)
      : p(p_),
        A(p, lanes<T>),
        targets(p, lanes<T>),
        grad(p, lanes<T>),
        share(lanes<T>),
        A_exact(p, lanes<T>),
        Y_exact(p, lanes<T>) {
    for (Index j = 0; j < lanes<T>; ++j) {
      // The last lane lies past the batch.
      share[j] = j + 1 < lanes<T> || lanes<T> == 1 ? T(0.25) : T(0);
      labels.push_back(static_cast<std::int32_t>(random.below(p)));
      for (Index i = 0; i < p; ++i) {
        const Index some = random.below(static_cast<Index>(logits.size()));
        test::at(A, i, j) = logits[static_cast<std::size_t>(some)];
        test::at(targets, i, j) =
            kind == Kind::soft ? static_cast<T>(random.uniform(0, 1)) : T(i == labels.back());
        A_exact(i, j) = test::at(A, i, j);
        Y_exact(i, j) = test::at(targets, i, j);
      }
    }
  }

  TargetSlice<T> y(Kind kind) const {
    return {kind == Kind::labels ? labels.data() : nullptr,
            kind == Kind::labels ? nullptr : targets.slice(0), share.data()};
  }

  test::ReferenceOutput exact(const Loss<T>& pair) const {
    return test::reference_output(pair.name, static_cast<T>(pair.parameter.value), A_exact,
                                  Y_exact);
  }
};

template <class T>
std::vector<Kind> kinds(const Loss<T>& pair) {
  if (pair.takes_labels) return {Kind::labels, Kind::one_hot, Kind::soft};
  return {Kind::one_hot, Kind::soft};
}

/// Every pair, and those with a parameter again with another.
template <class T>
std::vector<Loss<T>> all_losses() {
  std::vector<Loss<T>> all(std::begin(losses<T>), std::end(losses<T>));
  for (const auto& pair : losses<T>)
    if (pair.parameter.name != nullptr) all.push_back(find_loss<T>(pair.output, pair.name, 0.3));
  return all;
}

/// Logits that `output` must bear; exp overflows past 88 in float32.
std::vector<double> scales(const char* output) {
  if (std::string(output) == "exp") return {0, 1e-3, 1, 30};
  return {0, 1e-3, 1, 30, 1e4, 1e15};
}

/// Roundings of a sum of p terms and of the functions in it, in units of epsilon.
double roundings(Index p) { return 8 + static_cast<double>(p) / 4; }

}  // namespace

TEST_CASE_TEMPLATE("loss and grad_A_L are exact to rounding for logits of any size", T, float,
                   double) {
  const Real epsilon = std::numeric_limits<T>::epsilon();
  test::Random random(11);
  for (const Loss<T>& pair : all_losses<T>())
    for (const double scale : scales(pair.output))
      for (const Index p : {1, 2, 3, 10, 100})
        for (const Kind kind : kinds(pair)) {
          CAPTURE(std::string(pair.name));
          CAPTURE(pair.parameter.value);
          CAPTURE(scale);
          CAPTURE(p);
          CAPTURE(static_cast<int>(kind));
          std::vector<T> logits = random.numbers<T>(64, -scale, scale);
          logits.push_back(static_cast<T>(scale));
          logits.push_back(static_cast<T>(-scale));
          Slice<T> s(p, logits, kind, random);
          const double loss = pair.differentiate(s.A.slice(0), s.y(kind), s.grad.slice(0), p);
          const auto exact = s.exact(pair);

          Real expected = 0, magnitude = 0, worst = 0;
          for (Index j = 0; j < lanes<T>; ++j) {
            const Real share = s.share[j];
            expected += share * exact.losses[static_cast<std::size_t>(j)];
            // The terms a loss is summed from: rounding is relative to them, not to what is left.
            magnitude += share * (static_cast<Real>(p) + s.A_exact.col(j).cwiseAbs().sum() +
                                  std::abs(exact.losses[static_cast<std::size_t>(j)]));
            for (Index i = 0; i < p; ++i) {
              const Real got = test::at(s.grad, i, j), grad = share * exact.grad_A(i, j);
              worst = std::max(worst, std::abs(got - grad) / (1 + std::abs(grad)));
              if (share == 0) CHECK(got == 0);
            }
          }
          CHECK(std::isfinite(loss));
          CHECK(std::abs(static_cast<Real>(loss) - expected) <= roundings(p) * epsilon * magnitude);
          CHECK(worst <= roundings(p) * epsilon);
        }
}

TEST_CASE_TEMPLATE("a certain and right answer costs nothing, a certain and wrong one its logit", T,
                   float, double) {
  const auto loss_of = [](const char* output, const char* loss, std::vector<T> a,
                          std::vector<T> y) {
    const Index p = static_cast<Index>(a.size());
    Panels<T> A(p, lanes<T>), Y(p, lanes<T>), grad(p, lanes<T>);
    Buffer<T> share(lanes<T>);
    share[0] = 1;
    for (Index i = 0; i < p; ++i) {
      test::at(A, i, 0) = a[static_cast<std::size_t>(i)];
      test::at(Y, i, 0) = y[static_cast<std::size_t>(i)];
    }
    const FlushDenormals as_trained;
    return find_loss<T>(output, loss, std::nullopt)
        .differentiate(A.slice(0), {nullptr, Y.slice(0), share.data()}, grad.slice(0), p);
  };
  CHECK(loss_of("softmax", "cross_entropy", {1000, 0}, {1, 0}) == 0);
  CHECK(loss_of("softmax", "cross_entropy", {1000, 0}, {0, 1}) == 1000);
  CHECK(loss_of("sigmoid", "binary_cross_entropy", {1000}, {1}) == 0);
  CHECK(loss_of("sigmoid", "binary_cross_entropy", {1000}, {0}) == 1000);
  CHECK(loss_of("sigmoid", "binary_cross_entropy", {-1000}, {1}) == 1000);
  CHECK(loss_of("linear", "squared_error", {3, 4}, {0, 0}) == 12.5);
  CHECK(loss_of("linear", "absolute_error", {3, -4}, {0, 0}) == 7);
  CHECK(loss_of("linear", "huber", {3, T(-0.5)}, {0, 0}) == 2.625);
  CHECK(loss_of("exp", "poisson", {0}, {5}) == 1);
}

TEST_CASE_TEMPLATE("predictions are exact to rounding, softmax columns sum to 1", T, float,
                   double) {
  const Real epsilon = std::numeric_limits<T>::epsilon();
  test::Random random(12);
  for (const auto& pair : losses<T>)
    for (const double scale : scales(pair.output))
      for (const Index p : {1, 2, 10, 100}) {
        CAPTURE(std::string(pair.output));
        CAPTURE(scale);
        CAPTURE(p);
        Slice<T> s(p, random.numbers<T>(64, -scale, scale), Kind::one_hot, random);
        pair.predict(s.A.slice(0), p);
        const Matrix<Real> Y_hat = s.exact(pair).Y_hat;
        Real worst = 0;
        for (Index j = 0; j < lanes<T>; ++j) {
          Real sum = 0;
          for (Index i = 0; i < p; ++i) {
            const Real y_hat = test::at(s.A, i, j);
            sum += y_hat;
            worst = std::max(worst, std::abs(y_hat - Y_hat(i, j)) / (1 + std::abs(Y_hat(i, j))));
          }
          if (std::string(pair.output) == "softmax")
            CHECK(std::abs(sum - 1) <= roundings(p) * epsilon);
        }
        CHECK(worst <= roundings(p) * epsilon);
      }
}

TEST_CASE_TEMPLATE("a logit that is NaN or infinite never looks like a good loss", T, float,
                   double) {
  using Limits = std::numeric_limits<T>;
  test::Random random(13);
  for (const Loss<T>& pair : all_losses<T>())
    for (const T bad : {Limits::quiet_NaN(), Limits::infinity()})
      for (Index lane = 0; lane + 1 < lanes<T> || lane == 0; ++lane)
        for (const Kind kind : kinds(pair)) {
          CAPTURE(std::string(pair.name));
          CAPTURE(bad);
          Slice<T> s(3, {T(0.5), T(-1)}, kind, random);
          test::at(s.A, 1, lane) = bad;
          CHECK_FALSE(
              std::isfinite(pair.differentiate(s.A.slice(0), s.y(kind), s.grad.slice(0), 3)));
        }
}

TEST_CASE("an unmatched output and loss, or a senseless parameter, is refused with the rule") {
  CHECK_THROWS_WITH_AS(find_loss<float>("softmax", "squared_error", std::nullopt),
                       doctest::Contains("softmax with cross_entropy"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(find_loss<float>("linear", "squared_error", 1.0),
                       doctest::Contains("has no parameter"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(find_loss<float>("softmax", "cross_entropy", 1.5),
                       doctest::Contains("must be from 0 to 1, got 1.5"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(find_loss<float>("linear", "huber", 0.0),
                       doctest::Contains("must be positive and finite"), std::invalid_argument);
}
