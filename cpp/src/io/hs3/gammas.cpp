#include "io/hs3/gammas.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace nablafit::io {
namespace {

constexpr std::array<Hs3Vals, 3> all_vals = {Hs3Vals::relative, Hs3Vals::absolute, Hs3Vals::tau};

const char* describe(Hs3Vals vals) {
  switch (vals) {
    case Hs3Vals::relative:
      return "relative uncertainties";
    case Hs3Vals::absolute:
      return "absolute uncertainties in events";
    case Hs3Vals::tau:
      break;
  }
  return "expected auxiliary counts (tau)";
}

/// 0 where there is no uncertainty.
double relative_uncertainty(const Hs3ShapeSys& shapesys, std::size_t i, Hs3Vals vals) {
  const double value = shapesys.vals[i];
  if (!(value > 0.0)) return 0.0;
  if (vals == Hs3Vals::relative) return value;
  if (vals == Hs3Vals::tau) return 1.0 / std::sqrt(value);
  return shapesys.nominal[i] > 0.0 ? value / shapesys.nominal[i] : 0.0;
}

bool close(double a, double b) { return std::abs(a - b) <= 1e-5 * std::max(std::abs(a), 1e-300); }

template <typename Predicate>
bool all_vals_are(const Hs3ShapeSys& shapesys, const Predicate& predicate) {
  for (std::size_t i = 0; i < shapesys.vals.size(); ++i) {
    if (!predicate(shapesys.vals[i], shapesys.nominal[i])) return false;
  }
  return true;
}

/// Judges by the size of the numbers: the last resort.
Hs3Vals guess(const Hs3ShapeSys& shapesys) {
  const bool below_one = all_vals_are(shapesys, [](double v, double) { return v < 1.0; });
  if (below_one) return Hs3Vals::relative;
  const bool below_nominal =
      all_vals_are(shapesys, [](double v, double nominal) { return v <= std::max(nominal, 0.0); });
  if (below_nominal || shapesys.type == Hs3ConstraintType::gauss) return Hs3Vals::absolute;
  return Hs3Vals::tau;
}

}  // namespace

/// The observed auxiliary counts of ROOT are tau.
bool Hs3Gammas::fits_nominal_values(const Hs3ShapeSys& shapesys, Hs3Vals vals,
                                    bool& has_evidence) const {
  if (shapesys.type != Hs3ConstraintType::poisson) return true;
  for (std::size_t i = 0; i < shapesys.vals.size(); ++i) {
    const auto tau = parameters_.value_in_any_point("nom_" + shapesys.parameters[i]);
    const double relative = relative_uncertainty(shapesys, i, vals);
    if (!tau || !(shapesys.vals[i] > 0.0)) continue;
    has_evidence = true;
    if (!(relative > 0.0) || !close(*tau, 1.0 / (relative * relative))) return false;
  }
  return true;
}

/// HistFactory sets the range of a gamma to [0, 1 + 5 sigma].
bool Hs3Gammas::fits_ranges(const Hs3ShapeSys& shapesys, Hs3Vals vals, bool& has_evidence) const {
  for (std::size_t i = 0; i < shapesys.vals.size(); ++i) {
    const auto range = parameters_.range(shapesys.parameters[i]);
    if (!range || range->lower != 0.0 || !(shapesys.vals[i] > 0.0)) continue;
    has_evidence = true;
    const double relative = relative_uncertainty(shapesys, i, vals);
    if (!close(range->upper, 1.0 + 5.0 * relative)) return false;
  }
  return has_evidence;
}

Hs3Vals Hs3Gammas::decide(const Hs3ShapeSys& shapesys) {
  const auto chosen = [&](Hs3Vals vals, const std::string& why) {
    notes_.add("The vals of shapesys modifiers were read as " + std::string(describe(vals)) + ", " +
               why + " (first: " + quoted(shapesys.name) + ").");
    return vals;
  };
  std::vector<Hs3Vals> candidates;
  bool has_evidence = false;
  for (const Hs3Vals vals : all_vals) {
    if (vals == Hs3Vals::tau && shapesys.type == Hs3ConstraintType::gauss) continue;
    if (fits_nominal_values(shapesys, vals, has_evidence)) candidates.push_back(vals);
  }
  if (has_evidence && candidates.size() == 1) return candidates.front();
  for (const Hs3Vals vals : candidates) {
    bool has_range = false;
    if (fits_ranges(shapesys, vals, has_range)) return vals;
  }
  switch (index_.dialect) {
    case Hs3Dialect::root:
      if (index_.has_tau_vals && shapesys.type == Hs3ConstraintType::poisson) return Hs3Vals::tau;
      return Hs3Vals::relative;
    case Hs3Dialect::nablafit:
      return Hs3Vals::relative;
    case Hs3Dialect::pyhs3:
      return Hs3Vals::absolute;
    case Hs3Dialect::unstated:
      break;
  }
  return chosen(guess(shapesys), "judged by their size alone");
}

double Hs3Gammas::constrain_gamma(const std::string& name, Hs3ConstraintType type, double relative,
                                  JsonValue where) {
  if (!std::isfinite(relative * relative) || !std::isfinite(1.0 / (relative * relative))) {
    fail(where, "found a relative uncertainty of the parameter " + quoted(name) +
                    " that cannot be used, expected a number between 1e-150 and 1e150");
  }
  Hs3Constraint result;
  double unrounded = relative;
  result.global_observable = "nom_" + name;
  if (type == Hs3ConstraintType::gauss) {
    result.constraint = GaussianConstraint{1.0, relative, {}};
    auto& gaussian = std::get<GaussianConstraint>(result.constraint);
    gaussian.observed = parameters_.observed(result.global_observable).value_or(1.0);
  } else {
    PoissonConstraint poisson;
    poisson.tau = 1.0 / (relative * relative);
    // ROOT rounds errors to 7 digits, and keeps tau as the observed value of a snapshot.
    const auto nominal = parameters_.value_in_any_point(result.global_observable);
    if (nominal && std::abs(*nominal - poisson.tau) <= 1e-6 * poisson.tau) {
      unrounded *= std::sqrt(poisson.tau / *nominal);
      poisson.tau = *nominal;
    }
    poisson.observed = parameters_.observed(result.global_observable).value_or(poisson.tau);
    result.constraint = poisson;
  }
  parameters_.constrain(name, result, where);
  return unrounded;
}

std::vector<double> Hs3Gammas::constrain(const Hs3ShapeSys& shapesys) {
  const Hs3Vals vals = decide(shapesys);
  if (index_.dialect != Hs3Dialect::nablafit) {
    notes_.add("The vals of shapesys modifiers with a " +
               std::string(shapesys.type == Hs3ConstraintType::gauss ? "Gaussian" : "Poisson") +
               " constraint are " + describe(vals) + ".");
  }
  std::vector<double> relative;
  for (std::size_t i = 0; i < shapesys.vals.size(); ++i) {
    const std::string& name = shapesys.parameters[i];
    relative.push_back(relative_uncertainty(shapesys, i, vals));
    if (relative.back() > 0.0) {
      constrain_gamma(name, shapesys.type, relative.back(), shapesys.where);
    } else if (!parameters_.value(name)) {
      parameters_.fix(name);
    }
  }
  return relative;
}

std::vector<double> Hs3Gammas::constrain(const Hs3StatErrors& staterrors) {
  std::vector<double> ratios(staterrors.parameters.size(), 1.0);
  for (std::size_t i = 0; i < staterrors.parameters.size(); ++i) {
    const std::string& name = staterrors.parameters[i];
    const double relative =
        staterrors.sum[i] > 0.0 ? std::sqrt(staterrors.sum_squares[i]) / staterrors.sum[i] : 0.0;
    if (relative > 0.0) {
      const double unrounded = constrain_gamma(name, staterrors.type, relative, staterrors.where);
      if (std::abs(unrounded / relative - 1.0) > 1e-12) ratios[i] = unrounded / relative;
    } else {
      parameters_.fix(name);
    }
  }
  return ratios;
}

}  // namespace nablafit::io
