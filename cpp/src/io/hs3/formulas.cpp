#include "io/hs3/formulas.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <unordered_set>

#include "formula/quadrature.hpp"
#include "io/hs3/channels.hpp"
#include "nablafit/error.hpp"

namespace nablafit::io {
namespace {

constexpr std::array<JsonField, 5> density_fields = {
    {{"name"}, {"type"}, {"x", false}, {"density"}, {"axes"}}};
constexpr double most_bins = 1e6;  ///< of a channel without contents

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_name_part(char c) {
  return is_name_start(c) || std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.' ||
         c == ':';
}

/// Names in an expression that are neither functions nor constants of the standard, each once.
std::vector<std::string> names_in(std::string_view expression) {
  std::vector<std::string> names;
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < expression.size();) {
    if (!is_name_start(expression[i])) {
      // Digits and the exponent of a number, so that the e of 1e5 is not a name.
      const bool is_number = std::isdigit(static_cast<unsigned char>(expression[i])) != 0;
      ++i;
      while (is_number && i < expression.size() && is_name_part(expression[i])) ++i;
      continue;
    }
    std::size_t end = i;
    while (end < expression.size() && is_name_part(expression[end])) ++end;
    if (end < expression.size() && expression[end] == '[') {
      end = std::min(expression.find(']', end), expression.size() - 1) + 1;
    }
    const std::size_t next = expression.find_first_not_of(' ', end);
    const bool is_call = next != std::string_view::npos && expression[next] == '(';
    const std::string name(expression.substr(i, end - i));
    const bool is_number = name == "PI" || name == "EULER";
    if (!is_call && !is_number && seen.insert(name).second) names.push_back(name);
    i = end;
  }
  return names;
}

/// Bins of the one axis; its other contents are checked when it is read.
std::size_t count_axis_bins(JsonValue axes) {
  expect_items(axes, "an array of one axis, the binning");
  if (axes.size() != 1) {
    fail(axes, "found " + std::to_string(axes.size()) +
                   " axes of a density, expected one; integrals over several are not supported");
  }
  const JsonValue axis = *axes.elements().begin();
  expect_kind(axis, JsonKind::object, "an object, an axis");
  const JsonValue edges = axis.find("edges");
  if (edges.exists() && edges.is(JsonKind::array) && edges.size() > 1) return edges.size() - 1;
  const JsonValue n_bins = axis.find("nbins");
  if (!n_bins.exists()) fail(axis, "found no 'edges' and no 'nbins', expected one of them; add it");
  const double n = expect_number(n_bins, "a number of bins");
  if (!(n >= 1.0 && n <= most_bins)) {
    fail(n_bins, "found " + describe(n_bins) + " as number of bins, expected 1 to 1000000");
  }
  return static_cast<std::size_t>(n);
}

/// Nodes and weights of the integrals over all bins.
void set_nodes(FormulaFactor& factor, const std::vector<double>& edges, std::size_t n_nodes) {
  const detail::Quadrature rule = detail::gauss_legendre(n_nodes);
  std::vector<double>& places = factor.variables.front().values;
  for (std::size_t bin = 0; bin + 1 < edges.size(); ++bin) {
    const double half = 0.5 * (edges[bin + 1] - edges[bin]);
    for (std::size_t i = 0; i < n_nodes; ++i) {
      places.push_back(0.5 * (edges[bin + 1] + edges[bin]) + half * rule.nodes[i]);
      factor.weights.push_back(half * rule.weights[i]);
    }
  }
}

/// nablafit's entry for a density; does not exist in documents of other programs.
JsonValue own_note(const Hs3Index& index, std::string_view distribution, std::string_view key) {
  const auto found = index.densities.find(distribution);
  return found == index.densities.end() ? JsonValue() : find_member(found->second, key);
}

std::size_t nodes_per_bin(JsonValue note) {
  if (!note.exists()) return hs3_density_nodes;
  const double n = expect_number(note, "a number of nodes per bin");
  if (!(n >= 1.0 && n <= 100.0)) {
    fail(note, "found " + describe(note) + " as number of nodes per bin, expected 1 to 100");
  }
  return static_cast<std::size_t>(n);
}

bool are_near(const std::vector<double>& a, const std::vector<double>& b, double distance) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [=](double x, double y) {
           return std::abs(x - y) <= distance;
         });
}

}  // namespace

FormulaFactor read_hs3_function(const Hs3Index& index, const std::string& name, JsonValue where,
                                const std::string& variable) {
  const JsonValue function = index.functions.get(name, where);
  const JsonValue type = function.find("type");
  if (!type.exists() || !type.is(JsonKind::string) || type.string() != "generic_function") {
    fail(type.exists() ? type : function,
         "found the function type " + (type.exists() ? describe(type) : std::string("none")) +
             (variable.empty() ? " in a modifier" : " as a density") +
             ", expected 'generic_function'; other functions are not supported");
  }
  const JsonValue expression = function.find("expression");
  if (!expression.exists()) fail(function, "found no 'expression', expected one; add it");
  expect_string(expression, "a string, an arithmetic expression");
  FormulaFactor result{name, std::string(expression.string()), names_in(expression.string())};
  for (const std::string& parameter : result.parameters) {
    if (index.functions.find(parameter).exists()) {
      fail(expression, "found the function " + quoted(parameter) +
                           " in an expression, expected parameters only; write it out");
    }
  }
  try {
    validate_formula(result);
  } catch (const SpecError& error) {
    fail(expression, error.what());
  }
  if (variable.empty()) return result;
  auto& names = result.parameters;
  names.erase(std::remove(names.begin(), names.end(), variable), names.end());
  result.variables.push_back({variable, {}});
  return result;
}

Channel read_hs3_density(const Hs3Index& index, Hs3Parameters& parameters, Hs3Notes& notes,
                         JsonValue distribution, const std::string& name) {
  const auto [its_name, type, x, density, axes] =
      read_fields(distribution, "a " + std::string(hs3_density_type), density_fields);
  Channel channel;
  channel.name = name;
  channel.axes = read_hs3_axes(axes, count_axis_bins(axes));
  const Axis& axis = channel.axes.front();
  if (x.exists() && expect_string(x, "a string, the name of the variable") != axis.name) {
    fail(x, "found the variable " + quoted(x.string()) + ", expected " + quoted(axis.name) +
                ", the name of the axis");
  }
  const std::string function(expect_string(density, "a string, the name of a function"));
  FormulaFactor factor = read_hs3_function(index, function, density, axis.name);
  for (const std::string& parameter : factor.parameters) {
    parameters.use(parameter, Hs3Role::factor, density);
  }
  const std::size_t n_nodes = nodes_per_bin(own_note(index, its_name.string(), "n_nodes"));
  set_nodes(factor, axis.edges, n_nodes);
  notes.add("Densities are integrated over bins by Gauss-Legendre quadrature with " +
            std::to_string(n_nodes) + " nodes.");
  Sample sample;
  const JsonValue named = own_note(index, its_name.string(), "sample");
  sample.name = named.exists() ? std::string(expect_string(named, "a string, the name of a sample"))
                               : function;
  sample.nominal.assign(axis.edges.size() - 1, 1.0);
  sample.modifiers.emplace_back(std::move(factor));
  channel.samples.push_back(std::move(sample));
  return channel;
}

std::string why_no_channel(std::string_view type) {
  if (type != "generic_dist" && type != "bincounts_extended_dist" && type != "mixture_dist") {
    return {};
  }
  return "; it is normalised by an integral that depends on parameters, which a factor of a sample "
         "cannot represent: write the rate as the density of a '" +
         std::string(hs3_density_type) + "'";
}

std::optional<std::size_t> hs3_density_nodes_of(const Channel& channel) {
  const std::size_t n_bins = channel.n_bins();
  if (channel.axes.size() != 1 || channel.samples.size() != 1 || channel.yield_floor) return {};
  const Sample& sample = channel.samples.front();
  const Axis& axis = channel.axes.front();
  const bool is_plain = sample.uncertainties.empty() && !sample.yield_floor &&
                        !sample.factor_floor && sample.modifiers.size() == 1 &&
                        std::all_of(sample.nominal.begin(), sample.nominal.end(),
                                    [](double nominal) { return nominal == 1.0; });
  if (!is_plain) return {};
  const auto* factor = std::get_if<FormulaFactor>(&sample.modifiers.front());
  if (factor == nullptr || factor->function != nullptr || factor->variables.size() != 1 ||
      factor->variables.front().name != axis.name) {
    return {};
  }
  const std::size_t n_nodes = n_bins == 0 ? 0 : factor->weights.size() / n_bins;
  if (n_nodes < 1 || n_nodes > 100) return {};
  FormulaFactor same;
  same.variables.push_back({axis.name, {}});
  set_nodes(same, axis.edges, n_nodes);
  const double distance = 1e-11 * (axis.edges.back() - axis.edges.front());
  const bool is_rule =
      are_near(same.weights, factor->weights, distance) &&
      are_near(same.variables.front().values, factor->variables.front().values, distance);
  return is_rule ? std::optional<std::size_t>(n_nodes) : std::nullopt;
}

}  // namespace nablafit::io
