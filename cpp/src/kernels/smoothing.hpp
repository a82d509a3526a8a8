#ifndef NABLAFIT_KERNELS_SMOOTHING_HPP
#define NABLAFIT_KERNELS_SMOOTHING_HPP

/// Densities that smooth a step, and the probability beyond a distance from their centre.
///
/// z >= 0 is the distance in units of the bandwidth (dimensionless). All are even densities of z,
/// normalised to one; the derivative of each tail is minus its density.

#include <cmath>

namespace nablafit::kernels {

/// Density of the standard normal distribution, exp(-z^2/2) / sqrt(2 pi). Smooth for all z.
template <typename T>
T gaussian_density(const T& z) {
  using std::exp;
  constexpr double one_over_sqrt_two_pi = 0.39894228040143267794;
  return exp(-0.5 * z * z) * one_over_sqrt_two_pi;
}

/// Mills' ratio: tail of the standard normal distribution over its density, for 0 <= z <= 8.5.
///
/// Polynomial in t = (z - 4)/(z + 4) that interpolates sqrt(pi/2) erfc(z/sqrt(2)) exp(z^2/2),
/// evaluated with 50 digits, at 20 Chebyshev nodes. Relative error below 1e-15.
template <typename T>
T mills_ratio(const T& z) {
  constexpr int degree = 19;
  constexpr double coefficients[degree + 1] = {
      0.23665238291356067,     -0.4271237467660586,     0.31177255821094524,
      -0.17974381473324363,    0.07736659066396075,     -0.021286526646572185,
      0.0012722694444700603,   0.0016012688607552107,   -0.00046920132149139566,
      -0.00011418904129079653, 7.181040254179182e-05,   1.1607746104103639e-05,
      -1.0788556069796411e-05, -2.0711583361127446e-06, 1.6774846332462357e-06,
      5.235906171083311e-07,   -2.77326659513681e-07,   -2.20268243477212e-07,
      -5.9135919279903664e-08, -6.119260130578264e-09};
  const T t = (z - 4.0) / (z + 4.0);
  T sum = t * coefficients[degree] + coefficients[degree - 1];
  for (int power = degree - 2; power >= 0; --power) sum = sum * t + coefficients[power];
  return sum;
}

/// Tail of the logistic distribution with scale 1 (variance pi^2/3). Smooth for all z.
template <typename T>
T logistic_tail(const T& z) {
  using std::exp;
  return 1.0 / (1.0 + exp(z));
}

/// Density of the same distribution, from its tail.
template <typename T>
T logistic_density(const T& tail) {
  return tail * (1.0 - tail);
}

}  // namespace nablafit::kernels

#endif  // NABLAFIT_KERNELS_SMOOTHING_HPP
