#include "hessian_assembler.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "ad/derivatives.hpp"
#include "dense_cholesky.hpp"
#include "kernels/interpolation.hpp"

namespace nablafit::detail {

namespace derivatives = kernels::derivatives;

namespace {

constexpr std::size_t lanes = n_lanes;

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

/// `data`: of one factor, lanes apart (see SweepModel::factor_data).
double factor_second(std::uint8_t code, double alpha, const double* data) {
  const auto at = [data](std::size_t slot) { return data[slot * lanes]; };
  switch (static_cast<Interpolation>(code)) {
    case Interpolation::polynomial_linear_multiplicative:
      return derivatives::factor_polynomial_linear_second(alpha, at(0), at(1));
    case Interpolation::polynomial_exponential:
      return derivatives::factor_polynomial_exponential_second(alpha, at(0), at(1), at(2), at(3),
                                                               at(4), at(5), at(6), at(7));
    default:
      return derivatives::factor_exponential_second(alpha, at(0), at(1));
  }
}

bool acts_on_lane(const double* factor_data, std::size_t lane) {
  for (std::size_t slot = 0; slot < 8; ++slot) {
    if (factor_data[slot * lanes + lane] != 0.0) return true;
  }
  return false;
}

}  // namespace

/// Products of all values but one or two, without dividing by zero.
class ProductOfOthers {
 public:
  template <typename Elements>
  explicit ProductOfOthers(const Elements& elements) {
    for (std::size_t i = 0; i < elements.size(); ++i) {
      if (elements[i].value != 0.0) {
        nonzero_ *= elements[i].value;
      } else {
        if (n_zeros_ < 2) zeros_[n_zeros_] = i;
        ++n_zeros_;
      }
    }
  }

  bool any_zero() const { return n_zeros_ > 0; }
  double all() const { return any_zero() ? 0.0 : nonzero_; }

  double without(std::size_t i, double value) const {
    if (n_zeros_ == 0) return nonzero_ / value;
    return n_zeros_ == 1 && zeros_[0] == i ? nonzero_ : 0.0;
  }

  /// i < j
  double without(std::size_t i, double value_i, std::size_t j, double value_j) const {
    if (n_zeros_ == 0) return nonzero_ / value_i / value_j;
    if (n_zeros_ == 2) return zeros_[0] == i && zeros_[1] == j ? nonzero_ : 0.0;
    if (n_zeros_ > 2) return 0.0;
    if (zeros_[0] == i) return nonzero_ / value_j;
    return zeros_[0] == j ? nonzero_ / value_i : 0.0;
  }

 private:
  double nonzero_ = 1.0;
  std::size_t n_zeros_ = 0;
  std::array<std::size_t, 2> zeros_{};
};

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
    : likelihood_(&likelihood),
      model_(&likelihood.model.compiled()),
      n_dense_(model_->arrow.n_dense()) {
  const CompiledModel& model = *model_;
  kind_.assign(model.n_multipliers, Kind::derived);
  arrow_row_.assign(model.n_multipliers, 0);
  std::fill_n(kind_.begin(), model.parameter_multiplier, Kind::scope);
  kind_[model.one_multiplier] = Kind::one;
  for (std::size_t p = 0; p < model.names.size(); ++p) {
    const bool dense = model.arrow_row[p] < n_dense_;
    kind_[model.parameter_multiplier + p] = dense ? Kind::dense : Kind::local;
    arrow_row_[model.parameter_multiplier + p] =
        dense ? model.arrow_row[p] : model.arrow_row[p] - static_cast<std::uint32_t>(n_dense_);
  }
  for (const std::uint32_t pull : model.term_pull) {
    term_row_.push_back(model.arrow_row[model.pulls[pull].parameter]);
  }
  scope_factors_.resize(model.parameter_multiplier);
  for (std::size_t b = 0; b < model.scope_blocks.size(); ++b) {
    for (std::uint32_t f = model.scope_blocks[b].factor_begin; f < model.scope_blocks[b].factor_end;
         ++f) {
      for (std::size_t l = 0; l < lanes; ++l) {
        if (acts_on_lane(model.factor_data.data() + 8 * lanes * f, l)) {
          scope_factors_[b * lanes + l].push_back(f);
        }
      }
    }
  }
  block_of_local_.resize(model.arrow.n_local());
  for (std::size_t b = 0; b < model.arrow.n_blocks(); ++b) {
    std::fill(
        block_of_local_.begin() + static_cast<std::ptrdiff_t>(model.arrow.block_offsets[b]),
        block_of_local_.begin() + static_cast<std::ptrdiff_t>(model.arrow.block_offsets[b + 1]),
        static_cast<std::uint32_t>(b));
  }
  term_slope_.resize(term_row_.size());
  term_scale_.resize(term_row_.size());
  gradient_begin_.resize(model.n_multipliers);
  gradient_end_.resize(model.n_multipliers);
  local_gradient_.resize(model.arrow.n_local());
  scope_slot_.assign(model.parameter_multiplier, no_multiplier);
}

void HessianAssembler::prepare(const double* x, const SweepState& state, ArrowHessian& hessian) {
  const CompiledModel& model = *model_;
  hessian.dense.assign(n_dense_ * n_dense_, 0.0);
  hessian.coupling.assign(model.arrow.n_local() * n_dense_, 0.0);
  hessian.blocks.assign(model.arrow.block_entries.back(), 0.0);
  half_.assign(n_dense_ * n_dense_, 0.0);
  pull_curvature_.assign(term_row_.size(), 0.0);
  std::fill(local_gradient_.begin(), local_gradient_.end(), 0.0);
  for (std::size_t t = 0; t < term_row_.size(); ++t) {
    const PullArgument& pull = model.pulls[model.term_pull[t]];
    term_scale_[t] = pull_first(pull, x[pull.parameter]);
    term_slope_[t] = state.scratch().shape_slope == nullptr || t >= model.n_additive_terms
                         ? 0.0
                         : state.scratch().shape_slope[t] * term_scale_[t];
  }
  gradients_.clear();
  for (std::uint32_t i = 0; i < model.n_multipliers; ++i) {
    gradient_begin_[i] = gradient_end_[i] = static_cast<std::uint32_t>(gradients_.size());
    if (kind_[i] != Kind::dense) continue;
    gradients_.push_back({arrow_row_[i], 1.0});
    gradient_end_[i] = static_cast<std::uint32_t>(gradients_.size());
  }
}

void HessianAssembler::assemble(const double* x, const SweepState& state, ArrowHessian& hessian) {
  prepare(x, state, hessian);
  set_derived_gradients(state);
  set_scope_gradients(state);
  for (const Chunk& chunk : model_->chunks) add_chunk(state, chunk, hessian);
  add_derived_curvature(state);
  add_pull_curvature(x, state);
  finish(hessian);
  add_constraints(x, hessian);
}

void HessianAssembler::assemble_information(const double* x, SweepState& state,
                                            ArrowHessian& hessian) {
  SweepScratch& s = state.scratch();
  std::fill_n(s.weight, model_->n_bins + 1, 0.0);
  std::fill_n(s.multiplier_adjoint, model_->n_multipliers, 0.0);
  std::fill_n(s.pull_gradient, model_->pulls.size(), 0.0);
  information_ = true;
  assemble(x, state, hessian);
  information_ = false;
}

double HessianAssembler::bin_curvature(std::uint32_t bin, double lambda) const {
  const double count = likelihood_->data.counts[bin];
  const bool expected = information_ && lambda > 0.0;
  return derivatives::poisson_deviance_second(expected ? lambda : count, lambda);
}

// --- multipliers ---------------------------------------------------------------------------------

void HessianAssembler::set_derived_gradients(const SweepState& state) {
  const SweepScratch& s = state.scratch();
  for (const DerivedFactor& factor : model_->derived_factors) {
    const std::size_t n = factor.parameters.size();
    arguments_.resize(n);
    slopes_.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      arguments_[i] = s.multiplier[model_->parameter_multiplier + factor.parameters[i]];
    }
    factor.expression.derivatives(arguments_.data(), slopes_.data(), nullptr);
    gradient_begin_[factor.multiplier] = static_cast<std::uint32_t>(gradients_.size());
    for (std::size_t i = 0; i < n; ++i) {
      gradients_.push_back({model_->arrow_row[factor.parameters[i]], slopes_[i]});
    }
    gradient_end_[factor.multiplier] = static_cast<std::uint32_t>(gradients_.size());
  }
  for (const AdditiveFactor& factor : model_->additive_factors) {
    gradient_begin_[factor.multiplier] = static_cast<std::uint32_t>(gradients_.size());
    for (std::size_t i = 0; i < factor.terms.size(); ++i) {
      const std::uint32_t t = factor.terms[i];
      gradients_.push_back({term_row_[t], term_scale_[t] * factor.symmetric[i] +
                                              term_slope_[t] * factor.asymmetric[i]});
    }
    gradient_end_[factor.multiplier] = static_cast<std::uint32_t>(gradients_.size());
  }
}

void HessianAssembler::collect_elements(const SweepState& state, std::uint32_t scope) {
  const SweepScratch& s = state.scratch();
  const ScopeBlock& block = model_->scope_blocks[scope / lanes];
  const std::size_t lane = scope % lanes;
  elements_.clear();
  const auto add_gathers = [&](std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t g = begin; g < end; ++g) {
      const auto i = static_cast<std::uint32_t>(model_->scope_gathers[g * lanes + lane]);
      if (kind_[i] == Kind::one) continue;
      const bool derived = kind_[i] == Kind::derived;
      elements_.push_back({s.multiplier[i], 1.0, 0.0, arrow_row_[i], derived ? i : no_multiplier});
    }
  };
  if (s.scope_inside[scope] < model_->scope_floor[scope]) {
    elements_.push_back({model_->scope_floor[scope], 0.0, 0.0, 0, no_multiplier});
  } else {
    for (const std::uint32_t f : scope_factors_[scope]) {
      const std::uint32_t t = model_->factor_term[f];
      const double second = factor_second(model_->term_code[t], s.alpha[t],
                                          model_->factor_data.data() + 8 * lanes * f + lane);
      elements_.push_back({s.factor_value[f * lanes + lane],
                           s.factor_slope[f * lanes + lane] * term_scale_[t],
                           second * term_scale_[t] * term_scale_[t], term_row_[t], no_multiplier});
    }
    add_gathers(block.gather_begin, block.gather_floor);
  }
  add_gathers(block.gather_floor, block.gather_end);
}

void HessianAssembler::append_gradient(std::size_t element, double others) {
  const Element& e = elements_[element];
  if (e.derived == no_multiplier) {
    gradients_.push_back({e.row, others * e.first});
    return;
  }
  for (std::uint32_t k = gradient_begin_[e.derived]; k < gradient_end_[e.derived]; ++k) {
    gradients_.push_back({gradients_[k].index, others * gradients_[k].value});
  }
}

void HessianAssembler::set_scope_gradients(const SweepState& state) {
  const SweepScratch& s = state.scratch();
  for (std::uint32_t scope = 0; scope < model_->parameter_multiplier; ++scope) {
    collect_elements(state, scope);
    const ProductOfOthers product(elements_);
    const bool only_parameters =
        std::all_of(elements_.begin(), elements_.end(),
                    [](const Element& e) { return e.derived == no_multiplier; });
    gradient_begin_[scope] = static_cast<std::uint32_t>(gradients_.size());
    for (std::size_t i = 0; i < elements_.size(); ++i) {
      append_gradient(i, product.without(i, elements_[i].value));
    }
    gradient_end_[scope] = static_cast<std::uint32_t>(gradients_.size());
    const double adjoint = s.multiplier_adjoint[scope];
    if (adjoint == 0.0) continue;
    for (std::size_t i = 0; i < elements_.size(); ++i) {
      const Element& e = elements_[i];
      half_row(e.row)[e.row] += 0.5 * adjoint * product.without(i, e.value) * e.second;
    }
    if (only_parameters && !product.any_zero()) {
      add_pairs_of_gradients(scope, adjoint / product.all());
    } else {
      add_pairs_of_elements(product, adjoint);
    }
  }
}

/// d2(scope)/dp dq = d(scope)/dp d(scope)/dq / scope for factors p, q of a product without zeros.
void HessianAssembler::add_pairs_of_gradients(std::uint32_t scope, double weight) {
  const SparseEntry* begin = gradients_.data() + gradient_begin_[scope];
  const SparseEntry* end = gradients_.data() + gradient_end_[scope];
  for (const SparseEntry* p = begin; p != end; ++p) {
    double* row = half_row(p->index);
    const double scaled = weight * p->value;
    for (const SparseEntry* q = p + 1; q != end; ++q) row[q->index] += scaled * q->value;
  }
}

void HessianAssembler::add_pairs_of_elements(const ProductOfOthers& product, double adjoint) {
  // A derived element stands for several derivatives: its list; any other for one.
  const auto list = [this](const Element& e, SparseEntry& single) {
    if (e.derived == no_multiplier) {
      single = {e.row, e.first};
      return std::pair<const SparseEntry*, const SparseEntry*>(&single, &single + 1);
    }
    const SparseEntry* all = gradients_.data();
    return std::pair<const SparseEntry*, const SparseEntry*>(all + gradient_begin_[e.derived],
                                                             all + gradient_end_[e.derived]);
  };
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    for (std::size_t j = i + 1; j < elements_.size(); ++j) {
      const double others = adjoint * product.without(i, elements_[i].value, j, elements_[j].value);
      if (others == 0.0) continue;
      SparseEntry single_i{}, single_j{};
      const auto [i_begin, i_end] = list(elements_[i], single_i);
      const auto [j_begin, j_end] = list(elements_[j], single_j);
      for (const SparseEntry* p = i_begin; p != i_end; ++p) {
        for (const SparseEntry* q = j_begin; q != j_end; ++q) {
          half_row(p->index)[q->index] += others * p->value * q->value;
        }
      }
    }
  }
}

// --- rows ----------------------------------------------------------------------------------------

void HessianAssembler::add_chunk(const SweepState& state, const Chunk& chunk,
                                 ArrowHessian& hessian) {
  const std::size_t n_bins = chunk.bin_end - chunk.bin_begin;
  const std::size_t n_panels = (n_bins + panel_rows - 1) / panel_rows;
  jacobian_.assign(n_panels * panel_rows * n_dense_, 0.0);
  touched_scopes_.clear();
  for (std::uint32_t b = chunk.block_begin; b < chunk.block_end; ++b) {
    const RowBlock& block = model_->row_blocks[b];
    for (std::uint32_t j = block.multiplier_begin * n_lanes; j < block.multiplier_end * n_lanes;
         ++j) {
      const auto i = static_cast<std::uint32_t>(model_->row_multipliers[j]);
      if (kind_[i] != Kind::scope || scope_slot_[i] != no_multiplier) continue;
      scope_slot_[i] = static_cast<std::uint32_t>(touched_scopes_.size());
      touched_scopes_.push_back(i);
    }
  }
  scope_vectors_.assign(touched_scopes_.size() * n_dense_, 0.0);
  for (std::uint32_t b = chunk.block_begin; b < chunk.block_end; ++b) {
    add_block(state, chunk, b, hessian);
  }
  flush_scopes(state);
  add_bins(state, chunk, hessian);
}

void HessianAssembler::flush_scopes(const SweepState& state) {
  for (const std::uint32_t scope : touched_scopes_) {
    state.functions().add_outer_product(half_.data(), n_dense_,
                                        gradients_.data() + gradient_begin_[scope],
                                        gradient_end_[scope] - gradient_begin_[scope],
                                        scope_vectors_.data() + scope_slot_[scope] * n_dense_);
    scope_slot_[scope] = no_multiplier;
  }
}

void HessianAssembler::add_bins(const SweepState& state, const Chunk& chunk,
                                ArrowHessian& hessian) {
  for (std::uint32_t bin = chunk.bin_begin; bin < chunk.bin_end; ++bin) {
    const double lambda = state.scratch().lambda[bin];
    const bool floored =
        model_->sweep.bin_floor != nullptr && lambda <= model_->sweep.bin_floor[bin];
    const double curvature = floored ? 0.0 : bin_curvature(bin, lambda);
    double* row = jacobian_.data() + (bin - chunk.bin_begin) * n_dense_;
    add_local_curvature(state, bin, curvature, row, hessian);
    const double scale = std::sqrt(curvature);
    for (std::size_t p = 0; p < n_dense_; ++p) row[p] *= scale;
  }
  for (std::size_t row = 0; row < jacobian_.size(); row += panel_rows * n_dense_) {
    subtract_outer_products(hessian.dense.data(), n_dense_, n_dense_, jacobian_.data() + row,
                            n_dense_);
  }
}

/// The rank-one term of a bin as far as its local parameters take part. `row`: the dense part of
/// the gradient of its yield.
void HessianAssembler::add_local_curvature(const SweepState& state, std::uint32_t bin,
                                           double curvature, const double* row,
                                           ArrowHessian& hessian) {
  const std::uint32_t block = model_->block_of_bin[bin];
  if (block == no_block) return;
  const std::size_t begin = model_->arrow.block_offsets[block];
  const std::size_t m = model_->arrow.block_offsets[block + 1] - begin;
  double* entries = hessian.blocks.data() + model_->arrow.block_entries[block];
  for (std::size_t i = 0; i < m; ++i) {
    const SparseEntry slope{static_cast<std::uint32_t>(begin + i),
                            curvature * local_gradient_[begin + i]};
    state.functions().add_outer_product(hessian.coupling.data(), n_dense_, &slope, 1, row);
    for (std::size_t j = 0; j < m; ++j) {
      entries[i * m + j] += slope.value * local_gradient_[begin + j];
    }
  }
}

// --- single parameters ---------------------------------------------------------------------------

void HessianAssembler::add_derived_curvature(const SweepState& state) {
  const SweepScratch& s = state.scratch();
  for (const AdditiveFactor& factor : model_->additive_factors) {
    for (std::size_t i = 0; i < factor.terms.size(); ++i) {
      pull_curvature_[factor.terms[i]] +=
          s.multiplier_adjoint[factor.multiplier] * factor.asymmetric[i];
    }
  }
  for (const DerivedFactor& factor : model_->derived_factors) {
    const std::size_t n = factor.parameters.size();
    arguments_.resize(n);
    slopes_.resize(n);
    curvatures_.resize(n * n);
    for (std::size_t i = 0; i < n; ++i) {
      arguments_[i] = s.multiplier[model_->parameter_multiplier + factor.parameters[i]];
    }
    factor.expression.derivatives(arguments_.data(), slopes_.data(), curvatures_.data());
    const double adjoint = 0.5 * s.multiplier_adjoint[factor.multiplier];
    for (std::size_t i = 0; i < n; ++i) {
      double* row = half_row(model_->arrow_row[factor.parameters[i]]);
      for (std::size_t j = 0; j < n; ++j) {
        row[model_->arrow_row[factor.parameters[j]]] += adjoint * curvatures_[i * n + j];
      }
    }
  }
}

void HessianAssembler::add_pull_curvature(const double* x, const SweepState& state) {
  const SweepScratch& s = state.scratch();
  for (std::uint32_t t = 0; t < model_->n_additive_terms; ++t) {
    const double second = additive_second(model_->term_code[t], s.alpha[t]);
    const double scale = term_scale_[t] * term_scale_[t];
    half_row(term_row_[t])[term_row_[t]] += 0.5 * pull_curvature_[t] * second * scale;
  }
  for (std::size_t i = 0; i < model_->pulls.size(); ++i) {
    const PullArgument& pull = model_->pulls[i];
    if (pull.kind == PullKind::identity) continue;
    const std::uint32_t row = model_->arrow_row[pull.parameter];
    half_row(row)[row] += 0.5 * s.pull_gradient[i] * pull_second(pull, x[pull.parameter]);
  }
}

/// The rank-one terms stand in the upper triangle with the opposite sign.
void HessianAssembler::finish(ArrowHessian& hessian) {
  for (std::size_t i = 0; i < n_dense_; ++i) {
    for (std::size_t j = i; j < n_dense_; ++j) {
      const double value =
          half_[i * n_dense_ + j] + half_[j * n_dense_ + i] - hessian.dense[i * n_dense_ + j];
      hessian.dense[i * n_dense_ + j] = hessian.dense[j * n_dense_ + i] = value;
    }
  }
}

void HessianAssembler::add_constraints(const double* x, ArrowHessian& hessian) {
  const GaussianTerms& gaussians = likelihood_->gaussians;
  for (std::size_t i = 0; i < gaussians.parameter.size(); ++i) {
    const std::uint32_t p = gaussians.parameter[i];
    add_diagonal(
        model_->arrow_row[p],
        derivatives::gaussian_deviance_second(gaussians.observed[i], x[p], gaussians.sigma[i]),
        hessian);
  }
  for (const ConstraintTerm& term : likelihood_->others) {
    add_diagonal(model_->arrow_row[term.parameter], deviance_second(term, x[term.parameter]),
                 hessian);
  }
}

void HessianAssembler::add_diagonal(std::uint32_t row, double value, ArrowHessian& hessian) {
  if (row < n_dense_) {
    hessian.dense[row * n_dense_ + row] += value;
    return;
  }
  const std::size_t local = row - n_dense_;
  const std::size_t block = block_of_local_[local];
  const std::size_t begin = model_->arrow.block_offsets[block];
  const std::size_t m = model_->arrow.block_offsets[block + 1] - begin;
  hessian.blocks[model_->arrow.block_entries[block] + (local - begin) * (m + 1)] += value;
}

}  // namespace nablafit::detail
