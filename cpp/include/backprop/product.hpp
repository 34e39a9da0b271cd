// Matrix products: the one place that decides how W H, W^T grad_A and grad_A H^T are computed.
//
// All three are one loop. A tile of R rows by V packets of lanes stays in registers while it sums
//
//     tile(r, lanes) += B(r, k) * X(k, lanes)        over k,
//
// where X lies in panels and B is read one number at a time, whatever its strides:
//
//     W H            B = W            X = H in panels of examples       rows = neurons of layer k
//     W^T grad_A     B = W^T          X = grad_A in panels of examples  rows = neurons of layer k-1
//     grad_A H^T     B = grad_A       X = H in panels of features       rows = neurons of layer k
//
// Every element is a sum in the order of k, in blocks of fixed size, so that results do not depend
// on how the tiles are divided over threads.
#pragma once

#include <algorithm>
#include <type_traits>

#include "backprop/types.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Whether there are 32 vector registers, or 16.
constexpr bool many_registers = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32;

/// Tiles fill the register file: R x 2 sums, 2 packets of X and one broadcast of B. Of 32 a few are
/// left for an update beside the sums.
constexpr Index max_tile_rows = many_registers ? 12 : 6;

/// Longest sum over k in one go: X's panel (2 packets wide) and B's tile then share the L1 cache.
constexpr Index max_block = 256;

/// Bytes of a W that is multiplied where it lies, however often it is read.
constexpr Index largest_in_place = Index{4} << 20;

/// A matrix read number by number: element (r, k) at data[r * row_stride + k * k_stride]. Strides
/// known to the compiler (not 0) cost no instructions, which at 2 multiply-adds a cycle is felt.
template <class T, Index RowStride, Index KStride>
struct Broadcast {
  const T* data;
  Index stride;  ///< the one the compiler does not know, if any

  constexpr Index row_stride() const { return RowStride == 0 ? stride : RowStride; }
  constexpr Index k_stride() const { return KStride == 0 ? stride : KStride; }
};

namespace detail {

constexpr Index rows_ahead = 6;

template <class T, int R, int V>
struct Tile {
  Packet<T> sum[R][V];

  template <class F>
  EIGEN_ALWAYS_INLINE void each(F&& f) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) f(r, v, sum[r][v]);
  }

  template <class B>
  EIGEN_ALWAYS_INLINE void accumulate(B matrix, const T* X, Index n) {
    namespace ei = Eigen::internal;
    const T* b = matrix.data;
    for (Index k = 0; k < n; ++k) {
      // X streams from the second cache; asked for this early, it arrives in time.
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v)
        __builtin_prefetch(X + rows_ahead * panel_width<T> + v * lanes<T>);
      Packet<T> x[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) x[v] = ei::pload<Packet<T>>(X + v * lanes<T>);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const Packet<T> w = ei::pset1<Packet<T>>(b[r * matrix.row_stride()]);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sum[r][v] = ei::pmadd(w, x[v], sum[r][v]);
      }
      b += matrix.k_stride();
      X += panel_width<T>;
    }
  }
};

/// Calls f with the number of rows as a compile-time constant.
template <int R = static_cast<int>(max_tile_rows), class F>
EIGEN_ALWAYS_INLINE void with_rows(Index rows, F&& f) {
  if constexpr (R == 1) {
    f(std::integral_constant<int, 1>{});
  } else {
    if (rows == R)
      f(std::integral_constant<int, R>{});
    else
      with_rows<R - 1>(rows, f);
  }
}

/// Calls f(first, count) for tiles of nearly equal height: 100 rows are 9 tiles of 11 or 12, since
/// a tile of a few rows cannot keep the multipliers busy.
template <class F>
EIGEN_ALWAYS_INLINE void for_each_tile(Index begin, Index end, F&& f) {
  const Index n = end - begin, tiles = std::max<Index>(1, ceil_div(n, max_tile_rows));
  const Index height = n / tiles;
  Index taller = n % tiles;
  for (Index first = begin; first < end;) {
    const Index count = height + (taller-- > 0);
    f(first, count);
    first += count;
  }
}

/// How the sums of a tile start.
template <class T>
struct Start {
  const T* bias;    ///< one number a row, or null for 0
  bool accumulate;  ///< go on from what C holds
};

template <class T, int R, int V, class B>
EIGEN_DONT_INLINE void multiply_tile(B matrix, const T* X, Index n, Start<T> start, T* C) {
  namespace ei = Eigen::internal;
  Tile<T, R, V> tile;
  tile.each([&](int r, int v, Packet<T>& sum) {
    sum = ei::pset1<Packet<T>>(start.bias ? start.bias[r] : T(0));
    // C is needed only after the sums, and may have left the cache since the last block.
    __builtin_prefetch(C + r * panel_width<T> + v * lanes<T>, 1);
  });
  tile.accumulate(matrix, X, n);
  if (start.accumulate)
    tile.each([&](int r, int v, Packet<T>& sum) {
      sum = ei::padd(sum, ei::pload<Packet<T>>(C + r * panel_width<T> + v * lanes<T>));
    });
  tile.each([&](int r, int v, Packet<T>& sum) {
    ei::pstore(C + r * panel_width<T> + v * lanes<T>, sum);
  });
}

/// Columns of a tile that is packed k after k: whole packets.
template <class T>
constexpr Index packed_width = ceil_div(max_tile_rows, lanes<T>) * lanes<T>;

/// Numbers from one packed row to the next: not a power of two, or rows would share cache sets.
template <class T>
constexpr Index packed_stride = max_block + 2 * lanes<T>;

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
/// before it; each step asks for the memory of the next, so that none is waited for.
template <class T, bool Transposed>
class Packer {
 public:
  Packer() = default;
  Packer(const T* W, Index stride, Block block, T* target, Index steps)
      : source_(W + (Transposed ? block.k * stride + block.row : block.row * stride + block.k)),
        stride_(stride),
        block_(block),
        target_(target),
        units_(Transposed ? block.size : block.rows),
        steps_(steps) {}

  void step() {
    ++step_;
    const Index to_copy = std::min(units_, step_ * units_ / steps_);
    for (; copied_ < to_copy; ++copied_) copy(copied_);
    const Index to_ask = std::min(units_, (step_ + 1) * units_ / steps_);
    const Index length = Transposed ? block_.rows : block_.size;
    for (; asked_ < to_ask; ++asked_)
      for (Index i = 0; i < length; i += 64 / static_cast<Index>(sizeof(T)))
        __builtin_prefetch(source_ + asked_ * stride_ + i);
  }

  /// Copies what is left; the block can then be read.
  void finish() {
    for (; copied_ < units_; ++copied_) copy(copied_);
  }

  /// The tile that starts `row` rows into the block and is its index-th.
  auto tile(Index row, Index index) const {
    if constexpr (Transposed)
      return Broadcast<T, 1, packed_width<T>>{target_ + index * max_block * packed_width<T>, 0};
    else
      return Broadcast<T, 0, 1>{target_ + row * packed_stride<T>, packed_stride<T>};
  }

 private:
  void copy(Index unit) {
    namespace ei = Eigen::internal;
    const T* from = source_ + unit * stride_;
    if constexpr (!Transposed) {
      std::memcpy(target_ + unit * packed_stride<T>, from,
                  static_cast<std::size_t>(block_.size) * sizeof(T));
    } else {
      T* to = target_ + unit * packed_width<T>;
      for_each_tile(0, block_.rows, [&](Index row, Index) {
        for (Index r = 0; r < packed_width<T>; r += lanes<T>)
          ei::pstore(to + r, ei::ploadu<Packet<T>>(from + row + r));
        to += max_block * packed_width<T>;
      });
    }
  }

  const T* source_ = nullptr;
  Index stride_ = 0;
  Block block_{};
  T* target_ = nullptr;
  Index units_ = 0, steps_ = 1, step_ = 0, copied_ = 0, asked_ = 0;
};

}  // namespace detail

/// Numbers of scratch a thread needs to multiply: the block in use and the one being packed.
template <class T>
constexpr Index scratch_size = 2 * detail::packed_size<T>;

/// Numbers past the end of a W that may be read (never used).
template <class T>
constexpr Index overread = 2 * lanes<T> * max_tile_rows;

/// A range of the rows of a product: of W, or of W^T.
struct Rows {
  Index begin, end;
};

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
      detail::for_each_tile(0, block.rows, [&](Index at, Index tile_rows) {
        const Index row = block.row + at;
        T* c = C.slice(slice) + row * panel_width<T>;
        const detail::Start<T> start{bias && block.k == 0 ? bias + row : nullptr, block.k > 0};
        const auto matrix = matrix_at(at, index++);
        detail::with_rows(tile_rows, [&](auto R) {
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

namespace detail {

// A rule receives the gradient as apply(offset in theta, packet, count), or, where it has an
// apply_tile, grad_W in whole tiles.
template <class Rule, class = void>
constexpr bool takes_tiles = false;
template <class Rule>
constexpr bool takes_tiles<Rule, std::void_t<decltype(&Rule::apply_tile)>> = true;

// Or it lets tiles a panel wide wait, each until the next one is summed (see deferred.hpp).
template <class Rule, class = void>
constexpr bool defers_tiles = false;
template <class Rule>
constexpr bool defers_tiles<Rule, std::void_t<decltype(&Rule::wait)>> = true;

// The rule comes by value: one that others see would be read again after every store to theta.
template <class T, int R, int V, class Rule>
EIGEN_DONT_INLINE void gradient_tile(const T* grad_A, Index panel_stride, const T* H, Index m,
                                     const Rule rule, Index offset, Index row_stride,
                                     Index columns) {
  namespace ei = Eigen::internal;
  Tile<T, R, V> tile;
  tile.each([](int, int, Packet<T>& sum) { sum = ei::pset1<Packet<T>>(T(0)); });
  const auto sum = [&](Index j, Index count) {
    tile.accumulate(
        Broadcast<T, panel_width<T>, 1>{
            grad_A + j / panel_width<T> * panel_stride + j % panel_width<T>, 0},
        H + j * panel_width<T>, count);
  };
  // What the sums will be used on and is not at hand, asked for a row at a time: the multipliers
  // leave room for that, and the memory takes no more at once.
  const bool far = takes_tiles<Rule> || row_stride * static_cast<Index>(sizeof(T)) >= 4000;
  const Index rows_to_ask = far ? std::min<Index>(R, m) : 0;
  Index j = 0;
  for (; j < rows_to_ask; ++j) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) rule.prefetch(offset + j * row_stride + v * lanes<T>);
    sum(j, 1);
  }
  while (j < m) {
    const Index count = std::min(panel_width<T> - j % panel_width<T>, m - j);
    sum(j, count);
    j += count;
  }
  const auto store = [&](T* sums, Index width) {
    tile.each(
        [&](int r, int v, Packet<T>& sum) { ei::pstoreu(sums + r * width + v * lanes<T>, sum); });
  };
  if (columns < V * lanes<T> && columns == row_stride) {
    // Rows without a gap, of which a packet holds several; each overwrites the excess of the last.
    EIGEN_ALIGN_MAX T sums[R * V * lanes<T>];
    store(sums, columns);
    if constexpr (takes_tiles<Rule>) {
      rule.apply_tile(offset, 0, sums, 0, 1, R * columns);
    } else {
      for (Index i = 0; i < R * columns; i += lanes<T>) {
        const Index count = std::min(lanes<T>, R * columns - i);
        rule.apply(offset + i, load_part(sums + i, count), count);
      }
    }
  } else if constexpr (takes_tiles<Rule>) {
    EIGEN_ALIGN_MAX T sums[R * V * lanes<T>];
    store(sums, V * lanes<T>);
    rule.apply_tile(offset, row_stride, sums, V * lanes<T>, R, columns);
  } else if (columns == V * lanes<T>) {
    tile.each([&](int r, int v, Packet<T>& sum) {
      rule.apply(offset + r * row_stride + v * lanes<T>, sum, lanes<T>);
    });
  } else {
    const Index rest = columns - (V - 1) * lanes<T>;
    tile.each([&](int r, int v, Packet<T>& sum) {
      rule.apply(offset + r * row_stride + v * lanes<T>, sum, v < V - 1 ? lanes<T> : rest);
    });
  }
}

/// A tile a panel wide, and between its examples, one by one, the packets of the tile before.
template <class T, int R, class Rule>
EIGEN_DONT_INLINE void deferred_tile(const T* grad_A, Index panel_stride, const T* H, Index m,
                                     const Rule& rule, Index offset, Index row_stride) {
  namespace ei = Eigen::internal;
  Tile<T, R, 2> tile;
  tile.each([](int, int, Packet<T>& sum) { sum = ei::pset1<Packet<T>>(T(0)); });
  auto waiting = rule.waiting(offset);
  for (; m > 0; m -= panel_width<T>) {
    Broadcast<T, panel_width<T>, 1> a{grad_A, 0};
    const T* h = H;
    Index left = std::min(panel_width<T>, m);
    for (; left > 0 && waiting.packets() > 0; --left) {
      waiting.prefetch_next();
      tile.accumulate(a, h, 1);
      waiting.take();
      ++a.data;
      h += panel_width<T>;
    }
    tile.accumulate(a, h, left);
    grad_A += panel_stride;
    H += panel_width<T> * panel_width<T>;
  }
  while (waiting.packets() > 0) waiting.take();
  T* sums = rule.wait(offset, row_stride, R);
  tile.each([&](int r, int v, Packet<T>& sum) {
    ei::pstore(sums + r * panel_width<T> + v * lanes<T>, sum);
  });
}

}  // namespace detail

/// Hands rows [begin, end) of grad_W = grad_A H^T to `rule`, m examples summed in registers.
/// grad_A in panels of examples, H in panels of features, grad_W at `offset` of theta.
template <class T, class Rule>
void multiply_gradient(const Panels<T>& grad_A, const Panels<T>& H, Index m, Index columns,
                       Index begin, Index end, Index offset, const Rule& rule) {
  const Index panel_stride = grad_A.stride();
  // Eight panels of H stay in the second cache while the rows of grad_A pass by.
  constexpr Index columns_at_once = 8 * panel_width<T>;
  for (Index first = 0; first < columns; first += columns_at_once) {
    const Index last = std::min(columns, first + columns_at_once);
    detail::for_each_tile(begin, end, [&](Index row, Index rows) {
      for (Index c = first; c < last; c += panel_width<T>) {
        const Index width = std::min(panel_width<T>, columns - c);
        const T* a = grad_A.slice(0) + row * panel_width<T>;
        const T* h = H.slice(c / lanes<T>);
        const Index at = offset + row * columns + c;
        const auto sum = [&](auto R, const auto& now) {
          if (width > lanes<T>)
            detail::gradient_tile<T, R, 2>(a, panel_stride, h, m, now, at, columns, width);
          else
            detail::gradient_tile<T, R, 1>(a, panel_stride, h, m, now, at, columns, width);
        };
        detail::with_rows(rows, [&](auto R) {
          if constexpr (!detail::defers_tiles<Rule>)
            sum(R, rule);
          else if (width < panel_width<T>)
            sum(R, rule.now());
          else
            detail::deferred_tile<T, R>(a, panel_stride, h, m, rule, at, columns);
        });
      }
    });
  }
  if constexpr (detail::defers_tiles<Rule>) rule.finish();
}

namespace detail {

template <class T>
void transpose_square(const T* source, T* target) {
  namespace ei = Eigen::internal;
  constexpr int n = static_cast<int>(lanes<T>);
  if constexpr (n == 1) {
    *target = *source;
  } else {
    ei::PacketBlock<Packet<T>, n> block;
    for (int i = 0; i < n; ++i) block.packet[i] = ei::pload<Packet<T>>(source + i * panel_width<T>);
    ei::ptranspose(block);
    for (int i = 0; i < n; ++i) ei::pstore(target + i * panel_width<T>, block.packet[i]);
  }
}

}  // namespace detail

/// Hands rows [begin, end) of grad_b = grad_A 1_m to `rule`; lanes past the batch must hold 0.
template <class T, class Rule>
void sum_gradient(const Panels<T>& grad_A, Index slices, Index begin, Index end, Index offset,
                  const Rule& rule) {
  namespace ei = Eigen::internal;
  for (Index row = begin; row < end; row += lanes<T>) {
    const Index rows = std::min(lanes<T>, end - row);
    EIGEN_ALIGN_MAX T sums[lanes<T>];
    for (Index r = 0; r < rows; ++r) {
      Packet<T> sum = ei::pload<Packet<T>>(grad_A.slice(0) + (row + r) * panel_width<T>);
      for (Index s = 1; s < slices; ++s)
        sum = ei::padd(sum, ei::pload<Packet<T>>(grad_A.slice(s) + (row + r) * panel_width<T>));
      sums[r] = ei::predux(sum);
    }
    rule.apply(offset + row, load_part(sums, rows), rows);
  }
}

/// Copies one slice of H from panels of examples to panels of features, a square of lanes at a
/// time.
template <class T>
void to_features(const Panels<T>& examples, Index n_features, Panels<T>& features, Index slice) {
  for (Index f = 0; f < n_features; f += lanes<T>)
    detail::transpose_square(examples.slice(slice) + f * panel_width<T>,
                             features.slice(f / lanes<T>) + slice * lanes<T> * panel_width<T>);
}

/// The way back: one slice of examples from panels of features.
template <class T>
void to_examples(const Panels<T>& features, Index n_features, Panels<T>& examples, Index slice) {
  for (Index f = 0; f < n_features; f += lanes<T>)
    detail::transpose_square(features.slice(f / lanes<T>) + slice * lanes<T> * panel_width<T>,
                             examples.slice(slice) + f * panel_width<T>);
}

BACKPROP_NAMESPACE_END
