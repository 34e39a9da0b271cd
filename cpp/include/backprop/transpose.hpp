// The same matrix with the other dimension in the lanes: H in panels of examples is what W H reads,
// H in panels of features what grad_A H^T reads.
#pragma once

#include "backprop/panels.hpp"

BACKPROP_NAMESPACE_BEGIN

/// Transposes a square of lanes<T> x lanes<T> numbers, whose rows lie panel_width<T> apart.
template <class T>
void transpose_square(const T* source, T* target) {
  Square<T> square;
  for (Index i = 0; i < lanes<T>; ++i) square.set(i, load(source + i * panel_width<T>));
  square.transpose();
  for (Index i = 0; i < lanes<T>; ++i) store(target + i * panel_width<T>, square.row(i));
}

/// Copies one slice of H from panels of examples to panels of features, a square of lanes at a
/// time.
template <class T>
void to_features(const Panels<T>& examples, Index n_features, Panels<T>& features, Index slice) {
  for (Index f = 0; f < n_features; f += lanes<T>)
    transpose_square(examples.slice(slice) + f * panel_width<T>,
                     features.slice(f / lanes<T>) + slice * lanes<T> * panel_width<T>);
}

/// The way back: one slice of examples from panels of features.
template <class T>
void to_examples(const Panels<T>& features, Index n_features, Panels<T>& examples, Index slice) {
  for (Index f = 0; f < n_features; f += lanes<T>)
    transpose_square(features.slice(f / lanes<T>) + slice * lanes<T> * panel_width<T>,
                     examples.slice(slice) + f * panel_width<T>);
}

BACKPROP_NAMESPACE_END
