/// \file
/// The members of every specification type, in the order of spec.hpp.
#ifndef NABLAFIT_BINDINGS_SPEC_FIELDS_HPP
#define NABLAFIT_BINDINGS_SPEC_FIELDS_HPP

#include <tuple>

#include "fields.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::bindings {

template <>
struct Fields<NormFactor> {
  static constexpr auto list = std::make_tuple(required("name", &NormFactor::name),
                                               required("parameter", &NormFactor::parameter));
};

template <>
struct Fields<Lumi> {
  static constexpr auto list =
      std::make_tuple(required("name", &Lumi::name), required("parameter", &Lumi::parameter));
};

template <>
struct Fields<NormSys> {
  static constexpr auto list =
      std::make_tuple(required("name", &NormSys::name), required("parameter", &NormSys::parameter),
                      required("low", &NormSys::low), required("high", &NormSys::high),
                      optional("interpolation", &NormSys::interpolation));
};

template <>
struct Fields<HistoSys> {
  static constexpr auto list = std::make_tuple(
      required("name", &HistoSys::name), required("parameter", &HistoSys::parameter),
      required("low", &HistoSys::low), required("high", &HistoSys::high),
      optional("interpolation", &HistoSys::interpolation));
};

template <>
struct Fields<StatError> {
  static constexpr auto list = std::make_tuple(
      required("name", &StatError::name), required("parameters", &StatError::parameters),
      required("uncertainties", &StatError::uncertainties));
};

template <>
struct Fields<ShapeSys> {
  static constexpr auto list = std::make_tuple(required("name", &ShapeSys::name),
                                               required("parameters", &ShapeSys::parameters),
                                               required("uncertainties", &ShapeSys::uncertainties));
};

template <>
struct Fields<ShapeFactor> {
  static constexpr auto list = std::make_tuple(required("name", &ShapeFactor::name),
                                               required("parameters", &ShapeFactor::parameters));
};

template <>
struct Fields<BinVariable> {
  static constexpr auto list = std::make_tuple(required("name", &BinVariable::name),
                                               required("values", &BinVariable::values));
};

template <>
struct Fields<FormulaFactor> {
  static constexpr auto list = std::make_tuple(required("name", &FormulaFactor::name),
                                               required("expression", &FormulaFactor::expression),
                                               required("parameters", &FormulaFactor::parameters),
                                               optional("variables", &FormulaFactor::variables),
                                               optional("weights", &FormulaFactor::weights));
};

template <>
struct Fields<Range> {
  static constexpr auto list =
      std::make_tuple(required("lower", &Range::lower), required("upper", &Range::upper));
};

template <>
struct Fields<Unconstrained> {
  static constexpr auto list = std::make_tuple();
};

template <>
struct Fields<GaussianConstraint> {
  static constexpr auto list =
      std::make_tuple(optional("observed", &GaussianConstraint::observed),
                      optional("sigma", &GaussianConstraint::sigma),
                      optional("observable_range", &GaussianConstraint::observable_range));
};

template <>
struct Fields<PoissonConstraint> {
  static constexpr auto list = std::make_tuple(optional("observed", &PoissonConstraint::observed),
                                               optional("tau", &PoissonConstraint::tau));
};

template <>
struct Fields<LogNormalConstraint> {
  static constexpr auto list = std::make_tuple(required("observed", &LogNormalConstraint::observed),
                                               required("kappa", &LogNormalConstraint::kappa));
};

template <>
struct Fields<GammaConstraint> {
  static constexpr auto list = std::make_tuple(optional("observed", &GammaConstraint::observed),
                                               optional("scale", &GammaConstraint::scale));
};

template <>
struct Fields<UniformConstraint> {
  static constexpr auto list = std::make_tuple();
};

template <>
struct Fields<IdentityTransformation> {
  static constexpr auto list = std::make_tuple();
};

template <>
struct Fields<GammaTransformation> {
  static constexpr auto list =
      std::make_tuple(required("relative", &GammaTransformation::relative));
};

template <>
struct Fields<LogNormalTransformation> {
  static constexpr auto list =
      std::make_tuple(required("relative", &LogNormalTransformation::relative));
};

template <>
struct Fields<Parameter> {
  static constexpr auto list = std::make_tuple(
      required("name", &Parameter::name), required("initial", &Parameter::initial),
      required("lower", &Parameter::lower), required("upper", &Parameter::upper),
      optional("fixed", &Parameter::fixed), optional("constraint", &Parameter::constraint),
      optional("transformation", &Parameter::transformation),
      optional("global_observable", &Parameter::global_observable));
};

template <>
struct Fields<Sample> {
  static constexpr auto list = std::make_tuple(
      required("name", &Sample::name), required("nominal", &Sample::nominal),
      optional("modifiers", &Sample::modifiers), optional("uncertainties", &Sample::uncertainties),
      optional("yield_floor", &Sample::yield_floor),
      optional("factor_floor", &Sample::factor_floor));
};

template <>
struct Fields<Axis> {
  static constexpr auto list =
      std::make_tuple(required("name", &Axis::name), required("edges", &Axis::edges));
};

template <>
struct Fields<Channel> {
  static constexpr auto list = std::make_tuple(
      required("name", &Channel::name), required("samples", &Channel::samples),
      optional("axes", &Channel::axes), optional("yield_floor", &Channel::yield_floor));
};

template <>
struct Fields<ChannelCounts> {
  static constexpr auto list = std::make_tuple(required("channel", &ChannelCounts::channel),
                                               required("counts", &ChannelCounts::counts));
};

template <>
struct Fields<Observations::GlobalObservable> {
  static constexpr auto list =
      std::make_tuple(required("parameter", &Observations::GlobalObservable::parameter),
                      required("value", &Observations::GlobalObservable::value));
};

template <>
struct Fields<Observations> {
  static constexpr auto list = std::make_tuple(
      required("name", &Observations::name), required("channels", &Observations::channels),
      optional("global_observables", &Observations::global_observables));
};

template <>
struct Fields<ParameterPoint::Value> {
  static constexpr auto list =
      std::make_tuple(required("parameter", &ParameterPoint::Value::parameter),
                      required("value", &ParameterPoint::Value::value));
};

template <>
struct Fields<ParameterPoint> {
  static constexpr auto list = std::make_tuple(required("name", &ParameterPoint::name),
                                               required("values", &ParameterPoint::values));
};

template <>
struct Fields<ModelSpec> {
  static constexpr auto list = std::make_tuple(
      required("name", &ModelSpec::name), required("channels", &ModelSpec::channels),
      required("parameters", &ModelSpec::parameters),
      optional("parameters_of_interest", &ModelSpec::parameters_of_interest),
      optional("parameter_points", &ModelSpec::parameter_points));
};

}  // namespace nablafit::bindings

#endif  // NABLAFIT_BINDINGS_SPEC_FIELDS_HPP
