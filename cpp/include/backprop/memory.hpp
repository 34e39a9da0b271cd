// Memory that does not move: aligned, zeroed, and refused with a message where it does not fit.
#pragma once

#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string>

#include "backprop/common.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#endif

BACKPROP_NAMESPACE_BEGIN

/// Bytes of memory in this machine. The system would grant a larger request and end the process
/// when it is used.
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

/// `size` numbers, all 0 at first. A large buffer asks for huge pages, because the product that
/// walks down the columns of a wide W would otherwise touch a new page for each number.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index size) : size_(size) {
    if (size == 0) return;
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T);
    if (bytes > physical_memory()) throw OutOfMemory(bytes);
    const std::size_t alignment = bytes >= huge_page ? huge_page : cache_line;
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, rounded);
    if (memory == nullptr) throw std::bad_alloc();
    data_.reset(static_cast<T*>(memory));
#if defined(__linux__)
    if (alignment == huge_page) madvise(memory, rounded, MADV_HUGEPAGE);
#endif
    std::memset(memory, 0, rounded);
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](Index i) { return data_.get()[i]; }
  const T& operator[](Index i) const { return data_.get()[i]; }
  Index size() const { return size_; }

 private:
  static constexpr std::size_t cache_line = 64;
  static constexpr std::size_t huge_page = std::size_t{1} << 21;  // 2 MiB on x86-64
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data_;
  Index size_ = 0;
};

BACKPROP_NAMESPACE_END
