#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "expression.hpp"
#include "nablafit/error.hpp"

using nablafit::SpecError;
using nablafit::detail::Expression;

namespace {

const std::vector<std::string> names{"a", "b", "gamma[3]"};
const std::vector<double> point{1.7, -0.4, 0.9};

double value(const std::string& text) { return Expression(text, names).evaluate(point.data()); }

std::string error_of(const std::string& text) {
  try {
    const Expression expression(text, names);
  } catch (const SpecError& error) {
    return error.what();
  }
  return "no error";
}

/// Gradient and Hessian against central differences of values and gradients.
void check_derivatives(const std::string& text) {
  CAPTURE(text);
  const Expression expression(text, names);
  constexpr std::size_t n = 3;
  double gradient[n];
  double hessian[n * n];
  CHECK(expression.derivatives(point.data(), gradient, hessian) ==
        expression.evaluate(point.data()));
  for (std::size_t i = 0; i < n; ++i) {
    constexpr double step = 1e-5;
    std::vector<double> right = point;
    std::vector<double> left = point;
    right[i] += step;
    left[i] -= step;
    double gradient_right[n];
    double gradient_left[n];
    const double difference = expression.derivatives(right.data(), gradient_right, nullptr) -
                              expression.derivatives(left.data(), gradient_left, nullptr);
    CHECK(gradient[i] == doctest::Approx(difference / (2.0 * step)).epsilon(1e-7));
    for (std::size_t j = 0; j < n; ++j) {
      const double curvature = (gradient_right[j] - gradient_left[j]) / (2.0 * step);
      CHECK(hessian[i * n + j] == doctest::Approx(curvature).epsilon(1e-7));
      CHECK(hessian[i * n + j] == hessian[j * n + i]);
    }
  }
}

}  // namespace

TEST_CASE("expressions follow the usual precedence") {
  CHECK(value("1 + 2 * 3") == 7.0);
  CHECK(value("(1 + 2) * 3") == 9.0);
  CHECK(value("8 / 4 / 2") == 1.0);
  CHECK(value("7 - 4 - 2") == 1.0);
  CHECK(value("-2^2") == -4.0);
  CHECK(value("2^3^2") == 512.0);
  CHECK(value("2^-1") == 0.5);
  CHECK(value("2 * -3") == -6.0);
  CHECK(value("--3") == 3.0);
  CHECK(value("+3 - +1") == 2.0);
  CHECK(value(" 1.5e2\t+ .5\n") == 150.5);
  CHECK(value("2.") == 2.0);
}

TEST_CASE("expressions know parameters by name and by place") {
  CHECK(value("a") == 1.7);
  CHECK(value("@1") == -0.4);
  CHECK(value("gamma[3] + @2") == doctest::Approx(1.8));
  CHECK(value("@0*@0 - a*a") == 0.0);
}

TEST_CASE("expressions call functions") {
  const double a = point[0];
  const double b = point[1];
  CHECK(value("exp(b)") == doctest::Approx(std::exp(b)));
  CHECK(value("log(a)") == doctest::Approx(std::log(a)));
  CHECK(value("log10(100*a)") == doctest::Approx(2.0 + std::log10(a)));
  CHECK(value("sqrt(a)") == doctest::Approx(std::sqrt(a)));
  CHECK(value("abs(b) + abs(a)") == doctest::Approx(a - b));
  CHECK(value("sin(a) * cos(b) / tan(a)") ==
        doctest::Approx(std::sin(a) * std::cos(b) / std::tan(a)));
  CHECK(value("pow(b, 3)") == doctest::Approx(b * b * b));
  CHECK(value("pow(a, b)") == doctest::Approx(std::pow(a, b)));
  CHECK(value("min(a, b) - max(a, b)") == doctest::Approx(b - a));
}

TEST_CASE("expressions have exact first and second derivatives") {
  for (const char* text :
       {"1 + 2*a", "a*b - b/a", "-a^3 + b^2", "a^2.5", "a^b", "pow(a, gamma[3])", "1/(a + b*b)",
        "exp(a*b) * log(a) + sqrt(gamma[3])", "log10(a) * sin(b)", "cos(a*b) + tan(b)",
        "abs(b) * a", "min(a*a, b) * max(a, b*b)", "(a - b)^-2 / gamma[3]", "3"}) {
    check_derivatives(text);
  }
}

TEST_CASE("whole powers of zero have derivatives") {
  const double zero[] = {0.0};
  double gradient = 1.0;
  double hessian = 1.0;
  CHECK(Expression("x^2", {"x"}).derivatives(zero, &gradient, &hessian) == 0.0);
  CHECK(gradient == 0.0);
  CHECK(hessian == 2.0);
  Expression("x^1", {"x"}).derivatives(zero, &gradient, &hessian);
  CHECK(gradient == 1.0);
  CHECK(hessian == 0.0);
}

TEST_CASE("expressions without parameters are constants") {
  const Expression expression("2*3", {});
  CHECK(expression.n_parameters() == 0);
  CHECK(expression.derivatives(nullptr, nullptr, nullptr) == 6.0);
}

TEST_CASE("errors of expressions point at the column") {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"", "found the end at column 1 of '', expected a number, a name, '@' or '('"},
      {"1 +", "found the end at column 4 of '1 +', expected a number, a name, '@' or '('"},
      {"1 2", "found '2' at column 3 of '1 2', expected an operator or the end"},
      {"(a", "found the end at column 3 of '(a', expected ')'"},
      {"a)", "found ')' at column 2 of 'a)', expected an operator or the end"},
      {"pow(a)", "found ')' at column 6 of 'pow(a)', expected ','"},
      {"exp(a, b)", "found ',' at column 6 of 'exp(a, b)', expected ')'"},
      {"2*c", "found 'c' at column 3 of '2*c', expected one of the 3 parameters of the formula"},
      {"gamma[4]",
       "found 'gamma[4]' at column 1 of 'gamma[4]', expected one of the 3 parameters of the "
       "formula; did you mean 'gamma[3]'?"},
      {"system(a)",
       "found the function 'system' at column 1 of 'system(a)', expected exp, log, log10, sqrt, "
       "abs, sin, cos, tan, pow, min or max"},
      {"@3",
       "found a placeholder beyond the list of parameters at column 1 of '@3', expected an index "
       "below 3"},
      {"@a", "found 'a' at column 2 of '@a', expected the digits of a placeholder such as @0"},
      {"1e", "found the end at column 3 of '1e', expected the digits of an exponent"},
      {"1e999", "found '1e999' at column 1 of '1e999', expected a number that a double can hold"},
      {".", "found '.' at column 1 of '.', expected a number, a name, '@' or '('"},
      {"a $ b", "found '$' at column 3 of 'a $ b', expected an operator or the end"},
      {"gamma[x]", "found 'x' at column 7 of 'gamma[x]', expected the digits of an index"},
  };
  for (const auto& c : cases) CHECK(error_of(c.text) == c.message);
}

TEST_CASE("expressions are limited in length and depth") {
  CHECK(error_of(std::string(5000, ' ') + "1").find("5001 characters, expected at most 4096") !=
        std::string::npos);
  const std::string open(1000, '(');
  CHECK(error_of(open + "1" + std::string(1000, ')')).find("nesting beyond 64") !=
        std::string::npos);
  CHECK(error_of(std::string(1000, '-') + "1").find("nesting beyond 64") != std::string::npos);
  std::string powers = "a";
  for (int i = 0; i < 40; ++i) powers += "^(a";
  CHECK(error_of(powers + std::string(40, ')')).find("simpler expression") != std::string::npos);
  std::string sum = "1";
  for (int i = 0; i < 1000; ++i) sum += "+1";
  CHECK(value(sum) == 1001.0);
}
