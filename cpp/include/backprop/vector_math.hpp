// Elementary functions of packets: those that Eigen does not vectorise well or has no name for.
#pragma once

#include "backprop/simd.hpp"

BACKPROP_NAMESPACE_BEGIN

template <class T>
constexpr bool is_single = sizeof(T) == 4;

/// The polynomial of x whose coefficients are given, highest power first.
template <class T, std::size_t N>
Packet<T> horner(const Packet<T>& x, const double (&coefficients)[N]) {
  Packet<T> sum = static_cast<T>(coefficients[0]);
  for (std::size_t i = 1; i < N; ++i) sum = fma(sum, x, static_cast<T>(coefficients[i]));
  return sum;
}

/// exp(a) that overflows to infinity, where `exp` stops at the largest number: a loss that is made
/// of it must show that it diverged.
template <class T>
Packet<T> exponential(const Packet<T>& a) {
  const Packet<T> limit = static_cast<T>(is_single<T> ? 88.3 : 709.7);
  return select(limit < a, std::numeric_limits<T>::infinity(), exp(a));
}

/// exp(a) - 1 for a <= 0, to a few units in the last place also near 0.
template <class T>
Packet<T> exponential_minus_1(const Packet<T>& a) {
  // The polynomials of least error for (exp(a) - 1) / a on [-1/2, 0].
  constexpr double single[] = {1.123404219e-3, 8.189613631e-3, 4.163007283e-2,
                               1.666624187e-1, 4.999998188e-1, 9.999999987e-1};
  constexpr double twice[] = {1.9946928980790278e-8,
                              2.6975028932872563e-7,
                              2.7519016924164968e-6,
                              2.4800009927947966e-5,
                              1.984122793902707e-4,
                              1.3888888172333307e-3,
                              8.3333333256826957e-3,
                              4.1666666666189638e-2,
                              1.666666666666514e-1,
                              4.9999999999999981e-1,
                              1.0};
  Packet<T> ratio;
  if constexpr (is_single<T>)
    ratio = horner(a, single);
  else
    ratio = horner(a, twice);
  return select(a < T(-0.5), exp(a) - T(1), a * ratio);
}

/// The normal distribution at z >= 0: its upper tail Q(z) = erfc(z / sqrt 2) / 2, to a few units in
/// the last place however small it is, and exp(-z^2 / 2).
template <class T>
struct NormalTail {
  Packet<T> tail, gaussian;

  explicit NormalTail(const Packet<T>& magnitude) {
    // Both are 0 from this bound on.
    const Packet<T> z = min(magnitude, T(is_single<T> ? 14 : 39));
    const Packet<T> square = z * z;
    // Without what the square lost to rounding, that would be the largest error of the tail.
    const Packet<T> lost = fma(z, z, -square);
    const Packet<T> half = T(-0.5);
    gaussian = exp(half * square);
    gaussian = fma(gaussian, half * lost, gaussian);
    // Q(z) exp(z^2 / 2) (1 + 1.25 z) hardly varies; this is its polynomial of least error in
    // (z - k) / (z + k).
    constexpr double single[] = {-9.340421208e-5, -6.617996966e-5, 9.084416601e-4,  -5.387590961e-4,
                                 -6.380101598e-3, 2.454827277e-2,  -4.796325597e-2, 5.367681332e-2,
                                 -1.359528488e-2, -7.827990263e-2, 5.664638479e-1};
    constexpr double twice[] = {
        1.9912874962849395e-9,  3.5511472254175863e-9,  -2.0319608873896132e-8,
        -2.3781887871216796e-8, 1.7161505395409783e-7,  -1.6198074347928629e-8,
        -1.2779754747761225e-6, 2.4090214080873356e-6,  5.396326814156746e-6,
        -3.4313223689872538e-5, 5.2370957530468011e-5,  1.4626853952671425e-4,
        -1.131336561350474e-3,  3.9229324325601434e-3,  -9.6792562803191899e-3,
        1.877018917571306e-2,   -2.9455018769317595e-2, 3.700421878483617e-2,
        -3.4382684823943903e-2, 1.5009776475308502e-2,  2.330640734041967e-2,
        -7.5482519517958663e-2, 5.5062417175779822e-1};
    const Packet<T> k = T(is_single<T> ? 4 : 6);
    const Packet<T> above = z + k, scale = fma(T(1.25), z, T(1));
    const Packet<T> reciprocal = T(1) / (above * scale);
    const Packet<T> x = (z - k) * scale * reciprocal;
    Packet<T> p;
    if constexpr (is_single<T>)
      p = horner(x, single);
    else
      p = horner(x, twice);
    tail = gaussian * (p * (above * reciprocal));
  }
};

/// 1 / (1 + exp(-a)), written with exp(-|a|), which cannot overflow.
template <class T>
Packet<T> logistic(const Packet<T>& a) {
  const Packet<T> e = exp(-abs(a));
  return select(a < T(0), e, T(1)) / (T(1) + e);
}

/// tanh a = 1 - 2 / (exp(2a) + 1) far from 0. Near 0 that difference would cancel, so there it is
/// one of the approximations of the Cephes library.
template <class T>
Packet<T> hyperbolic_tangent(const Packet<T>& a) {
  const Packet<T> magnitude = abs(a);
  // tanh is 1 to the last bit from 20 on; the bound keeps exp finite.
  const Packet<T> e = exp(T(2) * min(magnitude, T(20)));
  const Packet<T> tail = T(1) - T(2) / (e + T(1));
  const Packet<T> s = a * a;
  Packet<T> ratio;
  if constexpr (is_single<T>) {
    constexpr double p[] = {-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2,
                            1.33314422036e-1, -3.33332819422e-1};
    ratio = horner(s, p);
  } else {
    constexpr double p[] = {-9.64399179425052238628e-1, -9.92877231001918586564e1,
                            -1.61468768441708447952e3};
    constexpr double q[] = {1.0, 1.12811678491632931402e2, 2.23548839060100448583e3,
                            4.84406305325125486048e3};
    ratio = horner(s, p) / horner(s, q);
  }
  const Packet<T> centre = fma(a * s, ratio, a);
  const Packet<T> signed_tail = select(a < T(0), -tail, tail);
  const Packet<T> result = select(magnitude < T(0.625), centre, signed_tail);
  // `min` may have dropped a NaN, which must show.
  return select(a == a, result, a);
}

/// log(1 + exp(a)), the softplus, without overflow: max(a, 0) + log1p(exp(-|a|)).
template <class T>
Packet<T> softplus(const Packet<T>& a) {
  const Packet<T> e = exp(-abs(a));
  // Kahan's log1p: the quotient cancels the rounding of 1 + e.
  const Packet<T> u = T(1) + e;
  const Packet<T> log1p = select(u == T(1), e, log(u) * (e / (u - T(1))));
  return max(a, T(0)) + log1p;
}

/// -1, 0 or 1
template <class T>
BACKPROP_INLINE Packet<T> sign(const Packet<T>& a) {
  const Packet<T> one = T(1);
  return ((T(0) < a) & one) - ((a < T(0)) & one);
}

BACKPROP_NAMESPACE_END
