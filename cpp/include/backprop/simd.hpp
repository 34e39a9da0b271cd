// A packet is a SIMD register as a number: `Packet<T>` has operators, so that code on many examples
// at once reads like its equation on one.
//
// Eigen knows how each instruction set does this, but keeps it to itself (`Eigen::internal`). This
// is the one file that uses it; a new version of Eigen, or a type of half precision, changes
// nothing elsewhere.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <limits>

#include "backprop/common.hpp"

#define BACKPROP_INLINE EIGEN_ALWAYS_INLINE
#define BACKPROP_NO_INLINE EIGEN_DONT_INLINE

BACKPROP_NAMESPACE_BEGIN

/// Whether there are 32 vector registers, or 16.
constexpr bool many_registers = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32;

/// What a comparison of two packets gives: all bits set in the lanes where it holds.
template <class T>
struct Mask {
  typename Eigen::internal::packet_traits<T>::type bits;
};

/// As many numbers as the widest SIMD register holds. A single number converts to a packet of it.
template <class T>
class Packet {
 public:
  using Native = typename Eigen::internal::packet_traits<T>::type;

  Packet() = default;
  BACKPROP_INLINE Packet(T number) : native_(Eigen::internal::pset1<Native>(number)) {}
  static BACKPROP_INLINE Packet of(const Native& native) {
    Packet packet;
    packet.native_ = native;
    return packet;
  }
  BACKPROP_INLINE const Native& native() const { return native_; }

  friend BACKPROP_INLINE Packet operator+(const Packet& a, const Packet& b) {
    return of(Eigen::internal::padd(a.native_, b.native_));
  }
  friend BACKPROP_INLINE Packet operator-(const Packet& a, const Packet& b) {
    return of(Eigen::internal::psub(a.native_, b.native_));
  }
  friend BACKPROP_INLINE Packet operator*(const Packet& a, const Packet& b) {
    return of(Eigen::internal::pmul(a.native_, b.native_));
  }
  friend BACKPROP_INLINE Packet operator/(const Packet& a, const Packet& b) {
    return of(Eigen::internal::pdiv(a.native_, b.native_));
  }
  friend BACKPROP_INLINE Packet operator-(const Packet& a) {
    return of(Eigen::internal::pnegate(a.native_));
  }

  /// a b + c, rounded once where the processor can.
  friend BACKPROP_INLINE Packet fma(const Packet& a, const Packet& b, const Packet& c) {
    return of(Eigen::internal::pmadd(a.native_, b.native_, c.native_));
  }
  /// Where one of the two is NaN, which of them is returned depends on the order of the arguments.
  friend BACKPROP_INLINE Packet min(const Packet& a, const Packet& b) {
    return of(Eigen::internal::pmin(a.native_, b.native_));
  }
  friend BACKPROP_INLINE Packet max(const Packet& a, const Packet& b) {
    return of(Eigen::internal::pmax(a.native_, b.native_));
  }
  friend BACKPROP_INLINE Packet abs(const Packet& a) {
    return of(Eigen::internal::pabs(a.native_));
  }
  /// exp(a); it stops at the largest number, where `exponential` gives infinity.
  friend BACKPROP_INLINE Packet exp(const Packet& a) {
    return of(Eigen::internal::pexp(a.native_));
  }
  friend BACKPROP_INLINE Packet log(const Packet& a) {
    return of(Eigen::internal::plog(a.native_));
  }

  friend BACKPROP_INLINE Mask<T> operator<(const Packet& a, const Packet& b) {
    return {Eigen::internal::pcmp_lt(a.native_, b.native_)};
  }
  friend BACKPROP_INLINE Mask<T> operator==(const Packet& a, const Packet& b) {
    return {Eigen::internal::pcmp_eq(a.native_, b.native_)};
  }
  /// `a` where the mask is set, else 0.
  friend BACKPROP_INLINE Packet operator&(const Mask<T>& mask, const Packet& a) {
    return of(Eigen::internal::pand(mask.bits, a.native_));
  }
  /// `a` where the mask is set, else `b`.
  friend BACKPROP_INLINE Packet select(const Mask<T>& mask, const Packet& a, const Packet& b) {
    return of(Eigen::internal::pselect(mask.bits, a.native_, b.native_));
  }

  /// The sum of all lanes.
  friend BACKPROP_INLINE T sum(const Packet& a) { return Eigen::internal::predux(a.native_); }
  /// The number in lane 0.
  friend BACKPROP_INLINE T first(const Packet& a) { return Eigen::internal::pfirst(a.native_); }

 private:
  Native native_;
};

/// Numbers in a packet.
template <class T>
constexpr Index lanes = Eigen::internal::unpacket_traits<typename Packet<T>::Native>::size;

/// The packet at an address that is a multiple of its size.
template <class T>
BACKPROP_INLINE Packet<T> load(const T* from) {
  return Packet<T>::of(Eigen::internal::pload<typename Packet<T>::Native>(from));
}
template <class T>
BACKPROP_INLINE void store(T* to, const Packet<T>& packet) {
  Eigen::internal::pstore(to, packet.native());
}
/// The packet at any address.
template <class T>
BACKPROP_INLINE Packet<T> load_unaligned(const T* from) {
  return Packet<T>::of(Eigen::internal::ploadu<typename Packet<T>::Native>(from));
}
template <class T>
BACKPROP_INLINE void store_unaligned(T* to, const Packet<T>& packet) {
  Eigen::internal::pstoreu(to, packet.native());
}

#if defined(EIGEN_VECTORIZE_AVX) && !defined(EIGEN_VECTORIZE_AVX512)
/// All bits set in the first `count` numbers of a register.
template <class T>
BACKPROP_INLINE __m256i first_numbers(Index count) {
  // A register's worth read from this window starts with as many ones as the reading starts before
  // the middle.
  alignas(64) static constexpr std::int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(
      reinterpret_cast<const __m256i*>(window + 8 - count * Index{sizeof(T)} / 4));
}
#endif

/// The `count` numbers at `from` (at most a packet), then zeros; nothing past them is read.
template <class T>
BACKPROP_INLINE Packet<T> load_part(const T* from, Index count) {
  if (count == lanes<T>) return load_unaligned(from);
#if defined(EIGEN_VECTORIZE_AVX512)
  if constexpr (sizeof(T) == 4)
    return Packet<T>::of(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1 << count) - 1), from));
  else
    return Packet<T>::of(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1 << count) - 1), from));
#elif defined(EIGEN_VECTORIZE_AVX)
  if constexpr (sizeof(T) == 4)
    return Packet<T>::of(_mm256_maskload_ps(from, first_numbers<T>(count)));
  else
    return Packet<T>::of(_mm256_maskload_pd(from, first_numbers<T>(count)));
#else
  EIGEN_ALIGN_MAX T part[lanes<T>] = {};
  for (Index i = 0; i < count; ++i) part[i] = from[i];
  return load(part);
#endif
}

/// Keeps the first `count` numbers of a packet; nothing past them is written.
template <class T>
BACKPROP_INLINE void store_part(T* to, const Packet<T>& packet, Index count) {
  if (count == lanes<T>) return store_unaligned(to, packet);
#if defined(EIGEN_VECTORIZE_AVX512)
  if constexpr (sizeof(T) == 4)
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1 << count) - 1), packet.native());
  else
    _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1 << count) - 1), packet.native());
#elif defined(EIGEN_VECTORIZE_AVX)
  if constexpr (sizeof(T) == 4)
    _mm256_maskstore_ps(to, first_numbers<T>(count), packet.native());
  else
    _mm256_maskstore_pd(to, first_numbers<T>(count), packet.native());
#else
  EIGEN_ALIGN_MAX T part[lanes<T>];
  store(part, packet);
  for (Index i = 0; i < count; ++i) to[i] = part[i];
#endif
}

/// The square root, correctly rounded. Where Eigen estimates it, it is a few units off in the last
/// place, so the instruction is used there.
template <class T>
BACKPROP_INLINE Packet<T> square_root(const Packet<T>& a) {
#if defined(EIGEN_VECTORIZE_AVX512)
  if constexpr (sizeof(T) == 4)
    return Packet<T>::of(_mm512_sqrt_ps(a.native()));
  else
    return Packet<T>::of(_mm512_sqrt_pd(a.native()));
#else
#if defined(EIGEN_VECTORIZE_AVX)
  if constexpr (sizeof(T) == 4) return Packet<T>::of(_mm256_sqrt_ps(a.native()));
#elif defined(EIGEN_VECTORIZE_SSE)
  if constexpr (sizeof(T) == 4) return Packet<T>::of(_mm_sqrt_ps(a.native()));
#endif
  return Packet<T>::of(Eigen::internal::psqrt(a.native()));
#endif
}

/// lanes<T> rows of lanes<T> numbers in registers.
template <class T>
class Square {
 public:
  BACKPROP_INLINE void set(Index row, const Packet<T>& packet) {
    block_.packet[row] = packet.native();
  }
  BACKPROP_INLINE Packet<T> row(Index row) const { return Packet<T>::of(block_.packet[row]); }
  BACKPROP_INLINE void transpose() {
    if constexpr (lanes<T> > 1) Eigen::internal::ptranspose(block_);
  }

 private:
  Eigen::internal::PacketBlock<typename Packet<T>::Native, static_cast<int>(lanes<T>)> block_;
};

BACKPROP_NAMESPACE_END
