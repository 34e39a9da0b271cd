// The products W H and W^T grad_A over a range of examples: their tiles, and the packing of a W
// that does not lie close to the core.
#pragma once

#include <cstring>

#include "backprop/tile.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Longest sum over k in one go: X's panel (2 packets wide) and B's tile then share the L1 cache.
constexpr Index max_block = 256;

/// Bytes of a W that is multiplied where it lies, however often it is read.
constexpr Index largest_in_place = Index{4} << 20;

namespace detail {

/// How the sums of a tile start.
template <class T>
struct Start {
  const T* bias;    ///< one number a row, or null for 0
  bool accumulate;  ///< go on from what C holds
};

template <class T, int R, int V, class B>
BACKPROP_NO_INLINE void multiply_tile(B matrix, const T* X, Index n, Start<T> start, T* C) {
  Tile<T, R, V> tile;
  tile.each([&](int r, int v, Packet<T>& sums) {
    sums = start.bias ? start.bias[r] : T(0);
    // C is needed only after the sums, and may have left the cache since the last block.
    __builtin_prefetch(C + r * panel_width<T> + v * lanes<T>, 1);
  });
  tile.accumulate(matrix, X, n);
  if (start.accumulate)
    tile.each([&](int r, int v, Packet<T>& sums) {
      sums = sums + load(C + r * panel_width<T> + v * lanes<T>);
    });
  tile.each(
      [&](int r, int v, Packet<T>& sums) { store(C + r * panel_width<T> + v * lanes<T>, sums); });
}

/// Columns of a tile that is packed k after k: whole packets.
template <class T>
constexpr Index packed_width = ceil_div(max_tile_rows, lanes<T>) * lanes<T>;

/// Numbers from one packed row to the next. It is no power of two, because rows that far apart
/// would share cache sets.
template <class T>
constexpr Index packed_stride = max_block + 2 * lanes<T>;

/// Tiles that are packed together.
constexpr Index tiles_at_once = 8;

/// Numbers that a packed block may take.
template <class T>
constexpr Index packed_size = std::max(tiles_at_once * max_tile_rows * packed_stride<T>,
                                       tiles_at_once * max_block * packed_width<T>);

/// `rows` rows of the product from `row` on, summed over `size` numbers from `k` on.
struct Block {
  Index row, rows, k, size;
};

/// Copies one block of W (or W^T) close together, in small steps between the tiles of the block
/// before it. Each step asks the memory for what the next step copies, so that none waits.
template <class T, bool Transposed>
class Packer {
 public:
  Packer() = default;
  Packer(const T* W, Index stride, Block block, T* target, Index steps)
      : source_(W + (Transposed ? block.k * stride + block.row : block.row * stride + block.k)),
        stride_(stride),
        block_(block),
        target_(target),
        lines_(Transposed ? block.size : block.rows),
        steps_(steps) {}

  void step() {
    ++step_;
    const Index to_copy = std::min(lines_, step_ * lines_ / steps_);
    for (; copied_ < to_copy; ++copied_) copy(copied_);
    const Index to_ask = std::min(lines_, (step_ + 1) * lines_ / steps_);
    const Index length = Transposed ? block_.rows : block_.size;
    for (; asked_ < to_ask; ++asked_)
      for (Index i = 0; i < length; i += 64 / static_cast<Index>(sizeof(T)))
        __builtin_prefetch(source_ + asked_ * stride_ + i);
  }

  /// Copies what is left; the block can then be read.
  void finish() {
    for (; copied_ < lines_; ++copied_) copy(copied_);
  }

  /// The tile that starts `row` rows into the block and is its index-th.
  auto tile(Index row, Index index) const {
    if constexpr (Transposed)
      return Broadcast<T, 1, packed_width<T>>{target_ + index * max_block * packed_width<T>, 0};
    else
      return Broadcast<T, 0, 1>{target_ + row * packed_stride<T>, packed_stride<T>};
  }

 private:
  /// Copies one line of W: a row of the block, or one k of all its rows where W is transposed.
  void copy(Index line) {
    const T* from = source_ + line * stride_;
    if constexpr (!Transposed) {
      std::memcpy(target_ + line * packed_stride<T>, from,
                  static_cast<std::size_t>(block_.size) * sizeof(T));
    } else {
      T* to = target_ + line * packed_width<T>;
      for_each_tile({0, block_.rows}, [&](Index row, Index) {
        for (Index r = 0; r < packed_width<T>; r += lanes<T>)
          store(to + r, load_unaligned(from + row + r));
        to += max_block * packed_width<T>;
      });
    }
  }

  const T* source_ = nullptr;
  Index stride_ = 0;
  Block block_{};
  T* target_ = nullptr;
  Index lines_ = 0, steps_ = 1, step_ = 0, copied_ = 0, asked_ = 0;
};

}  // namespace detail

/// Numbers of scratch a thread needs to multiply: the block in use and the one being packed.
template <class T>
constexpr Index scratch_size = 2 * detail::packed_size<T>;

/// Numbers past the end of a W that may be read (never used).
template <class T>
constexpr Index overread = 2 * lanes<T> * max_tile_rows;

/// Rows of C = bias + W X, or bias + W^T X, for a range of examples. W is row-major with `stride`
/// numbers a row, n the length of the sums; finish(slice, packets, row, rows) is called on each
/// tile of C when it is complete and still in the nearest cache.
template <bool Transposed, class T, class Finish>
void multiply(const T* W, Index stride, Rows range, Index n, const Panels<T>& X, const T* bias,
              Panels<T>& C, Slices slices, T* scratch, Finish&& finish) {
  const Index rows = range.end - range.begin;
  const auto multiply_block = [&](const detail::Block& block, auto&& matrix_at) {
    for_each_panel(slices, [&](Index slice, Index packets) {
      const T* x = X.slice(slice) + block.k * panel_width<T>;
      Index index = 0;
      for_each_tile({0, block.rows}, [&](Index at, Index tile_rows) {
        const Index row = block.row + at;
        T* c = C.slice(slice) + row * panel_width<T>;
        const detail::Start<T> start{bias && block.k == 0 ? bias + row : nullptr, block.k > 0};
        const auto matrix = matrix_at(at, index++);
        with_rows(tile_rows, [&](auto R) {
          if (packets == 2)
            detail::multiply_tile<T, R, 2>(matrix, x, block.size, start, c);
          else
            detail::multiply_tile<T, R, 1>(matrix, x, block.size, start, c);
        });
        if (block.k + block.size == n) finish(slice, packets, row, tile_rows);
      });
    });
  };
  const Index n_panels = ceil_div(slices.end - slices.begin, 2), k_blocks = ceil_div(n, max_block);
  // A W that is read once, or not far from the core, is best left where it lies.
  if (n_panels == 1 || rows * n * static_cast<Index>(sizeof(T)) <= largest_in_place) {
    for (Index j = 0, k = 0; j < k_blocks; ++j) {
      const Index end = (j + 1) * n / k_blocks;
      const detail::Block block{range.begin, rows, k, end - k};
      multiply_block(block, [&](Index at, Index) {
        if constexpr (Transposed)
          return Broadcast<T, 1, 0>{W + block.k * stride + block.row + at, stride};
        else
          return Broadcast<T, 0, 1>{W + (block.row + at) * stride + block.k, stride};
      });
      k = end;
    }
    return;
  }
  const Index row_blocks = ceil_div(rows, detail::tiles_at_once * max_tile_rows);
  const Index n_blocks = k_blocks * row_blocks;
  const auto block_at = [&](Index b) -> detail::Block {
    const Index i = b % row_blocks, j = b / row_blocks;
    const Index row = i * rows / row_blocks, k = j * n / k_blocks;
    return {range.begin + row, (i + 1) * rows / row_blocks - row, k, (j + 1) * n / k_blocks - k};
  };
  const auto packer_at = [&](Index b) -> detail::Packer<T, Transposed> {
    if (b == n_blocks) return {};
    const detail::Block block = block_at(b);
    return {W, stride, block, scratch + b % 2 * detail::packed_size<T>,
            n_panels * ceil_div(block.rows, max_tile_rows)};
  };
  detail::Packer<T, Transposed> packed, next = packer_at(0);
  for (Index b = 0; b < n_blocks; ++b) {
    next.finish();
    packed = next;
    next = packer_at(b + 1);
    multiply_block(block_at(b), [&](Index at, Index index) {
      next.step();
      return packed.tile(at, index);
    });
  }
}

BACKPROP_NAMESPACE_END
