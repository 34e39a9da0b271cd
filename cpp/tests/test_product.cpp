// The products against plain loops, for shapes that meet every edge of a tile, a block and a panel.
#include "backprop/multiply.hpp"
#include "backprop/transpose.hpp"
#include "backprop/update.hpp"
#include "support.hpp"

using namespace backprop;
using test::Index;
using test::Real;

namespace {

template <class T>
constexpr T poison = std::numeric_limits<T>::quiet_NaN();

/// A panel matrix of random numbers, with NaN in every place that is not an element.
template <class T>
Panels<T> random_panels(Index rows, Index columns, test::Random& random) {
  Panels<T> out(rows, columns);
  const Index panels = ceil_div(columns, panel_width<T>);
  std::fill(out.slice(0), out.slice(0) + panels * out.stride(), poison<T>);
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < columns; ++j) test::at(out, i, j) = static_cast<T>(random.uniform(-1, 1));
  return out;
}

/// Rounding of a sum of n products whose magnitudes add up to `terms`.
template <class T>
Real rounding(Index n, Real terms) {
  return static_cast<Real>(n + 2) * std::numeric_limits<T>::epsilon() * terms;
}

/// C = bias + W X or, transposed, bias + W^T X on a range of rows and of slices, n being the length
/// of the sums; checks values, the tiles handed to `finish`, and that nothing else was written.
template <bool Transposed, class T>
void check_multiply(Index rows, Rows range, Index n, Index m, bool with_bias, Slices slices,
                    test::Random& random) {
  CAPTURE(rows);
  CAPTURE(n);
  CAPTURE(m);
  CAPTURE(Transposed);
  CAPTURE(slices.begin);
  const auto W = random.numbers<T>(rows * n + overread<T>);
  const Index stride = Transposed ? rows : n;
  const auto bias = random.numbers<T>(rows);
  Panels<T> X = random_panels<T>(n, m, random);
  Panels<T> C(rows, m);
  const Index stored = ceil_div(m, panel_width<T>) * C.stride();
  std::fill(C.slice(0), C.slice(0) + stored, T(99));
  Buffer<T> scratch(scratch_size<T>);

  std::vector<int> finished(static_cast<std::size_t>(rows * slices.end));
  Index unfinished_values = 0;
  multiply<Transposed>(W.data(), stride, range, n, X, with_bias ? bias.data() : nullptr, C, slices,
                       scratch.data(), [&](Index slice, Index packets, Index row, Index tile_rows) {
                         for (Index s = slice; s < slice + packets; ++s)
                           for (Index r = row; r < row + tile_rows; ++r)
                             ++finished[static_cast<std::size_t>(s * rows + r)];
                         unfinished_values += C.slice(slice)[row * panel_width<T>] == T(99);
                       });

  Index wrong = 0, written = 0, not_once = 0;
  for (Index i = range.begin; i < range.end; ++i)
    for (Index j = slices.begin * lanes<T>; j < std::min(m, slices.end * lanes<T>); ++j) {
      Real sum = with_bias ? bias[static_cast<std::size_t>(i)] : T(0), terms = std::abs(sum);
      for (Index k = 0; k < n; ++k) {
        const Index at = Transposed ? k * stride + i : i * stride + k;
        const Real term = Real(W[static_cast<std::size_t>(at)]) * Real(test::at(X, k, j));
        sum += term;
        terms += std::abs(term);
      }
      wrong += !(std::abs(Real(test::at(C, i, j)) - sum) <= rounding<T>(n, terms));
    }
  for (Index s = 0; s < slices.end; ++s)
    for (Index i = 0; i < rows; ++i) {
      const bool inside = s >= slices.begin && i >= range.begin && i < range.end;
      not_once += finished[static_cast<std::size_t>(s * rows + i)] != inside;
      if (!inside) written += C.slice(s)[i * panel_width<T>] != T(99);
    }
  for (Index j = 0; j < ceil_div(m, panel_width<T>) * panel_width<T>; ++j)
    for (Index i = rows; i < C.stride() / panel_width<T>; ++i)
      written += test::at(C, i, j) != T(99);
  CHECK(wrong == 0);
  CHECK(written == 0);
  CHECK(not_once == 0);
  CHECK(unfinished_values == 0);
}

/// The same for all rows.
template <bool Transposed, class T>
void check_multiply(Index rows, Index n, Index m, bool with_bias, Slices slices,
                    test::Random& random) {
  check_multiply<Transposed, T>(rows, {0, rows}, n, m, with_bias, slices, random);
}

/// Remembers each number handed over, and how often.
template <class T>
struct Record {
  static constexpr Takes takes = Takes::packets;
  T* numbers;
  int* counts;

  void prefetch(Index) const {}

  void packet(Index at, const Packet<T>& packet, Index count) const {
    store_part(numbers + at, packet, count);
    for (Index i = 0; i < count; ++i) ++counts[at + i];
  }
};

/// The same as a sink that takes grad_W in tiles.
template <class T>
struct RecordTiles {
  static constexpr Takes takes = Takes::tiles;
  Record<T> record;

  const Record<T>& parameters() const { return record; }
  void tile(const GradientTile<T>& tile) const {
    for (Index r = 0; r < tile.rows; ++r)
      for (Index c = 0; c < tile.columns; ++c) {
        const Index at = tile.at + r * tile.row_stride + c;
        record.numbers[at] = tile.sums[r * tile.sums_stride + c];
        ++record.counts[at];
      }
  }
};

}  // namespace

TEST_CASE_TEMPLATE("W X and W^T X equal plain loops for every edge of tile and panel", T, float,
                   double) {
  test::Random random(21);
  for (const Index rows : {1, 2, 5, 6, 7, 11, 12, 13, 25, 40})
    for (const Index n : {1, 2, 3, 15, 16, 17, 64})
      for (const Index m : {Index{1}, lanes<T>, lanes<T> + 1, panel_width<T>, panel_width<T> + 1,
                            2 * panel_width<T> + lanes<T> - 1}) {
        check_multiply<false, T>(rows, n, m, true, {0, ceil_div(m, lanes<T>)}, random);
        check_multiply<true, T>(rows, n, m, false, {0, ceil_div(m, lanes<T>)}, random);
      }
}

TEST_CASE_TEMPLATE("W X and W^T X equal plain loops past the longest block and packed", T, float,
                   double) {
  test::Random random(22);
  const Index many = 5 * lanes<T> + 1, few = lanes<T> + 1;
  for (const Index n :
       {max_block - 1, max_block, max_block + 1, 2 * max_block + 1, 3 * max_block + 77})
    for (const Index rows : {1, 13, 130})
      for (const Index m : {few, many}) {
        check_multiply<false, T>(rows, n, m, false, {0, ceil_div(m, lanes<T>)}, random);
        check_multiply<true, T>(rows, n, m, true, {0, ceil_div(m, lanes<T>)}, random);
      }
  // Larger than any cache that would make packing pointless, and tall and thin.
  for (const auto& [rows, n] : {std::pair<Index, Index>{1030, 600}, {2501, 3}, {3, 2501}}) {
    check_multiply<false, T>(rows, n, many, true, {0, ceil_div(many, lanes<T>)}, random);
    check_multiply<true, T>(rows, n, many, true, {0, ceil_div(many, lanes<T>)}, random);
  }
}

TEST_CASE_TEMPLATE("a product on a part of the slices leaves the rest alone", T, float, double) {
  test::Random random(23);
  const Index m = 9 * lanes<T>;
  for (Index begin = 0; begin < 9; ++begin)
    for (Index end = begin + 1; end <= 9; end += 2) {
      check_multiply<false, T>(17, max_block + 3, m, true, {begin, end}, random);
      check_multiply<true, T>(17, max_block + 3, m, true, {begin, end}, random);
    }
}

TEST_CASE_TEMPLATE("a product of a part of the rows leaves the rest alone", T, float, double) {
  test::Random random(24);
  const Index m = 3 * lanes<T>;
  for (const Rows range : {Rows{0, 1}, {0, 13}, {3, 4}, {5, 30}, {29, 30}}) {
    check_multiply<false, T>(30, range, max_block + 3, m, true, {0, 3}, random);
    check_multiply<true, T>(30, range, max_block + 3, m, true, {0, 3}, random);
  }
  // Large enough to be packed.
  check_multiply<false, T>(1500, {7, 1400}, 600, m, true, {0, 3}, random);
  check_multiply<true, T>(1500, {7, 1400}, 600, m, true, {0, 3}, random);
}

namespace {

template <bool Transposed, class T>
void check_parts(test::Random& random) {
  const Index rows = 1030, n = 2 * max_block + 85, slices = 8, m = slices * lanes<T>;
  const auto W = random.numbers<T>(rows * n + overread<T>);
  Panels<T> X = random_panels<T>(n, m, random), together(rows, m), apart(rows, m);
  Buffer<T> scratch(scratch_size<T>);
  const auto compute = [&](Panels<T>& C, Slices part) {
    multiply<Transposed>(W.data(), Transposed ? rows : n, {0, rows}, n, X,
                         static_cast<const T*>(nullptr), C, part, scratch.data(),
                         [](Index, Index, Index, Index) {});
  };
  compute(together, {0, slices});
  for (const Slices part : {Slices{0, 1}, Slices{1, 2}, Slices{2, 3}, Slices{3, 8}})
    compute(apart, part);
  const auto size = static_cast<std::size_t>(m / panel_width<T> * together.stride()) * sizeof(T);
  CHECK(std::memcmp(together.slice(0), apart.slice(0), size) == 0);
}

}  // namespace

TEST_CASE_TEMPLATE("no byte of a product depends on the slices computed together", T, float,
                   double) {
  test::Random random(24);
  check_parts<false, T>(random);
  check_parts<true, T>(random);
}

TEST_CASE_TEMPLATE("gradient_product and gradient_sum equal plain loops and fill just their rows",
                   T, float, double) {
  constexpr Index P = panel_width<T>;
  test::Random random(25);
  for (const Index rows : {1, 5, 13, 30})
    for (const Index columns : {Index{1}, lanes<T> - 1, lanes<T>, lanes<T> + 1, P - 1, P, P + 1,
                                8 * P, 8 * P + lanes<T> + 3, 17 * P + 1})
      for (const Index m : {Index{1}, lanes<T>, P - 1, P, P + 1, 3 * P + 2}) {
        if (columns == 0) continue;
        CAPTURE(rows);
        CAPTURE(columns);
        CAPTURE(m);
        Panels<T> grad_A = random_panels<T>(rows, m, random);
        // H lies with features in the lanes; rows past the batch are never read.
        Panels<T> H = random_panels<T>(m, columns, random);
        // Lanes past the batch hold 0, as a share of 0 makes them.
        for (Index i = 0; i < rows; ++i)
          for (Index j = m; j < ceil_div(m, lanes<T>) * lanes<T>; ++j)
            test::at(grad_A, i, j) = T(0);
        const Index begin = rows / 3, end = rows - rows / 4, offset = 7;
        const Index b_offset = offset + rows * columns;
        const Index size = b_offset + rows + 5;
        std::vector<T> numbers(static_cast<std::size_t>(size));
        std::vector<int> counts(static_cast<std::size_t>(size));
        const Record<T> sink{numbers.data(), counts.data()};
        gradient_product(grad_A, H, m, columns, {begin, end}, offset, sink);
        gradient_sum(grad_A, ceil_div(m, lanes<T>), {begin, end}, b_offset, sink);

        std::vector<T> in_tiles(static_cast<std::size_t>(b_offset));
        std::vector<int> in_tiles_counts(static_cast<std::size_t>(b_offset));
        const RecordTiles<T> tiles{{in_tiles.data(), in_tiles_counts.data()}};
        gradient_product(grad_A, H, m, columns, {begin, end}, offset, tiles);
        CHECK(std::equal(in_tiles.begin(), in_tiles.end(), numbers.begin()));
        CHECK(std::equal(in_tiles_counts.begin(), in_tiles_counts.end(), counts.begin()));

        Index wrong = 0, miscounted = 0;
        const auto check = [&](Index at, Index row, Real sum, Real terms) {
          const bool mine = row >= begin && row < end;
          miscounted += counts[static_cast<std::size_t>(at)] != mine;
          if (mine)
            wrong += !(std::abs(Real(numbers[static_cast<std::size_t>(at)]) - sum) <=
                       rounding<T>(m, terms));
        };
        for (Index i = 0; i < rows; ++i) {
          Real row_sum = 0, row_terms = 0;
          for (Index j = 0; j < m; ++j) {
            row_sum += test::at(grad_A, i, j);
            row_terms += std::abs(test::at(grad_A, i, j));
          }
          check(b_offset + i, i, row_sum, row_terms);
          for (Index c = 0; c < columns; ++c) {
            Real sum = 0, terms = 0;
            for (Index j = 0; j < m; ++j) {
              const Real term = Real(test::at(grad_A, i, j)) * Real(test::at(H, j, c));
              sum += term;
              terms += std::abs(term);
            }
            check(offset + i * columns + c, i, sum, terms);
          }
        }
        for (Index i = 0; i < offset; ++i) miscounted += counts[static_cast<std::size_t>(i)] != 0;
        for (Index i = b_offset + rows; i < size; ++i)
          miscounted += counts[static_cast<std::size_t>(i)] != 0;
        CHECK(wrong == 0);
        CHECK(miscounted == 0);
      }
}

TEST_CASE_TEMPLATE("to_features and to_examples are transposes of each other", T, float, double) {
  constexpr Index P = panel_width<T>;
  test::Random random(26);
  for (const Index n : {Index{1}, lanes<T>, P - 1, P, P + 1, 5 * P + 3})
    for (const Index m : {Index{1}, lanes<T> + 1, P, 3 * P - 1}) {
      Panels<T> examples = random_panels<T>(n, m, random), features(m, n), back(n, m);
      const Index slices = ceil_div(m, lanes<T>);
      for (Index s = 0; s < slices; ++s) to_features(examples, n, features, s);
      for (Index s = 0; s < slices; ++s) to_examples(features, n, back, s);
      Index wrong = 0;
      for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < m; ++j) {
          wrong += test::at(features, j, i) != test::at(examples, i, j);
          wrong += test::at(back, i, j) != test::at(examples, i, j);
        }
      CHECK(wrong == 0);
    }
}

TEST_CASE_TEMPLATE("part of a packet is read, written and moved by gradient descent", T, float,
                   double) {
  constexpr Index n = lanes<T>;
  test::Random random(27);
  const auto before = random.numbers<T>(2 * n), grad = random.numbers<T>(2 * n);
  for (Index count = 1; count <= n; ++count) {
    std::vector<T> read(2 * n, T(7)), written = before, theta = before;
    store_unaligned(read.data(), load_part(before.data() + 1, count));
    const Packet<T> packet = load_unaligned(grad.data());
    store_part(written.data() + 1, packet, count);
    const Parameters<T> parameters{theta.data()};
    UpdatePackets<T, Sgd>(parameters, {T(-0.5)}).packet(1, packet, count);
    for (Index i = 0; i < 2 * n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      CHECK(read[at] == (i < count ? before[at + 1] : i < n ? T(0) : T(7)));
      const bool inside = i >= 1 && i < 1 + count;
      CHECK(written[at] == (inside ? grad[at - 1] : before[at]));
      CHECK(theta[at] == (inside ? before[at] - T(0.5) * grad[at - 1] : before[at]));
    }
  }
}
