/// \file
/// Specification of a binned model: what every reader produces and every writer consumes.
///
/// The expected yield of bin b of channel c is
///
///     lambda_cb = floor_c( sum_s  floor_s( nominal_sb + sum_h Delta_h(alpha_h) ) * F_sb ),
///
/// with the additive variations Delta_h of the HistoSys modifiers and the product F_sb of all other
/// modifiers of sample s (see each type). The likelihood is the product over bins of
/// Pois(n_cb | lambda_cb) and over constrained parameters of their constraint terms.
///
/// Everything here is plain data: copyable, comparable, with no behaviour beyond `validate`.
/// Yields, counts and uncertainties are in events; factors and nuisance parameters are
/// dimensionless.
#ifndef NABLAFIT_SPEC_HPP
#define NABLAFIT_SPEC_HPP

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "nablafit/export.hpp"

namespace nablafit {

/// Interpolation between the values at -1 (low), 0 (nominal) and +1 (high), with HistFactory's
/// numbers (RooFit's MathFuncs.h, flexibleInterpSingle). Code 3 was never implemented anywhere.
/// Additive codes give a change in the units of the nominal value; multiplicative ones a factor.
enum class Interpolation {
  piecewise_linear = 0,                  ///< additive
  piecewise_exponential = 1,             ///< multiplicative; pyhf code1
  quadratic_linear = 2,                  ///< additive, with ROOT's offset beyond +-1; pyhf code2
  polynomial_linear = 4,                 ///< additive, 6th order inside +-1; pyhf code4p
  polynomial_exponential = 5,            ///< multiplicative, 6th order inside +-1; pyhf code4
  polynomial_linear_multiplicative = 6,  ///< code 4 of the ratios low/nominal and high/nominal
};

/// True for codes 0, 2 and 4.
constexpr bool is_additive(Interpolation code) noexcept {
  return code == Interpolation::piecewise_linear || code == Interpolation::quadratic_linear ||
         code == Interpolation::polynomial_linear;
}

// --- modifiers -----------------------------------------------------------------------------------

/// Multiplies every bin of the sample by the parameter.
struct NormFactor {
  std::string name;
  std::string parameter;
};

/// Multiplies every bin of the sample by the luminosity parameter. Acts as a NormFactor; a separate
/// type because formats write it differently.
struct Lumi {
  std::string name;
  std::string parameter;
};

/// Multiplies every bin by a factor that is `low`, 1, `high` at -1, 0, +1 of the parameter; both >=
/// 0. With a multiplicative code the factors of a sample multiply. With an additive code they are
/// summed first, as FlexibleInterpVar does: one factor 1 + sum Delta of all additive NormSys of the
/// sample.
struct NormSys {
  std::string name;
  std::string parameter;
  double low = 1.0;
  double high = 1.0;
  Interpolation interpolation = Interpolation::polynomial_exponential;
};

/// Varies the histogram: yields at -1 and +1 of the parameter, one number per bin, absolute (not
/// differences). With an additive code the change is added to the nominal yield; with a
/// multiplicative one the bin is multiplied by the interpolated ratio (bins with zero nominal stay
/// zero).
struct HistoSys {
  std::string name;
  std::string parameter;
  std::vector<double> low;
  std::vector<double> high;
  Interpolation interpolation = Interpolation::polynomial_linear;
};

/// Multiplies bin b by `parameters[b]`, shared by all samples that name the same parameters
/// (Barlow-Beeston lite). `uncertainties[b]` is this sample's absolute statistical uncertainty,
/// kept for surgery and writers, and empty if only that of the sum of samples is known; the
/// likelihood uses only the constraint of the parameter.
struct StatError {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<double> uncertainties;
};

/// Multiplies bin b by `parameters[b]` for one sample. `uncertainties` as in StatError.
struct ShapeSys {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<double> uncertainties;
};

/// Multiplies bin b by the unconstrained `parameters[b]`.
struct ShapeFactor {
  std::string name;
  std::vector<std::string> parameters;
};

class Function;

/// Numbers used in an expression that differ from bin to bin: the centre of the bin, an edge, a
/// coefficient. `values[b * n_nodes + j]` belongs to node j of bin b.
struct BinVariable {
  std::string name;
  std::vector<double> values;
};

/// Multiplies bin b by
///
///     sum_j weights[b * n_nodes + j] * expression(parameters; variables at node j of bin b).
///
/// The expression is arithmetic in the named parameters and variables: + - * / ^ or **,
/// parentheses, exp, log, log10, sqrt, abs, sin, cos, tan, min, max, pow, numbers, names. Without
/// weights there is one node per bin with weight 1: a plain factor, the same for all bins if there
/// are no variables either (HistFactory's preprocess functions). Several nodes make a quadrature,
/// e.g. the integral of a density over the bin; a sample with nominal yields 1 is then that
/// density's histogram.
struct FormulaFactor {
  std::string name;
  std::string expression;
  std::vector<std::string> parameters;
  std::vector<BinVariable> variables = {};
  std::vector<double> weights = {};  ///< n_bins times n_nodes, or empty
  /// Instead of the expression, see function.hpp; compared by identity.
  std::shared_ptr<const Function> function = nullptr;

  /// True if the factor may differ from bin to bin.
  bool is_per_bin() const noexcept { return !variables.empty() || !weights.empty(); }
};

using Modifier = std::variant<NormFactor, Lumi, NormSys, HistoSys, StatError, ShapeSys, ShapeFactor,
                              FormulaFactor>;

/// "normfactor", "lumi", "normsys", "histosys", "staterror", "shapesys", "shapefactor", "formula".
NABLAFIT_API std::string_view type_name(const Modifier& modifier);
NABLAFIT_API const std::string& name_of(const Modifier& modifier);

// --- parameters ----------------------------------------------------------------------------------

struct Range {
  double lower;
  double upper;
};

/// No constraint term.
struct Unconstrained {};

/// N(observed | parameter, sigma). With `observable_range` the density is normalised over that
/// range of the global observable only, as RooFit does.
struct GaussianConstraint {
  double observed = 0.0;
  double sigma = 1.0;
  std::optional<Range> observable_range;
};

/// Pois(observed | tau * parameter), continuous in `observed`.
struct PoissonConstraint {
  double observed = 1.0;
  double tau = 1.0;
};

/// LogNormal(observed | median = parameter, sigma = log kappa); kappa > 1.
struct LogNormalConstraint {
  double observed = 1.0;
  double kappa = 1.0;
};

/// Gamma(parameter; shape = observed + 1, scale), HistFactory's Gamma constraint.
struct GammaConstraint {
  double observed = 1.0;
  double scale = 1.0;
};

/// Flat over the range of the parameter: changes nothing in the likelihood, kept for writers.
struct UniformConstraint {};

using Constraint = std::variant<Unconstrained, GaussianConstraint, PoissonConstraint,
                                LogNormalConstraint, GammaConstraint, UniformConstraint>;

/// The argument of interpolations as a function of the parameter.
struct IdentityTransformation {};
/// (parameter - 1) / relative: the parameter is HistFactory's beta of a Gamma ConstraintTerm.
struct GammaTransformation {
  double relative = 1.0;
};
/// (kappa^parameter - 1) / relative with kappa = 1 + relative: a LogNormal ConstraintTerm.
struct LogNormalTransformation {
  double relative = 1.0;
};
using Transformation =
    std::variant<IdentityTransformation, GammaTransformation, LogNormalTransformation>;

using IdentityPull [[deprecated("use IdentityTransformation")]] = IdentityTransformation;
using GammaPull [[deprecated("use GammaTransformation")]] = GammaTransformation;
using LogNormalPull [[deprecated("use LogNormalTransformation")]] = LogNormalTransformation;
using Pull [[deprecated("use Transformation")]] = Transformation;

struct Parameter {
  std::string name;
  double initial = 0.0;
  double lower = 0.0;  ///< may be -infinity
  double upper = 0.0;  ///< may be +infinity
  bool fixed = false;  ///< constant in fits; its constraint term is kept
  Constraint constraint = Unconstrained{};
  Transformation transformation = IdentityTransformation{};
  std::string global_observable;  ///< name in the source format; empty when the format has none
};

/// True if the parameter has a term in the likelihood, and so a global observable.
NABLAFIT_API bool is_constrained(const Parameter& parameter) noexcept;
/// Value of the global observable stored with the constraint; none if not constrained.
NABLAFIT_API std::optional<double> observed_value(const Parameter& parameter) noexcept;

// --- channels and data ---------------------------------------------------------------------------

struct Sample {
  std::string name;
  std::vector<double> nominal;        ///< expected events per bin, before modifiers
  std::vector<Modifier> modifiers;    ///< in the order of the source
  std::vector<double> uncertainties;  ///< statistical, per bin, absolute; empty when not given
  /// Lower limit on the interpolated histogram (nominal plus additive variations), applied before
  /// factors (RooFit's positive-definite PiecewiseInterpolation: 0).
  std::optional<double> yield_floor;
  /// Lower limit on the product of the NormSys factors (RooFit: the smallest double).
  std::optional<double> factor_floor;
};

/// One observable of a channel; `edges` has one more entry than bins.
struct Axis {
  std::string name;
  std::vector<double> edges;
};

struct Channel {
  std::string name;
  std::vector<Sample> samples;
  std::vector<Axis> axes;  ///< empty when the format has none; bins run with the last axis fastest
  std::optional<double> yield_floor;  ///< lower limit on the total yield of a bin

  /// Bins of the channel: those of its first sample; 0 without samples.
  std::size_t n_bins() const noexcept {
    return samples.empty() ? 0 : samples.front().nominal.size();
  }
};

/// Observed events of one channel, one entry per bin; not necessarily integer.
struct ChannelCounts {
  std::string channel;
  std::vector<double> counts;
};

/// One named data set. Channels may come in any order. Global observables that differ from the
/// values stored with the constraints are listed by parameter name.
struct Observations {
  struct GlobalObservable {
    std::string parameter;
    double value;
  };
  std::string name;
  std::vector<ChannelCounts> channels;
  std::vector<GlobalObservable> global_observables;
};

/// A named point in parameter space (RooFit's snapshots, HS3's parameter points). Parameters that
/// are not listed keep their initial value.
struct ParameterPoint {
  struct Value {
    std::string parameter;
    double value;
  };
  std::string name;
  std::vector<Value> values;
};

/// A complete statistical model without data. All vectors of parameters have the order of
/// `parameters`.
struct ModelSpec {
  std::string name;
  std::vector<Channel> channels;
  std::vector<Parameter> parameters;
  std::vector<std::string> parameters_of_interest;  ///< may name parameters that do not exist here
  std::vector<ParameterPoint> parameter_points;
};

/// Compare member by member, numbers by value, so that a NaN is unequal to everything.
NABLAFIT_API bool operator==(const BinVariable& a, const BinVariable& b);
NABLAFIT_API bool operator==(const Sample& a, const Sample& b);
NABLAFIT_API bool operator==(const Channel& a, const Channel& b);
NABLAFIT_API bool operator==(const Parameter& a, const Parameter& b);
NABLAFIT_API bool operator==(const ModelSpec& a, const ModelSpec& b);
NABLAFIT_API bool operator==(const Observations& a, const Observations& b);
inline bool operator!=(const ModelSpec& a, const ModelSpec& b) { return !(a == b); }
inline bool operator!=(const Observations& a, const Observations& b) { return !(a == b); }

/// Throws SpecError at the first thing that is wrong: no or duplicate names, lengths that
/// differ, unknown parameters, values that are not finite, empty ranges, negative or zero widths.
/// The location is a path such as `channels[0].samples[1].modifiers[2].high`.
NABLAFIT_API void validate(const ModelSpec& spec);
/// Throws SpecError, with the column (from 1) of the problem, unless the text is an expression in
/// the named parameters.
NABLAFIT_API void validate_formula(const FormulaFactor& formula);

}  // namespace nablafit

#endif  // NABLAFIT_SPEC_HPP
