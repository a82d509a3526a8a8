/// \file
/// Rows of matrices in, arrays that own the core's vectors out.
#ifndef NABLAFIT_BINDINGS_MATRICES_HPP
#define NABLAFIT_BINDINGS_MATRICES_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "nablafit/batch.hpp"

namespace nablafit::bindings {

template <typename T>
using Matrix = py::array_t<T, py::array::c_style>;

/// The rows of a C-contiguous matrix with `length` columns; none for None. Throws ArgumentError for
/// anything else.
template <typename T, typename Element>
Rows<T> rows_of(const py::handle& object, std::size_t length, const char* name) {
  if (object.is_none()) return {};
  if (is_readable<Element>(object)) {
    const auto matrix = py::reinterpret_borrow<Matrix<Element>>(object);
    if (matrix.ndim() == 2 && static_cast<std::size_t>(matrix.shape(1)) == length) {
      return {reinterpret_cast<const T*>(matrix.data()), static_cast<std::size_t>(matrix.shape(0))};
    }
  }
  throw ArgumentError("expected a C-contiguous array of shape (n, " + std::to_string(length) +
                          "), got " + describe(object),
                      name);
}

/// A NumPy array that owns `values`, with one row per item.
template <typename T>
py::object own(std::vector<T>&& values, std::size_t n_rows, std::size_t n_columns) {
  auto owned = std::make_unique<std::vector<T>>(std::move(values));
  T* data = owned->data();
  const py::capsule owner(owned.release(),
                          [](void* pointer) { delete static_cast<std::vector<T>*>(pointer); });
  return py::array_t<T>({n_rows, n_columns}, data, owner);
}

template <typename T>
py::object own(std::vector<T>&& values) {
  auto owned = std::make_unique<std::vector<T>>(std::move(values));
  const py::ssize_t length = length_of(*owned);
  T* data = owned->data();
  const py::capsule owner(owned.release(),
                          [](void* pointer) { delete static_cast<std::vector<T>*>(pointer); });
  return py::array_t<T>(length, data, owner);
}

}  // namespace nablafit::bindings

#endif  // NABLAFIT_BINDINGS_MATRICES_HPP
