#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "arrow/dense_cholesky.hpp"
#include "arrow/factorization.hpp"
#include "arrow/lowest_eigenpairs.hpp"

using nablafit::detail::ArrowFactorization;
using nablafit::detail::ArrowHessian;
using nablafit::detail::ArrowStructure;

namespace {

/// Numbers that are the same on every platform.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  double uniform(double lower, double upper) {
    return lower + (upper - lower) * static_cast<double>(engine_() >> 11U) * 0x1p-53;
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(engine_() % n); }
  bool chance(double probability) { return uniform(0.0, 1.0) < probability; }

 private:
  std::mt19937_64 engine_;
};

/// An arrow matrix and the same as an Eigen matrix, indexed by parameter.
struct Example {
  ArrowStructure structure;
  ArrowHessian arrow;
  Eigen::MatrixXd dense;
  std::vector<char> free;

  std::size_t n() const { return structure.n_dense() + structure.n_local(); }
};

Eigen::Index at(std::size_t i) { return static_cast<Eigen::Index>(i); }

/// Dense and local parameters interleaved at random.
ArrowStructure random_structure(Random& random, std::size_t n_dense, std::size_t n_blocks) {
  ArrowStructure structure;
  std::size_t entries = 0;
  std::vector<std::size_t> sizes;
  std::size_t n_local = 0;
  for (std::size_t b = 0; b < n_blocks; ++b) {
    sizes.push_back(1 + (random.chance(0.3) ? random.below(3) : 0));
    structure.block_offsets.push_back(n_local);
    structure.block_entries.push_back(entries);
    n_local += sizes.back();
    entries += sizes.back() * sizes.back();
  }
  structure.block_offsets.push_back(n_local);
  structure.block_entries.push_back(entries);
  std::size_t left_dense = n_dense;
  for (std::size_t p = 0; p < n_dense + n_local; ++p) {
    const std::size_t left = n_dense + n_local - p;
    if (random.below(left) < left_dense) {
      structure.dense_parameters.push_back(p);
      --left_dense;
    } else {
      structure.local_parameters.push_back(p);
    }
  }
  return structure;
}

/// Fills the arrow form from the blocks of `matrix` that belong to it, and zeroes the rest of it.
void restrict_to_arrow(Example& example, const Eigen::MatrixXd& matrix) {
  const ArrowStructure& s = example.structure;
  example.dense = Eigen::MatrixXd::Zero(matrix.rows(), matrix.cols());
  const auto copy = [&](std::size_t i, std::size_t j) {
    example.dense(at(i), at(j)) = example.dense(at(j), at(i)) = matrix(at(i), at(j));
    return matrix(at(i), at(j));
  };
  for (const std::size_t i : s.dense_parameters) {
    for (const std::size_t j : s.dense_parameters) example.arrow.dense.push_back(copy(i, j));
  }
  for (const std::size_t l : s.local_parameters) {
    for (const std::size_t j : s.dense_parameters) example.arrow.coupling.push_back(copy(l, j));
  }
  for (std::size_t b = 0; b < s.n_blocks(); ++b) {
    for (std::size_t i = s.block_offsets[b]; i < s.block_offsets[b + 1]; ++i) {
      for (std::size_t j = s.block_offsets[b]; j < s.block_offsets[b + 1]; ++j) {
        example.arrow.blocks.push_back(copy(s.local_parameters[i], s.local_parameters[j]));
      }
    }
  }
}

/// `shift` > 0 makes it positive definite, < 0 indefinite.
Example random_example(std::uint64_t seed, std::size_t n_dense, std::size_t n_blocks,
                       double shift) {
  Random random(seed);
  Example example;
  example.structure = random_structure(random, n_dense, n_blocks);
  const auto n = at(example.n());
  Eigen::MatrixXd matrix(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j <= i; ++j) {
      matrix(i, j) = matrix(j, i) = random.uniform(-1.0, 1.0);
    }
  }
  matrix.diagonal().array() += shift * std::sqrt(static_cast<double>(n));
  restrict_to_arrow(example, matrix);
  for (std::size_t p = 0; p < example.n(); ++p) example.free.push_back(random.chance(0.8) ? 1 : 0);
  return example;
}

/// The submatrix of the free parameters, padded with the unit matrix.
Eigen::MatrixXd free_part(const Example& example) {
  Eigen::MatrixXd matrix = example.dense;
  for (std::size_t p = 0; p < example.n(); ++p) {
    if (example.free[p] != 0) continue;
    matrix.row(at(p)).setZero();
    matrix.col(at(p)).setZero();
    matrix(at(p), at(p)) = 1.0;
  }
  return matrix;
}

Eigen::VectorXd masked(const Example& example, Eigen::VectorXd vector) {
  for (std::size_t p = 0; p < example.n(); ++p) {
    if (example.free[p] == 0) vector[at(p)] = 0.0;
  }
  return vector;
}

void check_against_dense(const Example& example) {
  ArrowFactorization factorization(example.structure);
  REQUIRE(factorization.factorize(example.arrow, example.free.data()));
  const Eigen::MatrixXd matrix = free_part(example);
  const Eigen::MatrixXd inverse = matrix.inverse();
  const auto n = at(example.n());
  const Eigen::VectorXd right = Eigen::VectorXd::LinSpaced(n, -1.0, 2.0);
  Eigen::VectorXd solution(n);
  factorization.solve(right.data(), solution.data());
  CHECK((solution - masked(example, inverse * masked(example, right))).norm() < 1e-10);
  CHECK(factorization.log_determinant() ==
        doctest::Approx(std::log(matrix.determinant())).epsilon(1e-10));

  Eigen::VectorXd variances(n);
  factorization.variances(variances.data());
  CHECK((variances - masked(example, inverse.diagonal())).norm() < 1e-10);
  Eigen::MatrixXd covariance(n, n);
  factorization.covariance(covariance.data());
  Eigen::MatrixXd expected = inverse;
  for (std::size_t p = 0; p < example.n(); ++p) {
    if (example.free[p] != 0) continue;
    expected.row(at(p)).setZero();
    expected.col(at(p)).setZero();
  }
  CHECK((covariance - expected).norm() < 1e-10);
}

}  // namespace

TEST_CASE("factorisations of arrow matrices agree with dense ones") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Example example = random_example(seed, random.below(40), random.below(30), 1.5);
    check_against_dense(example);
    example.free.assign(example.n(), 1);
    check_against_dense(example);
    example.free.assign(example.n(), 0);
    check_against_dense(example);
  }
}

TEST_CASE("several right-hand sides, and products with arrow matrices") {
  const Example example = random_example(3, 12, 20, 1.5);
  const auto n = at(example.n());
  ArrowFactorization factorization(example.structure);
  REQUIRE(factorization.factorize(example.arrow, example.free.data()));
  const Eigen::MatrixXd right = Eigen::MatrixXd::Random(n, 3);
  Eigen::MatrixXd solutions(n, 3);
  factorization.solve_many(right.data(), 3, solutions.data());
  CHECK((masked(example, example.dense * solutions.col(2)) - masked(example, right.col(2))).norm() <
        1e-10);

  Eigen::VectorXd product(n);
  nablafit::detail::arrow_multiply(example.structure, example.arrow, right.data(), product.data());
  CHECK((product - example.dense * right.col(0)).norm() < 1e-12);
  Eigen::VectorXd diagonal(n);
  nablafit::detail::arrow_diagonal(example.structure, example.arrow, diagonal.data());
  CHECK((diagonal - example.dense.diagonal()).norm() == 0.0);
}

TEST_CASE("indefinite matrices are noticed, and modified to positive definite ones") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    const Example example = random_example(seed, 10, 12, seed % 2 == 0 ? 0.1 : -0.5);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> exact(free_part(example));
    ArrowFactorization factorization(example.structure);
    const bool positive = exact.eigenvalues()[0] > 0.0;
    CHECK(factorization.factorize(example.arrow, example.free.data()) == positive);
    if (positive) continue;
    const auto n = at(example.n());
    const Eigen::VectorXd gradient = Eigen::VectorXd::LinSpaced(n, -1.0, 2.0);
    const std::vector<double> widths(example.n(), 1.0);
    factorization.factorize_modified(example.arrow, example.free.data(),
                                     {gradient.data(), widths.data()});
    CHECK_FALSE(factorization.is_exact());
    CHECK(factorization.most_negative_curvature() < 0.0);
    Eigen::VectorXd step(n);
    factorization.solve(gradient.data(), step.data());
    CHECK(masked(example, gradient).dot(step) > 0.0);
    CHECK(step.allFinite());
    const auto& direction = factorization.negative_direction();
    const Eigen::Map<const Eigen::VectorXd> v(direction.data(), n);
    CHECK(v.dot(example.dense * v) < 0.0);
    if (factorization.factorize_shifted(example.arrow, example.free.data(),
                                        {gradient.data(), widths.data()})) {
      factorization.solve(gradient.data(), step.data());
      CHECK(masked(example, gradient).dot(step) > 0.0);
    }
  }
}

TEST_CASE("directions without curvature are found by parameter") {
  Example example = random_example(5, 6, 5, 1.5);
  example.free.assign(example.n(), 1);
  const std::size_t a = example.structure.dense_parameters[1];
  const std::size_t b = example.structure.dense_parameters[4];
  Eigen::MatrixXd matrix = example.dense;
  matrix.row(at(b)) = 2.0 * matrix.row(at(a));
  matrix.col(at(b)) = 2.0 * matrix.col(at(a));
  matrix(at(b), at(b)) = 4.0 * matrix(at(a), at(a));
  Example singular;
  singular.structure = example.structure;
  singular.free = example.free;
  restrict_to_arrow(singular, matrix);
  ArrowFactorization factorization(singular.structure);
  CHECK_FALSE(factorization.factorize(singular.arrow, singular.free.data()));
  const std::vector<double> widths(singular.n(), 1.0);
  const auto weak =
      factorization.weak_directions(singular.arrow, singular.free.data(), widths.data(), 1e-6);
  REQUIRE(weak.size() == 1);
  CHECK(std::abs(weak[0].curvature) < 1e-12);
  CHECK(weak[0].vector[a] == doctest::Approx(-2.0 * weak[0].vector[b]));
  for (std::size_t p = 0; p < singular.n(); ++p) {
    if (p != a && p != b) CHECK(std::abs(weak[0].vector[p]) < 1e-9);
  }
}

TEST_CASE("the lowest eigenvalues of large matrices are those of a full decomposition") {
  const Eigen::Index n = nablafit::detail::rows_to_decompose + 100;
  const Eigen::MatrixXd random = Eigen::MatrixXd::Random(n, n);
  const Eigen::MatrixXd basis = Eigen::HouseholderQR<Eigen::MatrixXd>(random).householderQ();
  for (const Eigen::Index n_flat : {0, 1, 7, 40}) {
    for (const double lowest : {0.0, 1e-12, -1e-10}) {
      CAPTURE(n_flat);
      CAPTURE(lowest);
      Eigen::VectorXd values = Eigen::VectorXd::LinSpaced(n, 1e-4, 1.0);
      values.head(n_flat).setConstant(lowest);
      const Eigen::MatrixXd matrix = basis * values.asDiagonal() * basis.transpose();
      const auto found = nablafit::detail::lowest_eigenpairs(matrix, 1e-8);
      REQUIRE(found.values.size() == std::max<Eigen::Index>(n_flat, 1));
      CHECK((found.values - values.head(found.values.size())).cwiseAbs().maxCoeff() < 1e-13);
      CHECK((matrix * found.vectors - found.vectors * found.values.asDiagonal()).norm() < 1e-8);
      CHECK((found.vectors.transpose() * found.vectors).isIdentity(1e-12));
    }
  }
}

TEST_CASE("large singular and indefinite matrices are modified to positive definite ones") {
  const std::size_t n = static_cast<std::size_t>(nablafit::detail::rows_to_decompose) + 50;
  const Eigen::MatrixXd root = Eigen::MatrixXd::Random(at(n), at(n) - 20);
  for (const double shift : {0.0, -5.0}) {
    CAPTURE(shift);
    Example example;
    for (std::size_t p = 0; p < n; ++p) example.structure.dense_parameters.push_back(p);
    example.structure.block_offsets.push_back(0);
    example.free.assign(n, 1);
    Eigen::MatrixXd matrix = root * root.transpose();
    matrix.diagonal().array() += shift;
    restrict_to_arrow(example, matrix);
    ArrowFactorization factorization(example.structure);
    const Eigen::VectorXd gradient = Eigen::VectorXd::LinSpaced(at(n), -1.0, 2.0);
    const std::vector<double> widths(n, 1.0);
    factorization.factorize_modified(example.arrow, example.free.data(),
                                     {gradient.data(), widths.data()});
    CHECK_FALSE(factorization.is_exact());
    CHECK((factorization.most_negative_curvature() < 0.0) == (shift < 0.0));
    Eigen::VectorXd step(at(n));
    factorization.solve(gradient.data(), step.data());
    CHECK(gradient.dot(step) > 0.0);
    CHECK(step.cwiseAbs().maxCoeff() < 20.0 * 10.0);
    if (shift < 0.0) continue;
    const auto weak =
        factorization.weak_directions(example.arrow, example.free.data(), widths.data(), 1e-8);
    CHECK(weak.size() == 20);
  }
}

TEST_CASE("flat and negative blocks of local parameters are handled without the dense part") {
  ArrowStructure structure;
  structure.dense_parameters = {0};
  structure.local_parameters = {1, 2, 3};
  structure.block_offsets = {0, 1, 3};
  structure.block_entries = {0, 1, 5};
  const ArrowHessian hessian{{2.0}, {0.0, 0.0, 0.0}, {-3.0, 1.0, 1.0, 1.0, 1.0}};
  const std::vector<char> free(4, 1);
  const std::vector<double> gradient{0.0, 1.0, 0.5, 0.5};
  const std::vector<double> widths(4, 1.0);
  ArrowFactorization factorization(structure);
  CHECK_FALSE(factorization.factorize(hessian, free.data()));
  factorization.factorize_modified(hessian, free.data(), {gradient.data(), widths.data()});
  std::vector<double> step(4);
  factorization.solve(gradient.data(), step.data());
  CHECK(step[1] == doctest::Approx(1.0 / 3.0));
  CHECK(step[2] == doctest::Approx(0.25));
  CHECK(step[3] == doctest::Approx(0.25));
  CHECK(factorization.most_negative_curvature() == doctest::Approx(-1.0));
}

TEST_CASE("the estimated condition is near the true one") {
  const Example example = random_example(9, 15, 10, 1.2);
  ArrowFactorization factorization(example.structure);
  REQUIRE(factorization.factorize(example.arrow, example.free.data()));
  const Eigen::MatrixXd matrix = free_part(example);
  const Eigen::VectorXd scale = matrix.diagonal().cwiseSqrt().cwiseInverse();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> exact(scale.asDiagonal() * matrix *
                                                             scale.asDiagonal());
  const auto spectrum = factorization.spectrum(example.arrow);
  const double largest = exact.eigenvalues().maxCoeff();
  CHECK(spectrum.smallest >= 0.999 * exact.eigenvalues()[0]);
  CHECK(spectrum.smallest <= 3.0 * exact.eigenvalues()[0]);
  CHECK(spectrum.largest <= 1.001 * largest);
  CHECK(spectrum.largest >= 0.5 * largest);
}

TEST_CASE("dense factorisations of all sizes around the panel width") {
  for (std::size_t n = 0; n < 40; ++n) {
    CAPTURE(n);
    const Eigen::MatrixXd root = Eigen::MatrixXd::Random(at(n), at(2 * n + 1));
    const Eigen::MatrixXd matrix = root * root.transpose();
    const std::size_t stride = nablafit::detail::padded_stride(n);
    nablafit::detail::AlignedVector<double> r(n * stride), inverse(n * stride), work(n * stride);
    std::vector<double> scale(n, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = i; j < n; ++j) r[i * stride + j] = matrix(at(i), at(j));
    }
    REQUIRE(nablafit::detail::cholesky(r.data(), n, stride, scale.data(), 0.0) == n);
    nablafit::detail::invert_cholesky(r.data(), n, stride, inverse.data(), work.data());
    const Eigen::MatrixXd expected = matrix.inverse();
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = i; j < n; ++j) {
        CHECK(inverse[i * stride + j] == doctest::Approx(expected(at(i), at(j))).epsilon(1e-7));
      }
    }
  }
}
