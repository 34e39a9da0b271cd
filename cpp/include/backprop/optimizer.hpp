// What becomes of a gradient: a rule receives it as apply(offset in theta, packet or number), tile
// by tile, while the sums are still in registers. So plain descent needs no gradient buffer at all.
#pragma once

#include "backprop/types.hpp"

BACKPROP_NAMESPACE_BEGIN

/// theta <- theta - lr grad
template <class T>
struct GradientDescent {
  T* theta;
  T lr;

  void prefetch(Index at) const { __builtin_prefetch(theta + at, 1); }

  template <class P>
  void apply(Index at, const P& grad) const {
    namespace ei = Eigen::internal;
    ei::pstoreu(theta + at, ei::pmadd(ei::pset1<P>(-lr), grad, ei::ploadu<P>(theta + at)));
  }
};

/// Keeps the gradient, in theta's layout.
template <class T>
struct StoreGradient {
  T* gradient;

  void prefetch(Index at) const { __builtin_prefetch(gradient + at, 1); }

  template <class P>
  void apply(Index at, const P& grad) const {
    Eigen::internal::pstoreu(gradient + at, grad);
  }
};

BACKPROP_NAMESPACE_END
