/// \file
/// Plain structs as immutable Python classes, from one list of their members: keyword constructor,
/// read-only properties, ==, repr, pickling and `replace`.
///
/// `Fields<T>::list` lists the members in order. Sequences become tuples whose items refer into the
/// parent object (no copy; the parent is kept alive), vectors of numbers read-only NumPy views.
#ifndef NABLAFIT_BINDINGS_FIELDS_HPP
#define NABLAFIT_BINDINGS_FIELDS_HPP

#include <pybind11/native_enum.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "arrays.hpp"

namespace nablafit::bindings {

/// Lists the members of T; specialised in spec_fields.hpp.
template <class T>
struct Fields;

template <class Owner, class Member>
struct RequiredField {
  const char* name;
  Member Owner::* member;
};

/// May be omitted in the constructor; the default is that of a value-initialised Owner.
template <class Owner, class Member>
struct OptionalField {
  const char* name;
  Member Owner::* member;
};

template <class Owner, class Member>
constexpr RequiredField<Owner, Member> required(const char* name, Member Owner::* member) {
  return {name, member};
}

template <class Owner, class Member>
constexpr OptionalField<Owner, Member> optional(const char* name, Member Owner::* member) {
  return {name, member};
}

template <class T, class = void>
struct has_fields : std::false_type {};
template <class T>
struct has_fields<T, std::void_t<decltype(Fields<T>::list)>> : std::true_type {};

template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

template <class T>
struct is_variant : std::false_type {};
template <class... T>
struct is_variant<std::variant<T...>> : std::true_type {};

/// Calls `visit(field)` for every field of T.
template <class T, class Visitor>
void for_each_field(Visitor&& visit) {
  std::apply([&](const auto&... field) { (visit(field), ...); }, Fields<T>::list);
}

/// Member-wise equality.
template <class T>
bool equal(const T& a, const T& b) {
  if constexpr (has_fields<T>::value) {
    bool same = true;
    for_each_field<T>(
        [&](const auto& field) { same = same && equal(a.*(field.member), b.*(field.member)); });
    return same;
  } else if constexpr (is_vector<T>::value) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (!equal(a[i], b[i])) return false;
    }
    return true;
  } else if constexpr (is_optional<T>::value) {
    return a.has_value() == b.has_value() && (!a || equal(*a, *b));
  } else if constexpr (is_variant<T>::value) {
    return a.index() == b.index() && std::visit(
                                         [&b](const auto& value) {
                                           using Value = std::decay_t<decltype(value)>;
                                           return equal(value, std::get<Value>(b));
                                         },
                                         a);
  } else {
    return a == b;
  }
}

/// The Python object for a member of `owner`.
template <class T>
py::object to_python(const T& value, py::handle owner) {
  if constexpr (std::is_same_v<T, std::vector<double>>) {
    return read_only_view(value, owner);
  } else if constexpr (is_vector<T>::value) {
    py::tuple items(value.size());
    for (std::size_t i = 0; i < value.size(); ++i) items[i] = to_python(value[i], owner);
    return items;
  } else if constexpr (is_optional<T>::value) {
    return value ? to_python(*value, owner) : py::none();
  } else if constexpr (is_variant<T>::value) {
    return std::visit([owner](const auto& item) { return to_python(item, owner); }, value);
  } else if constexpr (has_fields<T>::value) {
    return py::cast(&value, py::return_value_policy::reference_internal, owner);
  } else {
    return py::cast(value);
  }
}

/// Python's repr, but long sequences are truncated, and of sequences of objects only the length.
template <class T>
std::string format(const T& value, py::handle owner) {
  constexpr std::size_t n_shown = 8;
  if constexpr (is_vector<T>::value) {
    using Item = typename T::value_type;
    if constexpr (has_fields<Item>::value || is_variant<Item>::value) {
      return "<" + std::to_string(value.size()) + ">";
    } else {
      std::string text = "[";
      for (std::size_t i = 0; i < value.size() && i < n_shown; ++i) {
        text += (i == 0 ? "" : ", ") + std::string(py::repr(py::cast(value[i])));
      }
      if (value.size() > n_shown) text += ", ... " + std::to_string(value.size()) + " in all";
      return text + "]";
    }
  } else {
    return py::repr(to_python(value, owner));
  }
}

/// `Name(field=value, ...)`, without optional fields that have their default value.
template <class T>
std::string represent(const py::object& self) {
  const T& value = self.cast<const T&>();
  const T initial{};
  std::string text = std::string(py::str(py::type::of(self).attr("__name__"))) + "(";
  const char* separator = "";
  const auto append = [&](const auto& field) {
    using Field = std::decay_t<decltype(field)>;
    const auto& member = value.*(field.member);
    using Member = std::decay_t<decltype(member)>;
    if constexpr (std::is_same_v<Field, OptionalField<T, Member>>) {
      if (equal(member, initial.*(field.member))) return;
    }
    text += separator + std::string(field.name) + "=" + format(member, self);
    separator = ", ";
  };
  for_each_field<T>(append);
  return text + ")";
}

template <class T>
py::tuple values_of(const py::object& self) {
  const T& value = self.cast<const T&>();
  py::list values;
  for_each_field<T>(
      [&](const auto& field) { values.append(to_python(value.*(field.member), self)); });
  return py::tuple(values);
}

/// A copy of `self` with the fields in `changes` replaced.
template <class T>
py::object replace(const py::object& self, const py::kwargs& changes) {
  const T& value = self.cast<const T&>();
  py::dict arguments;
  for_each_field<T>(
      [&](const auto& field) { arguments[field.name] = to_python(value.*(field.member), self); });
  for (const auto& [name, change] : changes) arguments[name] = change;
  return py::type::of(self)(**arguments);
}

template <class Owner, class Member>
py::arg argument(const RequiredField<Owner, Member>& field) {
  return py::arg(field.name);
}

template <class Owner, class Member>
py::arg_v argument(const OptionalField<Owner, Member>& field) {
  const Owner initial{};
  return py::arg(field.name) = py::object(py::cast(initial.*(field.member)));
}

template <class T, class... Field>
void define_constructor(py::class_<T>& type, const std::tuple<Field...>& fields) {
  const auto define = [&](const auto&... field) {
    const auto construct = [](std::decay_t<decltype(std::declval<T>().*(field.member))>... values) {
      T result{};
      auto source = std::forward_as_tuple(std::move(values)...);
      std::size_t unused = 0;
      std::apply(
          [&](const auto&... target) {
            std::apply(
                [&](auto&... value) {
                  ((result.*(target.member) = std::move(value), ++unused), ...);
                },
                source);
          },
          Fields<T>::list);
      return result;
    };
    type.def(py::init(construct), argument(field)...);
  };
  std::apply(define, fields);
}

/// Binds T with everything above.
template <class T>
py::class_<T> bind_struct(py::module_& module, const char* name, const char* doc) {
  py::class_<T> type(module, name, doc);
  define_constructor(type, Fields<T>::list);
  py::list names;
  for_each_field<T>([&](const auto& field) {
    const auto member = field.member;
    type.def_property_readonly(field.name, [member](const py::object& self) {
      return to_python(self.cast<const T&>().*member, self);
    });
    names.append(field.name);
  });
  type.attr("__match_args__") = py::tuple(names);
  type.def("__eq__", [](const T& self, const py::object& other) -> py::object {
    if (!py::isinstance<T>(other)) return py::reinterpret_borrow<py::object>(Py_NotImplemented);
    return py::bool_(equal(self, other.cast<const T&>()));
  });
  type.attr("__hash__") = py::none();
  type.def("__repr__", &represent<T>);
  type.def("__reduce__", [](const py::object& self) {
    return py::make_tuple(py::type::of(self), values_of<T>(self));
  });
  type.def("replace", &replace<T>, "A copy with the given fields replaced.");
  return type;
}

}  // namespace nablafit::bindings

#endif  // NABLAFIT_BINDINGS_FIELDS_HPP
