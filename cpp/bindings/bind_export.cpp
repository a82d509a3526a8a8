/// \file
/// Numbers and expressions for the writer of C++ sources.
#include <pybind11/stl.h>

#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "formula/expression.hpp"
#include "kernels/interpolation.hpp"

namespace nablafit::bindings {

namespace {

using detail::Expression;
using Operation = Expression::Operation;

std::string_view name_of(Operation operation) {
  switch (operation) {
    case Operation::constant:
      return "constant";
    case Operation::argument:
      return "argument";
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

using Node = std::tuple<std::string_view, double, std::vector<std::size_t>, bool>;

std::vector<Node> expression_nodes(const std::string& text,
                                   const std::vector<std::string>& parameters,
                                   const std::vector<std::string>& variables) {
  std::vector<std::string> names = parameters;
  names.insert(names.end(), variables.begin(), variables.end());
  const Expression expression(text, names, parameters.size());
  std::vector<Node> nodes;
  for (const Expression::Node& node : expression.nodes()) {
    std::vector<std::size_t> places;
    const std::size_t n = detail::n_operands(node.operation);
    if (n > 0 || node.operation == Operation::argument) places.push_back(node.a);
    if (n > 1) places.push_back(node.b);
    nodes.emplace_back(name_of(node.operation), node.number, std::move(places), node.depends);
  }
  return nodes;
}

std::vector<double> factor_constants(double low, double high) {
  std::vector<double> constants{kernels::bounded_log(low), kernels::bounded_log(high)};
  const auto coefficients = kernels::polynomial_exponential_coefficients(low, high);
  constants.insert(constants.end(), coefficients.begin(), coefficients.end());
  return constants;
}

}  // namespace

void bind_export(py::module_& module) {
  module.def("expression_nodes", &expression_nodes, py::arg("text"), py::arg("parameters"),
             py::arg("variables"),
             "A parsed expression, operands before operations, the result last: operation, number, "
             "nodes of the operands (for an argument: its index among parameters and variables), "
             "whether it depends on parameters. Raises SpecError for text outside the grammar.");
  module.def("factor_constants", &factor_constants, py::arg("low"), py::arg("high"),
             "Logarithms of a factor at -1 and +1, and the six coefficients of code 5.");
}

}  // namespace nablafit::bindings
