#include "io/hs3/interpolation.hpp"

#include <array>
#include <string>
#include <utility>

#include "util/nearest_name.hpp"

namespace nablafit::io {
namespace {

using Code = Interpolation;

constexpr std::array<std::pair<Code, Hs3InterpolationForm>, 6> forms = {{
    {Code::piecewise_linear, {"add", "poly1", ""}},
    {Code::piecewise_exponential, {"mult", "exp", ""}},
    {Code::quadratic_linear, {"add", "poly2", "poly1"}},
    {Code::polynomial_linear, {"add", "poly6", "poly1"}},
    {Code::polynomial_exponential, {"mult", "poly6", "exp"}},
    {Code::polynomial_linear_multiplicative, {"mult", "poly6", "poly1"}},
}};

/// The standard's names, then pyhf's, which pyhs3 writes.
constexpr std::array<std::pair<std::string_view, Code>, 10> names = {{
    {"lin", Code::piecewise_linear},
    {"log", Code::piecewise_exponential},
    {"exp", Code::piecewise_exponential},
    {"parabolic", Code::quadratic_linear},
    {"poly6", Code::polynomial_linear},
    {"code0", Code::piecewise_linear},
    {"code1", Code::piecewise_exponential},
    {"code2", Code::quadratic_linear},
    {"code4", Code::polynomial_exponential},
    {"code4p", Code::polynomial_linear},
}};

Code from_number(JsonValue value, Hs3Interpolated kind) {
  const double number = value.number();
  const bool is_normsys = kind == Hs3Interpolated::normsys;
  if (number == 0.0) return Code::piecewise_linear;
  if (number == 1.0) return Code::piecewise_exponential;
  if (number == 2.0 || number == 3.0) return Code::quadratic_linear;
  if (number == 4.0) return default_hs3_interpolation(kind);
  if (number == 5.0) return Code::polynomial_exponential;
  if (number == 6.0 && !is_normsys) return Code::polynomial_linear_multiplicative;
  fail(value, "found " + describe(value) + " as interpolation of a " +
                  (is_normsys ? "normsys" : "histosys") + ", expected one of ROOT's codes 0 to " +
                  (is_normsys ? "5" : "6"));
}

Code from_name(JsonValue value) {
  std::array<std::string_view, names.size()> known;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].first == value.string()) return names[i].second;
    known[i] = names[i].first;
  }
  fail(value, "found " + describe(value) + " as interpolation, expected one of " +
                  quoted_list({known.begin(), known.end()}) +
                  detail::did_you_mean(value.string(), known));
}

Code from_form(JsonValue value) {
  constexpr std::array<JsonField, 3> fields = {{{"type"}, {"in"}, {"out"}}};
  const auto [type, in, out] = read_fields(value, "an interpolation", fields);
  expect_string(type, "a string, 'add' or 'mult'");
  expect_string(in, "a string, the function inside [-1, 1]");
  if (!out.is(JsonKind::null)) expect_string(out, "a string or null, the function outside [-1, 1]");
  const std::string_view outside = out.is(JsonKind::null) ? std::string_view() : out.string();
  for (const auto& [code, form] : forms) {
    if (form.type == type.string() && form.in == in.string() && form.out == outside) return code;
  }
  fail(value,
       "found the interpolation type " + quoted(type.string()) + ", in " + quoted(in.string()) +
           ", out " + (outside.empty() ? "null" : quoted(outside)) +
           ", expected one of HistFactory's: add poly1 null, mult exp null, add poly2 poly1, "
           "add poly6 poly1, mult poly6 exp, mult poly6 poly1");
}

}  // namespace

Interpolation default_hs3_interpolation(Hs3Interpolated kind) noexcept {
  return kind == Hs3Interpolated::normsys ? Code::polynomial_exponential : Code::polynomial_linear;
}

Interpolation read_hs3_interpolation(JsonValue value, Hs3Interpolated kind) {
  if (value.is(JsonKind::number)) return from_number(value, kind);
  if (value.is(JsonKind::string)) return from_name(value);
  if (value.is(JsonKind::object)) return from_form(value);
  fail(value, "found " + describe(value) +
                  ", expected an interpolation: ROOT's code, a name, or an object with 'type', "
                  "'in' and 'out'");
}

Hs3InterpolationForm hs3_interpolation_form(Interpolation code) noexcept {
  for (const auto& [known, form] : forms) {
    if (known == code) return form;
  }
  return {};
}

}  // namespace nablafit::io
