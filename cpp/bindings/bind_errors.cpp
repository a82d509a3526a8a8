/// \file
/// The exceptions of error.hpp as Python classes with the attribute `location`.
#include <pybind11/gil_safe_call_once.h>
#include <pybind11/pybind11.h>

#include <exception>

#include "bindings.hpp"
#include "nablafit/error.hpp"

namespace nablafit::bindings {
namespace {

struct ErrorClasses {
  py::object error;
  py::object workspace_error;
  py::object spec_error;
  py::object argument_error;
};

PYBIND11_CONSTINIT py::gil_safe_call_once_and_store<ErrorClasses> error_classes;

py::object make_class(const char* name, const py::tuple& bases, const char* doc) {
  py::dict attributes;
  attributes["__module__"] = "nablafit";
  attributes["__doc__"] = doc;
  attributes["location"] = "";
  const auto type = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(&PyType_Type));
  return type(name, bases, attributes);
}

ErrorClasses make_classes() {
  const auto base = py::reinterpret_borrow<py::object>(PyExc_Exception);
  const auto value_error = py::reinterpret_borrow<py::object>(PyExc_ValueError);
  ErrorClasses classes;
  classes.error = make_class("Error", py::make_tuple(base),
                             "Base class of all exceptions of nablafit.\n\n"
                             "`location` says where: a JSON pointer, a path into a specification, "
                             "a parameter name,\nor an empty string.");
  const py::tuple bases = py::make_tuple(classes.error, value_error);
  classes.workspace_error =
      make_class("WorkspaceError", bases, "A file or document that violates its format.");
  classes.spec_error = make_class("SpecError", bases,
                                  "A ModelSpec that contradicts itself or contains something "
                                  "undefined.");
  classes.argument_error =
      make_class("ArgumentError", bases, "An argument that does not fit the model.");
  return classes;
}

void raise(const py::object& error_class, const Error& error) {
  const py::object instance = error_class(error.what());
  instance.attr("location") = error.location();
  PyErr_SetObject(error_class.ptr(), instance.ptr());
}

void translate(std::exception_ptr pointer) {
  const ErrorClasses& classes = error_classes.get_stored();
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const WorkspaceError& error) {
    raise(classes.workspace_error, error);
  } catch (const SpecError& error) {
    raise(classes.spec_error, error);
  } catch (const ArgumentError& error) {
    raise(classes.argument_error, error);
  } catch (const Error& error) {
    raise(classes.error, error);
  }
}

}  // namespace

void bind_errors(py::module_& module) {
  const ErrorClasses& classes = error_classes.call_once_and_store_result(make_classes).get_stored();
  module.attr("Error") = classes.error;
  module.attr("WorkspaceError") = classes.workspace_error;
  module.attr("SpecError") = classes.spec_error;
  module.attr("ArgumentError") = classes.argument_error;
  py::register_local_exception_translator(&translate);
}

}  // namespace nablafit::bindings
