// The smoothed step of cuts and selections.
#include <algorithm>
#include <array>
#include <cmath>

#include "nablafit/relax.hpp"
#include "relax/arguments.hpp"
#include "relax/spread.hpp"
#include "util/threads.hpp"

namespace nablafit {
namespace {

constexpr std::size_t steps_per_block = 256;
constexpr std::size_t blocks_per_task = 32;
using Block = std::array<double, steps_per_block>;

void fill_block(const double* distances, const double* widths, std::size_t width_stride,
                std::size_t n, SmoothingKernel kernel, double* values, double* slopes) {
  const double limit = detail::reach_of(kernel);
  Block z{};
  Block tails, densities;
  for (std::size_t i = 0; i < n; ++i) {
    const double width = widths[i * width_stride];
    z[i] = width > 0.0 ? std::clamp(distances[i] / width, -limit, limit) : limit;
  }
  detail::tails_and_densities(kernel, n, z.data(), tails.data(), densities.data());
  for (std::size_t i = 0; i < n; ++i) {
    const bool inside = std::abs(z[i]) < limit;
    const double tail = inside ? tails[i] : 0.0;
    values[i] = distances[i] >= 0.0 ? 1.0 - tail : tail;
    slopes[i] = inside ? densities[i] / widths[i * width_stride] : 0.0;
  }
}

}  // namespace

SmoothStep smooth_step(Span<const double> distances, Span<const double> widths,
                       SmoothingKernel kernel, std::size_t n_threads) {
  const std::size_t n = distances.size();
  detail::require_finite(distances, "distances");
  detail::require_widths(widths, n, "width");
  const std::size_t stride = widths.size() == 1 ? 0 : 1;
  SmoothStep step;
  step.values.resize(n);
  step.slopes.resize(n);
  constexpr std::size_t per_task = steps_per_block * blocks_per_task;
  const auto work = [&](std::size_t task, std::size_t) {
    const std::size_t end = std::min(n, (task + 1) * per_task);
    for (std::size_t i = task * per_task; i < end; i += steps_per_block) {
      fill_block(distances.data() + i, widths.data() + i * stride, stride,
                 std::min(steps_per_block, end - i), kernel, step.values.data() + i,
                 step.slopes.data() + i);
    }
  };
  detail::parallel_for((n + per_task - 1) / per_task, detail::usable_threads(n_threads), work);
  return step;
}

}  // namespace nablafit
