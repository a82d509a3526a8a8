#include "arrow/dense_cholesky.hpp"

#include <algorithm>
#include <cmath>

#include "util/interruption.hpp"

#if defined(__GNUC__)
#define NABLAFIT_INLINE inline __attribute__((always_inline))
#define NABLAFIT_RESTRICT __restrict__
#else
#define NABLAFIT_INLINE inline
#define NABLAFIT_RESTRICT
#endif

namespace nablafit::detail {
namespace {

// Loop bodies, compiled into one function per instruction set below.

/// target[j] -= sum_k weights[k] * rows[k][j] for begin <= j < end, eight rows.
NABLAFIT_INLINE void subtract_rows(double* NABLAFIT_RESTRICT target,
                                   const double* NABLAFIT_RESTRICT rows, std::size_t stride,
                                   const double* weights, std::size_t begin, std::size_t end) {
  const double w0 = weights[0], w1 = weights[1], w2 = weights[2], w3 = weights[3];
  const double w4 = weights[4], w5 = weights[5], w6 = weights[6], w7 = weights[7];
  const double *r0 = rows, *r1 = r0 + stride, *r2 = r1 + stride, *r3 = r2 + stride;
  const double *r4 = r3 + stride, *r5 = r4 + stride, *r6 = r5 + stride, *r7 = r6 + stride;
  for (std::size_t j = begin; j < end; ++j) {
    const double low = w0 * r0[j] + w1 * r1[j] + w2 * r2[j] + w3 * r3[j];
    const double high = w4 * r4[j] + w5 * r5[j] + w6 * r6[j] + w7 * r7[j];
    target[j] -= low + high;
  }
}

NABLAFIT_INLINE void outer_body(double* a, std::size_t n, std::size_t stride, const double* panel,
                                std::size_t panel_stride) {
  for (std::size_t i = 0; i < n; ++i) {
    double weights[panel_rows];
    for (std::size_t k = 0; k < panel_rows; ++k) weights[k] = panel[k * panel_stride + i];
    subtract_rows(a + i * stride, panel, panel_stride, weights, i, n);
  }
}

NABLAFIT_INLINE void subtract_row(double* NABLAFIT_RESTRICT target,
                                  const double* NABLAFIT_RESTRICT row, double weight,
                                  std::size_t begin, std::size_t end) {
  for (std::size_t j = begin; j < end; ++j) target[j] -= weight * row[j];
}

NABLAFIT_INLINE double dot(const double* a, const double* b, std::size_t begin, std::size_t end) {
  double sums[8] = {};
  std::size_t j = begin;
  for (; j + 8 <= end; j += 8) {
    for (std::size_t l = 0; l < 8; ++l) sums[l] += a[j + l] * b[j + l];
  }
  for (; j < end; ++j) sums[0] += a[j] * b[j];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/// Factorises rows [first, last) of the upper triangle, right-looking within the block.
NABLAFIT_INLINE std::size_t factorize_rows(double* a, std::size_t n, std::size_t stride,
                                           std::size_t first, std::size_t last, const double* scale,
                                           double relative_pivot) {
  for (std::size_t k = first; k < last; ++k) {
    double* row = a + k * stride;
    if (!(row[k] > relative_pivot * scale[k])) return k;
    const double pivot = std::sqrt(row[k]);
    const double inverse = 1.0 / pivot;
    row[k] = pivot;
    for (std::size_t j = k + 1; j < n; ++j) row[j] *= inverse;
    for (std::size_t i = k + 1; i < last; ++i) subtract_row(a + i * stride, row, row[i], i, n);
  }
  return n;
}

NABLAFIT_INLINE std::size_t cholesky_body(double* a, std::size_t n, std::size_t stride,
                                          const double* scale, double relative_pivot) {
  for (std::size_t first = 0; first < n; first += panel_rows) {
    const std::size_t last = first + panel_rows < n ? first + panel_rows : n;
    const std::size_t failed = factorize_rows(a, n, stride, first, last, scale, relative_pivot);
    if (failed != n) return failed;
    if (last < n)
      outer_body(a + last * stride + last, n - last, stride, a + first * stride + last, stride);
    check_interruption(panel_rows * (n - first) * (n - first));
  }
  return n;
}

NABLAFIT_INLINE void transposed_body(const double* r, std::size_t n, std::size_t stride,
                                     double* x) {
  for (std::size_t k = 0; k < n; ++k) {
    x[k] /= r[k * stride + k];
    if (x[k] != 0.0) subtract_row(x, r + k * stride, x[k], k + 1, n);
  }
}

NABLAFIT_INLINE void upper_body(const double* r, std::size_t n, std::size_t stride, double* x) {
  for (std::size_t k = n; k-- > 0;) {
    x[k] = (x[k] - dot(r + k * stride, x, k + 1, n)) / r[k * stride + k];
  }
}

/// Rows of R^-T, lower triangular, eight rows of R^-T used per pass over each later row.
NABLAFIT_INLINE void invert_transposed(const double* r, std::size_t n, std::size_t stride,
                                       double* y) {
  for (std::size_t first = 0; first < n; first += panel_rows) {
    const std::size_t last = first + panel_rows < n ? first + panel_rows : n;
    for (std::size_t k = first; k < last; ++k) {
      double* row = y + k * stride;
      row[k] += 1.0;
      for (std::size_t p = first; p < k; ++p) {
        subtract_row(row, y + p * stride, r[p * stride + k], 0, p + 1);
      }
      const double inverse = 1.0 / r[k * stride + k];
      for (std::size_t j = 0; j <= k; ++j) row[j] *= inverse;
    }
    if (last - first < panel_rows) return;
    check_interruption(panel_rows * (n - first) * last);
    for (std::size_t i = last; i < n; ++i) {
      double weights[panel_rows];
      for (std::size_t k = 0; k < panel_rows; ++k) weights[k] = r[(first + k) * stride + i];
      subtract_rows(y + i * stride, y + first * stride, stride, weights, 0, last);
    }
  }
}

NABLAFIT_INLINE void invert_body(const double* r, std::size_t n, std::size_t stride,
                                 double* inverse, double* work) {
  std::fill_n(work, n * stride, 0.0);
  std::fill_n(inverse, n * stride, 0.0);
  invert_transposed(r, n, stride, work);
  std::size_t first = 0;
  for (; first + panel_rows <= n; first += panel_rows) {
    check_interruption(panel_rows * (first + panel_rows) * (first + panel_rows));
    outer_body(inverse, first + panel_rows, stride, work + first * stride, stride);
  }
  for (; first < n; ++first) {
    const double* row = work + first * stride;
    for (std::size_t i = 0; i <= first; ++i) {
      subtract_row(inverse + i * stride, row, row[i], i, first + 1);
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i; j < n; ++j) inverse[i * stride + j] = -inverse[i * stride + j];
  }
}

// GCC uses half of the register width by default; Clang does not know the option.
#if defined(__clang__)
#define NABLAFIT_AVX512 "avx512f,avx512vl,avx512dq,fma"
#else
#define NABLAFIT_AVX512 "avx512f,avx512vl,avx512dq,fma,prefer-vector-width=512"
#endif

struct Kernels {
  void (*outer)(double*, std::size_t, std::size_t, const double*, std::size_t);
  std::size_t (*cholesky)(double*, std::size_t, std::size_t, const double*, double);
  void (*transposed)(const double*, std::size_t, std::size_t, double*);
  void (*upper)(const double*, std::size_t, std::size_t, double*);
  void (*invert)(const double*, std::size_t, std::size_t, double*, double*);
};

#define NABLAFIT_DEFINE_KERNELS(set, attribute)                                                    \
  attribute void outer_##set(double* a, std::size_t n, std::size_t stride, const double* panel,    \
                             std::size_t panel_stride) {                                           \
    outer_body(a, n, stride, panel, panel_stride);                                                 \
  }                                                                                                \
  attribute std::size_t cholesky_##set(double* a, std::size_t n, std::size_t stride,               \
                                       const double* scale, double relative_pivot) {               \
    return cholesky_body(a, n, stride, scale, relative_pivot);                                     \
  }                                                                                                \
  attribute void transposed_##set(const double* r, std::size_t n, std::size_t stride, double* x) { \
    transposed_body(r, n, stride, x);                                                              \
  }                                                                                                \
  attribute void upper_##set(const double* r, std::size_t n, std::size_t stride, double* x) {      \
    upper_body(r, n, stride, x);                                                                   \
  }                                                                                                \
  attribute void invert_##set(const double* r, std::size_t n, std::size_t stride, double* inverse, \
                              double* work) {                                                      \
    invert_body(r, n, stride, inverse, work);                                                      \
  }                                                                                                \
  constexpr Kernels kernels_##set{outer_##set, cholesky_##set, transposed_##set, upper_##set,      \
                                  invert_##set};

NABLAFIT_DEFINE_KERNELS(baseline, )
#if defined(__GNUC__) && defined(__x86_64__)
NABLAFIT_DEFINE_KERNELS(avx2, __attribute__((target("avx2,fma"))))
NABLAFIT_DEFINE_KERNELS(avx512, __attribute__((target(NABLAFIT_AVX512))))
#endif

const Kernels& select_kernels() {
#if defined(__GNUC__) && defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    return kernels_avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kernels_avx2;
#endif
  return kernels_baseline;
}

const Kernels& kernels() {
  static const Kernels& selected = select_kernels();
  return selected;
}

}  // namespace

void subtract_outer_products(double* a, std::size_t n, std::size_t stride, const double* panel,
                             std::size_t panel_stride) {
  kernels().outer(a, n, stride, panel, panel_stride);
}

std::size_t cholesky(double* a, std::size_t n, std::size_t stride, const double* scale,
                     double relative_pivot) {
  return kernels().cholesky(a, n, stride, scale, relative_pivot);
}

void solve_transposed(const double* r, std::size_t n, std::size_t stride, double* x) {
  kernels().transposed(r, n, stride, x);
}

void solve_upper(const double* r, std::size_t n, std::size_t stride, double* x) {
  kernels().upper(r, n, stride, x);
}

void invert_cholesky(const double* r, std::size_t n, std::size_t stride, double* inverse,
                     double* work) {
  kernels().invert(r, n, stride, inverse, work);
}

}  // namespace nablafit::detail
