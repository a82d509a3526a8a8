// Start points away from the nominal one.
#include <algorithm>
#include <cmath>
#include <variant>

#include "minimize/likelihood_objective.hpp"
#include "nablafit/batch.hpp"
#include "nablafit/error.hpp"
#include "util/array_size.hpp"
#include "util/interruption.hpp"
#include "util/one_of.hpp"
#include "util/random_stream.hpp"

namespace nablafit {
namespace {

/// Uniform draws go no farther from the initial value than this many times its size (at least 1).
constexpr double farthest = 10.0;

/// Where the constraint term alone would put its parameter.
struct CenterOf {
  double observed;
  double operator()(const PoissonConstraint& c) const { return observed / c.tau; }
  double operator()(const GammaConstraint& c) const { return observed * c.scale; }
  template <typename Other, typename = detail::OneOf<Other, GaussianConstraint, LogNormalConstraint,
                                                     Unconstrained, UniformConstraint>>
  double operator()(const Other&) const {
    return observed;
  }
};

double draw_near(detail::RandomStream& stream, double center, double width, double lower,
                 double upper) {
  const double low = (lower - center) / width;
  const double high = (upper - center) / width;
  if (!(low < high)) return std::clamp(center, lower, upper);
  return std::clamp(center + width * stream.truncated_normal(low, high), lower, upper);
}

double draw_in_range(detail::RandomStream& stream, const Model& model, std::size_t p,
                     double width) {
  const double initial = model.initial()[p];
  const double lower = model.lower()[p];
  const double upper = model.upper()[p];
  if (!std::isfinite(upper - lower)) return draw_near(stream, initial, width, lower, upper);
  const double reach = farthest * std::max(1.0, std::abs(initial));
  const double low = std::max(lower, initial - reach);
  const double high = std::max(low, std::min(upper, initial + reach));
  return low + (high - low) * stream.uniform();
}

/// About as many as a random number takes.
constexpr std::size_t operations_per_draw = 32;

}  // namespace

std::vector<double> draw_starts(const Model& model, const Data& data, std::size_t n,
                                std::uint64_t seed, double spread) {
  const std::size_t n_parameters = model.n_parameters();
  const auto& constrained = model.constrained_parameters();
  if (data.global_observables.size() != constrained.size()) {
    throw ArgumentError("has " + std::to_string(data.global_observables.size()) +
                            " values, the model has " + std::to_string(constrained.size()),
                        "global_observables");
  }
  const std::vector<double> widths = detail::typical_widths(model);
  std::vector<double> starts(detail::array_size(n, n_parameters, "n"));
  for (std::size_t i = 0; i < n; ++i) {
    detail::check_interruption(operations_per_draw * n_parameters);
    detail::RandomStream stream(seed, detail::StreamPurpose::starts, i);
    std::size_t next_constrained = 0;
    for (std::size_t p = 0; p < n_parameters; ++p) {
      double& x = starts[i * n_parameters + p];
      const bool is_constrained =
          next_constrained < constrained.size() && constrained[next_constrained] == p;
      const std::size_t observable = is_constrained ? next_constrained++ : 0;
      if (model.fixed()[p] != 0) {
        x = model.initial()[p];
      } else if (is_constrained) {
        const double center = std::visit(CenterOf{data.global_observables[observable]},
                                         model.spec().parameters[p].constraint);
        x = draw_near(stream, center, spread * widths[p], model.lower()[p], model.upper()[p]);
      } else {
        x = draw_in_range(stream, model, p, widths[p]);
      }
    }
  }
  return starts;
}

}  // namespace nablafit
