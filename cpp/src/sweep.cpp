// The build compiles this file once per instruction set, each time with its own namespace. All
// calls are inlined (`flatten`), so that no function compiled for one instruction set is visible to
// the code of another.
#include "sweep.hpp"

#include <cfloat>

#include "ad/derivatives.hpp"
#include "kernels/interpolation.hpp"
#include "kernels/terms.hpp"
#include "nablafit/spec.hpp"

#if defined(__GNUC__)
#define NABLAFIT_FLATTEN __attribute__((flatten))
#define NABLAFIT_RESTRICT __restrict__
#else
#define NABLAFIT_FLATTEN
#define NABLAFIT_RESTRICT
#endif

namespace nablafit::detail::NABLAFIT_SWEEP_NAMESPACE {
namespace {

namespace first = kernels::derivatives;

Lanes gather(const double* values, const std::int32_t* indices) {
  alignas(64) double lanes[n_lanes];
  for (int l = 0; l < n_lanes; ++l) lanes[l] = values[indices[l]];
  return Lanes::load(lanes);
}

void scatter_add(double* values, const std::int32_t* indices, const Lanes& addend) {
  alignas(64) double lanes[n_lanes];
  addend.store(lanes);
  for (int l = 0; l < n_lanes; ++l) values[indices[l]] += lanes[l];
}

// --- terms ---------------------------------------------------------------------------------------

void set_additive_term(std::uint8_t code, double alpha, double& shape, double& slope) {
  switch (static_cast<Interpolation>(code)) {
    case Interpolation::piecewise_linear:
      shape = kernels::additive_piecewise_linear(alpha);
      slope = first::additive_piecewise_linear_first(alpha);
      return;
    case Interpolation::quadratic_linear:
      shape = kernels::additive_quadratic(alpha);
      slope = first::additive_quadratic_first(alpha);
      return;
    default:
      shape = kernels::additive_polynomial(alpha);
      slope = first::additive_polynomial_first(alpha);
  }
}

NABLAFIT_FLATTEN void set_terms(const SweepModel& m, SweepScratch& s, bool with_gradient) {
  for (std::uint32_t t = 0; t < m.n_terms; ++t) s.alpha[t] = s.pull[m.term_pull[t]];
  for (std::uint32_t t = 0; t < m.n_additive_terms; ++t) {
    set_additive_term(m.term_code[t], s.alpha[t], s.shape[t], s.shape_slope[t]);
  }
  if (!with_gradient) return;
  const Lanes zero = Lanes::broadcast(0.0);
  for (std::uint32_t t = 0; t < m.n_terms; ++t) zero.store(s.term_adjoint + n_lanes * t);
}

void add_lanes(const double* lanes, double& sum) {
  const double low = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  const double high = (lanes[4] + lanes[5]) + (lanes[6] + lanes[7]);
  sum += low + high;
}

NABLAFIT_FLATTEN void collect_terms(const SweepModel& m, SweepScratch& s) {
  for (std::uint32_t t = 0; t < m.n_terms; ++t) {
    add_lanes(s.term_adjoint + n_lanes * t, s.pull_gradient[m.term_pull[t]]);
  }
}

// --- scopes --------------------------------------------------------------------------------------

/// Value and slope of eight factors of one parameter. Through local arrays, which alias nothing, so
/// that the loop becomes vector code.
template <typename Value, typename Slope>
void evaluate_factor(double* values, double* slopes, Value value, Slope slope) {
  alignas(64) double value_lanes[n_lanes];
  alignas(64) double slope_lanes[n_lanes];
  for (int l = 0; l < n_lanes; ++l) {
    value_lanes[l] = value(l);
    slope_lanes[l] = slope(l);
  }
  Lanes::load(value_lanes).store(values);
  Lanes::load(slope_lanes).store(slopes);
}

void set_factor(std::uint8_t code, double alpha, const double* data, double* values,
                double* slopes) {
  const double *log_low = data, *log_high = data + n_lanes, *c = data + 2 * n_lanes;
  const auto interpolation = static_cast<Interpolation>(code);
  if (interpolation == Interpolation::polynomial_linear_multiplicative) {
    evaluate_factor(
        values, slopes,
        [=](int l) { return kernels::factor_polynomial_linear(alpha, log_low[l], log_high[l]); },
        [=](int l) {
          return first::factor_polynomial_linear_first(alpha, log_low[l], log_high[l]);
        });
  } else if (interpolation == Interpolation::polynomial_exponential && alpha < 1.0 &&
             alpha > -1.0) {
    evaluate_factor(
        values, slopes,
        [=](int l) {
          return kernels::factor_polynomial(alpha, c[l], c[l + 8], c[l + 16], c[l + 24], c[l + 32],
                                            c[l + 40]);
        },
        [=](int l) {
          return first::factor_polynomial_first(alpha, c[l], c[l + 8], c[l + 16], c[l + 24],
                                                c[l + 32], c[l + 40]);
        });
  } else {
    evaluate_factor(
        values, slopes,
        [=](int l) { return kernels::factor_exponential(alpha, log_low[l], log_high[l]); },
        [=](int l) { return first::factor_exponential_first(alpha, log_low[l], log_high[l]); });
  }
}

Lanes product_of_gathers(const SweepModel& m, const SweepScratch& s, std::uint32_t begin,
                         std::uint32_t end, std::uint32_t except) {
  Lanes product = Lanes::broadcast(1.0);
  for (std::uint32_t g = begin; g < end; ++g) {
    if (g != except) product *= gather(s.multiplier, m.scope_gathers + n_lanes * g);
  }
  return product;
}

Lanes raised_to_floor(const Lanes& product, const double* floors) {
  alignas(64) double lanes[n_lanes];
  product.store(lanes);
  for (int l = 0; l < n_lanes; ++l) lanes[l] = lanes[l] < floors[l] ? floors[l] : lanes[l];
  return Lanes::load(lanes);
}

NABLAFIT_FLATTEN void forward_scopes(const SweepModel& m, SweepScratch& s) {
  for (std::uint32_t b = 0; b < m.n_scope_blocks; ++b) {
    const ScopeBlock& block = m.scope_blocks[b];
    Lanes product = Lanes::broadcast(1.0);
    for (std::uint32_t f = block.factor_begin; f < block.factor_end; ++f) {
      const std::uint32_t t = m.factor_term[f];
      double* values = s.factor_value + n_lanes * f;
      set_factor(m.term_code[t], s.alpha[t], m.factor_data + 8 * n_lanes * f, values,
                 s.factor_slope + n_lanes * f);
      product.store(s.factor_prefix + n_lanes * f);
      product *= Lanes::load(values);
    }
    product *= product_of_gathers(m, s, block.gather_begin, block.gather_floor, block.gather_end);
    product.store(s.scope_inside + n_lanes * b);
    if (block.has_floor) product = raised_to_floor(product, m.scope_floor + n_lanes * b);
    product *= product_of_gathers(m, s, block.gather_floor, block.gather_end, block.gather_end);
    product.store(s.multiplier + n_lanes * b);
  }
}

/// Adjoint zero where the floor holds the product.
Lanes unless_floored(const Lanes& adjoint, const double* inside, const double* floors) {
  alignas(64) double lanes[n_lanes];
  adjoint.store(lanes);
  for (int l = 0; l < n_lanes; ++l) lanes[l] = inside[l] < floors[l] ? 0.0 : lanes[l];
  return Lanes::load(lanes);
}

void backward_gathers(const SweepModel& m, SweepScratch& s, std::uint32_t begin, std::uint32_t end,
                      const Lanes& adjoint) {
  for (std::uint32_t g = begin; g < end; ++g) {
    scatter_add(s.multiplier_adjoint, m.scope_gathers + n_lanes * g,
                adjoint * product_of_gathers(m, s, begin, end, g));
  }
}

NABLAFIT_FLATTEN void backward_scopes(const SweepModel& m, SweepScratch& s) {
  for (std::uint32_t b = 0; b < m.n_scope_blocks; ++b) {
    const ScopeBlock& block = m.scope_blocks[b];
    const double* inside = s.scope_inside + n_lanes * b;
    Lanes adjoint = Lanes::load(s.multiplier_adjoint + n_lanes * b);
    Lanes floored = Lanes::load(inside);
    if (block.has_floor) floored = raised_to_floor(floored, m.scope_floor + n_lanes * b);
    backward_gathers(m, s, block.gather_floor, block.gather_end, adjoint * floored);
    adjoint *= product_of_gathers(m, s, block.gather_floor, block.gather_end, block.gather_end);
    if (block.has_floor) adjoint = unless_floored(adjoint, inside, m.scope_floor + n_lanes * b);

    Lanes after =
        product_of_gathers(m, s, block.gather_begin, block.gather_floor, block.gather_end);
    Lanes factors = Lanes::broadcast(1.0);
    for (std::uint32_t f = block.factor_end; f-- > block.factor_begin;) {
      const Lanes others = Lanes::load(s.factor_prefix + n_lanes * f) * after * adjoint;
      double* term_adjoint = s.term_adjoint + n_lanes * m.factor_term[f];
      Lanes sum = Lanes::load(term_adjoint);
      sum += others * Lanes::load(s.factor_slope + n_lanes * f);
      sum.store(term_adjoint);
      const Lanes value = Lanes::load(s.factor_value + n_lanes * f);
      after *= value;
      factors *= value;
    }
    backward_gathers(m, s, block.gather_begin, block.gather_floor, adjoint * factors);
  }
}

// --- rows ----------------------------------------------------------------------------------------

/// nominal + sum over entries of alpha S + g A, with four independent sums to hide latencies.
Lanes interpolated(const SweepModel& m, const SweepScratch& s, const RowBlock& block,
                   const double* nominal) {
  Lanes sums[4] = {Lanes::load(nominal), Lanes::broadcast(0.0), Lanes::broadcast(0.0),
                   Lanes::broadcast(0.0)};
  const auto add = [&](std::uint32_t e, Lanes& symmetric, Lanes& asymmetric) {
    const std::uint32_t t = m.entry_term[e];
    const double* data = m.entry_data + std::size_t{2 * n_lanes} * e;
    symmetric += Lanes::broadcast(s.alpha[t]) * Lanes::load(data);
    asymmetric += Lanes::broadcast(s.shape[t]) * Lanes::load(data + n_lanes);
  };
  std::uint32_t e = block.entry_begin;
  for (; e + 2 <= block.entry_end; e += 2) {
    add(e, sums[0], sums[1]);
    add(e + 1, sums[2], sums[3]);
  }
  if (e < block.entry_end) add(e, sums[0], sums[1]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

NABLAFIT_FLATTEN void forward_rows(const SweepModel& m, SweepScratch& s, const Chunk& chunk) {
  for (std::uint32_t bin = chunk.bin_begin; bin < chunk.bin_end; ++bin) s.lambda[bin] = 0.0;
  for (std::uint32_t b = chunk.block_begin; b < chunk.block_end; ++b) {
    const RowBlock& block = m.row_blocks[b];
    const std::size_t row = std::size_t{n_lanes} * b;
    Lanes yield = interpolated(m, s, block, m.row_nominal + row);
    yield.store(s.row_yield + row);
    if (block.has_floor) yield = raised_to_floor(yield, m.row_floor + row);
    Lanes factor = Lanes::broadcast(1.0);
    for (std::uint32_t j = block.multiplier_begin; j < block.multiplier_end; ++j) {
      factor *= gather(s.multiplier, m.row_multipliers + std::size_t{n_lanes} * j);
    }
    factor.store(s.row_factor + row);
    scatter_add(s.lambda, m.row_bin + row, yield * factor);
  }
}

bool has_likelihood(double lambda, double count) {
  return (lambda > 0.0 && lambda <= DBL_MAX) || (lambda == 0.0 && count == 0.0);
}

NABLAFIT_FLATTEN BinSum weigh_bins(const SweepModel& m, SweepScratch& s, const Chunk& chunk,
                                   const double* counts, bool with_gradient) {
  BinSum sum{0.0, no_offender};
  for (std::uint32_t bin = chunk.bin_begin; bin < chunk.bin_end; ++bin) {
    const bool floored = m.bin_floor != nullptr && s.lambda[bin] < m.bin_floor[bin];
    if (floored) s.lambda[bin] = m.bin_floor[bin];
    const double lambda = s.lambda[bin];
    if (!has_likelihood(lambda, counts[bin])) {
      if (sum.first_offender == no_offender) sum.first_offender = bin;
      continue;
    }
    sum.deviance += kernels::poisson_deviance(counts[bin], lambda);
    if (!with_gradient) continue;
    s.weight[bin] = floored ? 0.0 : first::poisson_deviance_first(counts[bin], lambda);
  }
  return sum;
}

void backward_entries(const SweepModel& m, SweepScratch& s, const RowBlock& block,
                      const Lanes& adjoint) {
  for (std::uint32_t e = block.entry_begin; e < block.entry_end; ++e) {
    const std::uint32_t t = m.entry_term[e];
    const double* data = m.entry_data + std::size_t{2 * n_lanes} * e;
    const Lanes slope =
        Lanes::load(data) + Lanes::broadcast(s.shape_slope[t]) * Lanes::load(data + n_lanes);
    double* term_adjoint = s.term_adjoint + std::size_t{n_lanes} * t;
    Lanes sum = Lanes::load(term_adjoint);
    sum += adjoint * slope;
    sum.store(term_adjoint);
  }
}

/// Adds to each multiplier the adjoint of the product times the other multipliers.
void backward_multipliers(const SweepModel& m, SweepScratch& s, const RowBlock& block,
                          const Lanes& adjoint) {
  for (std::uint32_t j = block.multiplier_begin; j < block.multiplier_end; ++j) {
    Lanes others = adjoint;
    for (std::uint32_t i = block.multiplier_begin; i < block.multiplier_end; ++i) {
      if (i != j) others *= gather(s.multiplier, m.row_multipliers + std::size_t{n_lanes} * i);
    }
    scatter_add(s.multiplier_adjoint, m.row_multipliers + std::size_t{n_lanes} * j, others);
  }
}

NABLAFIT_FLATTEN void backward_rows(const SweepModel& m, SweepScratch& s, const Chunk& chunk) {
  for (std::uint32_t b = chunk.block_begin; b < chunk.block_end; ++b) {
    const RowBlock& block = m.row_blocks[b];
    const std::size_t row = std::size_t{n_lanes} * b;
    const Lanes weight = gather(s.weight, m.row_bin + row);
    Lanes yield = Lanes::load(s.row_yield + row);
    Lanes adjoint = weight * Lanes::load(s.row_factor + row);
    if (block.has_floor) {
      yield = raised_to_floor(yield, m.row_floor + row);
      adjoint = unless_floored(adjoint, s.row_yield + row, m.row_floor + row);
    }
    backward_multipliers(m, s, block, weight * yield);
    backward_entries(m, s, block, adjoint);
  }
}

// --- second derivatives --------------------------------------------------------------------------

void add_outer_product(double* matrix, std::size_t n, const SparseEntry* entries,
                       std::size_t n_entries, const double* vector) {
  for (std::size_t k = 0; k < n_entries; ++k) {
    double* NABLAFIT_RESTRICT row = matrix + entries[k].index * n;
    const double value = entries[k].value;
    for (std::size_t j = 0; j < n; ++j) row[j] += value * vector[j];
  }
}

}  // namespace

extern const SweepFunctions functions;
const SweepFunctions functions{NABLAFIT_SWEEP_NAME, set_terms,     forward_scopes,
                               forward_rows,        weigh_bins,    backward_rows,
                               backward_scopes,     collect_terms, add_outer_product};

}  // namespace nablafit::detail::NABLAFIT_SWEEP_NAMESPACE
