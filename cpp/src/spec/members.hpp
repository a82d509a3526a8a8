/// \file
/// The members of every specification type, for code that treats all alike: equality, digests.
/// A new member must be added here too.
#ifndef NABLAFIT_SRC_SPEC_MEMBERS_HPP
#define NABLAFIT_SRC_SPEC_MEMBERS_HPP

#include <tuple>

#include "nablafit/model.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::detail {

inline auto members(const NormFactor& m) { return std::tie(m.name, m.parameter); }
inline auto members(const Lumi& m) { return std::tie(m.name, m.parameter); }
inline auto members(const NormSys& m) {
  return std::tie(m.name, m.parameter, m.low, m.high, m.interpolation);
}
inline auto members(const HistoSys& m) {
  return std::tie(m.name, m.parameter, m.low, m.high, m.interpolation);
}
inline auto members(const StatError& m) { return std::tie(m.name, m.parameters, m.uncertainties); }
inline auto members(const ShapeSys& m) { return std::tie(m.name, m.parameters, m.uncertainties); }
inline auto members(const ShapeFactor& m) { return std::tie(m.name, m.parameters); }
inline auto members(const BinVariable& v) { return std::tie(v.name, v.values); }
inline auto members(const FormulaFactor& m) {
  return std::tie(m.name, m.expression, m.parameters, m.variables, m.weights, m.function);
}

inline auto members(const Range& r) { return std::tie(r.lower, r.upper); }
inline auto members(const Unconstrained&) { return std::tuple<>(); }
inline auto members(const GaussianConstraint& c) {
  return std::tie(c.observed, c.sigma, c.observable_range);
}
inline auto members(const PoissonConstraint& c) { return std::tie(c.observed, c.tau); }
inline auto members(const LogNormalConstraint& c) { return std::tie(c.observed, c.kappa); }
inline auto members(const GammaConstraint& c) { return std::tie(c.observed, c.scale); }
inline auto members(const UniformConstraint&) { return std::tuple<>(); }
inline auto members(const IdentityTransformation&) { return std::tuple<>(); }
inline auto members(const GammaTransformation& p) { return std::tie(p.relative); }
inline auto members(const LogNormalTransformation& p) { return std::tie(p.relative); }
inline auto members(const Parameter& p) {
  return std::tie(p.name, p.initial, p.lower, p.upper, p.fixed, p.constraint, p.transformation,
                  p.global_observable);
}

inline auto members(const Sample& s) {
  return std::tie(s.name, s.nominal, s.modifiers, s.uncertainties, s.yield_floor, s.factor_floor);
}
inline auto members(const Axis& a) { return std::tie(a.name, a.edges); }
inline auto members(const Channel& c) { return std::tie(c.name, c.samples, c.axes, c.yield_floor); }
inline auto members(const ChannelCounts& c) { return std::tie(c.channel, c.counts); }
inline auto members(const Observations::GlobalObservable& g) {
  return std::tie(g.parameter, g.value);
}
inline auto members(const Observations& o) {
  return std::tie(o.name, o.channels, o.global_observables);
}
inline auto members(const ParameterPoint::Value& v) { return std::tie(v.parameter, v.value); }
inline auto members(const ParameterPoint& p) { return std::tie(p.name, p.values); }
inline auto members(const ModelSpec& s) {
  return std::tie(s.name, s.channels, s.parameters, s.parameters_of_interest, s.parameter_points);
}

inline auto members(const Data& d) { return std::tie(d.counts, d.global_observables); }

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_SPEC_MEMBERS_HPP
