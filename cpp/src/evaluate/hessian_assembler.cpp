#include "evaluate/hessian_assembler.hpp"

#include <algorithm>
#include <cmath>

#include "ad/derivatives.hpp"
#include "util/interruption.hpp"
#include "util/threads.hpp"

namespace nablafit::detail {

namespace derivatives = kernels::derivatives;

namespace {

double additive_second(std::uint8_t code, double alpha) {
  switch (static_cast<Interpolation>(code)) {
    case Interpolation::piecewise_linear:
      return derivatives::additive_piecewise_linear_second(alpha);
    case Interpolation::quadratic_linear:
      return derivatives::additive_quadratic_second(alpha);
    default:
      return derivatives::additive_polynomial_second(alpha);
  }
}

/// There is no division by products smaller than this.
constexpr double smallest_divisor = 1e-100;

/// The term as it would be if its global observable had the value expected at `x`.
ConstraintTerm with_expected_observation(ConstraintTerm term, double x) {
  if (term.kind == ConstraintTerm::Kind::poisson && x > 0.0) term.observed = x * term.width;
  if (term.kind == ConstraintTerm::Kind::gamma && x > 0.0) term.observed = x / term.width;
  return term;
}

}  // namespace

void expand(const ArrowStructure& structure, const ArrowHessian& hessian, double* matrix) {
  const std::size_t n_dense = structure.n_dense();
  const std::size_t n = n_dense + structure.n_local();
  std::fill_n(matrix, n * n, 0.0);
  for (std::size_t i = 0; i < n_dense; ++i) {
    double* row = matrix + structure.dense_parameters[i] * n;
    for (std::size_t j = 0; j < n_dense; ++j) {
      row[structure.dense_parameters[j]] = hessian.dense[i * n_dense + j];
    }
  }
  for (std::size_t l = 0; l < structure.n_local(); ++l) {
    const std::size_t p = structure.local_parameters[l];
    for (std::size_t j = 0; j < n_dense; ++j) {
      const std::size_t q = structure.dense_parameters[j];
      matrix[p * n + q] = matrix[q * n + p] = hessian.coupling[l * n_dense + j];
    }
  }
  for (std::size_t b = 0; b < structure.n_blocks(); ++b) {
    const std::size_t begin = structure.block_offsets[b];
    const std::size_t m = structure.block_offsets[b + 1] - begin;
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < m; ++j) {
        matrix[structure.local_parameters[begin + i] * n + structure.local_parameters[begin + j]] =
            hessian.blocks[structure.block_entries[b] + i * m + j];
      }
    }
  }
}

HessianAssembler::HessianAssembler(const CompiledLikelihood& likelihood)
    : model_(&likelihood.model.compiled()), inputs_(likelihood) {
  rows_.resize(n_partials());
}

/// The number of partitions of the model, limited by memory_limit for their matrices.
std::size_t HessianAssembler::n_partials() const {
  constexpr std::size_t memory_limit = std::size_t{1} << 28U;
  const std::size_t bytes = 2 * sizeof(double) * inputs_.n_dense * inputs_.n_dense;
  const std::size_t fitting =
      std::max<std::size_t>(1, memory_limit / std::max<std::size_t>(1, bytes));
  return std::min(fitting, model_->partitions.size() - 1);
}

void HessianAssembler::prepare(ArrowHessian& hessian) {
  const ArrowStructure& arrow = model_->arrow;
  hessian.dense.assign(inputs_.n_dense * inputs_.n_dense, 0.0);
  hessian.coupling.assign(arrow.n_local() * inputs_.n_dense, 0.0);
  hessian.blocks.assign(arrow.block_entries.back(), 0.0);
  for (HessianRows& rows : rows_) rows.clear(inputs_);
}

void HessianAssembler::assemble(const double* x, const SweepState& state, ArrowHessian& hessian) {
  prepare(hessian);
  const double* adjoints = state.scratch().operand_adjoint;
  inputs_.set(x, state,
              [&](std::uint32_t scope, const std::vector<ScopeElement>& elements,
                  const ProductOfOthers& product) {
                add_scope_curvature(scope, adjoints[scope], elements, product);
              });
  add_rows(state, hessian);
  add_derived_curvature(state);
  add_transformation_curvature(x, state);
  finish(hessian);
  add_constraints(x, hessian);
}

/// Chunks of all partitions; each partial sum has a range of them that does not depend on threads.
void HessianAssembler::add_rows(const SweepState& state, ArrowHessian& hessian) {
  const std::size_t n_partitions = model_->partitions.size() - 1;
  const std::size_t n = rows_.size();
  const auto add = [&](std::size_t partial, std::size_t /*worker*/) {
    const std::uint32_t begin = model_->partitions[partial * n_partitions / n];
    const std::uint32_t end = model_->partitions[(partial + 1) * n_partitions / n];
    for (std::uint32_t c = begin; c < end; ++c) {
      rows_[partial].add_chunk(inputs_, state, model_->chunks[c], hessian);
    }
  };
  if (n == 1) return add(0, 0);
  parallel_for(n, usable_threads(), add);
}

void HessianAssembler::assemble_information(const double* x, SweepState& state,
                                            ArrowHessian& hessian) {
  const SweepScratch& s = state.scratch();
  std::fill_n(s.weight, model_->n_bins, 0.0);
  std::fill_n(s.operand_adjoint, model_->n_operands, 0.0);
  std::fill_n(s.transformed_gradient, model_->transformed.size(), 0.0);
  inputs_.information = true;
  try {
    assemble(x, state, hessian);
  } catch (...) {
    inputs_.information = false;
    throw;
  }
  inputs_.information = false;
}

// --- operands ---------------------------------------------------------------------------------

void HessianAssembler::add_scope_curvature(std::uint32_t scope, double adjoint,
                                           const std::vector<ScopeElement>& elements,
                                           const ProductOfOthers& product) {
  if (adjoint == 0.0) return;
  check_interruption(elements.size() * elements.size());
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const ScopeElement& e = elements[i];
    if (e.second == 0.0) continue;
    rows_.front().half_row(e.row)[e.row] += 0.5 * adjoint * product.without(i, e.value) * e.second;
  }
  const bool only_parameters =
      std::all_of(elements.begin(), elements.end(),
                  [](const ScopeElement& e) { return e.derived == no_operand; });
  if (only_parameters && std::abs(product.all()) > smallest_divisor) {
    add_pairs_of_gradients(scope, adjoint / product.all());
  } else {
    add_pairs_of_elements(elements, product, adjoint);
  }
}

/// d2(scope)/dp dq = d(scope)/dp d(scope)/dq / scope for factors p, q of a product without zeros.
void HessianAssembler::add_pairs_of_gradients(std::uint32_t scope, double weight) {
  const SparseEntry* begin = inputs_.gradients.data() + inputs_.gradient_begin[scope];
  const SparseEntry* end = inputs_.gradients.data() + inputs_.gradient_end[scope];
  for (const SparseEntry* p = begin; p != end; ++p) {
    double* row = rows_.front().half_row(p->index);
    const double scaled = weight * p->value;
    for (const SparseEntry* q = p + 1; q != end; ++q) row[q->index] += scaled * q->value;
  }
}

void HessianAssembler::add_pairs_of_elements(const std::vector<ScopeElement>& elements,
                                             const ProductOfOthers& product, double adjoint) {
  // A derived element has a list of derivatives, any other has one.
  const auto list = [this](const ScopeElement& e, SparseEntry& single) {
    if (e.derived == no_operand) {
      single = {e.row, e.first};
      return std::pair<const SparseEntry*, const SparseEntry*>(&single, &single + 1);
    }
    const SparseEntry* all = inputs_.gradients.data();
    return std::pair<const SparseEntry*, const SparseEntry*>(
        all + inputs_.gradient_begin[e.derived], all + inputs_.gradient_end[e.derived]);
  };
  for (std::size_t i = 0; i < elements.size(); ++i) {
    for (std::size_t j = i + 1; j < elements.size(); ++j) {
      const double others = adjoint * product.without(i, elements[i].value, j, elements[j].value);
      if (others == 0.0) continue;
      SparseEntry single_i{}, single_j{};
      const auto [i_begin, i_end] = list(elements[i], single_i);
      const auto [j_begin, j_end] = list(elements[j], single_j);
      for (const SparseEntry* p = i_begin; p != i_end; ++p) {
        for (const SparseEntry* q = j_begin; q != j_end; ++q) {
          rows_.front().half_row(p->index)[q->index] += others * p->value * q->value;
        }
      }
    }
  }
}

// --- single parameters ---------------------------------------------------------------------------

void HessianAssembler::add_derived_curvature(const SweepState& state) {
  const SweepScratch& s = state.scratch();
  for (const AdditiveFactor& factor : model_->additive_factors) {
    for (std::size_t i = 0; i < factor.interpolants.size(); ++i) {
      rows_.front().interpolant_curvature()[factor.interpolants[i]] +=
          s.operand_adjoint[factor.operand] * factor.asymmetric[i];
    }
  }
  const double* x = s.operand + model_->parameter_operand;
  for (const DerivedFactor& factor : model_->derived_factors) {
    const std::size_t n = factor.parameters.size();
    arguments_.resize(n);
    curvatures_.resize(n * n);
    for (std::size_t i = 0; i < n; ++i) arguments_[i] = x[factor.parameters[i]];
    factor.formula.hessian(arguments_.data(), formulas_, s.operand_adjoint + factor.operand,
                           curvatures_.data());
    for (std::size_t i = 0; i < n; ++i) {
      double* row = rows_.front().half_row(model_->arrow_row[factor.parameters[i]]);
      for (std::size_t j = 0; j < n; ++j) {
        row[model_->arrow_row[factor.parameters[j]]] += 0.5 * curvatures_[i * n + j];
      }
    }
  }
}

void HessianAssembler::add_transformation_curvature(const double* x, const SweepState& state) {
  const SweepScratch& s = state.scratch();
  for (std::uint32_t t = 0; t < model_->n_additive_interpolants; ++t) {
    const double second = additive_second(model_->interpolant_code[t], s.alpha[t]);
    double curvature = 0.0;
    for (HessianRows& rows : rows_) curvature += rows.interpolant_curvature()[t];
    const double scale = inputs_.interpolant_scale[t] * inputs_.interpolant_scale[t];
    rows_.front().half_row(inputs_.interpolant_row[t])[inputs_.interpolant_row[t]] +=
        0.5 * curvature * second * scale;
  }
  for (std::size_t i = 0; i < model_->transformed.size(); ++i) {
    const TransformedParameter& argument = model_->transformed[i];
    if (argument.kind == TransformationKind::identity) continue;
    const std::uint32_t row = model_->arrow_row[argument.parameter];
    rows_.front().half_row(row)[row] +=
        0.5 * s.transformed_gradient[i] * transformed_second(argument, x[argument.parameter]);
  }
}

void HessianAssembler::finish(ArrowHessian& hessian) {
  const std::size_t n = inputs_.n_dense;
  for (const HessianRows& rows : rows_) {
    const double* half = rows.half().data();
    const double* rank_one = rows.negative_rank_one().data();
    for (std::size_t i = 0; i < n; ++i) {
      check_interruption(n);
      for (std::size_t j = i; j < n; ++j) {
        hessian.dense[i * n + j] += half[i * n + j] + half[j * n + i] - rank_one[i * n + j];
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) hessian.dense[i * n + j] = hessian.dense[j * n + i];
  }
}

void HessianAssembler::add_constraints(const double* x, ArrowHessian& hessian) {
  const GaussianTerms& gaussians = inputs_.likelihood->gaussians;
  for (std::size_t i = 0; i < gaussians.parameter.size(); ++i) {
    const std::uint32_t p = gaussians.parameter[i];
    add_diagonal(
        model_->arrow_row[p],
        derivatives::gaussian_deviance_second(gaussians.observed[i], x[p], gaussians.sigma[i]),
        hessian);
  }
  for (const ConstraintTerm& term : inputs_.likelihood->others) {
    const double value = x[term.parameter];
    const ConstraintTerm used = inputs_.information ? with_expected_observation(term, value) : term;
    add_diagonal(model_->arrow_row[term.parameter], deviance_second(used, value), hessian);
  }
}

void HessianAssembler::add_diagonal(std::uint32_t row, double value, ArrowHessian& hessian) {
  if (row < inputs_.n_dense) {
    hessian.dense[row * inputs_.n_dense + row] += value;
    return;
  }
  const std::size_t local = row - inputs_.n_dense;
  const std::size_t block = inputs_.block_of_local[local];
  const std::size_t begin = model_->arrow.block_offsets[block];
  const std::size_t m = model_->arrow.block_offsets[block + 1] - begin;
  hessian.blocks[model_->arrow.block_entries[block] + (local - begin) * (m + 1)] += value;
}

}  // namespace nablafit::detail
