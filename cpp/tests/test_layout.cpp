// Where things lie: theta's offsets, panels, the division into slices; and sizes that cannot fit.
#include <numeric>

#include "backprop/layout.hpp"
#include "backprop/trainer.hpp"
#include "support.hpp"

using namespace backprop;
using test::Index;

TEST_CASE("theta holds W_1 b_1 ... W_L b_L without gaps") {
  const Layout layout({3, 5, 2, 1});
  CHECK(layout.n_layers() == 3);
  CHECK(layout.n_inputs() == 3);
  CHECK(layout.n_outputs() == 1);
  CHECK(layout.w(1) == 0);
  CHECK(layout.b(1) == 15);
  CHECK(layout.w(2) == 20);
  CHECK(layout.b(2) == 30);
  CHECK(layout.w(3) == 32);
  CHECK(layout.b(3) == 34);
  CHECK(layout.n_parameters() == 35);
}

TEST_CASE("a network needs at least two layers of at least one neuron") {
  CHECK_THROWS_WITH_AS(Layout({}), doctest::Contains("at least the input and the output layer"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(Layout({4}), doctest::Contains("got 1 size(s)"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(Layout({4, 0, 2}), doctest::Contains("got 0 for layer 1"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(Layout({-3, 2}), doctest::Contains("got -3 for layer 0"),
                       std::invalid_argument);
}

TEST_CASE("sizes whose parameter count overflows are refused") {
  constexpr Index huge = std::numeric_limits<Index>::max();
  for (const std::vector<Index>& sizes : std::vector<std::vector<Index>>{
           {huge, 1},
           {1, huge},
           {huge, huge},
           {huge / 2 + 1, 2},
           {Index{1} << 31, Index{1} << 31},
           {Index{1} << 32, Index{1} << 32},
           // Each layer fits, their sum does not.
           {Index{1} << 28, Index{1} << 28, Index{1} << 28, 1, Index{1} << 56}}) {
    CHECK_THROWS_WITH_AS(Layout{sizes}, doctest::Contains("overflow the parameter count"),
                         std::invalid_argument);
  }
}

TEST_CASE_TEMPLATE("arrays larger than the machine's memory are refused, not attempted", T, float,
                   double) {
  const Index numbers = static_cast<Index>(physical_memory() / sizeof(T)) + 1;
  CHECK_THROWS_WITH_AS(Buffer<T>{numbers}, doctest::Contains("does not fit in this machine's"),
                       OutOfMemory);
  CHECK_THROWS_AS(Network<T>({numbers / 2, 2}, {}, "linear", "squared_error"), OutOfMemory);

  constexpr Index huge = std::numeric_limits<Index>::max();
  for (const Index lane_dimension : {huge, huge / 2, huge / 4 + 1, huge / 31, huge / 64}) {
    CHECK_THROWS_AS(Panels<T>(1, lane_dimension), OutOfMemory);
    CHECK_THROWS_AS(Panels<T>(lane_dimension, 1), OutOfMemory);
    CHECK_THROWS_AS(Panels<T>(lane_dimension, lane_dimension), OutOfMemory);
  }
  Network<T> net({3, 2}, {}, "linear", "squared_error");
  for (const Index batch_size : {huge, huge / 2 + 1, Index{1} << 58})
    CHECK_THROWS_AS(Trainer<T>(net, batch_size), OutOfMemory);
}

TEST_CASE_TEMPLATE("buffers are zeroed and aligned to cache lines, large ones to huge pages", T,
                   float, double) {
  for (const Index size : {1, 17, 1000, 1 << 20}) {
    const Buffer<T> buffer(size);
    const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
    CHECK(address % 64 == 0);
    if (size * sizeof(T) >= (1u << 21)) CHECK(address % (1u << 21) == 0);
    CHECK(std::all_of(buffer.data(), buffer.data() + size, [](T x) { return x == T(0); }));
  }
  CHECK(Buffer<T>(0).data() == nullptr);
}

TEST_CASE_TEMPLATE("panels follow the layout convention of panels.hpp", T, float, double) {
  constexpr Index P = panel_width<T>;
  Panels<T> panels(5, 3 * P);
  CHECK(panels.stride() % (P * lanes<T>) == 0);
  CHECK(panels.stride() >= 5 * P);
  T* const data = panels.slice(0);
  for (Index i = 0; i < 5; ++i)
    for (Index j = 0; j < 3 * P; ++j)
      CHECK(&test::at(panels, i, j) == data + (j / P) * panels.stride() + i * P + j % P);
}

TEST_CASE("the parts of a batch cover every slice once") {
  for (Index n_slices = 1; n_slices < 70; ++n_slices)
    for (Index parts = 1; parts <= std::min<Index>(n_slices, 9); ++parts) {
      Index next = 0;
      for (Index part = 0; part < parts; ++part) {
        const Slices slices = slice_range(n_slices, parts, part);
        CHECK(slices.begin == next);
        CHECK(slices.end > slices.begin);
        for_each_panel(slices, [&](Index slice, Index packets) {
          CHECK(slice == next);
          CHECK((packets == 1 || (packets == 2 && slice % 2 == 0)));
          next += packets;
        });
      }
      CHECK(next == n_slices);
    }
}

TEST_CASE("the row blocks of a step cover every row of every layer once") {
  for (const std::vector<Index>& sizes : std::vector<std::vector<Index>>{
           {1, 1}, {4, 16, 3}, {64, 100, 10}, {3, 500, 1, 700}, {784, 512, 512, 10}}) {
    const Layout layout(sizes);
    Index k = 1, next = 0;
    for (const RowBlock& block : row_blocks(layout)) {
      if (block.k != k) {
        CHECK(next == layout.size(k));
        CHECK(block.k == ++k);
        next = 0;
      }
      CHECK(block.begin == next);
      CHECK(block.end > block.begin);
      next = block.end;
    }
    CHECK(k == layout.n_layers());
    CHECK(next == layout.size(k));
  }
}
