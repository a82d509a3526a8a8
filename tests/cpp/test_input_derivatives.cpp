// Derivatives with respect to inputs and data: kernels against Eigen's forward mode, likelihoods of
// random models against the fast evaluator, differences, and each other.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ad/derivatives.hpp"
#include "ad/eigen_scalar.hpp"
#include "differentiate/input_derivatives.hpp"
#include "differentiate/input_sweep.hpp"
#include "evaluate/fused_evaluator.hpp"
#include "nablafit/differentiate.hpp"
#include "nablafit/error.hpp"
#include "nablafit/inputs.hpp"
#include "random_spec.hpp"

namespace {

using namespace nablafit;
using namespace nablafit::testing;
using detail::InputDerivatives;
using Forward = detail::ForwardScalar<3>;

constexpr int n_models = 40;

bool near(double a, double b, double tolerance, double scale = 1.0) {
  return std::abs(a - b) <= tolerance * std::max({std::abs(a), std::abs(b), scale});
}

Forward seeded(double value, int direction) {
  Forward result(value);
  result.derivatives().setZero();
  result.derivatives()[direction] = 1.0;
  return result;
}

template <typename Kernel>
void check_term(const kernels::derivatives::ConstraintGradient& found, double observed, double x,
                double width, Kernel kernel) {
  const Forward a = seeded(observed, 0), b = seeded(x, 1), c = seeded(width, 2);
  const Forward wanted = kernel(a, b, c);
  CHECK(near(found.by_observed, wanted.derivatives()[0], 1e-12));
  CHECK(near(found.by_parameter, wanted.derivatives()[1], 1e-12));
  CHECK(near(found.by_width, wanted.derivatives()[2], 1e-12));
}

/// A model, data, a point with likelihood, and directions.
struct Case {
  Case(std::uint64_t seed, const Model& model_in)
      : random(seed), model(model_in), inputs(model), data(random_measurement(model, seed)) {
    for (const NamedPoint& point : random_points(model, seed)) {
      if (point.name == "initial") x = point.x;
    }
    for (std::size_t p = 0; p < x.size(); ++p) {
      x[p] += random.uniform(0.01, 0.2);
      v.push_back(random.uniform(-1.0, 1.0));
    }
    for (const double value : inputs.values()) d.push_back(value * random.uniform(-1.0, 1.0));
    for (const double count : data.counts) c.push_back(count * random.uniform(-1.0, 1.0));
  }

  Likelihood shifted(double t) const {
    std::vector<double> values = inputs.values();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += t * d[i];
    Data changed = data;
    for (std::size_t b = 0; b < c.size(); ++b) changed.counts[b] += t * c[b];
    return {inputs.exchange(values), changed};
  }
  bool is_possible() const {
    for (const double t : {-2e-3, 0.0, 2e-3}) {
      try {
        const Likelihood likelihood = shifted(t);
        detail::FusedEvaluator evaluator(likelihood);
        if (evaluator.value(x.data()).status != EvaluationStatus::ok) return false;
      } catch (const Error&) {
        return false;
      }
    }
    return true;
  }

  Random random;
  Model model;
  Inputs inputs;
  Data data;
  std::vector<double> x, v, d, c;
};

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double size_of(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] * b[i]);
  return sum;
}

/// Extrapolated central difference at the step that fits best.
bool is_slope(const std::function<double(double)>& function, double slope, double tolerance,
              double scale) {
  double best = 1e300;
  for (double step = 2e-3; step > 1e-7; step *= 0.25) {
    const auto central = [&](double h) { return (function(h) - function(-h)) / (2.0 * h); };
    const double estimate = (4.0 * central(step / 2.0) - central(step)) / 3.0;
    best = std::min(best, std::abs(estimate - slope));
  }
  return best <= tolerance * std::max(scale, std::abs(slope));
}

void for_possible_cases(const std::function<void(Case&)>& check) {
  int n_checked = 0;
  for (std::uint64_t seed = 1; seed <= n_models; ++seed) {
    Case item(seed, Model(random_spec(seed)));
    if (!item.is_possible()) continue;
    ++n_checked;
    CAPTURE(seed);
    check(item);
  }
  CHECK(n_checked > n_models / 4);
}

}  // namespace

TEST_CASE("kernels are differentiated with respect to data") {
  namespace derivatives = kernels::derivatives;
  Random random(7);
  for (int i = 0; i < 50; ++i) {
    const double a = random.uniform(0.1, 30.0), x = random.uniform(0.2, 3.0);
    const double w = random.uniform(0.05, 4.0);
    check_term(derivatives::gaussian_nll_gradient(a, x, w), a, x, w,
               [](auto o, auto m, auto s) { return kernels::gaussian_nll(o, m, s); });
    check_term(derivatives::poisson_constraint_nll_gradient(a, x, w), a, x, w,
               [](auto o, auto m, auto s) { return kernels::poisson_constraint_nll(o, m, s); });
    check_term(derivatives::lognormal_nll_gradient(a, x, w), a, x, w,
               [](auto o, auto m, auto s) { return kernels::lognormal_nll(o, m, s); });
    check_term(derivatives::gamma_nll_gradient(a, x, w), a, x, w,
               [](auto o, auto m, auto s) { return kernels::gamma_nll(o, m, s); });
    const double inside = random.uniform(0.0, 2.0), far = random.uniform(-30.0, 30.0);
    for (const double mean : {x, far}) {
      check_term(derivatives::truncated_gaussian_nll_gradient(inside, mean, w, 0.0, 2.0), inside,
                 mean, w, [](auto o, auto m, auto s) {
                   return kernels::truncated_gaussian_nll(o, m, s, 0.0, 2.0);
                 });
    }
    const Forward n = seeded(a, 0), lambda = seeded(x, 1);
    CHECK(near(derivatives::log_factorial_by_n(a), kernels::log_factorial(n).derivatives()[0],
               1e-12));
    CHECK(near(derivatives::poisson_nll_by_n(a, x),
               kernels::poisson_nll(n, lambda).derivatives()[0], 1e-12));
    CHECK(near(derivatives::relative_width_by_variance(a, x),
               kernels::relative_width(n, lambda).derivatives()[0], 1e-13));
    CHECK(near(derivatives::relative_width_by_nominal(a, x),
               kernels::relative_width(n, lambda).derivatives()[1], 1e-13));
    CHECK(near(derivatives::relative_tau_by_variance(a, x),
               kernels::relative_tau(n, lambda).derivatives()[0], 1e-13));
    CHECK(near(derivatives::relative_tau_by_nominal(a, x),
               kernels::relative_tau(n, lambda).derivatives()[1], 1e-13));
    const Forward ratio = seeded(w, 0);
    CHECK(near(derivatives::bounded_log_by_ratio(w), kernels::bounded_log(ratio).derivatives()[0],
               1e-14));
    for (const double* weights : kernels::end_weights) {
      CHECK(near(
          derivatives::end_of_polynomial_by_ratio(w, weights[0], weights[1], weights[2]),
          kernels::end_of_polynomial(ratio, weights[0], weights[1], weights[2]).derivatives()[0],
          1e-13));
    }
  }
  CHECK(derivatives::bounded_log_by_ratio(0.0) == 0.0);
  CHECK(near(derivatives::log_factorial_by_n(0.0), -0.57721566490153286, 1e-13));
}

TEST_CASE("whole densities are deviance plus constant") {
  for (const double n : {0.0, 0.3, 1.0, 9.5, 10.0, 123.4, 1e6}) {
    CHECK(near(kernels::log_factorial(n), std::lgamma(n + 1.0), 1e-13));
    CHECK(near(kernels::poisson_nll(n, 3.5),
               kernels::poisson_deviance(n, 3.5) + kernels::poisson_constant(n), 1e-12));
    CHECK(near(kernels::gamma_nll(n, 1.2, 0.1),
               kernels::gamma_deviance(n, 1.2, 0.1) + kernels::gamma_constant(n, 0.1), 1e-12));
  }
  CHECK(near(kernels::gaussian_nll(1.0, 1.4, 0.3),
             kernels::gaussian_deviance(1.0, 1.4, 0.3) + kernels::gaussian_constant(0.3), 1e-14));
  CHECK(near(kernels::lognormal_nll(1.1, 1.4, 0.3),
             kernels::lognormal_deviance(1.1, 1.4, 0.3) + kernels::lognormal_constant(1.1, 0.3),
             1e-14));
}

TEST_CASE("derivatives with respect to parameters are those of the fast evaluator") {
  for_possible_cases([](Case& item) {
    const Likelihood likelihood(item.model, item.data);
    detail::FusedEvaluator evaluator(likelihood);
    InputDerivatives derivatives(likelihood);
    const std::size_t n = item.x.size();
    std::vector<double> gradient(n), product(n);
    evaluator.value_and_gradient(item.x.data(), gradient.data());
    evaluator.hessian_vector_product(item.x.data(), item.v.data(), product.data());
    const FullGradient first = derivatives.gradient(item.x.data());
    const FullGradient mixed = derivatives.mixed(item.x.data(), item.v.data());
    const FullGradient third = derivatives.curvature(item.x.data(), item.v.data());
    for (std::size_t p = 0; p < n; ++p) {
      CAPTURE(p);
      CHECK(near(first.parameters[p], gradient[p], 1e-9));
      CHECK(near(mixed.parameters[p], product[p], 1e-9));
    }
    FullTangent along;
    along.parameters = item.v.data();
    const std::vector<double> same = derivatives.tangent_of_gradient(item.x.data(), along);
    const std::vector<double> bent =
        derivatives.tangent_of_product(item.x.data(), item.v.data(), along);
    for (std::size_t p = 0; p < n; ++p) {
      CHECK(near(same[p], product[p], 1e-9));
      CHECK(near(bent[p], third.parameters[p], 1e-9));
    }
  });
}

TEST_CASE("gradient by inputs and counts is that of the likelihood") {
  for_possible_cases([](Case& item) {
    const FullGradient gradient = full_gradient({item.model, item.data}, item.x);
    const double slope = dot(gradient.inputs, item.d) + dot(gradient.counts, item.c);
    const auto value = [&](double t) {
      const Likelihood likelihood = item.shifted(t);
      detail::FusedEvaluator evaluator(likelihood);
      return evaluator.value(item.x.data()).value + likelihood.constant();
    };
    const double scale = size_of(gradient.inputs, item.d) + size_of(gradient.counts, item.c);
    CHECK(is_slope(value, slope, 1e-7, scale));
  });
}

TEST_CASE("products from the left and from the right agree") {
  for_possible_cases([](Case& item) {
    InputDerivatives derivatives({item.model, item.data});
    FullTangent along;
    along.inputs = item.d.data();
    along.counts = item.c.data();
    const double* x = item.x.data();
    const auto check = [&](const FullGradient& left, const std::vector<double>& right) {
      const double scale =
          size_of(left.inputs, item.d) + size_of(left.counts, item.c) + size_of(right, item.v);
      CHECK(near(dot(left.inputs, item.d) + dot(left.counts, item.c), dot(right, item.v), 1e-9,
                 scale));
    };
    check(derivatives.mixed(x, item.v.data()), derivatives.tangent_of_gradient(x, along));
    check(derivatives.curvature(x, item.v.data()),
          derivatives.tangent_of_product(x, item.v.data(), along));
    std::vector<double> weights;
    for (std::size_t b = 0; b < item.model.n_bins(); ++b) {
      weights.push_back(item.random.uniform(-1.0, 1.0));
    }
    const FullGradient left = derivatives.yields(x, weights.data());
    const std::vector<double> right = derivatives.tangent_of_yields(x, along);
    CHECK(near(dot(left.inputs, item.d), dot(weights, right), 1e-10, size_of(left.inputs, item.d)));
  });
}

TEST_CASE("third derivatives are slopes of curvatures") {
  for_possible_cases([](Case& item) {
    InputDerivatives derivatives({item.model, item.data});
    const FullGradient third = derivatives.curvature(item.x.data(), item.v.data());
    const auto curvature = [&](double t) {
      const Likelihood likelihood = item.shifted(t);
      std::vector<double> product(item.x.size());
      detail::FusedEvaluator(likelihood)
          .hessian_vector_product(item.x.data(), item.v.data(), product.data());
      return dot(item.v, product);
    };
    const double scale = size_of(third.inputs, item.d) + size_of(third.counts, item.c);
    CHECK(is_slope(curvature, dot(third.inputs, item.d) + dot(third.counts, item.c), 1e-6, scale));
  });
}

TEST_CASE("exchanged models are those compiled from their specification") {
  for_possible_cases([](Case& item) {
    const Likelihood exchanged = item.shifted(1e-3);
    const Likelihood compiled(Model(exchanged.model().spec()), exchanged.data());
    detail::FusedEvaluator a(exchanged), b(compiled);
    std::vector<double> of_a(item.x.size()), of_b(item.x.size());
    const Evaluation first = a.value_and_gradient(item.x.data(), of_a.data());
    const Evaluation second = b.value_and_gradient(item.x.data(), of_b.data());
    CHECK(near(first.value, second.value, 1e-11));
    CHECK(near(exchanged.constant(), compiled.constant(), 1e-12));
    for (std::size_t p = 0; p < of_a.size(); ++p) CHECK(near(of_a[p], of_b[p], 1e-9));
    CHECK(Inputs(exchanged.model()).values() == Inputs(compiled.model()).values());
  });
}
