// Activations g and their derivatives, one small struct each (note 2 and 6.1).
//
// To add one: a struct with its name, g(a) and backward(h, grad_h) = grad_h g'(a) written from the
// output h = g(a), and a line in the table.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "backprop/types.hpp"
#include "backprop/vector_math.hpp"

BACKPROP_NAMESPACE_BEGIN

struct Linear {
  static constexpr const char* name = "linear";
  template <class P>
  static P g(const P& a) {
    return a;
  }
  template <class P>
  static P backward(const P&, const P& grad_h) {
    return grad_h;
  }
};

struct Relu {
  static constexpr const char* name = "relu";
  template <class P>
  static P g(const P& a) {
    // This order of arguments lets a NaN through, so that a diverged network is noticed.
    return Eigen::internal::pmax(a, Eigen::internal::pzero(a));
  }
  template <class P>
  static P backward(const P& h, const P& grad_h) {
    namespace ei = Eigen::internal;
    return ei::pand(ei::pcmp_lt(ei::pzero(h), h), grad_h);
  }
};

struct Sigmoid {
  static constexpr const char* name = "sigmoid";
  template <class P>
  static P g(const P& a) {
    return logistic(a);
  }
  template <class P>
  static P backward(const P& h, const P& grad_h) {
    namespace ei = Eigen::internal;
    return ei::pmul(grad_h, ei::psub(h, ei::pmul(h, h)));
  }
};

struct Tanh {
  static constexpr const char* name = "tanh";
  template <class P>
  static P g(const P& a) {
    return hyperbolic_tangent(a);
  }
  template <class P>
  static P backward(const P& h, const P& grad_h) {
    namespace ei = Eigen::internal;
    return ei::psub(grad_h, ei::pmul(grad_h, ei::pmul(h, h)));
  }
};

/// An activation as the layers call it, on `rows` rows of one panel, `packets` packets a row.
template <class T>
struct Activation {
  const char* name;
  /// a <- g(a)
  void (*forward)(T* a, Index rows, Index packets);
  /// grad <- grad * g'(a), from h = g(a)
  void (*backward)(const T* h, T* grad, Index rows, Index packets);
};

namespace detail {

template <class T, class F>
void for_each_packet(Index rows, Index packets, F&& f) {
  const Index step = packets == 2 ? lanes<T> : panel_width<T>;
  for (Index i = 0; i < rows * panel_width<T>; i += step) f(i);
}

template <class T, class G>
constexpr Activation<T> activation_row() {
  namespace ei = Eigen::internal;
  return {G::name,
          [](T* a, Index rows, Index packets) {
            for_each_packet<T>(rows, packets, [a](Index i) {
              ei::pstore(a + i, G::g(ei::pload<Packet<T>>(a + i)));
            });
          },
          [](const T* h, T* grad, Index rows, Index packets) {
            for_each_packet<T>(rows, packets, [h, grad](Index i) {
              ei::pstore(grad + i,
                         G::backward(ei::pload<Packet<T>>(h + i), ei::pload<Packet<T>>(grad + i)));
            });
          }};
}

}  // namespace detail

template <class T>
constexpr Activation<T> activations[] = {
    detail::activation_row<T, Relu>(),
    detail::activation_row<T, Sigmoid>(),
    detail::activation_row<T, Tanh>(),
    detail::activation_row<T, Linear>(),
};

template <class T>
const Activation<T>& find_activation(std::string_view name) {
  std::string known;
  for (const auto& activation : activations<T>) {
    if (name == activation.name) return activation;
    known += std::string(known.empty() ? "" : ", ") + activation.name;
  }
  throw std::invalid_argument("`hidden` must be one of " + known + ", got '" + std::string(name) +
                              "'");
}

BACKPROP_NAMESPACE_END
