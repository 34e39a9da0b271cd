// Dropout (Srivastava et al. 2014), inverted: each unit of a hidden layer is dropped with the
// layer's rate, and the others are divided by 1 - rate, so that predictions need no change.
//
//     H_k <- H_k o M_k,   M_k(i, j) = 0 where bits(i, j) < rate 2^32, else 1 / (1 - rate)
//     bits(i, j) = mix(row(i) ^ (j 0x9E3779B9)),   row(i) = mix(i ^ low(key)) ^ high(key)
//     key = splitmix64(splitmix64(splitmix64(seed) ^ step) ^ k)
//
// in 32-bit arithmetic; units i, examples j of the batch and steps are counted from 0, layers k
// from 1. Bits that depend on the place alone are the same for any number of threads and any width
// of register. grad_A_k is grad_H_k o (g'(A_k) o M_k): the mask goes into the slopes that the
// forward pass keeps.
#pragma once

#include "backprop/data.hpp"
#include "backprop/panels.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Wellons' lowbias32: every bit of x changes every bit of the result with probability close to
/// 1/2.
inline std::uint32_t mix(std::uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7FEB352Du;
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  return x ^ (x >> 16);
}

/// The mask of one layer in one step.
class Dropout {
 public:
  Dropout() = default;
  Dropout(double rate, std::uint64_t seed, std::uint64_t step, Index k)
      : rate_(rate),
        threshold_(static_cast<std::uint32_t>(rate * 0x1p32)),
        key_(SplitMix64(SplitMix64(SplitMix64(seed).next() ^ step).next() ^
                        static_cast<std::uint64_t>(k))
                 .next()) {}

  bool drops() const { return rate_ > 0; }

  /// h <- h o M, slope <- slope o M for `packets` packets of units row .. row + rows, from `slice`
  /// on.
  template <class T>
  void apply(T* h, T* slope, Index slice, Index packets, Index row, Index rows) const {
    const T scale = static_cast<T>(1 / (1 - rate_));
    const auto low = static_cast<std::uint32_t>(key_),
               high = static_cast<std::uint32_t>(key_ >> 32);
    for (Index r = 0; r < rows; ++r) {
      const std::uint32_t row_bits = mix(static_cast<std::uint32_t>(row + r) ^ low) ^ high;
      for (Index v = 0; v < packets; ++v) {
        const auto first = static_cast<std::uint32_t>((slice + v) * lanes<T>);
        const Index at = r * panel_width<T> + v * lanes<T>;
        for (Index j = 0; j < lanes<T>; ++j) {
          const std::uint32_t bits =
              mix(row_bits ^ ((first + static_cast<std::uint32_t>(j)) * 0x9E3779B9u));
          const T m = bits < threshold_ ? T(0) : scale;
          h[at + j] *= m;
          slope[at + j] *= m;
        }
      }
    }
  }

 private:
  double rate_ = 0;
  std::uint32_t threshold_ = 0;
  std::uint64_t key_ = 0;
};

BACKPROP_NAMESPACE_END
