// The build compiles this file once per instruction set, each time with its own namespace. All
// calls are inlined (`flatten`), so that no function compiled for one instruction set is visible to
// the code of another.
#include "evaluate/sweep.hpp"

#include <cfloat>

#include "ad/derivatives.hpp"
#include "evaluate/sweep_memory.hpp"
#include "kernels/constants.hpp"
#include "kernels/interpolation.hpp"
#include "kernels/terms.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::detail::NABLAFIT_SWEEP_NAMESPACE {
namespace {

namespace derivatives = kernels::derivatives;

/// Runs `pass` on plain or on dual numbers.
template <typename Pass>
void run(SweepScratch& s, Pass pass) {
  if (s.tangent == nullptr) {
    pass(PlainMemory{s});
  } else {
    pass(DualMemory{s, *s.tangent});
  }
}

// --- interpolants
// ---------------------------------------------------------------------------------------

struct InterpolantValue {
  double shape, slope, second;
};

InterpolantValue additive_interpolant(std::uint8_t code, double alpha) {
  switch (static_cast<Interpolation>(code)) {
    case Interpolation::piecewise_linear:
      return {kernels::additive_piecewise_linear(alpha),
              derivatives::additive_piecewise_linear_first(alpha),
              derivatives::additive_piecewise_linear_second(alpha)};
    case Interpolation::quadratic_linear:
      return {kernels::additive_quadratic(alpha), derivatives::additive_quadratic_first(alpha),
              derivatives::additive_quadratic_second(alpha)};
    default:
      return {kernels::additive_polynomial(alpha), derivatives::additive_polynomial_first(alpha),
              derivatives::additive_polynomial_second(alpha)};
  }
}

template <typename Memory>
void set_interpolants_in(const SweepModel& m, Memory memory, bool with_gradient) {
  using Number = typename Memory::Number;
  for (std::uint32_t t = 0; t < m.n_interpolants; ++t) {
    memory.copy(&SweepScratch::alpha, t, &SweepScratch::transformed, m.interpolant_argument[t]);
  }
  for (std::uint32_t t = 0; t < m.n_additive_interpolants; ++t) {
    const InterpolantValue value =
        additive_interpolant(m.interpolant_code[t], memory.value(&SweepScratch::alpha, t));
    memory.set(&SweepScratch::shape, t, value.shape, value.slope, &SweepScratch::alpha, t);
    memory.set(&SweepScratch::shape_slope, t, value.slope, value.second, &SweepScratch::alpha, t);
  }
  if (!with_gradient) return;
  for (std::uint32_t t = 0; t < m.n_interpolants; ++t) {
    memory.store(&SweepScratch::interpolant_adjoint, n_lanes * t, Number::broadcast(0.0));
  }
}

NABLAFIT_FLATTEN void set_interpolants(const SweepModel& m, SweepScratch& s, bool with_gradient) {
  run(s, [&](auto memory) { set_interpolants_in(m, memory, with_gradient); });
}

NABLAFIT_FLATTEN void collect_interpolants(const SweepModel& m, SweepScratch& s) {
  run(s, [&](auto memory) {
    for (std::uint32_t t = 0; t < m.n_interpolants; ++t) {
      memory.add_sum_of_lanes(&SweepScratch::transformed_gradient, m.interpolant_argument[t],
                              &SweepScratch::interpolant_adjoint, n_lanes * t);
    }
  });
}

// --- scopes --------------------------------------------------------------------------------------

/// Values and derivatives of eight factors of one parameter. Local arrays have no aliases, so that
/// the loop is vectorised.
struct FactorLanes {
  alignas(64) double value[n_lanes];
  alignas(64) double slope[n_lanes];
  alignas(64) double second[n_lanes];
};

template <bool with_second, typename Value, typename Slope, typename Second>
void evaluate_lanes(FactorLanes& out, Value value, Slope slope, Second second) {
  for (int l = 0; l < n_lanes; ++l) {
    out.value[l] = value(l);
    out.slope[l] = slope(l);
    if (with_second) out.second[l] = second(l);
  }
}

template <bool with_second>
void evaluate_factor(std::uint8_t code, double a, const double* data, FactorLanes& out) {
  const auto interpolation = static_cast<Interpolation>(code);
  if (interpolation == Interpolation::polynomial_linear_multiplicative) {
    const double *symmetric = data, *asymmetric = data + n_lanes;
    evaluate_lanes<with_second>(
        out,
        [=](int l) { return kernels::factor_polynomial_linear(a, symmetric[l], asymmetric[l]); },
        [=](int l) {
          return derivatives::factor_polynomial_linear_first(a, symmetric[l], asymmetric[l]);
        },
        [=](int l) {
          return derivatives::factor_polynomial_linear_second(a, symmetric[l], asymmetric[l]);
        });
    return;
  }
  const double *log_low = data, *log_high = data + n_lanes, *c = data + 2 * n_lanes;
  if (interpolation == Interpolation::polynomial_exponential && a < 1.0 && a > -1.0) {
    evaluate_lanes<with_second>(
        out,
        [=](int l) {
          return kernels::factor_polynomial(a, c[l], c[l + 8], c[l + 16], c[l + 24], c[l + 32],
                                            c[l + 40]);
        },
        [=](int l) {
          return derivatives::factor_polynomial_first(a, c[l], c[l + 8], c[l + 16], c[l + 24],
                                                      c[l + 32], c[l + 40]);
        },
        [=](int l) {
          return derivatives::factor_polynomial_second(a, c[l], c[l + 8], c[l + 16], c[l + 24],
                                                       c[l + 32], c[l + 40]);
        });
  } else {
    evaluate_lanes<with_second>(
        out, [=](int l) { return kernels::factor_exponential(a, log_low[l], log_high[l]); },
        [=](int l) { return derivatives::factor_exponential_first(a, log_low[l], log_high[l]); },
        [=](int l) { return derivatives::factor_exponential_second(a, log_low[l], log_high[l]); });
  }
}

/// Product of the gathered operands begin .. end - 1 without `except`.
template <typename Memory>
typename Memory::Number product_of_gathers(const SweepModel& m, const Memory& memory,
                                           std::uint32_t begin, std::uint32_t end,
                                           std::uint32_t except) {
  auto product = Memory::Number::broadcast(1.0);
  for (std::uint32_t g = begin; g < end; ++g) {
    if (g == except) continue;
    product *= memory.gather(&SweepScratch::operand, m.scope_gathers + n_lanes * g);
  }
  return product;
}

template <typename Memory>
typename Memory::Number product_of_factors(const SweepModel& m, Memory memory,
                                           const ScopeBlock& block) {
  auto product = Memory::Number::broadcast(1.0);
  FactorLanes lanes;
  for (std::uint32_t f = block.factor_begin; f < block.factor_end; ++f) {
    const std::uint32_t t = m.factor_interpolant[f];
    evaluate_factor<Memory::has_tangent>(m.interpolant_code[t],
                                         memory.value(&SweepScratch::alpha, t),
                                         m.factor_data + 8 * n_lanes * f, lanes);
    memory.store(&SweepScratch::factor_prefix, n_lanes * f, product);
    product *= memory.set_lanes(&SweepScratch::factor_value, n_lanes * f, lanes.value, lanes.slope,
                                &SweepScratch::alpha, t);
    memory.set_lanes(&SweepScratch::factor_slope, n_lanes * f, lanes.slope, lanes.second,
                     &SweepScratch::alpha, t);
  }
  return product;
}

template <typename Memory>
void forward_scope(const SweepModel& m, Memory memory, std::uint32_t b) {
  const ScopeBlock& block = m.scope_blocks[b];
  auto product = product_of_factors(m, memory, block);
  product *= product_of_gathers(m, memory, block.gather_begin, block.gather_floor, no_gather);
  memory.store(&SweepScratch::scope_inside, n_lanes * b, product);
  if (block.has_floor) product = raised_to_floor(product, m.scope_floor + n_lanes * b);
  product *= product_of_gathers(m, memory, block.gather_floor, block.gather_end, no_gather);
  memory.store(&SweepScratch::operand, n_lanes * b, product);
}

NABLAFIT_FLATTEN void forward_scopes(const SweepModel& m, SweepScratch& s) {
  run(s, [&](auto memory) {
    for (std::uint32_t b = 0; b < m.n_scope_blocks; ++b) forward_scope(m, memory, b);
  });
}

template <typename Memory>
void backward_gathers(const SweepModel& m, Memory memory, std::uint32_t begin, std::uint32_t end,
                      const typename Memory::Number& adjoint) {
  for (std::uint32_t g = begin; g < end; ++g) {
    memory.scatter_add(&SweepScratch::operand_adjoint, m.scope_gathers + n_lanes * g,
                       adjoint * product_of_gathers(m, memory, begin, end, g));
  }
}

template <typename Memory>
void backward_scope(const SweepModel& m, Memory memory, std::uint32_t b) {
  const ScopeBlock& block = m.scope_blocks[b];
  const double* floors = m.scope_floor + n_lanes * b;
  const auto inside = memory.load(&SweepScratch::scope_inside, n_lanes * b);
  auto adjoint = memory.load(&SweepScratch::operand_adjoint, n_lanes * b);
  const auto floored = block.has_floor ? raised_to_floor(inside, floors) : inside;
  backward_gathers(m, memory, block.gather_floor, block.gather_end, adjoint * floored);
  adjoint *= product_of_gathers(m, memory, block.gather_floor, block.gather_end, no_gather);
  if (block.has_floor) adjoint = unless_floored(adjoint, inside, floors);

  auto after = product_of_gathers(m, memory, block.gather_begin, block.gather_floor, no_gather);
  auto factors = Memory::Number::broadcast(1.0);
  for (std::uint32_t f = block.factor_end; f-- > block.factor_begin;) {
    const auto others = memory.load(&SweepScratch::factor_prefix, n_lanes * f) * after * adjoint;
    memory.add(&SweepScratch::interpolant_adjoint, n_lanes * m.factor_interpolant[f],
               others * memory.load(&SweepScratch::factor_slope, n_lanes * f));
    const auto value = memory.load(&SweepScratch::factor_value, n_lanes * f);
    after *= value;
    factors *= value;
  }
  backward_gathers(m, memory, block.gather_begin, block.gather_floor, adjoint * factors);
}

NABLAFIT_FLATTEN void backward_scopes(const SweepModel& m, SweepScratch& s) {
  run(s, [&](auto memory) {
    for (std::uint32_t b = 0; b < m.n_scope_blocks; ++b) backward_scope(m, memory, b);
  });
}

// --- rows ----------------------------------------------------------------------------------------

/// nominal + sum over entries of alpha S + g A, with four independent sums to hide latencies.
template <typename Memory>
typename Memory::Number interpolated(const SweepModel& m, const Memory& memory,
                                     const RowBlock& block, const double* nominal) {
  using Number = typename Memory::Number;
  Number sums[4] = {Number::constant(Lanes::load(nominal)), Number::broadcast(0.0),
                    Number::broadcast(0.0), Number::broadcast(0.0)};
  const auto add = [&](std::uint32_t e, Number& symmetric, Number& asymmetric) {
    const std::uint32_t t = m.entry_interpolant[e];
    const double* data = m.entry_data + std::size_t{2 * n_lanes} * e;
    symmetric += memory.broadcast(&SweepScratch::alpha, t) * Lanes::load(data);
    asymmetric += memory.broadcast(&SweepScratch::shape, t) * Lanes::load(data + n_lanes);
  };
  std::uint32_t e = block.entry_begin;
  for (; e + 2 <= block.entry_end; e += 2) {
    add(e, sums[0], sums[1]);
    add(e + 1, sums[2], sums[3]);
  }
  if (e < block.entry_end) add(e, sums[0], sums[1]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// Product of the operands of a row without `except`.
template <typename Memory>
typename Memory::Number product_of_operands(const SweepModel& m, const Memory& memory,
                                            const RowBlock& block, std::uint32_t except) {
  auto product = Memory::Number::broadcast(1.0);
  for (std::uint32_t j = block.operand_begin; j < block.operand_end; ++j) {
    if (j == except) continue;
    product *= memory.gather(&SweepScratch::operand, m.row_operands + std::size_t{n_lanes} * j);
  }
  return product;
}

template <typename Memory>
void forward_block(const SweepModel& m, Memory memory, std::uint32_t b) {
  const RowBlock& block = m.row_blocks[b];
  const std::size_t row = std::size_t{n_lanes} * b;
  auto yield = interpolated(m, memory, block, m.row_nominal + row);
  memory.store(&SweepScratch::row_yield, row, yield);
  if (block.has_floor) yield = raised_to_floor(yield, m.row_floor + row);
  const auto factor = product_of_operands(m, memory, block, no_gather);
  memory.store(&SweepScratch::row_factor, row, factor);
  memory.scatter_add(&SweepScratch::lambda, m.row_bin + row, yield * factor);
}

NABLAFIT_FLATTEN void forward_rows(const SweepModel& m, SweepScratch& s, const Chunk& chunk) {
  run(s, [&](auto memory) {
    for (std::uint32_t bin = chunk.bin_begin; bin < chunk.bin_end; ++bin) {
      memory.set_zero(&SweepScratch::lambda, bin);
    }
    for (std::uint32_t b = chunk.block_begin; b < chunk.block_end; ++b) {
      forward_block(m, memory, b);
    }
  });
}

NABLAFIT_FLATTEN BinSum weigh_bins(const SweepModel& m, SweepScratch& s, const Chunk& chunk,
                                   const double* counts, bool with_gradient) {
  BinSum sum{0.0, no_offender};
  for (std::uint32_t bin = chunk.bin_begin; bin < chunk.bin_end; ++bin) {
    const bool floored = m.bin_floor != nullptr && s.lambda[bin] < m.bin_floor[bin] &&
                         s.lambda[bin] >= -DBL_MAX;  // as is_floored() in finite.hpp
    if (floored) s.lambda[bin] = m.bin_floor[bin];
    const double lambda = s.lambda[bin];
    const double count = counts[bin];
    if (!kernels::is_possible(count, lambda) || lambda > DBL_MAX) {
      if (sum.first_offender == no_offender) sum.first_offender = bin;
      continue;
    }
    sum.deviance += kernels::poisson_deviance(count, lambda);
    if (!with_gradient) continue;
    s.weight[bin] = floored ? 0.0 : derivatives::poisson_deviance_first(count, lambda);
    if (s.tangent == nullptr) continue;
    const double second = floored ? 0.0 : derivatives::poisson_deviance_second(count, lambda);
    s.tangent->weight[bin] = second * s.tangent->lambda[bin];
  }
  return sum;
}

template <typename Memory>
void backward_entries(const SweepModel& m, Memory memory, const RowBlock& block,
                      const typename Memory::Number& adjoint) {
  for (std::uint32_t e = block.entry_begin; e < block.entry_end; ++e) {
    const std::uint32_t t = m.entry_interpolant[e];
    const double* data = m.entry_data + std::size_t{2 * n_lanes} * e;
    auto slope = memory.broadcast(&SweepScratch::shape_slope, t) * Lanes::load(data + n_lanes);
    slope += Memory::Number::constant(Lanes::load(data));
    memory.add(&SweepScratch::interpolant_adjoint, std::size_t{n_lanes} * t, adjoint * slope);
  }
}

template <typename Memory>
void backward_block(const SweepModel& m, Memory memory, std::uint32_t b) {
  const RowBlock& block = m.row_blocks[b];
  const std::size_t row = std::size_t{n_lanes} * b;
  const auto weight = memory.gather(&SweepScratch::weight, m.row_bin + row);
  auto yield = memory.load(&SweepScratch::row_yield, row);
  auto adjoint = weight * memory.load(&SweepScratch::row_factor, row);
  if (block.has_floor) {
    adjoint = unless_floored(adjoint, yield, m.row_floor + row);
    yield = raised_to_floor(yield, m.row_floor + row);
  }
  const auto product = weight * yield;
  for (std::uint32_t j = block.operand_begin; j < block.operand_end; ++j) {
    memory.scatter_add(&SweepScratch::operand_adjoint, m.row_operands + std::size_t{n_lanes} * j,
                       product * product_of_operands(m, memory, block, j));
  }
  backward_entries(m, memory, block, adjoint);
}

NABLAFIT_FLATTEN void backward_rows(const SweepModel& m, SweepScratch& s, const Chunk& chunk) {
  run(s, [&](auto memory) {
    for (std::uint32_t b = chunk.block_begin; b < chunk.block_end; ++b) {
      backward_block(m, memory, b);
    }
  });
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
const SweepFunctions functions{NABLAFIT_SWEEP_NAME, set_interpolants,     forward_scopes,
                               forward_rows,        weigh_bins,           backward_rows,
                               backward_scopes,     collect_interpolants, add_outer_product};

}  // namespace nablafit::detail::NABLAFIT_SWEEP_NAMESPACE
