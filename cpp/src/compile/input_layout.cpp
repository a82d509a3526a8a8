#include "compile/input_layout.hpp"

#include <cmath>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>

#include "ad/derivatives.hpp"
#include "kernels/terms.hpp"
#include "util/one_of.hpp"

namespace nablafit {

std::string_view to_string(InputKind kind) noexcept {
  switch (kind) {
    case InputKind::nominal:
      return "nominal";
    case InputKind::histosys_low:
      return "histosys_low";
    case InputKind::histosys_high:
      return "histosys_high";
    case InputKind::normsys_low:
      return "normsys_low";
    case InputKind::normsys_high:
      return "normsys_high";
    case InputKind::staterror:
      return "staterror";
    case InputKind::shapesys:
      return "shapesys";
    case InputKind::width:
      break;
  }
  return "width";
}

namespace detail {
namespace {

/// Relative deviation up to which a width is taken to follow from uncertainties.
constexpr double rule_tolerance = 1e-9;

struct RuleSums {
  double variance = 0.0, nominal = 0.0;
};

RuleSums sums_of(const WidthRule& rule, const double* inputs) {
  RuleSums sums;
  for (const WidthRule::Part& part : rule.parts) {
    sums.variance += inputs[part.uncertainty] * inputs[part.uncertainty];
    sums.nominal += inputs[part.nominal];
  }
  return sums;
}

bool is_near(double a, double b) { return std::abs(a - b) <= rule_tolerance * std::abs(b); }

/// Numbers the inputs of a specification.
class LayoutBuilder {
 public:
  explicit LayoutBuilder(const ModelSpec& spec) : spec_(spec) {
    for (std::size_t p = 0; p < spec.parameters.size(); ++p) {
      if (!is_constrained(spec.parameters[p])) continue;
      constrained_.emplace(spec.parameters[p].name, layout_.widths.size());
      layout_.widths.emplace_back();
    }
  }

  InputLayout build() {
    for (const Channel& channel : spec_.channels) {
      for (const Sample& sample : channel.samples) add_sample(channel, sample);
    }
    keep_valid_rules();
    add_widths();
    return std::move(layout_);
  }

 private:
  std::uint32_t add_block(InputKind kind, const std::string& name, std::size_t size) {
    const std::size_t begin = layout_.size;
    layout_.blocks.push_back({kind, channel_, sample_, name, begin, size});
    layout_.size += size;
    return static_cast<std::uint32_t>(begin);
  }

  void add_sample(const Channel& channel, const Sample& sample) {
    channel_ = channel.name;
    sample_ = sample.name;
    layout_.samples.push_back({add_block(InputKind::nominal, "", sample.nominal.size()), {}});
    for (const Modifier& modifier : sample.modifiers) {
      const std::uint32_t input = std::visit([&](const auto& m) { return this->add(m); }, modifier);
      layout_.samples.back().modifiers.push_back(input);
    }
  }

  std::uint32_t add(const NormSys& m) {
    const std::uint32_t low = add_block(InputKind::normsys_low, m.name, 1);
    add_block(InputKind::normsys_high, m.name, 1);
    return low;
  }
  std::uint32_t add(const HistoSys& m) {
    const std::uint32_t low = add_block(InputKind::histosys_low, m.name, m.low.size());
    add_block(InputKind::histosys_high, m.name, m.high.size());
    return low;
  }
  std::uint32_t add(const StatError& m) { return add_uncertainties(InputKind::staterror, m); }
  std::uint32_t add(const ShapeSys& m) { return add_uncertainties(InputKind::shapesys, m); }
  template <typename Other, typename = OneOf<Other, NormFactor, Lumi, ShapeFactor, FormulaFactor>>
  std::uint32_t add(const Other&) {
    return no_input;
  }

  template <typename M>
  std::uint32_t add_uncertainties(InputKind kind, const M& m) {
    if (m.uncertainties.empty()) return no_input;
    const std::uint32_t first = add_block(kind, m.name, m.uncertainties.size());
    for (std::size_t bin = 0; bin < m.parameters.size(); ++bin) {
      const auto found = constrained_.find(m.parameters[bin]);
      if (found == constrained_.end()) continue;
      const auto b = static_cast<std::uint32_t>(bin);
      layout_.widths[found->second].parts.push_back(
          {layout_.samples.back().nominal + b, first + b});
    }
    return first;
  }

  /// Drops the parts of widths that differ from what the rule gives.
  void keep_valid_rules() {
    const std::vector<double> values = input_values(spec_, layout_);
    std::size_t i = 0;
    for (const Parameter& parameter : spec_.parameters) {
      if (!is_constrained(parameter)) continue;
      WidthRule& rule = layout_.widths[i++];
      const auto* poisson = std::get_if<PoissonConstraint>(&parameter.constraint);
      const bool gaussian = std::holds_alternative<GaussianConstraint>(parameter.constraint);
      rule.is_tau = poisson != nullptr;
      const RuleSums sums = sums_of(rule, values.data());
      const bool defined = sums.variance > 0.0 && sums.nominal > 0.0;
      if (!defined || !(gaussian || poisson != nullptr) ||
          !is_near(width_from_inputs(rule, values.data()), width_of(parameter.constraint))) {
        rule.parts.clear();
      } else if (poisson != nullptr) {
        rule.observed_follows = is_near(poisson->observed, poisson->tau);
      }
    }
  }

  void add_widths() {
    channel_.clear();
    sample_.clear();
    std::size_t i = 0;
    for (const Parameter& parameter : spec_.parameters) {
      if (!is_constrained(parameter)) continue;
      WidthRule& rule = layout_.widths[i++];
      if (rule.parts.empty()) rule.input = add_block(InputKind::width, parameter.name, 1);
    }
  }

  const ModelSpec& spec_;
  InputLayout layout_;
  std::unordered_map<std::string, std::size_t> constrained_;  ///< place among the constrained
  std::string channel_, sample_;
};

/// Calls visit(data, size, first input) for every array of inputs of a modifier.
template <typename Visit>
struct ModifierInputs {
  std::uint32_t first;
  Visit& visit;

  template <typename M, OneOf<M, NormSys>* = nullptr>
  void operator()(M& m) const {
    visit(&m.low, 1, first);
    visit(&m.high, 1, first + 1);
  }
  template <typename M, OneOf<M, HistoSys>* = nullptr>
  void operator()(M& m) const {
    visit(m.low.data(), m.low.size(), first);
    visit(m.high.data(), m.high.size(), first + static_cast<std::uint32_t>(m.low.size()));
  }
  template <typename M, OneOf<M, StatError, ShapeSys>* = nullptr>
  void operator()(M& m) const {
    visit(m.uncertainties.data(), m.uncertainties.size(), first);
  }
  template <typename M, OneOf<M, NormFactor, Lumi, ShapeFactor, FormulaFactor>* = nullptr>
  void operator()(M&) const {}
};

template <typename Sample, typename Visit>
void visit_sample(Sample& sample, const SampleInputs& inputs, Visit& visit) {
  visit(sample.nominal.data(), sample.nominal.size(), inputs.nominal);
  for (std::size_t i = 0; i < sample.modifiers.size(); ++i) {
    if (inputs.modifiers[i] == no_input) continue;
    std::visit(ModifierInputs<Visit>{inputs.modifiers[i], visit}, sample.modifiers[i]);
  }
}

template <typename Spec, typename Visit>
void visit_inputs(Spec& spec, const InputLayout& layout, Visit&& visit) {
  std::size_t family = 0;
  for (auto& channel : spec.channels) {
    for (auto& sample : channel.samples) {
      visit_sample(sample, layout.samples[family++], visit);
    }
  }
}

struct WidthMember {
  double* operator()(GaussianConstraint& c) const { return &c.sigma; }
  double* operator()(PoissonConstraint& c) const { return &c.tau; }
  double* operator()(LogNormalConstraint& c) const { return &c.kappa; }
  double* operator()(GammaConstraint& c) const { return &c.scale; }
  template <typename Other, typename = OneOf<Other, Unconstrained, UniformConstraint>>
  double* operator()(Other&) const {
    return nullptr;
  }
};

}  // namespace

double* width_of(Constraint& constraint) { return std::visit(WidthMember{}, constraint); }

double width_of(const Constraint& constraint) {
  Constraint copy = constraint;
  return *width_of(copy);
}

double width_from_inputs(const WidthRule& rule, const double* inputs) {
  if (rule.parts.empty()) return inputs[rule.input];
  const RuleSums sums = sums_of(rule, inputs);
  return rule.is_tau ? kernels::relative_tau(sums.variance, sums.nominal)
                     : kernels::relative_width(sums.variance, sums.nominal);
}

void add_width_gradient(const WidthRule& rule, const double* inputs, double adjoint,
                        double* gradient) {
  namespace derivatives = kernels::derivatives;
  if (rule.parts.empty()) {
    gradient[rule.input] += adjoint;
    return;
  }
  const RuleSums sums = sums_of(rule, inputs);
  const double by_variance =
      rule.is_tau ? derivatives::relative_tau_by_variance(sums.variance, sums.nominal)
                  : derivatives::relative_width_by_variance(sums.variance, sums.nominal);
  const double by_nominal =
      rule.is_tau ? derivatives::relative_tau_by_nominal(sums.variance, sums.nominal)
                  : derivatives::relative_width_by_nominal(sums.variance, sums.nominal);
  for (const WidthRule::Part& part : rule.parts) {
    gradient[part.uncertainty] += adjoint * by_variance * 2.0 * inputs[part.uncertainty];
    gradient[part.nominal] += adjoint * by_nominal;
  }
}

InputLayout make_input_layout(const ModelSpec& spec) { return LayoutBuilder(spec).build(); }

std::vector<double> input_values(const ModelSpec& spec, const InputLayout& layout) {
  std::vector<double> values(layout.size, 0.0);
  visit_inputs(spec, layout, [&](const double* data, std::size_t size, std::uint32_t first) {
    for (std::size_t i = 0; i < size; ++i) values[first + i] = data[i];
  });
  std::size_t i = 0;
  for (const Parameter& parameter : spec.parameters) {
    if (!is_constrained(parameter)) continue;
    const WidthRule& rule = layout.widths[i++];
    if (rule.input != no_input) values[rule.input] = width_of(parameter.constraint);
  }
  return values;
}

ModelSpec spec_with_inputs(const ModelSpec& spec, const InputLayout& layout,
                           const std::vector<double>& inputs,
                           const std::vector<Constraint>& constraints) {
  ModelSpec result = spec;
  visit_inputs(result, layout, [&](double* data, std::size_t size, std::uint32_t first) {
    for (std::size_t i = 0; i < size; ++i) data[i] = inputs[first + i];
  });
  for (std::size_t p = 0; p < constraints.size(); ++p) {
    result.parameters[p].constraint = constraints[p];
  }
  return result;
}

}  // namespace detail
}  // namespace nablafit
