#include "minimize/likelihood_objective.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <variant>

#include "compile/compiled_model.hpp"
#include "evaluate/compiled_likelihood.hpp"
#include "util/interruption.hpp"
#include "util/one_of.hpp"

namespace nablafit::detail {
namespace {

struct ConstraintWidth {
  double operator()(const GaussianConstraint& c) const { return c.sigma; }
  double operator()(const PoissonConstraint& c) const {
    return std::sqrt(c.observed + 1.0) / c.tau;
  }
  double operator()(const LogNormalConstraint& c) const { return c.observed * (c.kappa - 1.0); }
  double operator()(const GammaConstraint& c) const {
    return c.scale * std::sqrt(c.observed + 1.0);
  }
  double operator()(const Unconstrained&) const { return 0.0; }
  double operator()(const UniformConstraint&) const { return 0.0; }
};

double typical_width(const CompiledModel& model, std::size_t p) {
  const double constrained = std::visit(ConstraintWidth{}, model.constraints[p]);
  if (constrained > 0.0 && std::isfinite(constrained)) return constrained;
  const double quarter = 0.25 * (model.upper[p] - model.lower[p]);
  const double size = model.initial[p] == 0.0 ? 1.0 : std::abs(model.initial[p]);
  return quarter > 0.0 ? std::min(quarter, size) : size;
}

/// Whether a modifier bends its parameter's effect at the nominal point, and by which parameter.
struct KinkFinder {
  const Sample& sample;

  static bool is_piecewise(Interpolation code) {
    return code == Interpolation::piecewise_linear || code == Interpolation::piecewise_exponential;
  }
  static bool is_straight(Interpolation code, double low, double nominal, double high) {
    if (code == Interpolation::piecewise_linear) return high - nominal == nominal - low;
    return high * low == nominal * nominal;
  }
  const std::string* operator()(const NormSys& modifier) const {
    const bool bent = is_piecewise(modifier.interpolation) &&
                      !is_straight(modifier.interpolation, modifier.low, 1.0, modifier.high);
    return bent ? &modifier.parameter : nullptr;
  }
  const std::string* operator()(const HistoSys& modifier) const {
    if (!is_piecewise(modifier.interpolation)) return nullptr;
    for (std::size_t b = 0; b < sample.nominal.size(); ++b) {
      if (!is_straight(modifier.interpolation, modifier.low[b], sample.nominal[b],
                       modifier.high[b])) {
        return &modifier.parameter;
      }
    }
    return nullptr;
  }
  template <typename Other, typename = OneOf<Other, NormFactor, Lumi, StatError, ShapeSys,
                                             ShapeFactor, FormulaFactor>>
  const std::string* operator()(const Other&) const {
    return nullptr;
  }
};

/// Whether there is anything to find: the specification need not be looked at otherwise.
bool has_piecewise_interpolants(const CompiledModel& model) {
  return std::any_of(
      model.interpolant_code.begin(), model.interpolant_code.end(),
      [](std::uint8_t code) { return KinkFinder::is_piecewise(static_cast<Interpolation>(code)); });
}

}  // namespace

LikelihoodObjective::LikelihoodObjective(const Likelihood& likelihood)
    : evaluator_(likelihood), gradient_(likelihood.model().n_parameters()) {}

const ArrowStructure& LikelihoodObjective::structure() const noexcept {
  return likelihood().model().compiled().arrow;
}

Evaluation LikelihoodObjective::value_and_gradient(const double* x, double* gradient) {
  check_interruption(likelihood().model().compiled().n_rows);
  return evaluator_.value_and_gradient(x, gradient);
}

bool LikelihoodObjective::hessian(const double* x, ArrowHessian& hessian) {
  const Evaluation evaluation = evaluator_.arrow_hessian(x, gradient_.data(), hessian);
  return evaluation.status == EvaluationStatus::ok;
}

bool LikelihoodObjective::information(const double* x, ArrowHessian& information) {
  const Evaluation evaluation = evaluator_.arrow_information(x, gradient_.data(), information);
  return evaluation.status == EvaluationStatus::ok;
}

void LikelihoodObjective::separate_curvatures(const double* x, double* curvatures) const {
  evaluator_.constraint_curvatures(x, curvatures);
}

bool LikelihoodObjective::has_finite_border(const Evaluation& evaluation) const {
  return evaluation.status == EvaluationStatus::negative_yield &&
         likelihood().data().counts[evaluation.index] == 0.0;
}

std::vector<double> typical_widths(const Model& model) {
  std::vector<double> widths(model.n_parameters());
  for (std::size_t p = 0; p < widths.size(); ++p) widths[p] = typical_width(model.compiled(), p);
  return widths;
}

std::vector<Kink> find_kinks(const Model& model) {
  std::set<std::size_t> parameters;
  if (!has_piecewise_interpolants(model.compiled())) return {};
  for (const Channel& channel : model.spec().channels) {
    for (const Sample& sample : channel.samples) {
      for (const Modifier& modifier : sample.modifiers) {
        const std::string* name = std::visit(KinkFinder{sample}, modifier);
        if (name != nullptr) parameters.insert(model.parameter_index(*name));
      }
    }
  }
  std::vector<Kink> kinks;
  for (const std::size_t j : parameters) {
    const bool is_gamma =
        std::holds_alternative<GammaTransformation>(model.spec().parameters[j].transformation);
    kinks.push_back({j, is_gamma ? 1.0 : 0.0});
  }
  return kinks;
}

bool has_floors(const Model& model) {
  const CompiledModel& compiled = model.compiled();
  const auto is_floor = [](double floor) { return floor > -HUGE_VAL; };
  const auto has_any = [&](const AlignedVector<double>& floors) {
    return std::any_of(floors.begin(), floors.end(), is_floor);
  };
  return has_any(compiled.scope_floor) || has_any(compiled.row_floor) ||
         has_any(compiled.bin_floor);
}

}  // namespace nablafit::detail
