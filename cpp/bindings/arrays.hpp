// NumPy arrays in and out: every check an input passes, and the map onto its memory. Nothing here
// copies or converts; an array that cannot be mapped is refused with the way to convert it.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cmath>
#include <string>

#include "backprop/data.hpp"
#include "backprop/network.hpp"

namespace py = pybind11;

namespace bindings {

using backprop::Examples;
using backprop::Index;
using backprop::Network;
using backprop::Targets;

template <class T>
const char* dtype_name() {
  if constexpr (std::is_same_v<T, float>) return "float32";
  if constexpr (std::is_same_v<T, double>) return "float64";
  if constexpr (std::is_same_v<T, std::int32_t>) return "int32";
  return "int64";
}

inline std::string shape_of(const py::array& array) { return py::str(array.attr("shape")); }

inline std::string layer_shape(const char* name, Index k, Index rows, Index columns) {
  return std::string("`") + name + "_" + std::to_string(k) + "` (" + std::to_string(rows) + ", " +
         std::to_string(columns) + ")";
}

/// An array whose numbers can be read where they lie: the right dtype in native byte order,
/// aligned, and not masked.
template <class T>
py::array require_array(py::handle object, const char* name) {
  const std::string convert =
      std::string("; convert it with np.asarray(") + name + ", dtype=np." + dtype_name<T>() + ")";
  const std::string wanted =
      std::string("`") + name + "` must be a NumPy array of " + dtype_name<T>();
  if (!py::isinstance<py::array>(object))
    throw py::type_error(wanted + ", got " +
                         std::string(py::str(py::type::of(object).attr("__name__"))) + convert);
  if (Py_TYPE(object.ptr()) != py::detail::npy_api::get().PyArray_Type_ &&
      py::hasattr(object, "mask"))
    throw py::type_error(wanted + " without a mask, got a masked array; fill it first, with " +
                         name + ".filled(value)");
  auto array = py::reinterpret_borrow<py::array>(object);
  if (!py::isinstance<py::array_t<T>>(object))
    throw py::type_error(wanted + ", got " + std::string(py::str(array.dtype())) +
                         (array.dtype().byteorder() == '>' ? " in foreign byte order" : "") +
                         convert);
  bool aligned = (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
  for (py::ssize_t d = 0; d < array.ndim(); ++d)
    aligned = aligned && array.strides(d) % static_cast<py::ssize_t>(sizeof(T)) == 0;
  if (!aligned)
    throw py::value_error(std::string("`") + name +
                          "` must be aligned in memory, got a misaligned array; copy it with " +
                          name + ".copy()");
  return array;
}

template <class T>
Examples<T> map_matrix(const py::array& array) {
  constexpr auto size = static_cast<py::ssize_t>(sizeof(T));
  return {static_cast<const T*>(array.data()), array.shape(0), array.shape(1),
          array.strides(0) / size, array.strides(1) / size};
}

/// A contiguous vector, mapped.
template <class T>
const T* map_vector(const py::array& array, const char* name) {
  if (array.ndim() != 1 || !(array.flags() & py::array::c_style))
    throw py::value_error(std::string("`") + name + "` must be a contiguous vector, got shape " +
                          shape_of(array));
  return static_cast<const T*>(array.data());
}

/// Compressed rows (data, columns, starts) for a network with n inputs: SciPy's data, indices and
/// indptr. Every index is checked, as a wrong one would be read or written far away.
template <class T>
Examples<T> map_sparse(py::tuple parts, Index n) {
  const py::array data = require_array<T>(parts[0], "X.data");
  const py::array columns = require_array<std::int32_t>(parts[1], "X.indices");
  const py::array starts = require_array<std::int64_t>(parts[2], "X.indptr");
  Examples<T> X{map_vector<T>(data, "X.data"), starts.shape(0) - 1, n, 0, 1};
  X.columns = map_vector<std::int32_t>(columns, "X.indices");
  X.starts = map_vector<std::int64_t>(starts, "X.indptr");
  if (X.count < 1)
    throw py::value_error("`X` must hold at least one example, got an indptr of shape " +
                          shape_of(starts));
  const auto stored = std::min(data.shape(0), columns.shape(0));
  bool ordered = X.starts[0] == 0 && X.starts[X.count] <= stored;
  for (Index j = 0; j < X.count; ++j) ordered = ordered && X.starts[j] <= X.starts[j + 1];
  if (!ordered)
    throw py::value_error("`X.indptr` must rise from 0 to at most the " + std::to_string(stored) +
                          " stored numbers");
  for (Index i = 0; i < X.starts[X.count]; ++i)
    if (X.columns[i] < 0 || X.columns[i] >= n)
      throw py::value_error("`X` must have " + std::to_string(n) + " columns, got an entry in " +
                            "column " + std::to_string(X.columns[i]));
  return X;
}

template <class T>
Examples<T> map_dense(py::handle object, const Network<T>& net) {
  const py::array array = require_array<T>(object, "X");
  const auto& layout = net.layout();
  if (array.ndim() != 2)
    throw py::value_error(
        "`X` must have 2 dimensions (examples, features), got shape " + shape_of(array) +
        (array.ndim() == 1 ? "; one example is X.reshape(1, -1), one feature X.reshape(-1, 1)"
                           : ""));
  if (array.shape(0) == 0)
    throw py::value_error("`X` must hold at least one example, got shape " + shape_of(array));
  if (array.shape(1) != layout.n_inputs())
    throw py::value_error(
        "`X` must have " + std::to_string(layout.n_inputs()) + " columns to match " +
        layer_shape("W", 1, layout.size(1), layout.size(0)) + ", got shape " + shape_of(array));
  return map_matrix<T>(array);
}

/// X for a network with n inputs: an array (m, n), or compressed rows.
template <class T>
Examples<T> map_examples(py::handle object, const Network<T>& net, bool check_finite) {
  const bool sparse = py::isinstance<py::tuple>(object) && py::len(object) == 3;
  const Examples<T> X =
      sparse ? map_sparse<T>(py::reinterpret_borrow<py::tuple>(object), net.layout().n_inputs())
             : map_dense(object, net);
  if (check_finite && !all_finite(X))
    throw py::value_error(
        "`X` must be finite, got NaN or infinity; clean it with np.nan_to_num, or pass "
        "check_finite=False");
  return X;
}

/// y for m examples: int64 classes where the loss takes them, or targets of the network's dtype.
template <class T>
Targets<T> map_targets(py::handle object, const Network<T>& net, Index m, bool check_finite) {
  const Index p = net.layout().n_outputs();
  const bool takes_labels = net.loss().takes_labels;
  const std::string count = "`y` must have one entry for each of the " + std::to_string(m) +
                            " examples of `X`, got shape ";
  const bool floating = py::isinstance<py::array_t<T>>(object);
  if (takes_labels && !floating) {
    if (!py::isinstance<py::array_t<std::int64_t>>(object)) {
      const std::string got =
          py::isinstance<py::array>(object)
              ? std::string(py::str(py::reinterpret_borrow<py::array>(object).dtype()))
              : std::string(py::str(py::type::of(object).attr("__name__")));
      throw py::type_error("`y` must be a NumPy array of int64 classes, or of " +
                           std::string(dtype_name<T>()) + " targets (m, " + std::to_string(p) +
                           "), got " + got +
                           "; convert classes with np.asarray(y, dtype=np.int64)");
    }
    const py::array array = require_array<std::int64_t>(object, "y");
    if (array.ndim() != 1 || array.shape(0) != m) throw py::value_error(count + shape_of(array));
    const auto* labels = static_cast<const std::int64_t*>(array.data());
    const Index stride = array.strides(0) / static_cast<Index>(sizeof(std::int64_t));
    for (Index j = 0; j < m; ++j)
      if (labels[j * stride] < 0 || labels[j * stride] >= p)
        throw py::value_error("`y` must hold classes from 0 to " + std::to_string(p - 1) +
                              " to match the " + std::to_string(p) + " outputs, got " +
                              std::to_string(labels[j * stride]) + " at position " +
                              std::to_string(j));
    return {labels, stride, {}};
  }
  const py::array array = require_array<T>(object, "y");
  if (array.ndim() == 1 && p == 1 && !takes_labels) {
    if (array.shape(0) != m) throw py::value_error(count + shape_of(array));
    const Index stride = array.strides(0) / static_cast<Index>(sizeof(T));
    return {nullptr, 0, {static_cast<const T*>(array.data()), m, 1, stride, 1}};
  }
  if (array.ndim() != 2 || array.shape(0) != m || array.shape(1) != p)
    throw py::value_error(
        "`y` must have shape (" + std::to_string(m) + ", " + std::to_string(p) +
        "), one row for each example of `X` and one column for each output, got shape " +
        shape_of(array));
  const Targets<T> y{nullptr, 0, map_matrix<T>(array)};
  if (check_finite && !all_finite(y.values))
    throw py::value_error(
        "`y` must be finite, got NaN or infinity; clean it, or pass check_finite=False");
  return y;
}

/// How much each of the m examples weighs (m,), into y; None leaves all of them at 1.
template <class T>
Targets<T> weighted(Targets<T> y, py::handle object, Index m) {
  if (object.is_none()) return y;
  const py::array array = require_array<T>(object, "sample_weight");
  if (array.ndim() != 1 || array.shape(0) != m)
    throw py::value_error("`sample_weight` must have one weight for each of the " +
                          std::to_string(m) + " examples of `X`, got shape " + shape_of(array));
  y.weights = static_cast<const T*>(array.data());
  y.weight_stride = array.strides(0) / static_cast<Index>(sizeof(T));
  bool any = false;
  for (Index j = 0; j < m; ++j) {
    const T weight = y.weights[j * y.weight_stride];
    if (!(weight >= 0 && std::isfinite(weight)))
      throw py::value_error("`sample_weight` must be finite and not negative, got " +
                            std::to_string(weight) + " at position " + std::to_string(j));
    any = any || weight > 0;
  }
  if (!any)
    throw py::value_error("`sample_weight` must weigh at least one example, got only zeros");
  return y;
}

/// Examples with their targets and weights, checked once and mapped for as long as this lives. With
/// y None the targets are the caller's business, as for a loss of his own.
template <class T>
struct Data {
  Data(const Network<T>& net, py::object X_, py::object y_, py::object sample_weight_,
       bool check_finite)
      : X_object(std::move(X_)),
        y_object(std::move(y_)),
        sample_weight(std::move(sample_weight_)),
        n_outputs(net.layout().n_outputs()),
        X(map_examples<T>(X_object, net, check_finite)),
        y(weighted(y_object.is_none() ? Targets<T>{nullptr, 0, {}}
                                      : map_targets<T>(y_object, net, X.count, check_finite),
                   sample_weight, X.count)) {}

  py::object X_object, y_object, sample_weight;  // what X and y point into
  Index n_outputs;
  Examples<T> X;
  Targets<T> y;
};

/// A writable view of `shape` numbers that keeps `owner` alive.
template <class T>
py::array view(T* data, std::vector<py::ssize_t> shape, py::handle owner) {
  return py::array_t<T>(std::move(shape), data, owner);
}

}  // namespace bindings
