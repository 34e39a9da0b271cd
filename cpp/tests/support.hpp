// What the tests share: random numbers, matrices in and out of panels, and distances in ulps.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "backprop/data.hpp"
#include "backprop/panels.hpp"
#include "vendor/doctest.h"

namespace test {

using backprop::Index;

/// Reference values are computed in this type.
using Real = long double;

template <class Scalar>
using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// Uniform in [low, high).
  double uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(engine_() >> 11) * 0x1p-53);
  }
  Index below(Index n) { return static_cast<Index>(engine_() % static_cast<std::uint64_t>(n)); }

  template <class T>
  std::vector<T> numbers(Index n, double low = -1, double high = 1) {
    std::vector<T> out(static_cast<std::size_t>(n));
    for (T& x : out) x = static_cast<T>(uniform(low, high));
    return out;
  }

 private:
  std::mt19937_64 engine_;
};

/// Element (i, j) of a matrix in panels: row i, lane j.
template <class T>
T& at(backprop::Panels<T>& panels, Index i, Index j) {
  using backprop::lanes;
  return panels.slice(j / lanes<T>)[i * backprop::panel_width<T> + j % lanes<T>];
}

/// Examples (m, n) that lie one after another, as in a C-ordered NumPy array.
template <class T>
backprop::Examples<T> rows_of(const std::vector<T>& data, Index n) {
  return {data.data(), static_cast<Index>(data.size()) / n, n, n, 1};
}

/// Distance from the exact value in units of the last place of T at that value. A difference up to
/// `negligible` counts as none.
template <class T>
double ulps(T value, Real exact, Real negligible) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(exact)) return std::isnan(value) ? 0 : Limits::infinity();
  if (std::abs(exact) > static_cast<Real>(Limits::max()))
    return std::abs(value) == Limits::infinity() ? 0 : Limits::infinity();
  if (!std::isfinite(value)) return Limits::infinity();
  const Real distance = std::abs(static_cast<Real>(value) - exact);
  if (distance <= negligible) return 0;
  int exponent = 0;
  std::frexp(exact, &exponent);
  return static_cast<double>(distance / std::ldexp(Real(1), exponent - Limits::digits));
}

/// ||a - b|| / (||a|| + ||b||), 0 for two zeros.
template <class T>
double relative_difference(const T* a, const std::vector<Real>& b) {
  Real difference = 0, sum_a = 0, sum_b = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const Real x = a[i];
    difference += (x - b[i]) * (x - b[i]);
    sum_a += x * x;
    sum_b += b[i] * b[i];
  }
  if (difference == 0) return 0;
  return static_cast<double>(std::sqrt(difference) / (std::sqrt(sum_a) + std::sqrt(sum_b)));
}

}  // namespace test
