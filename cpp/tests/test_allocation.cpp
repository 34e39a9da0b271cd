// After its first step the training loop allocates nothing. Every way to the heap is counted: this
// program's malloc family replaces the C library's, which operator new and aligned_alloc call.
#include "problem.hpp"

// The sanitizers bring a malloc of their own; other C libraries do not name theirs.
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#include <cerrno>

namespace {

std::atomic<bool> counting{false};
std::atomic<long> allocations{0};

void count() {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1);
}

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) noexcept {
  count();
  return __libc_malloc(size);
}
void* calloc(std::size_t n, std::size_t size) noexcept {
  count();
  return __libc_calloc(n, size);
}
void* realloc(void* old, std::size_t size) noexcept {
  count();
  return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  count();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) noexcept {
  count();
  *out = __libc_memalign(alignment, size);
  return *out == nullptr ? ENOMEM : 0;
}
}

using namespace backprop;
using test::Index;
using test::Problem;
using test::Shape;

namespace {

/// How often f reaches the heap, on any thread.
template <class F>
long allocations_of(F&& f) {
  allocations = 0;
  counting = true;
  f();
  counting = false;
  return allocations;
}

/// Plain descent, and all that a trainer can do besides.
std::vector<Training> ways_to_train(const Shape& shape) {
  Training everything;
  everything.optimizer = "adamw";
  everything.l1.assign(shape.layer_sizes.size() - 1, 1e-3);
  everything.l2 = everything.l1;
  everything.dropout.assign(shape.hidden.size(), 0.5);
  everything.clip_value = everything.clip_norm = 0.1;
  everything.max_norm = 1;
  return {Training{}, everything};
}

const std::vector<Shape> counted_shapes = {
    {{4, 16, 3}, {"relu"}, "softmax", "cross_entropy", 150, true},
    {{9, 33, 31, 2}, {"tanh", "sigmoid"}, "sigmoid", "binary_cross_entropy", 77},
    {{5, 1}, {}, "linear", "squared_error", 40},
    {{784, 512, 512, 10}, {"relu", "relu"}, "softmax", "cross_entropy", 300, true},
};

}  // namespace

TEST_CASE("every way to the heap is counted") {
  void* volatile kept = nullptr;
  CHECK(allocations_of([&] { kept = std::malloc(10); }) == 1);
  CHECK(allocations_of([&] { kept = std::realloc(kept, 100000); }) == 1);
  std::free(kept);
  CHECK(allocations_of([&] { kept = std::calloc(10, 10); }) == 1);
  std::free(kept);
  CHECK(allocations_of([&] { kept = std::aligned_alloc(64, 128); }) == 1);
  std::free(kept);
  CHECK(allocations_of([&] { kept = ::operator new(10); }) == 1);
  ::operator delete(kept);
  CHECK(allocations_of([&] { kept = ::operator new(64, std::align_val_t{64}); }) == 1);
  ::operator delete(kept, std::align_val_t{64});
  CHECK(allocations_of([] { Buffer<float>(100); }) == 1);
  CHECK(allocations_of([] { test::Matrix<float>(3, 3).setZero(); }) == 1);
  CHECK(allocations_of([] {}) == 0);
}

TEST_CASE_TEMPLATE("after the first step the training loop allocates nothing", T, float, double) {
  const int saved = ThreadPool::instance().n_threads();
  const auto check = [](const Shape& shape, Index batch_size, const Training& how) {
    CAPTURE(shape.layer_sizes.front());
    CAPTURE(batch_size);
    CAPTURE(how.optimizer);
    test::Random random(51);
    Problem<T> problem(shape, random);
    Trainer<T> trainer(problem.net, batch_size, how);
    std::vector<std::int64_t> positions(static_cast<std::size_t>(problem.m));
    const Order order{positions.data(), problem.m};
    shuffle(positions.data(), problem.m, 1, 0);
    // The question whether to stop comes before each batch: counting starts at the second.
    int batch = 0;
    allocations = 0;
    trainer.epoch(problem.examples(), problem.targets(), order, T(0.01), [&] {
      counting = ++batch > 1;
      return false;
    });
    const long later_steps = allocations;
    const long later_epoch = allocations_of([&] {
      shuffle(positions.data(), problem.m, 1, 1);
      trainer.epoch(problem.examples(), problem.targets(), order, T(0.01), [] { return false; });
    });
    counting = false;
    CHECK(later_steps == 0);
    CHECK(later_epoch == 0);
    CHECK((batch == 1 || batch == ceil_div(problem.m, batch_size)));
  };
  for (const Shape& shape : counted_shapes)
    for (const int threads : {1, 2}) {
      CAPTURE(threads);
      ThreadPool::instance().set_n_threads(threads);
      for (const Index batch_size : {Index{1}, Index{32}, Index{128}})
        for (const Training& how : ways_to_train(shape))
          if (batch_size > 1 || shape.layer_sizes.front() <= 100) check(shape, batch_size, how);
    }
  ThreadPool::instance().set_n_threads(saved);
}

TEST_CASE_TEMPLATE("predictions and losses allocate nothing once their workspace exists", T, float,
                   double) {
  for (const Shape& shape : counted_shapes)
    for (const int threads : {1, 2}) {
      test::Random random(52);
      Problem<T> problem(shape, random);
      const Index p = problem.net.layout().n_outputs();
      std::vector<T> Y_hat(static_cast<std::size_t>(problem.m * p));
      Workspace<T> output(problem.net, 64, Keep::output), loss(problem.net, 64, Keep::loss);
      SingleExample<T> single(problem.net);
      const auto all = [&] {
        predict(problem.net, output, problem.examples(), threads, Y_hat.data());
        mean_loss(problem.net, loss, problem.examples(), problem.targets(), threads);
        single.predict(problem.net, problem.X.data(), 1, Y_hat.data());
      };
      all();
      CHECK(allocations_of(all) == 0);
    }
}

#endif
