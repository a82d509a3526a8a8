#include "nablafit/spec.hpp"

#include <algorithm>
#include <tuple>
#include <type_traits>

#include "spec/members.hpp"

namespace nablafit {

std::string_view type_name(const Modifier& modifier) {
  struct Names {
    std::string_view operator()(const NormFactor&) const { return "normfactor"; }
    std::string_view operator()(const Lumi&) const { return "lumi"; }
    std::string_view operator()(const NormSys&) const { return "normsys"; }
    std::string_view operator()(const HistoSys&) const { return "histosys"; }
    std::string_view operator()(const StatError&) const { return "staterror"; }
    std::string_view operator()(const ShapeSys&) const { return "shapesys"; }
    std::string_view operator()(const ShapeFactor&) const { return "shapefactor"; }
    std::string_view operator()(const FormulaFactor&) const { return "formula"; }
  };
  return std::visit(Names{}, modifier);
}

const std::string& name_of(const Modifier& modifier) {
  return std::visit([](const auto& m) -> const std::string& { return m.name; }, modifier);
}

bool is_constrained(const Parameter& parameter) noexcept {
  return !std::holds_alternative<Unconstrained>(parameter.constraint) &&
         !std::holds_alternative<UniformConstraint>(parameter.constraint);
}

std::optional<double> observed_value(const Parameter& parameter) noexcept {
  if (!is_constrained(parameter)) return std::nullopt;
  return std::visit(
      [](const auto& c) -> double {
        if constexpr (std::is_empty_v<std::decay_t<decltype(c)>>) {
          return 0.0;
        } else {
          return c.observed;
        }
      },
      parameter.constraint);
}

// --- equality ------------------------------------------------------------------------------------

namespace {

bool same(double a, double b) { return a == b; }
bool same(bool a, bool b) { return a == b; }
bool same(Interpolation a, Interpolation b) { return a == b; }
bool same(const std::string& a, const std::string& b) { return a == b; }
bool same(const std::shared_ptr<const Function>& a, const std::shared_ptr<const Function>& b) {
  return a == b;
}
template <typename T>
bool same(const std::vector<T>& a, const std::vector<T>& b);
template <typename T>
bool same(const std::optional<T>& a, const std::optional<T>& b);
template <typename... Types>
bool same(const std::variant<Types...>& a, const std::variant<Types...>& b);

/// Any type of the specification.
template <typename T>
auto same(const T& a, const T& b) -> decltype(detail::members(a), bool()) {
  const auto in_b = detail::members(b);
  return std::apply(
      [&](const auto&... of_a) {
        return std::apply([&](const auto&... of_b) { return (same(of_a, of_b) && ...); }, in_b);
      },
      detail::members(a));
}

template <typename T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const T& x, const T& y) { return same(x, y); });
}

template <typename T>
bool same(const std::optional<T>& a, const std::optional<T>& b) {
  return a.has_value() == b.has_value() && (!a || same(*a, *b));
}

template <typename... Types>
bool same(const std::variant<Types...>& a, const std::variant<Types...>& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&b](const auto& value) { return same(value, std::get<std::decay_t<decltype(value)>>(b)); },
      a);
}

}  // namespace

bool operator==(const BinVariable& a, const BinVariable& b) { return same(a, b); }
bool operator==(const Sample& a, const Sample& b) { return same(a, b); }
bool operator==(const Channel& a, const Channel& b) { return same(a, b); }
bool operator==(const Parameter& a, const Parameter& b) { return same(a, b); }
bool operator==(const ModelSpec& a, const ModelSpec& b) { return same(a, b); }
bool operator==(const Observations& a, const Observations& b) { return same(a, b); }

}  // namespace nablafit
