/// \file
/// Numbers and expressions as the writer of C++ sources needs them.
#include <pybind11/stl.h>

#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "bindings.hpp"
#include "expression.hpp"
#include "kernels/interpolation.hpp"

namespace nablafit::bindings {

namespace {

using detail::Expression;
using Operation = Expression::Operation;

std::string_view name_of(Operation operation) {
  switch (operation) {
    case Operation::constant:
      return "constant";
    case Operation::parameter:
      return "parameter";
    case Operation::add:
      return "add";
    case Operation::subtract:
      return "subtract";
    case Operation::multiply:
      return "multiply";
    case Operation::divide:
      return "divide";
    case Operation::negate:
      return "negate";
    case Operation::power:
      return "power";
    case Operation::constant_power:
      return "constant_power";
    case Operation::exp:
      return "exp";
    case Operation::log:
      return "log";
    case Operation::log10:
      return "log10";
    case Operation::sqrt:
      return "sqrt";
    case Operation::abs:
      return "abs";
    case Operation::sin:
      return "sin";
    case Operation::cos:
      return "cos";
    case Operation::tan:
      return "tan";
    case Operation::min:
      return "min";
    case Operation::max:
      break;
  }
  return "max";
}

std::vector<std::tuple<std::string_view, double, std::size_t>> expression_instructions(
    const std::string& text, const std::vector<std::string>& parameters) {
  std::vector<std::tuple<std::string_view, double, std::size_t>> instructions;
  const Expression expression(text, parameters);
  for (const Expression::Instruction& instruction : expression.instructions()) {
    instructions.emplace_back(name_of(instruction.operation), instruction.number,
                              instruction.index);
  }
  return instructions;
}

std::vector<double> factor_constants(double low, double high) {
  std::vector<double> constants{kernels::bounded_log(low), kernels::bounded_log(high)};
  const auto coefficients = kernels::polynomial_exponential_coefficients(low, high);
  constants.insert(constants.end(), coefficients.begin(), coefficients.end());
  return constants;
}

}  // namespace

void bind_export(py::module_& module) {
  module.def("expression_instructions", &expression_instructions, py::arg("text"),
             py::arg("parameters"),
             "A parsed expression in postfix order: operation, number, index of the parameter. "
             "Raises SpecError for text outside the grammar.");
  module.def("factor_constants", &factor_constants, py::arg("low"), py::arg("high"),
             "Logarithms of a factor at -1 and +1, and the six coefficients of code 5.");
}

}  // namespace nablafit::bindings
