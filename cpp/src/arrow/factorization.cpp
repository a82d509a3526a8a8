#include "arrow/factorization.hpp"

#include <algorithm>
#include <cmath>

#include "arrow/dense_cholesky.hpp"
#include "util/interruption.hpp"

namespace nablafit::detail {

void arrow_multiply(const ArrowStructure& structure, const ArrowHessian& hessian, const double* v,
                    double* product) {
  const std::size_t n_dense = structure.n_dense();
  const auto& dense = structure.dense_parameters;
  for (std::size_t i = 0; i < n_dense; ++i) {
    const double* row = hessian.dense.data() + i * n_dense;
    double sum = 0.0;
    for (std::size_t j = 0; j < n_dense; ++j) sum += row[j] * v[dense[j]];
    product[dense[i]] = sum;
  }
  for (std::size_t b = 0; b < structure.n_blocks(); ++b) {
    const std::size_t begin = structure.block_offsets[b];
    const std::size_t size = structure.block_offsets[b + 1] - begin;
    const double* block = hessian.blocks.data() + structure.block_entries[b];
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t parameter = structure.local_parameters[begin + i];
      const double* row = hessian.coupling.data() + (begin + i) * n_dense;
      double sum = 0.0;
      for (std::size_t j = 0; j < n_dense; ++j) {
        sum += row[j] * v[dense[j]];
        product[dense[j]] += row[j] * v[parameter];
      }
      for (std::size_t j = 0; j < size; ++j) {
        sum += block[i * size + j] * v[structure.local_parameters[begin + j]];
      }
      product[parameter] = sum;
    }
  }
}

void arrow_diagonal(const ArrowStructure& structure, const ArrowHessian& hessian,
                    double* diagonal) {
  const std::size_t n_dense = structure.n_dense();
  for (std::size_t i = 0; i < n_dense; ++i) {
    diagonal[structure.dense_parameters[i]] = hessian.dense[i * n_dense + i];
  }
  for (std::size_t b = 0; b < structure.n_blocks(); ++b) {
    const std::size_t begin = structure.block_offsets[b];
    const std::size_t size = structure.block_offsets[b + 1] - begin;
    const double* block = hessian.blocks.data() + structure.block_entries[b];
    for (std::size_t i = 0; i < size; ++i) {
      diagonal[structure.local_parameters[begin + i]] = block[i * size + i];
    }
  }
}

ArrowFactorization::ArrowFactorization(const ArrowStructure& structure)
    : structure_(structure),
      n_parameters_(structure.n_dense() + structure.n_local()),
      stride_(padded_stride(structure.n_dense())),
      free_dense_(structure.n_dense()),
      free_local_(structure.n_local()),
      factor_begin_(structure.n_local()),
      blocks_(structure.n_blocks()),
      schur_(structure.n_dense() * stride_),
      inverse_(structure.n_dense() * stride_),
      work_(structure.n_dense() * stride_),
      w_((structure.n_local() + panel_rows - 1) / panel_rows * panel_rows * stride_),
      factors_(structure.n_blocks() == 0 ? 0 : structure.block_entries.back()),
      dense_scale_(structure.n_dense()),
      dense_vector_(stride_),
      local_vector_(structure.n_local()),
      iteration_vector_(n_parameters_),
      product_vector_(n_parameters_),
      diagonal_(n_parameters_),
      negative_direction_(n_parameters_) {}

void ArrowFactorization::select(const char* free) {
  n_free_ = 0;
  for (std::size_t i = 0; i < structure_.n_dense(); ++i) {
    if (free[structure_.dense_parameters[i]] != 0) free_dense_[n_free_++] = i;
  }
  n_free_local_ = 0;
  n_free_blocks_ = 0;
  for (std::size_t b = 0; b < structure_.n_blocks(); ++b) {
    const std::size_t begin = n_free_local_;
    for (std::size_t l = structure_.block_offsets[b]; l < structure_.block_offsets[b + 1]; ++l) {
      if (free[structure_.local_parameters[l]] != 0) free_local_[n_free_local_++] = l;
    }
    if (n_free_local_ == begin) continue;
    factor_begin_[begin] = structure_.block_entries[b];
    blocks_[n_free_blocks_++] = {b, begin, n_free_local_ - begin};
  }
}

void ArrowFactorization::gather_block(const ArrowHessian& hessian, const Block& block) {
  const std::size_t first = structure_.block_offsets[block.index];
  const std::size_t full = structure_.block_offsets[block.index + 1] - first;
  const double* source = hessian.blocks.data() + structure_.block_entries[block.index];
  double* target = factor(block);
  for (std::size_t i = 0; i < block.size; ++i) {
    const std::size_t row = free_local_[block.begin + i] - first;
    for (std::size_t j = 0; j < block.size; ++j) {
      target[i * block.size + j] = source[row * full + free_local_[block.begin + j] - first];
    }
  }
}

/// Overwrites the gathered block with its lower Cholesky factor; the upper triangle is unchanged.
bool ArrowFactorization::factorize_block(const Block& block, double relative_pivot) {
  const std::size_t m = block.size;
  double* l = factor(block);
  for (std::size_t k = 0; k < m; ++k) {
    double* row = l + k * m;
    check_interruption(k * k);
    for (std::size_t j = 0; j < k; ++j) {
      double sum = row[j];
      for (std::size_t p = 0; p < j; ++p) sum -= row[p] * l[j * m + p];
      row[j] = sum / l[j * m + j];
    }
    const double diagonal = row[k];
    double pivot = diagonal;
    for (std::size_t p = 0; p < k; ++p) pivot -= row[p] * row[p];
    if (!(pivot > relative_pivot * std::abs(diagonal)) || !std::isfinite(pivot)) return false;
    row[k] = std::sqrt(pivot);
  }
  return true;
}

/// Rows of W that belong to the block.
void ArrowFactorization::reduce_block(const ArrowHessian& hessian, const Block& block) {
  const double* l = factor(block);
  const bool all_dense = n_free_ == structure_.n_dense();
  for (std::size_t i = 0; i < block.size; ++i) {
    const double* source =
        hessian.coupling.data() + free_local_[block.begin + i] * structure_.n_dense();
    double* row = w_row(block.begin + i);
    check_interruption((i + 1) * n_free_);
    if (all_dense) {
      std::copy(source, source + n_free_, row);
    } else {
      for (std::size_t j = 0; j < n_free_; ++j) row[j] = source[free_dense_[j]];
    }
    for (std::size_t p = 0; p < i; ++p) {
      const double weight = l[i * block.size + p];
      const double* other = w_row(block.begin + p);
      for (std::size_t j = 0; j < n_free_; ++j) row[j] -= weight * other[j];
    }
    const double inverse = 1.0 / l[i * block.size + i];
    for (std::size_t j = 0; j < n_free_; ++j) row[j] *= inverse;
  }
}

void ArrowFactorization::gather_dense(const ArrowHessian& hessian) {
  const std::size_t n_dense = structure_.n_dense();
  for (std::size_t i = 0; i < n_free_; ++i) {
    const double* source = hessian.dense.data() + free_dense_[i] * n_dense;
    double* row = schur_.data() + i * stride_;
    dense_scale_[i] = std::abs(source[free_dense_[i]]);
    for (std::size_t j = i; j < n_free_; ++j) row[j] = source[free_dense_[j]];
  }
}

void ArrowFactorization::subtract_local_rows() {
  const std::size_t panels = (n_free_local_ + panel_rows - 1) / panel_rows;
  for (std::size_t row = n_free_local_; row < panels * panel_rows; ++row) {
    std::fill_n(w_row(row), n_free_, 0.0);
  }
  for (std::size_t p = 0; p < panels; ++p) {
    check_interruption(panel_rows * n_free_ * n_free_);
    subtract_outer_products(schur_.data(), n_free_, stride_, w_row(p * panel_rows), stride_);
  }
}

bool ArrowFactorization::factorize(const ArrowHessian& hessian, const char* free,
                                   double relative_pivot) {
  select(free);
  exact_ = false;
  most_negative_ = 0.0;
  for (std::size_t b = 0; b < n_free_blocks_; ++b) {
    gather_block(hessian, blocks_[b]);
    if (!factorize_block(blocks_[b], relative_pivot)) return false;
    reduce_block(hessian, blocks_[b]);
  }
  gather_dense(hessian);
  subtract_local_rows();
  exact_ =
      cholesky(schur_.data(), n_free_, stride_, dense_scale_.data(), relative_pivot) == n_free_;
  return exact_;
}

/// locals <- L^-1 locals, block by block; compact local rows.
void ArrowFactorization::forward_local(double* locals) const {
  for (std::size_t b = 0; b < n_free_blocks_; ++b) {
    const Block& block = blocks_[b];
    const double* l = factor(block);
    double* x = locals + block.begin;
    for (std::size_t i = 0; i < block.size; ++i) {
      for (std::size_t p = 0; p < i; ++p) x[i] -= l[i * block.size + p] * x[p];
      x[i] /= l[i * block.size + i];
    }
  }
}

void ArrowFactorization::backward_block(const Block& block, double* x) const {
  const double* l = factor(block);
  for (std::size_t i = block.size; i-- > 0;) {
    for (std::size_t p = i + 1; p < block.size; ++p) x[i] -= l[p * block.size + i] * x[p];
    x[i] /= l[i * block.size + i];
  }
}

/// locals <- L^-T locals.
void ArrowFactorization::backward_local(double* locals) const {
  for (std::size_t b = 0; b < n_free_blocks_; ++b) {
    backward_block(blocks_[b], locals + blocks_[b].begin);
  }
}

void ArrowFactorization::solve(const double* right_hand_side, double* solution) {
  double* dense = dense_vector_.data();
  double* local = local_vector_.data();
  for (std::size_t i = 0; i < n_free_; ++i) {
    dense[i] = right_hand_side[structure_.dense_parameters[free_dense_[i]]];
  }
  for (std::size_t l = 0; l < n_free_local_; ++l) {
    local[l] = right_hand_side[structure_.local_parameters[free_local_[l]]];
  }
  forward_local(local);
  for (std::size_t l = 0; l < n_free_local_; ++l) {
    const double* row = w_row(l);
    for (std::size_t j = 0; j < n_free_; ++j) dense[j] -= local[l] * row[j];
  }
  solve_transposed(schur_.data(), n_free_, stride_, dense);
  solve_upper(schur_.data(), n_free_, stride_, dense);
  for (std::size_t l = 0; l < n_free_local_; ++l) {
    const double* row = w_row(l);
    double sum = 0.0;
    for (std::size_t j = 0; j < n_free_; ++j) sum += row[j] * dense[j];
    local[l] -= sum;
  }
  backward_local(local);
  std::fill_n(solution, n_parameters_, 0.0);
  for (std::size_t i = 0; i < n_free_; ++i) {
    solution[structure_.dense_parameters[free_dense_[i]]] = dense[i];
  }
  for (std::size_t l = 0; l < n_free_local_; ++l) {
    solution[structure_.local_parameters[free_local_[l]]] = local[l];
  }
}

void ArrowFactorization::solve_many(const double* right_hand_sides, std::size_t count,
                                    double* solutions) {
  for (std::size_t i = 0; i < count; ++i) {
    check_interruption(n_parameters_ * n_parameters_);
    solve(right_hand_sides + i * n_parameters_, solutions + i * n_parameters_);
  }
}

double ArrowFactorization::log_determinant() const {
  double sum = 0.0;
  for (std::size_t i = 0; i < n_free_; ++i) sum += std::log(schur_[i * stride_ + i]);
  for (std::size_t b = 0; b < n_free_blocks_; ++b) {
    const Block& block = blocks_[b];
    for (std::size_t i = 0; i < block.size; ++i) sum += std::log(factor(block)[i * block.size + i]);
  }
  return 2.0 * sum;
}

}  // namespace nablafit::detail
