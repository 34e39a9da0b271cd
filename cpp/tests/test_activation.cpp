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
  std::vector<T> grid = {T(0),
                         -T(0),
                         Limits::infinity(),
                         -Limits::infinity(),
                         Limits::quiet_NaN(),
                         Limits::max(),
                         Limits::lowest(),
                         Limits::min(),
                         -Limits::min(),
                         Limits::denorm_min(),
                         -Limits::denorm_min(),
                         T(0.625),
                         -T(0.625)};
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

struct Worst {
  double distance = 0;
  double where = 0;

  void see(double d, double x) {
    if (d > distance || std::isnan(d)) {
      distance = d;
      where = x;
    }
  }
};

}  // namespace

TEST_CASE_TEMPLATE("every g is within 4 ulps of the exact value, NaN stays NaN", T, float, double) {
  const std::vector<T> grid = dense_grid<T>();
  const Index rows = static_cast<Index>(grid.size()) / panel_width<T>;
  for (const auto& activation : activations<T>) {
    CAPTURE(activation.name);
    const auto g = test::reference_activation(activation.name).g;
    // As trained, and without the flush to zero of the engine.
    for (const bool flushed : {true, false}) {
      Buffer<T> h(rows * panel_width<T>);
      std::copy(grid.begin(), grid.end(), h.data());
      if (flushed) {
        const FlushDenormals flush;
        activation.forward(h.data(), rows, 2);
      } else {
        activation.forward(h.data(), rows, 2);
      }
      Worst worst;
      for (std::size_t i = 0; i < grid.size(); ++i)
        worst.see(ulps(h[static_cast<Index>(i)], g(grid[i])), static_cast<double>(grid[i]));
      CAPTURE(worst.where);
      CHECK(worst.distance <= 4);
    }
  }
}

TEST_CASE_TEMPLATE("every derivative times grad_H is within 4 ulps of 1 of the exact value", T,
                   float, double) {
  std::vector<T> grid = dense_grid<T>();
  for (T& a : grid)
    if (!std::isfinite(a)) a = T(1);
  const Index rows = static_cast<Index>(grid.size()) / panel_width<T>;
  for (const auto& activation : activations<T>) {
    CAPTURE(activation.name);
    const auto derivative = test::reference_activation(activation.name).derivative;
    for (const T grad_h : {T(1), T(-3), T(0), T(1e-3)}) {
      Buffer<T> h(rows * panel_width<T>), grad(rows * panel_width<T>);
      std::copy(grid.begin(), grid.end(), h.data());
      std::fill(grad.data(), grad.data() + grad.size(), grad_h);
      activation.forward(h.data(), rows, 2);
      activation.backward(h.data(), grad.data(), rows, 2);
      // h is rounded where it nears its limits, so the derivative is known to an ulp of 1 there.
      Worst worst;
      for (std::size_t i = 0; i < grid.size(); ++i) {
        const Real exact = derivative(grid[i]);
        const Real got = grad[static_cast<Index>(i)];
        const Real scale = std::abs(Real(grad_h)) * std::max(Real(1), std::abs(exact));
        const Real distance = std::abs(got - exact * grad_h);
        worst.see(distance == 0
                      ? 0
                      : static_cast<double>(distance / scale / std::numeric_limits<T>::epsilon()),
                  static_cast<double>(grid[i]));
      }
      CAPTURE(worst.where);
      CHECK(worst.distance <= 4);
    }
  }
}

TEST_CASE_TEMPLATE("a tile of single packets touches no other lane", T, float, double) {
  for (const auto& activation : activations<T>) {
    CAPTURE(activation.name);
    constexpr Index rows = 3;
    EIGEN_ALIGN_MAX T a[rows * panel_width<T>], h[rows * panel_width<T>];
    std::fill(std::begin(a), std::end(a), T(-7));
    std::fill(std::begin(h), std::end(h), T(0.25));
    activation.forward(a, rows, 1);
    for (Index i = 0; i < rows * panel_width<T>; ++i)
      if (i % panel_width<T> >= lanes<T>) CHECK(a[i] == T(-7));
    std::fill(std::begin(a), std::end(a), T(-7));
    activation.backward(h, a, rows, 1);
    for (Index i = 0; i < rows * panel_width<T>; ++i)
      if (i % panel_width<T> >= lanes<T>) CHECK(a[i] == T(-7));
  }
}

TEST_CASE("an unknown activation is refused with the known names") {
  CHECK_THROWS_WITH_AS(find_activation<float>("rellu"), doctest::Contains("got 'rellu'"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(find_activation<double>(""), doctest::Contains("relu, sigmoid, tanh"),
                       std::invalid_argument);
}
