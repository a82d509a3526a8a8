/// \file
/// Hessian in arrow form: dense parameters, and local ones (gammas) that act in one bin only.
#ifndef NABLAFIT_SRC_ARROW_HESSIAN_HPP
#define NABLAFIT_SRC_ARROW_HESSIAN_HPP

#include <cstddef>
#include <vector>

namespace nablafit::detail {

/// Positions of the parameters in an arrow matrix; fixed for a model.
/// Every parameter is in exactly one of the two lists. Mixed second derivatives of local parameters
/// in different blocks are zero: a block contains the local parameters of one bin.
struct ArrowStructure {
  std::vector<std::size_t> dense_parameters;  ///< parameter index of each dense row, ascending
  std::vector<std::size_t> local_parameters;  ///< parameter index of each local row, block by block
  std::vector<std::size_t>
      block_offsets;  ///< first local row of each block, and n_local() at the end
  std::vector<std::size_t>
      block_entries;  ///< first entry of each block in ArrowHessian::blocks, and its size

  std::size_t n_dense() const noexcept { return dense_parameters.size(); }
  std::size_t n_local() const noexcept { return local_parameters.size(); }
  std::size_t n_blocks() const noexcept {
    return block_offsets.empty() ? 0 : block_offsets.size() - 1;
  }
};

/// The numbers. H[dense i][dense j] = dense[i * n_dense + j] (both triangles);
/// H[local l][dense j] = coupling[l * n_dense + j]; within block b of m local rows starting at l0,
/// H[l0 + i][l0 + j] = blocks[block_entries[b] + i * m + j] (both triangles); the rest is zero.
struct ArrowHessian {
  std::vector<double> dense;
  std::vector<double> coupling;
  std::vector<double> blocks;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_ARROW_HESSIAN_HPP
