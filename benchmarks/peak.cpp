// The processor's limit: fused multiply-adds on registers, nothing else.
//
// y <- y a + b on enough independent vectors to fill the pipelines. Prints GFLOP/s.
// Usage: peak THREADS, compiled with -DSCALAR=float or double and for this machine's processor.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

using Vector = SCALAR __attribute__((vector_size(kBytes)));
constexpr int kLanes = kBytes / sizeof(SCALAR);
// Latency 4 or 5 times two pipelines is 8 to 10 in flight; 12 still fit 16 registers.
constexpr int kChains = 12;
constexpr long kRepeats = 2'000'000;

__attribute__((noinline)) SCALAR chains(SCALAR a, SCALAR b) {
  Vector y[kChains];
  const Vector va = a - Vector{};
  const Vector vb = b - Vector{};
  for (int c = 0; c < kChains; ++c) y[c] = va * SCALAR(c);
  for (long r = 0; r < kRepeats; ++r) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) y[c] = y[c] * va + vb;
  }
  SCALAR sum = 0;
  for (int c = 0; c < kChains; ++c) sum += y[c][0];
  return sum;
}

int main(int argc, char** argv) {
  const int n_threads = argc > 1 ? std::atoi(argv[1]) : 1;
  volatile SCALAR sink = 0;
  double best = 0;
  for (int attempt = 0; attempt < 60; ++attempt) {
    std::atomic<int> waiting{n_threads};
    std::vector<std::thread> threads;
    std::vector<double> seconds(n_threads);
    for (int t = 0; t < n_threads; ++t) {
      threads.emplace_back([&, t] {
        --waiting;
        while (waiting > 0) {
        }
        const auto start = std::chrono::steady_clock::now();
        sink = chains(SCALAR(0.999), SCALAR(0.001));
        seconds[t] =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      });
    }
    for (auto& thread : threads) thread.join();
    double slowest = 0;
    for (double s : seconds) slowest = s > slowest ? s : slowest;
    const double flops = 2.0 * kLanes * kChains * kRepeats * n_threads;
    if (flops / slowest > best) best = flops / slowest;
  }
  std::printf("%.1f\n", best / 1e9);
}
