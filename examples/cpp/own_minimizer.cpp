// A custom minimiser based on value_and_gradient: BFGS within parameter bounds, as an example.
// nablafit::minimize, which uses the exact Hessian, is run for comparison.
//
//   own_minimizer WORKSPACE.json
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "nablafit/error.hpp"
#include "nablafit/io/workspace.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/minimize.hpp"
#include "nablafit/model.hpp"

namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// One minimisation; call run() once.
class Bfgs {
 public:
  explicit Bfgs(const nablafit::Likelihood& likelihood)
      : model_(likelihood.model()),
        evaluator_(nablafit::make_evaluator(likelihood)),
        x_(model_.initial()),
        gradient_(x_.size()),
        inverse_hessian_(x_.size() * x_.size()) {
    value_ = evaluator_->value_and_gradient(x_, gradient_).value;
    reset();
  }

  void run() {
    for (n_iterations_ = 0; n_iterations_ < 500; ++n_iterations_) {
      const Vector direction = descent_direction();
      const double slope = dot(direction, gradient_);
      if (slope > -1e-10) return;  // the expected decrease is half of this
      if (!step(direction, slope)) return;
    }
  }

  double value() const { return value_; }
  const Vector& x() const { return x_; }
  int n_iterations() const { return n_iterations_; }

 private:
  std::size_t size() const { return x_.size(); }

  /// Fixed, or at a bound against which the gradient pushes.
  bool is_held(std::size_t i) const {
    return model_.fixed()[i] != 0 || (x_[i] <= model_.lower()[i] && gradient_[i] > 0.0) ||
           (x_[i] >= model_.upper()[i] && gradient_[i] < 0.0);
  }

  void reset() {
    std::fill(inverse_hessian_.begin(), inverse_hessian_.end(), 0.0);
    for (std::size_t i = 0; i < size(); ++i) inverse_hessian_[i * size() + i] = 1e-3;
  }

  /// -H^-1 g among the parameters that are not held.
  Vector descent_direction() const {
    Vector direction(size(), 0.0);
    for (std::size_t i = 0; i < size(); ++i) {
      if (is_held(i)) continue;
      for (std::size_t j = 0; j < size(); ++j) {
        if (!is_held(j)) direction[i] -= inverse_hessian_[i * size() + j] * gradient_[j];
      }
    }
    return direction;
  }

  /// Moves along the direction, within bounds; shortens the step until the value decreases enough.
  /// Outside its domain the likelihood is +infinity, which shortens the step too.
  bool step(const Vector& direction, double slope) {
    Vector trial(size());
    Vector gradient(size());
    for (double length = 1.0; length > 1e-12; length /= 2.0) {
      for (std::size_t i = 0; i < size(); ++i) {
        trial[i] = std::clamp(x_[i] + length * direction[i], model_.lower()[i], model_.upper()[i]);
      }
      const double value = evaluator_->value_and_gradient(trial, gradient).value;
      if (!(value <= value_ + 1e-4 * length * slope)) continue;
      update(trial, gradient);
      x_ = trial;
      gradient_ = gradient;
      value_ = value;
      return true;
    }
    return false;
  }

  /// The BFGS formula (Nocedal and Wright, Numerical Optimization, eq. 6.17).
  void update(const Vector& trial, const Vector& gradient) {
    Vector s(size());
    Vector y(size());
    for (std::size_t i = 0; i < size(); ++i) {
      s[i] = trial[i] - x_[i];
      y[i] = gradient[i] - gradient_[i];
    }
    const double sy = dot(s, y);
    if (!(sy > 1e-14)) return;  // keeps the matrix positive definite
    Vector hy(size(), 0.0);
    for (std::size_t i = 0; i < size(); ++i) {
      for (std::size_t j = 0; j < size(); ++j) hy[i] += inverse_hessian_[i * size() + j] * y[j];
    }
    const double factor = (1.0 + dot(y, hy) / sy) / sy;
    for (std::size_t i = 0; i < size(); ++i) {
      for (std::size_t j = 0; j < size(); ++j) {
        inverse_hessian_[i * size() + j] +=
            factor * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / sy;
      }
    }
  }

  const nablafit::Model& model_;
  std::unique_ptr<nablafit::Evaluator> evaluator_;
  Vector x_;
  Vector gradient_;
  Vector inverse_hessian_;
  double value_ = 0.0;
  int n_iterations_ = 0;
};

void compare(const std::string& path) {
  const auto workspace = nablafit::io::Workspace::load(path);
  const nablafit::Model model(workspace.model_spec());
  const nablafit::Likelihood likelihood(model, model.data(workspace.observations()));
  Bfgs bfgs(likelihood);
  bfgs.run();
  const nablafit::MinimizeSummary newton = nablafit::minimize(likelihood);
  std::printf("bfgs %.10g after %d iterations\n", bfgs.value(), bfgs.n_iterations());
  std::printf("newton %.10g after %d iterations\n", newton.value, newton.iterations);
  for (std::size_t i = 0; i < model.n_parameters(); ++i) {
    std::printf("%s %.6g %.6g\n", model.parameter_names()[i].c_str(), bfgs.x()[i], newton.x[i]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s WORKSPACE.json\n", argv[0]);
    return 2;
  }
  try {
    compare(argv[1]);
  } catch (const nablafit::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
