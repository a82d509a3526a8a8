/// \file
/// HS3 JSON.
#include <pybind11/stl.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "fields.hpp"
#include "nablafit/io/hs3.hpp"
#include "python_poll.hpp"

namespace nablafit::bindings {
namespace {

template <typename T>
py::tuple moved_to_tuple(std::vector<T>&& values) {
  py::tuple result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) result[i] = py::cast(std::move(values[i]));
  return result;
}

py::object problem_of(const io::Hs3Document& document) {
  if (!document.data_problem) return py::none();
  return py::make_tuple(document.data_problem->what(), document.data_problem->location());
}

}  // namespace

void bind_hs3(py::module_& module) {
  module.def(
      "read_hs3",
      [](const py::bytes& text, const std::string& source) {
        const auto view = static_cast<std::string_view>(text);
        io::Hs3Document document =
            interruptible([&] { return io::read_hs3(view, source, io::BadData::report); });
        return py::make_tuple(moved_to_tuple(std::move(document.measurements)),
                              moved_to_tuple(std::move(document.datasets)),
                              moved_to_tuple(std::move(document.notes)), problem_of(document));
      },
      py::arg("text"), py::arg("source") = "workspace",
      "Reads UTF-8 JSON: measurements, data sets, notes, and what is wrong with the data (message "
      "and location) or None.");
  module.def(
      "write_hs3",
      [](const ModelSpec& spec, const std::vector<Observations>& datasets, bool lossy) {
        io::Hs3Text result = interruptible([&] { return io::write_hs3(spec, datasets, {lossy}); });
        return py::make_tuple(py::str(result.text), moved_to_tuple(std::move(result.losses)),
                              moved_to_tuple(std::move(result.notes)));
      },
      py::arg("spec"), py::arg("datasets"), py::kw_only(), py::arg("lossy") = false,
      "The document, what HS3 cannot represent, and what other programs read differently.");
}

}  // namespace nablafit::bindings
