/// \file
/// One ray of the profile likelihood; see profile.hpp for the method.
#ifndef NABLAFIT_SRC_MINIMIZE_RAY_SEARCH_HPP
#define NABLAFIT_SRC_MINIMIZE_RAY_SEARCH_HPP

#include <optional>
#include <vector>

#include "nablafit/profile.hpp"

namespace nablafit::detail {

/// Follows rays one after the other with the scratch memory of one thread. Arguments are checked.
class RaySearch {
 public:
  /// Keeps references to all but the value, which is that of -log L - constant at the origin, as
  /// the gradient.
  RaySearch(const Likelihood& likelihood, const ProfileOrigin& origin, double origin_value,
            const std::vector<double>& origin_gradient, const ProfileOptions& options);

  Crossing follow(const ProfileRay& ray);

 private:
  /// The profile at one distance.
  struct Point {
    double distance = 0.0;
    double s = 0.0;        ///< root of the rise of -2 log L; infinite where the likelihood is zero
    double slope = 0.0;    ///< ds/d(distance)
    bool is_exact = true;  ///< the slope is a derivative

    double rise() const { return s * s; }
    double rise_slope() const { return 2.0 * s * slope; }
  };
  enum class Outcome { ok, lower, failed };

  void begin(const ProfileRay& ray);
  void predict();
  double distance_to_bound() const;
  double first_distance() const;
  bool leaves_bound() const;

  Outcome evaluate(double distance, Point& point);
  const MinimizeSummary& fit(double distance);
  const MinimizeSummary& fit_from_neighbours(double distance);
  const MinimizeSummary& fit_from(const std::vector<double>& x, double distance);
  void hold(double distance);
  double along_ray(const std::vector<double>& gradient) const;
  double chord_slope(const Point& point) const;
  void find_lower_minimum(const MinimizeSummary& constrained);

  bool search(double distance);
  bool note(const Point& point);
  double next_distance(const Point& last) const;
  void finish(CrossingStatus status, double distance);
  std::optional<double> inspect();
  std::optional<double> suspect() const;

  const ProfileOrigin& origin_;
  const ProfileOptions& options_;
  double origin_value_;
  const std::vector<double>& origin_gradient_;
  std::vector<double> widths_;  ///< a typical change of each parameter, > 0
  Minimizer minimizer_;
  MinimizeArguments problem_;
  MinimizeSummary lowest_;   ///< of the fits at one distance, if the ray has starts
  std::vector<char> fixed_;  ///< without those that the ray holds

  const ProfileRay* ray_ = nullptr;
  Crossing result_;
  double target_ = 1.0;        ///< of s
  double curvature_ = 0.0;     ///< predicted (ds/d(distance))^2; 0 if unknown
  double limit_ = 0.0;         ///< distance to the first bound
  double first_ = 0.0;         ///< distance of the first fit
  std::vector<double> slope_;  ///< predicted dx/d(distance)
  std::vector<double> last_x_;
  double last_distance_ = 0.0;
  double origin_slope_ = 0.0;   ///< of the rise
  std::vector<Point> visited_;  ///< finite ones, ascending in distance
  Point below_, above_;         ///< nearest points on both sides of the target
  bool has_above_ = false;
  double miss_ = 0.0;   ///< |s - target| of the last point
  bool gained_ = true;  ///< the last step at least halved it
  int n_failures_ = 0;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_MINIMIZE_RAY_SEARCH_HPP
