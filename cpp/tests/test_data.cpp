// The caller's data: the order of an epoch, the check for NaN, and the gather into panels.
#include <numeric>

#include "backprop/data.hpp"
#include "backprop/gather.hpp"
#include "support.hpp"

using namespace backprop;

TEST_CASE("splitmix64 gives its published numbers") {
  SplitMix64 random(1234567);
  CHECK(random.next() == 6457827717110365317u);
  CHECK(random.next() == 3203168211198807973u);
  CHECK(random.next() == 9817491932198370423u);
  CHECK(random.next() == 4593380528125082431u);
  CHECK(random.next() == 16408922859458223821u);
}

TEST_CASE("the order of an epoch is pinned: files and documents rely on it") {
  const auto order = [](Index n, std::uint64_t seed, std::uint64_t epoch) {
    std::vector<std::int64_t> out(static_cast<std::size_t>(n));
    shuffle(out.data(), n, seed, epoch);
    return out;
  };
  using Order = std::vector<std::int64_t>;
  CHECK(order(10, 0, 0) == Order{1, 2, 5, 7, 0, 8, 4, 3, 9, 6});
  CHECK(order(10, 0, 1) == Order{3, 6, 4, 7, 9, 5, 2, 1, 8, 0});
  CHECK(order(10, 42, 7) == Order{8, 3, 2, 4, 1, 7, 6, 9, 5, 0});
  CHECK(order(10, ~std::uint64_t{0}, ~std::uint64_t{0}) == Order{6, 8, 2, 0, 5, 9, 1, 7, 4, 3});
  CHECK(order(1, 3, 4) == Order{0});
  CHECK(order(0, 3, 4) == Order{});
}

TEST_CASE("every epoch is a permutation, and every position is equally likely") {
  constexpr Index n = 5, rounds = 20000;
  std::vector<std::int64_t> order(n);
  std::vector<std::vector<int>> seen(n, std::vector<int>(n));
  for (Index epoch = 0; epoch < rounds; ++epoch) {
    shuffle(order.data(), n, 99, static_cast<std::uint64_t>(epoch));
    for (Index i = 0; i < n; ++i) ++seen[static_cast<std::size_t>(order[i])][i];
  }
  // Each of the 25 counts is binomial (20000, 1/5), with standard deviation 57.
  for (const auto& counts : seen) {
    CHECK(std::accumulate(counts.begin(), counts.end(), 0) == rounds);
    for (const int count : counts) CHECK(std::abs(count - 4000) < 5 * 57);
  }
}

TEST_CASE_TEMPLATE("a NaN or infinity is found wherever it lies, in any layout", T, float, double) {
  constexpr Index m = 7, n = 5;
  using Limits = std::numeric_limits<T>;
  std::vector<T> data(static_cast<std::size_t>(4 * m * n), Limits::max());
  // C order, F order, every second number of every second row, and both walked backwards.
  const T* const end = data.data() + 4 * m * n - 1;
  const Examples<T> layouts[] = {{data.data(), m, n, n, 1},     {data.data(), m, n, 1, m},
                                 {data.data(), m, n, 4 * n, 2}, {end, m, n, -n, -1},
                                 {data.data(), m, n, 0, 1},     {data.data(), m, n, 1, 0}};
  for (const Examples<T>& X : layouts) {
    CHECK(all_finite(X));
    for (const T bad : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()})
      for (Index j = 0; j < m; ++j)
        for (Index f = 0; f < n; ++f) {
          T& number = data[static_cast<std::size_t>(X.data + j * X.example_stride +
                                                    f * X.feature_stride - data.data())];
          number = bad;
          CHECK_FALSE(all_finite(X));
          number = Limits::max();
        }
  }
}

TEST_CASE_TEMPLATE("the gather maps data of any strides, in any order, and pads with zeros", T,
                   float, double) {
  constexpr Index P = panel_width<T>;
  test::Random random(1);
  for (const Index n : {Index{1}, Index{3}, P - 1, P, P + 1, 3 * P + 2})
    for (const Index m : {Index{1}, lanes<T> - 1, lanes<T>, P, P + 3}) {
      if (m == 0) continue;
      const Index total = m + 4;
      const auto data = random.numbers<T>(2 * total * 2 * n);
      const T* const middle = data.data() + total * 2 * n;
      std::vector<std::int64_t> order(static_cast<std::size_t>(total));
      shuffle(order.data(), total, 5, 0);
      const Examples<T> layouts[] = {{data.data(), total, n, n, 1},
                                     {data.data(), total, n, 1, total},
                                     {middle, total, n, -2 * n, 2},
                                     {middle, total, n, n, -1}};
      for (const Examples<T>& X : layouts)
        for (const std::int64_t* visit : {static_cast<const std::int64_t*>(nullptr),
                                          static_cast<const std::int64_t*>(order.data())}) {
          const Batch batch{visit, 2, m};
          Network<T> net({n, 1}, {}, "linear", "squared_error");
          Workspace<T> ws(net, m, Keep::output);
          // What an earlier, larger batch left behind must not survive.
          const Index slices = ceil_div(m, lanes<T>);
          for (Index s = 0; s < slices; ++s)
            for (Index j = s * lanes<T>; j < (s + 1) * lanes<T>; ++j)
              for (Index f = 0; f < n; ++f)
                test::at(ws.layer(0).H_features, j, f) = std::numeric_limits<T>::quiet_NaN();
          for (Index s = 0; s < slices; ++s) gather_examples(X, batch, ws, s);
          Index wrong = 0;
          for (Index j = 0; j < slices * lanes<T>; ++j)
            for (Index f = 0; f < n; ++f) {
              T expected = 0;
              if (j < m) {
                const Index source = visit ? visit[2 + j] : 2 + j;
                expected = X.data[source * X.example_stride + f * X.feature_stride];
              }
              wrong += test::at(ws.layer(0).H_features, j, f) != expected;
              wrong += test::at(ws.layer(0).H, f, j) != expected;
            }
          CHECK(wrong == 0);
        }
    }
}
