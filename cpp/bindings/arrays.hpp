/// \file
/// Arrays at the boundary: exact float64 C-contiguous in, new or read-only arrays out.
#ifndef NABLAFIT_BINDINGS_ARRAYS_HPP
#define NABLAFIT_BINDINGS_ARRAYS_HPP

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <string>
#include <vector>

#include "nablafit/error.hpp"

namespace nablafit::bindings {

namespace py = pybind11;

using Array = py::array_t<double>;

/// The data of `object` if it is a C-contiguous, aligned float64 vector of `size` entries, else
/// null.
inline const double* vector_or_null(py::handle object, std::size_t size) {
  const auto& api = py::detail::npy_api::get();
  if (!api.PyArray_Check_(object.ptr())) return nullptr;
  const auto* array = py::detail::array_proxy(object.ptr());
  constexpr int wanted =
      py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  const bool fits = array->nd == 1 && (array->flags & wanted) == wanted &&
                    static_cast<std::size_t>(array->dimensions[0]) == size && Array::check_(object);
  return fits ? reinterpret_cast<const double*>(array->data) : nullptr;
}

/// "an array of shape (2, 3) and type int64", "a list".
inline std::string describe(py::handle object) {
  if (!py::isinstance<py::array>(object)) {
    return "an object of type " + std::string(py::str(py::type::of(object).attr("__name__")));
  }
  std::string text = "an array of shape " + std::string(py::str(object.attr("shape"))) +
                     " and type " + std::string(py::str(object.attr("dtype")));
  const int flags = py::detail::array_proxy(object.ptr())->flags;
  if ((flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_) == 0)
    text += " that is not contiguous";
  if ((flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0) {
    text += " that is not aligned in memory (numpy.array makes a copy that is)";
  }
  return text;
}

/// Whether `object` is an array of T whose memory can be read as it is: C-contiguous and aligned.
template <typename T>
bool is_readable(py::handle object) {
  return py::isinstance<py::array_t<T, py::array::c_style>>(object) &&
         (py::detail::array_proxy(object.ptr())->flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_) !=
             0;
}

/// The data of `object`; throws ArgumentError unless it is exactly what vector_or_null accepts.
inline const double* require_vector(py::handle object, std::size_t size, const char* name) {
  if (const double* data = vector_or_null(object, size)) return data;
  throw ArgumentError("expected a C-contiguous float64 array of shape (" + std::to_string(size) +
                          ",), got " + describe(object) +
                          "; convert with numpy.ascontiguousarray(values, dtype=float)",
                      name);
}

/// The data of `object`; throws ArgumentError unless it is a C-contiguous boolean vector.
inline const bool* require_flags(py::handle object, std::size_t size, const char* name) {
  if (py::isinstance<py::array_t<bool>>(object)) {
    const auto array = py::reinterpret_borrow<py::array_t<bool>>(object);
    const bool contiguous = (array.flags() & py::array::c_style) != 0;
    if (array.ndim() == 1 && contiguous && static_cast<std::size_t>(array.shape(0)) == size) {
      return array.data();
    }
  }
  throw ArgumentError("expected a C-contiguous boolean array of shape (" + std::to_string(size) +
                          ",), got " + describe(object),
                      name);
}

/// A new float64 array. Uses NumPy's C API directly: py::array_t's constructor costs as much as the
/// evaluation of a small model.
inline py::object new_array(int n_dimensions, const Py_intptr_t* shape) {
  const auto& api = py::detail::npy_api::get();
  PyObject* type = api.PyArray_DescrFromType_(py::detail::npy_api::NPY_DOUBLE_);
  PyObject* array = api.PyArray_NewFromDescr_(api.PyArray_Type_, type, n_dimensions, shape, nullptr,
                                              nullptr, 0, nullptr);
  if (array == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(array);
}

inline py::object new_vector(std::size_t size) {
  const auto length = static_cast<Py_intptr_t>(size);
  return new_array(1, &length);
}

inline py::object new_square_matrix(std::size_t size) {
  const Py_intptr_t shape[] = {static_cast<Py_intptr_t>(size), static_cast<Py_intptr_t>(size)};
  return new_array(2, shape);
}

inline double* data_of(const py::object& array) {
  return reinterpret_cast<double*>(py::detail::array_proxy(array.ptr())->data);
}

inline void make_read_only(const py::object& array) {
  py::detail::array_proxy(array.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
}

/// Number of items as NumPy counts them.
template <typename T>
py::ssize_t length_of(const std::vector<T>& values) {
  return static_cast<py::ssize_t>(values.size());
}

/// Read-only view of `values`, which `owner` keeps alive.
inline py::object read_only_view(const std::vector<double>& values, py::handle owner) {
  py::object array =
      values.empty() ? new_vector(0) : Array(length_of(values), values.data(), owner);
  make_read_only(array);
  return array;
}

}  // namespace nablafit::bindings

#endif  // NABLAFIT_BINDINGS_ARRAYS_HPP
