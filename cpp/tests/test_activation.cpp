// Every activation and its derivative against long double, over numbers of every magnitude.
#include "backprop/activation.hpp"
#include "backprop/parallel.hpp"
#include "reference.hpp"

using namespace backprop;
using test::Real;
using test::ulps;

namespace {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

/// Numbers of every sign and magnitude (a regular sample of the bit patterns, so infinities and
/// NaN too), the special values, and a fine grid where the functions bend.
template <class T>
std::vector<T> dense_grid() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> grid;
  for (const T x : {T(0), Limits::infinity(), Limits::quiet_NaN(), Limits::max(), Limits::min(),
                    Limits::denorm_min(), T(0.5), T(0.625), T(1)})
    for (const T sign : {T(1), T(-1)}) grid.push_back(sign * x);
  constexpr Bits<T> patterns = 400009;
  const Bits<T> stride = std::numeric_limits<Bits<T>>::max() / patterns;
  for (Bits<T> i = 0; i <= patterns; ++i) {
    const Bits<T> pattern = i * stride;
    T x;
    std::memcpy(&x, &pattern, sizeof(T));
    grid.push_back(x);
  }
  for (int i = -100000; i <= 100000; ++i) grid.push_back(static_cast<T>(i * 0.0011));
  while (grid.size() % static_cast<std::size_t>(panel_width<T>) != 0) grid.push_back(T(1));
  return grid;
}

/// h = g(a) and, if asked for, the slope g'(a) of one activation on the whole grid.
template <class T>
struct Curve {
  Buffer<T> h, slope;
  Index rows;

  Curve(const Activation<T>& activation, const std::vector<T>& grid, bool with_slope)
      : h(static_cast<Index>(grid.size())),
        slope(static_cast<Index>(grid.size())),
        rows(static_cast<Index>(grid.size()) / panel_width<T>) {
    const FlushDenormals as_trained;
    std::copy(grid.begin(), grid.end(), h.data());
    activation.forward(h.data(), with_slope ? slope.data() : nullptr, rows, 2);
  }
};

/// How far an activation may be off, where that is not a few ulps.
struct Accuracy {
  double slope_ulps = 3;       ///< of g', in ulps of 1
  bool relative_to_a = false;  ///< of g: its far tail is known to an ulp of a only
};

Accuracy accuracy(const std::string& name) {
  // Where exp(-z^2 / 2) and the argument of the tanh are large, so is what their rounding does.
  if (name == "gelu") return {3, true};
  // Their slopes are sums of terms that grow with a and cancel.
  if (name == "gelu_tanh") return {45, true};
  if (name == "silu") return {20, false};
  return {};
}

struct Worst {
  double distance = 0, where = 0;

  void see(double d, double x) {
    if (d > distance || std::isnan(d)) {
      distance = d;
      where = x;
    }
  }
};

}  // namespace

TEST_CASE_TEMPLATE("every g is the exact value to a few ulps, NaN stays NaN", T, float, double) {
  const std::vector<T> grid = dense_grid<T>();
  for (const auto& activation : activations<T>) {
    CAPTURE(std::string(activation.name));
    const auto g = test::reference_activation(activation.name).g;
    const Curve<T> curve(activation, grid, false), again(activation, grid, true);
    Worst worst;
    Index different = 0;
    for (std::size_t i = 0; i < grid.size(); ++i) {
      const T a = grid[i], h = curve.h[static_cast<Index>(i)];
      const T with_slope = again.h[static_cast<Index>(i)];
      different += h != with_slope && !(std::isnan(h) && std::isnan(with_slope));
      // An infinite a may give the limit of g, or a NaN that says that the network diverged.
      if (std::isinf(a) && std::isnan(h)) continue;
      // Where a factor of g is denormal, and so flushed to 0, the product may still be normal.
      const Real size = std::isfinite(a) ? std::abs(Real(a)) : Real(0);
      Real negligible = 2 * std::numeric_limits<T>::min() * std::max(Real(1), size);
      if (accuracy(activation.name).relative_to_a)
        negligible = std::max(negligible, std::numeric_limits<T>::epsilon() * size);
      worst.see(ulps(h, g(a), negligible), static_cast<double>(a));
    }
    CAPTURE(worst.where);
    CHECK(worst.distance <= 6);
    CHECK(different == 0);
  }
}

TEST_CASE_TEMPLATE("every derivative is the exact value to a few ulps of 1", T, float, double) {
  std::vector<T> grid = dense_grid<T>();
  for (T& a : grid)
    if (!std::isnormal(a)) a = T(0);
  const Real ulp = std::numeric_limits<T>::epsilon();
  for (const auto& activation : activations<T>) {
    CAPTURE(std::string(activation.name));
    const auto derivative = test::reference_activation(activation.name).derivative;
    const Curve<T> curve(activation, grid, true);
    for (const T grad_h : {T(1), T(-3), T(0), T(1e-3)}) {
      CAPTURE(grad_h);
      Buffer<T> grad(curve.h.size());
      std::fill(grad.data(), grad.data() + grad.size(), grad_h);
      if (activation.backward != nullptr)
        activation.backward(curve.h.data(), grad.data(), curve.rows, 2);
      else
        multiply_by_slope(curve.slope.data(), grad.data(), curve.rows, 2);
      Worst from_h, stored;
      for (std::size_t i = 0; i < grid.size(); ++i) {
        // h is rounded where it nears its limits, so the derivative is known to an ulp of 1 there.
        const Real exact = derivative(grid[i]);
        const auto at = static_cast<Index>(i);
        const auto where = static_cast<double>(grid[i]);
        from_h.see(static_cast<double>(std::abs(grad[at] - exact * grad_h) /
                                       (ulp * std::max(std::abs(Real(grad_h)), Real(1e-9L)))),
                   where);
        stored.see(static_cast<double>(std::abs(curve.slope[at] - exact) / ulp), where);
      }
      CAPTURE(from_h.where);
      CAPTURE(stored.where);
      CHECK(from_h.distance <= accuracy(activation.name).slope_ulps);
      CHECK(stored.distance <= accuracy(activation.name).slope_ulps);
    }
  }
}

TEST_CASE_TEMPLATE("a tile of single packets touches no other lane", T, float, double) {
  constexpr Index rows = 3, size = rows * panel_width<T>;
  for (const auto& activation : activations<T>) {
    CAPTURE(std::string(activation.name));
    EIGEN_ALIGN_MAX T a[size], slope[size], grad[size], h[size];
    std::fill_n(a, size, T(-7));
    std::fill_n(slope, size, T(-7));
    std::fill_n(grad, size, T(-7));
    std::fill_n(h, size, T(0.25));
    activation.forward(a, slope, rows, 1);
    if (activation.backward != nullptr)
      activation.backward(h, grad, rows, 1);
    else
      multiply_by_slope(h, grad, rows, 1);
    for (Index i = 0; i < size; ++i)
      if (i % panel_width<T> >= lanes<T>) CHECK((a[i] == -7 && slope[i] == -7 && grad[i] == -7));
  }
}

TEST_CASE("an unknown activation is refused with the known names") {
  CHECK_THROWS_WITH_AS(find_activation<float>("rellu"), doctest::Contains("got 'rellu'"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(find_activation<double>(""), doctest::Contains("relu, sigmoid, tanh"),
                       std::invalid_argument);
}
