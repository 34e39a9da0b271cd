// The way from a gradient to new parameters, with what may stand between: penalties, clipping, the
// state of an optimizer.
//
//     g <- grad + l1_k sign(W_k) + l2_k W_k     (never for b_k)
//     g <- g cut to [-clip_value, clip_value]
//     g <- g min(1, clip_norm / ||g||)          (the norm over all parameters: a second pass)
//     theta <- optimizer(theta, g)              (see optimizer.hpp)
//     rows of W_k longer than max_norm are scaled down to it
//
// The penalty that belongs to the gradient, sum_k l1_k sum |W_k| + l2_k ||W_k||^2 / 2, is summed on
// the way, task by task, so that it does not depend on the threads.
#pragma once

#include <vector>

#include "backprop/optimizer.hpp"
#include "backprop/product.hpp"
#include "backprop/types.hpp"

BACKPROP_NAMESPACE_BEGIN

/// A rectangle of parameters of layer k, and the gradient of each.
template <class T>
struct GradientTile {
  Index k;
  bool is_weight;
  Index at, row_stride;  ///< of theta
  const T* gradient;
  Index gradient_stride;
  Index rows, columns;
};

/// The strengths of the penalty of one layer in one step.
template <class T>
struct Strengths {
  T l1, l2;
};

/// What a tile adds up on the way.
struct Sums {
  double penalty = 0;  ///< of its weights, before the update
  double square = 0;   ///< of its gradient
};

template <class T>
struct Update {
  T* theta;
  T* state[2];
  T clip_value;     ///< infinity for none
  T scale;          ///< of the gradient: what clipping by norm leaves of it
  T numbers[2][8];  ///< of the optimizer, for b and for W
  std::vector<Strengths<T>> layers;
};

namespace detail {

/// Calls f(column, count) for the packets of a row: count is lanes<T> for all but the last.
template <class T, class F>
EIGEN_ALWAYS_INLINE void for_each_of_row(Index columns, F&& f) {
  Index c = 0;
  // Two at a time, as tiles are wide: the chains of one hide the waits of the other.
  for (; c + 2 * lanes<T> <= columns; c += 2 * lanes<T>) {
    f(c, lanes<T>);
    f(c + lanes<T>, lanes<T>);
  }
  for (; c < columns; c += lanes<T>) f(c, std::min(lanes<T>, columns - c));
}

/// The whole gradient of a packet of parameters: its penalty's part added, cut to clip_value.
template <class T>
struct Whole {
  Packet<T> l1, l2, half_l2, limit;

  EIGEN_ALWAYS_INLINE Whole(const Update<T>& update, const GradientTile<T>& tile) {
    namespace ei = Eigen::internal;
    const Strengths<T>& layer = update.layers[static_cast<std::size_t>(tile.k - 1)];
    l1 = ei::pset1<Packet<T>>(tile.is_weight ? layer.l1 : T(0));
    l2 = ei::pset1<Packet<T>>(tile.is_weight ? layer.l2 : T(0));
    half_l2 = ei::pmul(l2, constant<Packet<T>>(0.5));
    limit = ei::pset1<Packet<T>>(update.clip_value);
  }

  EIGEN_ALWAYS_INLINE Packet<T> operator()(const Packet<T>& grad, const Packet<T>& theta) const {
    namespace ei = Eigen::internal;
    const Packet<T> g = ei::pmadd(l1, sign(theta), ei::pmadd(l2, theta, grad));
    return ei::pmax(ei::pmin(g, limit), ei::pnegate(limit));
  }
  EIGEN_ALWAYS_INLINE Packet<T> penalty(const Packet<T>& theta) const {
    namespace ei = Eigen::internal;
    return ei::pmadd(l1, ei::pabs(theta), ei::pmul(half_l2, ei::pmul(theta, theta)));
  }
};

/// Where the gradient of a tile comes from, and what has still to be done to it.
enum class Source {
  bare,      ///< the tile's sums are the gradient
  whole,     ///< the penalty is to be added, and clip_value to be kept
  measured,  ///< an array of whole gradients, to be scaled to clip_norm
};

/// Updates `count` parameters from `at` on; gradient(theta) is theirs.
template <class T, class Optimizer, class Gradient>
EIGEN_ALWAYS_INLINE void update_packet(T* thetas, T* const* states, Index at, Index count,
                                       const Packet<T>* c, Gradient&& gradient) {
  constexpr int n_states = static_cast<int>(Optimizer::state.size());
  Packet<T> theta = load_part(thetas + at, count), s[2];
  const Packet<T> g = gradient(theta);
  for (int i = 0; i < n_states; ++i) s[i] = load_part(states[i] + at, count);
  Optimizer::update(theta, g, s, c);
  for (int i = 0; i < n_states; ++i) store_part(states[i] + at, s[i], count);
  store_part(thetas + at, theta, count);
}

template <class T, class Optimizer, Source source, class Columns>
EIGEN_ALWAYS_INLINE void update_rows(const Update<T>& update, const GradientTile<T>& tile,
                                     Columns columns, Sums& sums) {
  namespace ei = Eigen::internal;
  constexpr int n_states = static_cast<int>(Optimizer::state.size());
  Packet<T> c[8];
  for (int i = 0; i < 8; ++i) c[i] = ei::pset1<Packet<T>>(update.numbers[tile.is_weight][i]);
  const Packet<T> scale = ei::pset1<Packet<T>>(update.scale);
  const Whole<T> whole(update, tile);
  Packet<T> penalty = ei::pset1<Packet<T>>(T(0));
  T* thetas = update.theta + tile.at;
  T* states[2] = {};
  for (int i = 0; i < n_states; ++i) states[i] = update.state[i] + tile.at;
  const T* gradient = tile.gradient;
  const Index rows = tile.rows, row_stride = tile.row_stride, stride = tile.gradient_stride;
  for (Index r = 0; r < rows; ++r) {
    for_each_of_row<T>(columns, [&](Index column, Index count) {
      update_packet<T, Optimizer>(thetas, states, column, count, c, [&](const Packet<T>& theta) {
        const Packet<T> g = load_part(gradient + column, count);
        if constexpr (source == Source::measured) return ei::pmul(scale, g);
        if constexpr (source != Source::whole) return g;
        penalty = ei::padd(penalty, whole.penalty(theta));
        return whole(g, theta);
      });
    });
    thetas += row_stride;
    for (int i = 0; i < n_states; ++i) states[i] += row_stride;
    gradient += stride;
  }
  if constexpr (source == Source::whole) sums.penalty += static_cast<double>(ei::predux(penalty));
}

template <class T, class Optimizer, Source source>
void update_tile(const Update<T>& update, const GradientTile<T>& tile, Sums& sums) {
  // Most tiles are whole: a width known to the compiler leaves no loop within a row.
  if (tile.columns == panel_width<T>)
    update_rows<T, Optimizer, source>(update, tile, std::integral_constant<Index, panel_width<T>>{},
                                      sums);
  else
    update_rows<T, Optimizer, source>(update, tile, tile.columns, sums);
}

/// Keeps whole gradients in `gradient`, for a norm to be taken before they are used.
template <class T>
void measure_tile(const Update<T>& update, const GradientTile<T>& tile, T* gradient, Sums& sums) {
  namespace ei = Eigen::internal;
  const Whole<T> whole(update, tile);
  Packet<T> penalty = ei::pset1<Packet<T>>(T(0)), square = penalty;
  for (Index r = 0; r < tile.rows; ++r) {
    const Index at = tile.at + r * tile.row_stride;
    for_each_of_row<T>(tile.columns, [&](Index column, Index count) {
      const Packet<T> theta = load_part(update.theta + at + column, count);
      const Packet<T> g =
          whole(load_part(tile.gradient + r * tile.gradient_stride + column, count), theta);
      penalty = ei::padd(penalty, whole.penalty(theta));
      square = ei::pmadd(g, g, square);
      store_part(gradient + at + column, g, count);
    });
  }
  sums.penalty += static_cast<double>(ei::predux(penalty));
  sums.square += static_cast<double>(ei::predux(square));
}

}  // namespace detail

/// Scales the rows of W (row-major) that are longer than `limit` down to it.
template <class T>
void limit_rows(T* W, Index rows, Index columns, double limit) {
  namespace ei = Eigen::internal;
  for (Index r = 0; r < rows; ++r) {
    T* row = W + r * columns;
    Packet<T> square = ei::pset1<Packet<T>>(T(0));
    detail::for_each_of_row<T>(columns, [&](Index c, Index count) {
      const Packet<T> w = load_part(row + c, count);
      square = ei::pmadd(w, w, square);
    });
    const double norm = std::sqrt(static_cast<double>(ei::predux(square)));
    if (!(norm > limit)) continue;
    const Packet<T> scale = ei::pset1<Packet<T>>(static_cast<T>(limit / norm));
    detail::for_each_of_row<T>(columns, [&](Index c, Index count) {
      store_part(row + c, ei::pmul(scale, load_part(row + c, count)), count);
    });
  }
}

template <class T>
using UpdateTile = void (*)(const Update<T>&, const GradientTile<T>&, Sums&);

/// The rule of all that is not plain gradient descent: takes whole tiles of a gradient, of layer k.
template <class T>
struct TileRule {
  const Update<T>& update;
  UpdateTile<T> take;  ///< or null: the gradient is kept, and measured
  T* gradient;
  Index n_states, k;
  Sums& sums;

  void prefetch(Index at) const {
    __builtin_prefetch(update.theta + at, 1);
    for (Index i = 0; i < n_states; ++i) __builtin_prefetch(update.state[i] + at, 1);
  }

  /// A tile of grad_W.
  void apply_tile(Index at, Index row_stride, const T* grad, Index grad_stride, Index rows,
                  Index columns) const {
    take_tile({k, true, at, row_stride, grad, grad_stride, rows, columns});
  }
  /// The first `count` numbers of a packet of grad_b.
  void apply(Index at, const Packet<T>& grad, Index count) const {
    EIGEN_ALIGN_MAX T run[lanes<T>];
    Eigen::internal::pstore(run, grad);
    take_tile({k, false, at, 0, run, 0, 1, count});
  }

 private:
  void take_tile(const GradientTile<T>& tile) const {
    if (take == nullptr)
      detail::measure_tile(update, tile, gradient, sums);
    else
      take(update, tile, sums);
  }
};

BACKPROP_NAMESPACE_END
