// Scalars, packets and memory layouts: the words every other file uses.
//
// Layout convention. The note keeps examples in columns: X is n x m. Inside a batch the engine
// stores such a matrix as *panels* of P = 2 packets of examples,
//
//     element (i, j)  ->  data[(j / P) * n * P + i * P + j % P],
//
// so that one instruction works on neuron i of many examples. A weight is then always a single
// number for all lanes, and W serves W H and W^T grad_A as it lies in theta, without a transpose.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#endif

// Each instruction-set level is compiled into a namespace of its own, so that two levels can never
// share the code of one template.
#ifndef BACKPROP_LEVEL
#define BACKPROP_LEVEL portable
#endif

#define BACKPROP_NAMESPACE_BEGIN \
  namespace backprop {           \
  inline namespace BACKPROP_LEVEL {
#define BACKPROP_NAMESPACE_END \
  }                            \
  }

BACKPROP_NAMESPACE_BEGIN

using Index = std::ptrdiff_t;

/// The widest SIMD register of T, in Eigen's words.
template <class T>
using Packet = typename Eigen::internal::packet_traits<T>::type;

/// Numbers in a packet.
template <class T>
constexpr Index lanes = Eigen::internal::unpacket_traits<Packet<T>>::size;

/// Examples (or features) in a panel.
template <class T>
constexpr Index panel_width = 2 * lanes<T>;

constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

#if defined(EIGEN_VECTORIZE_AVX) && !defined(EIGEN_VECTORIZE_AVX512)
/// All bits set in the first `count` numbers of a register.
template <class T>
EIGEN_ALWAYS_INLINE __m256i first_numbers(Index count) {
  alignas(64) static constexpr std::int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(
      reinterpret_cast<const __m256i*>(window + 8 - count * Index{sizeof(T)} / 4));
}
#endif

/// The `count` numbers at `from` (at most a packet), then zeros; nothing past them is read.
template <class T>
EIGEN_ALWAYS_INLINE Packet<T> load_part(const T* from, Index count) {
  if (count == lanes<T>) return Eigen::internal::ploadu<Packet<T>>(from);
#if defined(EIGEN_VECTORIZE_AVX512)
  if constexpr (sizeof(T) == 4)
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1 << count) - 1), from);
  else
    return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1 << count) - 1), from);
#elif defined(EIGEN_VECTORIZE_AVX)
  if constexpr (sizeof(T) == 4)
    return _mm256_maskload_ps(from, first_numbers<T>(count));
  else
    return _mm256_maskload_pd(from, first_numbers<T>(count));
#else
  EIGEN_ALIGN_MAX T part[lanes<T>] = {};
  for (Index i = 0; i < count; ++i) part[i] = from[i];
  return Eigen::internal::pload<Packet<T>>(part);
#endif
}

/// Keeps the first `count` numbers of a packet; nothing past them is written.
template <class T>
EIGEN_ALWAYS_INLINE void store_part(T* to, const Packet<T>& packet, Index count) {
  if (count == lanes<T>) return Eigen::internal::pstoreu(to, packet);
#if defined(EIGEN_VECTORIZE_AVX512)
  if constexpr (sizeof(T) == 4)
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1 << count) - 1), packet);
  else
    _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1 << count) - 1), packet);
#elif defined(EIGEN_VECTORIZE_AVX)
  if constexpr (sizeof(T) == 4)
    _mm256_maskstore_ps(to, first_numbers<T>(count), packet);
  else
    _mm256_maskstore_pd(to, first_numbers<T>(count), packet);
#else
  EIGEN_ALIGN_MAX T part[lanes<T>];
  Eigen::internal::pstore(part, packet);
  for (Index i = 0; i < count; ++i) to[i] = part[i];
#endif
}

/// Bytes of memory in this machine: a larger request would be granted lazily and end the process.
inline std::size_t physical_memory() {
#if defined(__unix__) || defined(__APPLE__)
  static const std::size_t bytes = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) *
                                   static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
#else
  return std::numeric_limits<std::size_t>::max();
#endif
}

class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::size_t bytes)
      : message_("an array of " + std::to_string(bytes >> 20) +
                 " MiB does not fit in this machine's memory of " +
                 std::to_string(physical_memory() >> 20) +
                 " MiB; make the layers or the batch smaller") {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

/// Zeroed, aligned memory that never moves; large blocks ask for huge pages, since a 4096-wide W
/// walked by column touches a page per element.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index size) : size_(size) {
    if (size == 0) return;
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T);
    if (bytes > physical_memory()) throw OutOfMemory(bytes);
    const std::size_t alignment = bytes >= huge ? huge : 64;
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, rounded);
    if (memory == nullptr) throw std::bad_alloc();
    data_.reset(static_cast<T*>(memory));
#if defined(__linux__)
    if (alignment == huge) madvise(memory, rounded, MADV_HUGEPAGE);
#endif
    std::memset(memory, 0, rounded);
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](Index i) { return data_.get()[i]; }
  const T& operator[](Index i) const { return data_.get()[i]; }
  Index size() const { return size_; }

 private:
  static constexpr std::size_t huge = std::size_t{1} << 21;
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data_;
  Index size_ = 0;
};

/// Panels of `length` rows; the lane dimension is cut into panels of panel_width<T>.
template <class T>
class Panels {
 public:
  Panels() = default;
  Panels(Index length, Index lane_dimension)
      // Whole squares of lanes, so that a transpose never meets an edge.
      : length_(ceil_div(within_memory(length, lane_dimension), lanes<T>) * lanes<T>),
        data_(ceil_div(lane_dimension, panel_width<T>) * length_ * panel_width<T>) {}

  /// Start of the panel that holds packet `slice` of the lane dimension, at that packet's lanes.
  T* slice(Index slice) { return data_.data() + offset(slice); }
  const T* slice(Index slice) const { return data_.data() + offset(slice); }

  /// Numbers from one panel to the next.
  Index stride() const { return length_ * panel_width<T>; }
  bool empty() const { return data_.size() == 0; }

 private:
  /// `length`, unless even the count of numbers would overflow. Padding may multiply it by
  /// lanes * panel_width, and a number has up to 8 bytes.
  static Index within_memory(Index length, Index lane_dimension) {
    constexpr Index limit =
        std::numeric_limits<Index>::max() / (lanes<T> * panel_width<T> * Index{sizeof(T)});
    if (length > limit / std::max<Index>(lane_dimension, 1))
      throw OutOfMemory(std::numeric_limits<std::size_t>::max());
    return length;
  }

  Index offset(Index slice) const { return slice / 2 * stride() + slice % 2 * lanes<T>; }
  Index length_ = 0;
  Buffer<T> data_;
};

/// A range of packets of examples: what one task of the forward and backward pass works on.
struct Slices {
  Index begin, end;
};

/// Part `part` of the slices of a batch, cut between whole panels where there are enough.
inline Slices slice_range(Index n_slices, Index parts, Index part) {
  const Index unit = n_slices >= 2 * parts ? 2 : 1;
  const Index units = ceil_div(n_slices, unit);
  return {std::min(part * units / parts * unit, n_slices),
          std::min((part + 1) * units / parts * unit, n_slices)};
}

/// Calls f(slice, packets) for the whole panels and the single packets of a range.
template <class F>
void for_each_panel(Slices slices, F&& f) {
  for (Index s = slices.begin; s < slices.end;) {
    const Index packets = (s % 2 == 0 && s + 1 < slices.end) ? 2 : 1;
    f(s, packets);
    s += packets;
  }
}

BACKPROP_NAMESPACE_END
