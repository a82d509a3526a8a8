#include "relax_tails.hpp"

#include <Eigen/Core>

#include "kernels/smoothing.hpp"

namespace nablafit::detail {

void tails_and_densities(SmoothingKernel kernel, std::size_t n, const double* z, double* tails,
                         double* densities) {
  using Lanes = Eigen::Array<double, static_cast<int>(tail_lanes), 1>;
  for (std::size_t i = 0; i < n; i += tail_lanes) {
    const Lanes distance = Eigen::Map<const Lanes>(z + i).abs();
    Lanes tail, density;
    if (kernel == SmoothingKernel::gaussian) {
      density = kernels::gaussian_density(distance);
      tail = density * kernels::mills_ratio(distance);
    } else {
      tail = kernels::logistic_tail(distance);
      density = kernels::logistic_density(tail);
    }
    Eigen::Map<Lanes>(tails + i) = tail;
    Eigen::Map<Lanes>(densities + i) = density;
  }
}

}  // namespace nablafit::detail
