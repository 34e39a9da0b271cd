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

BACKPROP_NAMESPACE_END
