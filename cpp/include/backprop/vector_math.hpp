// Elementary functions on packets: the ones Eigen does not vectorise well or has no name for.
#pragma once

#include "backprop/types.hpp"

BACKPROP_NAMESPACE_BEGIN

template <class P>
using ScalarOf = typename Eigen::internal::unpacket_traits<P>::type;

template <class P>
P constant(double value) {
  return Eigen::internal::pset1<P>(static_cast<ScalarOf<P>>(value));
}

/// The polynomial of x whose coefficients are given, highest power first.
template <class P, std::size_t N>
P horner(const P& x, const double (&coefficients)[N]) {
  P sum = constant<P>(coefficients[0]);
  for (std::size_t i = 1; i < N; ++i)
    sum = Eigen::internal::pmadd(sum, x, constant<P>(coefficients[i]));
  return sum;
}

/// exp(a) that overflows to infinity, where Eigen's stops at the largest number: a loss that is
/// made of it must show that it diverged.
template <class P>
P exponential(const P& a) {
  namespace ei = Eigen::internal;
  constexpr auto infinity = std::numeric_limits<ScalarOf<P>>::infinity();
  const P limit = constant<P>(sizeof(ScalarOf<P>) == 4 ? 88.3 : 709.7);
  return ei::pselect(ei::pcmp_lt(limit, a), ei::pset1<P>(infinity), ei::pexp(a));
}

/// exp(a) - 1 for a <= 0, to a few units in the last place also near 0.
template <class P>
P exponential_minus_1(const P& a) {
  namespace ei = Eigen::internal;
  // The least polynomials for (exp(a) - 1) / a on [-1/2, 0].
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
  P ratio;
  if constexpr (sizeof(ScalarOf<P>) == 4)
    ratio = horner(a, single);
  else
    ratio = horner(a, twice);
  const P far = ei::psub(ei::pexp(a), constant<P>(1.0));
  return ei::pselect(ei::pcmp_lt(a, constant<P>(-0.5)), far, ei::pmul(a, ratio));
}

/// The normal distribution at z >= 0: its upper tail Q(z) = erfc(z / sqrt 2) / 2 to a few units in
/// the last place however small it is, and exp(-z^2 / 2).
template <class P>
struct NormalTail {
  P tail, gaussian;

  explicit NormalTail(const P& magnitude) {
    namespace ei = Eigen::internal;
    constexpr bool is_single = sizeof(ScalarOf<P>) == 4;
    // Both are 0 from here on.
    const P z = ei::pmin(magnitude, constant<P>(is_single ? 14.0 : 39.0));
    const P square = ei::pmul(z, z);
    // What the square lost to rounding would be the largest error of the tail.
    const P lost = ei::pmadd(z, z, ei::pnegate(square));
    const P half = constant<P>(-0.5);
    gaussian = ei::pexp(ei::pmul(half, square));
    gaussian = ei::pmadd(gaussian, ei::pmul(half, lost), gaussian);
    // Q(z) exp(z^2 / 2) (1 + 1.25 z) hardly varies; the least polynomial in (z - k) / (z + k).
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
    const P k = constant<P>(is_single ? 4.0 : 6.0);
    const P above = ei::padd(z, k), scale = ei::pmadd(constant<P>(1.25), z, constant<P>(1.0));
    const P reciprocal = ei::pdiv(constant<P>(1.0), ei::pmul(above, scale));
    const P x = ei::pmul(ei::pmul(ei::psub(z, k), scale), reciprocal);
    P p;
    if constexpr (is_single)
      p = horner(x, single);
    else
      p = horner(x, twice);
    tail = ei::pmul(gaussian, ei::pmul(p, ei::pmul(above, reciprocal)));
  }
};

/// 1 / (1 + exp(-a)); exp(-|a|) cannot overflow.
template <class P>
P logistic(const P& a) {
  namespace ei = Eigen::internal;
  const P one = constant<P>(1.0), zero = ei::pzero(a);
  const P e = ei::pexp(ei::pnegate(ei::pabs(a)));
  const P denominator = ei::padd(one, e);
  return ei::pdiv(ei::pselect(ei::pcmp_lt(a, zero), e, one), denominator);
}

/// tanh a = 1 - 2 / (exp(2a) + 1) far from 0, and Cephes' approximations near 0, where that
/// difference would cancel.
template <class P>
P hyperbolic_tangent(const P& a) {
  namespace ei = Eigen::internal;
  const P one = constant<P>(1.0), two = constant<P>(2.0);
  const P magnitude = ei::pabs(a);
  // tanh is 1 to the last bit from 20 on; the bound keeps exp finite.
  const P e = ei::pexp(ei::pmul(two, ei::pmin(magnitude, constant<P>(20.0))));
  const P tail = ei::psub(one, ei::pdiv(two, ei::padd(e, one)));
  const P s = ei::pmul(a, a);
  P ratio;
  if constexpr (sizeof(ScalarOf<P>) == 4) {
    ratio = constant<P>(-5.70498872745e-3);
    ratio = ei::pmadd(ratio, s, constant<P>(2.06390887954e-2));
    ratio = ei::pmadd(ratio, s, constant<P>(-5.37397155531e-2));
    ratio = ei::pmadd(ratio, s, constant<P>(1.33314422036e-1));
    ratio = ei::pmadd(ratio, s, constant<P>(-3.33332819422e-1));
  } else {
    P p = constant<P>(-9.64399179425052238628e-1);
    p = ei::pmadd(p, s, constant<P>(-9.92877231001918586564e1));
    p = ei::pmadd(p, s, constant<P>(-1.61468768441708447952e3));
    P q = ei::padd(s, constant<P>(1.12811678491632931402e2));
    q = ei::pmadd(q, s, constant<P>(2.23548839060100448583e3));
    q = ei::pmadd(q, s, constant<P>(4.84406305325125486048e3));
    ratio = ei::pdiv(p, q);
  }
  const P centre = ei::pmadd(ei::pmul(a, s), ratio, a);
  const P signed_tail = ei::pselect(ei::pcmp_lt(a, ei::pzero(a)), ei::pnegate(tail), tail);
  const P result = ei::pselect(ei::pcmp_lt(magnitude, constant<P>(0.625)), centre, signed_tail);
  // pmin may drop a NaN; a + result would not.
  return ei::pselect(ei::pcmp_eq(a, a), result, a);
}

/// log(1 + exp(a)), the softplus, without overflow: max(a, 0) + log1p(exp(-|a|)).
template <class P>
P softplus(const P& a) {
  namespace ei = Eigen::internal;
  const P one = constant<P>(1.0);
  const P e = ei::pexp(ei::pnegate(ei::pabs(a)));
  // Kahan's log1p: the quotient cancels the rounding of 1 + e.
  const P u = ei::padd(one, e);
  const P log1p =
      ei::pselect(ei::pcmp_eq(u, one), e, ei::pmul(ei::plog(u), ei::pdiv(e, ei::psub(u, one))));
  return ei::padd(ei::pmax(a, ei::pzero(a)), log1p);
}

/// The square root, correctly rounded; where Eigen estimates it, it is a few units off.
template <class P>
EIGEN_ALWAYS_INLINE P square_root(const P& a) {
  return Eigen::internal::psqrt(a);
}

#if defined(EIGEN_VECTORIZE_AVX512)
template <>
EIGEN_ALWAYS_INLINE Eigen::internal::Packet16f square_root(const Eigen::internal::Packet16f& a) {
  return _mm512_sqrt_ps(a);
}
template <>
EIGEN_ALWAYS_INLINE Eigen::internal::Packet8d square_root(const Eigen::internal::Packet8d& a) {
  return _mm512_sqrt_pd(a);
}
#elif defined(EIGEN_VECTORIZE_AVX)
template <>
EIGEN_ALWAYS_INLINE Eigen::internal::Packet8f square_root(const Eigen::internal::Packet8f& a) {
  return _mm256_sqrt_ps(a);
}
#elif defined(EIGEN_VECTORIZE_SSE)
template <>
EIGEN_ALWAYS_INLINE Eigen::internal::Packet4f square_root(const Eigen::internal::Packet4f& a) {
  return _mm_sqrt_ps(a);
}
#endif

/// -1, 0 or 1
template <class P>
EIGEN_ALWAYS_INLINE P sign(const P& a) {
  namespace ei = Eigen::internal;
  const P zero = ei::pzero(a), one = constant<P>(1.0);
  return ei::psub(ei::pand(ei::pcmp_lt(zero, a), one), ei::pand(ei::pcmp_lt(a, zero), one));
}

BACKPROP_NAMESPACE_END
