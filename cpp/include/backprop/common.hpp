// The namespace of one instruction-set level, and the integer in which sizes are counted.
#pragma once

#include <cstddef>

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

constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

BACKPROP_NAMESPACE_END
