#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "formula/dual.hpp"
#include "formula/expression_tape.hpp"
#include "formula/formula.hpp"
#include "nablafit/error.hpp"

using nablafit::BinVariable;
using nablafit::FormulaFactor;
using nablafit::SpecError;
using nablafit::detail::Expression;
using nablafit::detail::Formula;
using nablafit::detail::FormulaScratch;
using nablafit::detail::HessianNumber;

namespace {

const std::vector<std::string> names{"a", "b", "gamma[3]"};
const std::vector<double> point{1.7, -0.4, 0.9};

double value(const std::string& text) { return evaluate(Expression(text, names), point.data()); }

/// Value of an expression in parameters, and its first and second derivatives.
double derivatives(const FormulaFactor& factor, const double* x, double* gradient,
                   double* hessian) {
  const Formula formula(factor, 1);
  FormulaScratch<double> scratch;
  FormulaScratch<HessianNumber> second;
  const double one = 1.0;
  double value = 0.0;
  formula.differentiate(x, scratch, &value, gradient);
  formula.hessian(x, second, &one, hessian);
  return value;
}

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
  const FormulaFactor expression{"f", text, names};
  constexpr std::size_t n = 3;
  double gradient[n];
  double hessian[n * n];
  CHECK(derivatives(expression, point.data(), gradient, hessian) == value(text));
  for (std::size_t i = 0; i < n; ++i) {
    constexpr double step = 1e-5;
    std::vector<double> right = point;
    std::vector<double> left = point;
    right[i] += step;
    left[i] -= step;
    double gradient_right[n];
    double gradient_left[n];
    double unused[n * n];
    const double difference = derivatives(expression, right.data(), gradient_right, unused) -
                              derivatives(expression, left.data(), gradient_left, unused);
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
  CHECK(value("cos(PI)") == doctest::Approx(-1.0));
  CHECK(value("log(EULER)") == doctest::Approx(1.0));
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
  CHECK(derivatives({"f", "x^2", {"x"}}, zero, &gradient, &hessian) == 0.0);
  CHECK(gradient == 0.0);
  CHECK(hessian == 2.0);
  derivatives({"f", "x^1", {"x"}}, zero, &gradient, &hessian);
  CHECK(gradient == 1.0);
  CHECK(hessian == 0.0);
}

TEST_CASE("equal subexpressions are one node, and what no variable enters comes first") {
  const Expression expression("exp(a*b) + x*exp(a*b) + 2^3", {"a", "b", "x"}, 2);
  using Operation = Expression::Operation;
  std::vector<Operation> operations;
  for (const Expression::Node& node : expression.nodes()) operations.push_back(node.operation);
  CHECK(operations == std::vector<Operation>{Operation::argument, Operation::argument,
                                             Operation::multiply, Operation::exp,
                                             Operation::constant, Operation::argument,
                                             Operation::multiply, Operation::add, Operation::add});
  CHECK(expression.n_uniform() == 5);
  CHECK(expression.nodes()[6].depends);
  CHECK_FALSE(expression.nodes()[5].depends);
  CHECK(Expression("a^1", {"a"}).nodes().size() == 1);
  CHECK(Expression("a^0", {"a"}).parameter_nodes()[0] == Expression::no_node);
}

TEST_CASE("many bins at once give the bits of each alone") {
  FormulaFactor factor{"f", "exp(-a*x) * (1 + b*y^2)^1.5 + max(a, x)", {"a", "b"}};
  constexpr std::size_t n_bins = 150;
  for (const std::size_t n_nodes : {1U, 7U}) {
    factor.variables = {{"x", {}}, {"y", {}}};
    factor.weights.clear();
    for (std::size_t i = 0; i < n_bins * n_nodes; ++i) {
      factor.variables[0].values.push_back(0.01 * static_cast<double>(i));
      factor.variables[1].values.push_back(std::cos(static_cast<double>(i)));
      if (n_nodes > 1) factor.weights.push_back(0.5 + 1e-3 * static_cast<double>(i));
    }
    const Formula formula(factor, n_bins);
    REQUIRE(formula.n_values() == n_bins);
    FormulaScratch<double> scratch;
    const double x[] = {0.4, 0.3};
    std::vector<double> values(n_bins), same(n_bins), slopes(2 * n_bins), gradient(2);
    formula.evaluate(x, scratch, values.data());
    formula.differentiate(x, scratch, same.data(), slopes.data());
    CHECK(values == same);
    double sums[] = {0.0, 0.0};
    for (std::size_t bin = 0; bin < n_bins; ++bin) {
      CHECK(formula.evaluate_at(x, bin) == values[bin]);
      for (std::size_t i = 0; i < 2; ++i) sums[i] += values[bin] * slopes[2 * bin + i];
    }
    formula.pull_back(x, scratch, values.data(), gradient.data());
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(gradient[i] == doctest::Approx(sums[i]).epsilon(1e-13));
    }
  }
}

TEST_CASE("branches that are not taken may have infinite derivatives") {
  for (const char* text : {"max(1, log(a))", "min(1, 3 + 1/a)", "max(1, b*log(a)^3)"}) {
    CAPTURE(text);
    const double x[] = {0.0, 1.0};
    double gradient[2];
    double hessian[4];
    CHECK(derivatives({"f", text, {"a", "b"}}, x, gradient, hessian) == 1.0);
    for (const double slope : gradient) CHECK(slope == 0.0);
    for (const double curvature : hessian) CHECK(curvature == 0.0);
  }
}

TEST_CASE("expressions have exact third derivatives") {
  using nablafit::detail::Dual;
  using Second = Dual<Dual<double>>;
  // f = exp(a b) + a^3 b; derivatives along (u, v) = ((1, 2), (3, -1)) of its gradient, by hand
  const Formula formula({"f", "exp(a*b) + a^3*b", {"a", "b"}}, 1);
  const double a = 0.7, b = -0.4, e = std::exp(a * b);
  const double u[] = {1.0, 2.0}, v[] = {3.0, -1.0};
  const double by[2][2][2] = {{{b * b * b * e + 6.0 * b, b * (2.0 + a * b) * e + 6.0 * a},
                               {b * (2.0 + a * b) * e + 6.0 * a, a * (2.0 + a * b) * e}},
                              {{b * (2.0 + a * b) * e + 6.0 * a, a * (2.0 + a * b) * e},
                               {a * (2.0 + a * b) * e, a * a * a * e}}};
  const Second x[] = {{{a, u[0]}, {v[0], 0.0}}, {{b, u[1]}, {v[1], 0.0}}};
  const Second one = 1.0;
  Second gradient[2];
  FormulaScratch<Second> scratch;
  formula.pull_back(x, scratch, &one, gradient);
  for (std::size_t i = 0; i < 2; ++i) {
    double expected = 0.0;
    for (std::size_t j = 0; j < 2; ++j) {
      for (std::size_t k = 0; k < 2; ++k) expected += by[i][j][k] * u[j] * v[k];
    }
    CHECK(gradient[i].slope.slope == doctest::Approx(expected).epsilon(1e-13));
  }
}

TEST_CASE("expressions without parameters are constants") {
  const Expression expression("2*3", {});
  CHECK(expression.n_parameters() == 0);
  CHECK(nablafit::detail::evaluate<double>(expression, nullptr) == 6.0);
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
      {"1e999", "found '1e999' at column 1 of '1e999', expected a number in the range of a double"},
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
