#include "nablafit/spec.hpp"

#include <tuple>
#include <type_traits>

namespace nablafit {

std::string_view type_name(const Modifier& modifier) {
  struct Names {
    std::string_view operator()(const NormFactor&) const { return "normfactor"; }
    std::string_view operator()(const Lumi&) const { return "lumi"; }
    std::string_view operator()(const NormSys&) const { return "normsys"; }
    std::string_view operator()(const HistoSys&) const { return "histosys"; }
    std::string_view operator()(const StatError&) const { return "staterror"; }
    std::string_view operator()(const ShapeSys&) const { return "shapesys"; }
    std::string_view operator()(const ShapeFactor&) const { return "shapefactor"; }
    std::string_view operator()(const FormulaFactor&) const { return "formula"; }
  };
  return std::visit(Names{}, modifier);
}

const std::string& name_of(const Modifier& modifier) {
  return std::visit([](const auto& m) -> const std::string& { return m.name; }, modifier);
}

bool is_constrained(const Parameter& parameter) noexcept {
  return !std::holds_alternative<Unconstrained>(parameter.constraint) &&
         !std::holds_alternative<UniformConstraint>(parameter.constraint);
}

std::optional<double> observed_value(const Parameter& parameter) noexcept {
  if (const auto* c = std::get_if<GaussianConstraint>(&parameter.constraint)) return c->observed;
  if (const auto* c = std::get_if<PoissonConstraint>(&parameter.constraint)) return c->observed;
  if (const auto* c = std::get_if<LogNormalConstraint>(&parameter.constraint)) return c->observed;
  if (const auto* c = std::get_if<GammaConstraint>(&parameter.constraint)) return c->observed;
  return std::nullopt;
}

// --- equality ------------------------------------------------------------------------------------

namespace {

auto fields(const NormFactor& m) { return std::tie(m.name, m.parameter); }
auto fields(const Lumi& m) { return std::tie(m.name, m.parameter); }
auto fields(const NormSys& m) {
  return std::tie(m.name, m.parameter, m.low, m.high, m.interpolation);
}
auto fields(const HistoSys& m) {
  return std::tie(m.name, m.parameter, m.low, m.high, m.interpolation);
}
auto fields(const StatError& m) { return std::tie(m.name, m.parameters, m.uncertainties); }
auto fields(const ShapeSys& m) { return std::tie(m.name, m.parameters, m.uncertainties); }
auto fields(const ShapeFactor& m) { return std::tie(m.name, m.parameters); }
auto fields(const FormulaFactor& m) { return std::tie(m.name, m.expression, m.parameters); }

auto fields(const Range& r) { return std::tie(r.lower, r.upper); }
auto fields(const PoissonConstraint& c) { return std::tie(c.observed, c.tau); }
auto fields(const LogNormalConstraint& c) { return std::tie(c.observed, c.kappa); }
auto fields(const GammaConstraint& c) { return std::tie(c.observed, c.scale); }
auto fields(const Unconstrained&) { return std::tuple<>(); }
auto fields(const UniformConstraint&) { return std::tuple<>(); }
auto fields(const IdentityPull&) { return std::tuple<>(); }
auto fields(const GammaPull& p) { return std::tie(p.relative); }
auto fields(const LogNormalPull& p) { return std::tie(p.relative); }

auto fields(const Axis& a) { return std::tie(a.name, a.edges); }
auto fields(const ChannelCounts& c) { return std::tie(c.channel, c.counts); }
auto fields(const Observations::GlobalObservable& g) { return std::tie(g.parameter, g.value); }
auto fields(const ParameterPoint::Value& v) { return std::tie(v.parameter, v.value); }

template <typename T>
bool same(const T& a, const T& b) {
  return fields(a) == fields(b);
}

bool same(const GaussianConstraint& a, const GaussianConstraint& b) {
  if (a.observable_range.has_value() != b.observable_range.has_value()) return false;
  return a.observed == b.observed && a.sigma == b.sigma &&
         (!a.observable_range || same(*a.observable_range, *b.observable_range));
}

template <typename... Types>
bool same(const std::variant<Types...>& a, const std::variant<Types...>& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&b](const auto& value) { return same(value, std::get<std::decay_t<decltype(value)>>(b)); },
      a);
}

bool same(const ParameterPoint& a, const ParameterPoint& b);

template <typename T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!same(a[i], b[i])) return false;
  }
  return true;
}

bool same(const ParameterPoint& a, const ParameterPoint& b) {
  return a.name == b.name && same(a.values, b.values);
}

}  // namespace

bool operator==(const Sample& a, const Sample& b) {
  return std::tie(a.name, a.nominal, a.uncertainties, a.yield_floor, a.factor_floor) ==
             std::tie(b.name, b.nominal, b.uncertainties, b.yield_floor, b.factor_floor) &&
         same(a.modifiers, b.modifiers);
}

bool operator==(const Channel& a, const Channel& b) {
  return std::tie(a.name, a.samples, a.yield_floor) == std::tie(b.name, b.samples, b.yield_floor) &&
         same(a.axes, b.axes);
}

bool operator==(const Parameter& a, const Parameter& b) {
  return std::tie(a.name, a.initial, a.lower, a.upper, a.fixed, a.global_observable) ==
             std::tie(b.name, b.initial, b.lower, b.upper, b.fixed, b.global_observable) &&
         same(a.constraint, b.constraint) && same(a.pull, b.pull);
}

bool operator==(const ModelSpec& a, const ModelSpec& b) {
  return std::tie(a.name, a.channels, a.parameters, a.parameters_of_interest) ==
             std::tie(b.name, b.channels, b.parameters, b.parameters_of_interest) &&
         same(a.parameter_points, b.parameter_points);
}

bool operator==(const Observations& a, const Observations& b) {
  return a.name == b.name && same(a.channels, b.channels) &&
         same(a.global_observables, b.global_observables);
}

}  // namespace nablafit
