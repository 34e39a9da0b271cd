// Updates that take place while the next tile of a gradient is summed.
//
// Sums keep the multipliers busy, an update the memory and the divider: a root and a quotient take
// two thirds of the time of an example's sums, and a sixth of it from the multipliers. So the
// packets of a tile are updated one by one between the examples of the next, where one after
// another they would wait for each other.
#pragma once

#include "backprop/product.hpp"
#include "backprop/update.hpp"

BACKPROP_NAMESPACE_BEGIN

/// A tile of grad_W, a panel wide, whose parameters are still to be updated.
template <class T>
struct WaitingTile {
  EIGEN_ALIGN_MAX T gradient[max_tile_rows * panel_width<T>];
  Index at = 0, row_stride = 0, packets = 0;
};

/// Keeps a tile until the next is summed; what is less than a panel wide does not wait. Knows L2,
/// but no other penalty and no clipping.
template <class T, class Optimizer, bool has_l2>
class DeferredRule {
 public:
  DeferredRule(const TileRule<T>& now, WaitingTile<T>& tile) : now_(now), tile_(tile) {}

  const TileRule<T>& now() const { return now_; }
  void apply(Index at, const Packet<T>& grad, Index count) const { now_.apply(at, grad, count); }

  /// Keeps a tile, whose sums go to where this points.
  T* wait(Index at, Index row_stride, Index rows) const {
    tile_.at = at;
    tile_.row_stride = row_stride;
    tile_.packets = 2 * rows;
    return tile_.gradient;
  }

  /// Goes through the tile that waits, packet by packet; `next` is where the one after it lies.
  class Waiting {
   public:
    Waiting(const DeferredRule& rule, Index next)
        : theta_(rule.now_.update.theta),
          numbers_(rule.now_.update.numbers[true]),
          gradient_(rule.tile_.gradient),
          at_(rule.tile_.at),
          distance_(next - rule.tile_.at),
          to_next_row_(rule.tile_.row_stride - lanes<T>),
          packets_(rule.tile_.packets),
          l2_(rule.now_.update.layers[static_cast<std::size_t>(rule.now_.k - 1)].l2),
          squares_(Eigen::internal::pset1<Packet<T>>(T(0))),
          sums_(rule.now_.sums) {
      for (int i = 0; i < n_states; ++i) states_[i] = rule.now_.update.state[i];
      rule.tile_.packets = 0;
    }

    ~Waiting() {
      if constexpr (has_l2)
        sums_.penalty += l2_ / 2 * static_cast<double>(Eigen::internal::predux(squares_));
    }

    Index packets() const { return packets_; }

    /// Asks for the same packet of the tile that will wait next. No nearer than the second cache:
    /// the sums would drive it out of the first before its turn comes.
    EIGEN_ALWAYS_INLINE void prefetch_next() const {
      __builtin_prefetch(theta_ + at_ + distance_, 0, 2);
      for (int i = 0; i < n_states; ++i) __builtin_prefetch(states_[i] + at_ + distance_, 0, 2);
    }

    EIGEN_ALWAYS_INLINE void take() {
      namespace ei = Eigen::internal;
      // From memory each time, as the registers are full of sums.
      Packet<T> c[8];
      for (int i = 0; i < 8; ++i) c[i] = ei::pset1<Packet<T>>(numbers_[i]);
      const auto gradient = [&](const Packet<T>& theta) {
        const Packet<T> g = ei::pload<Packet<T>>(gradient_);
        if constexpr (!has_l2) return g;
        squares_ = ei::pmadd(theta, theta, squares_);
        return ei::pmadd(ei::pset1<Packet<T>>(l2_), theta, g);
      };
      detail::update_packet<T, Optimizer>(theta_, states_, at_, lanes<T>, c, gradient);
      gradient_ += lanes<T>;
      at_ += packets_ % 2 == 0 ? lanes<T> : to_next_row_;
      --packets_;
    }

   private:
    static constexpr int n_states = static_cast<int>(Optimizer::state.size());
    T* theta_;
    T* states_[2];
    const T *numbers_, *gradient_;
    Index at_, distance_, to_next_row_, packets_;
    const T& l2_;
    Packet<T> squares_;
    Sums& sums_;
  };
  Waiting waiting(Index next) const { return Waiting(*this, next); }

  /// Updates the last tile of a block.
  void finish() const {
    for (Waiting last = waiting(0); last.packets() > 0;) last.take();
  }

 private:
  TileRule<T> now_;
  WaitingTile<T>& tile_;
};

BACKPROP_NAMESPACE_END
