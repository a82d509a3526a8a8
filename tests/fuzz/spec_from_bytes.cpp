#include "spec_from_bytes.hpp"

#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nablafit::testing {

namespace {

class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  std::uint8_t byte() { return position_ < size_ ? data_[position_++] : std::uint8_t{0}; }
  std::size_t below(std::size_t n) { return byte() % n; }
  bool flag() { return byte() % 2 == 1; }

  /// One of a list of numbers that matter, or any double.
  double number() {
    static constexpr std::array<double, 40> numbers{
        0.0,   1.0,    -1.0,  0.5,    2.0,     10.0,   100.0, 5.0,    -5.0,  0.1,
        1e-12, 1e-10,  1e-8,  1e-5,   1e-3,    1e3,    1e6,   1e10,   1e15,  1e30,
        1e-30, 1e-70,  1e70,  1e-100, 1e100,   1e-140, 1e140, 1e-150, 1e150, 1e-200,
        1e200, 1e-300, 1e300, 5e-324, 1.7e308, -1e-12, -1e15, -1e300, 0.01,  40.0};
    const std::uint8_t choice = byte();
    if (choice < 240) return numbers[choice % numbers.size()];
    if (choice < 250) return static_cast<double>(byte()) / 16.0;
    std::uint64_t bits = 0;
    for (int i = 0; i < 8; ++i) bits = (bits << 8U) | byte();
    double result = 0.0;
    std::memcpy(&result, &bits, sizeof result);
    return result;
  }

  std::optional<double> maybe_number() {
    if (!flag()) return std::nullopt;
    return number();
  }

  std::vector<double> numbers(std::size_t n) {
    std::vector<double> result;
    for (std::size_t i = 0; i < n; ++i) result.push_back(number());
    return result;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t position_ = 0;
};

class Builder {
 public:
  Builder(const std::uint8_t* data, std::size_t size) : bytes_(data, size) {}

  SpecAndData build() {
    result_.spec.name = "fuzz";
    const std::size_t n_parameters = 1 + bytes_.below(8);
    for (std::size_t i = 0; i < n_parameters; ++i) add_parameter("p" + std::to_string(i));
    const std::size_t n_channels = 1 + bytes_.below(3);
    for (std::size_t i = 0; i < n_channels; ++i) add_channel("c" + std::to_string(i));
    return std::move(result_);
  }

 private:
  void add_parameter(const std::string& name) {
    Parameter parameter;
    parameter.name = name;
    constexpr double infinity = std::numeric_limits<double>::infinity();
    parameter.initial = bytes_.number();
    parameter.lower = bytes_.flag() ? -infinity : bytes_.number();
    parameter.upper = bytes_.flag() ? infinity : bytes_.number();
    if (!(parameter.lower < parameter.upper)) parameter.upper = infinity;
    parameter.fixed = bytes_.below(8) == 1;
    parameter.constraint = constraint();
    parameter.transformation = pull();
    result_.spec.parameters.push_back(std::move(parameter));
  }

  Constraint constraint() {
    switch (bytes_.below(8)) {
      case 0:
        return Unconstrained{};
      case 1:
        return PoissonConstraint{bytes_.number(), bytes_.number()};
      case 2:
        return LogNormalConstraint{bytes_.number(), 1.0 + bytes_.number()};
      case 3:
        return GammaConstraint{bytes_.number(), bytes_.number()};
      case 4:
        return UniformConstraint{};
      case 5:
        return truncated();
      default:
        return GaussianConstraint{bytes_.number(), bytes_.number(), std::nullopt};
    }
  }

  Constraint truncated() {
    const double lower = bytes_.number(), upper = bytes_.number();
    return GaussianConstraint{bytes_.flag() ? lower : 0.5 * lower + 0.5 * upper, bytes_.number(),
                              Range{lower, upper}};
  }

  Transformation pull() {
    switch (bytes_.below(5)) {
      case 1:
        return GammaTransformation{bytes_.number()};
      case 2:
        return LogNormalTransformation{bytes_.number()};
      default:
        return IdentityTransformation{};
    }
  }

  const std::string& parameter() {
    const auto& parameters = result_.spec.parameters;
    return parameters[bytes_.below(parameters.size())].name;
  }

  std::vector<std::string> parameters(std::size_t n) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < n; ++i) names.push_back(parameter());
    return names;
  }

  void add_channel(const std::string& name) {
    Channel channel;
    channel.name = name;
    channel.yield_floor = bytes_.maybe_number();
    n_bins_ = 1 + bytes_.below(4);
    const std::size_t n_samples = 1 + bytes_.below(4);
    for (std::size_t i = 0; i < n_samples; ++i) {
      channel.samples.push_back(sample("s" + std::to_string(i)));
    }
    result_.observations.channels.push_back({name, bytes_.numbers(n_bins_)});
    result_.spec.channels.push_back(std::move(channel));
  }

  Sample sample(const std::string& name) {
    Sample sample;
    sample.name = name;
    sample.nominal = bytes_.numbers(n_bins_);
    sample.yield_floor = bytes_.maybe_number();
    sample.factor_floor = bytes_.maybe_number();
    const std::size_t n_modifiers = bytes_.below(7);
    for (std::size_t i = 0; i < n_modifiers; ++i) {
      sample.modifiers.push_back(modifier(sample, "m" + std::to_string(i)));
    }
    return sample;
  }

  Interpolation code() {
    static constexpr std::array<int, 6> codes{0, 1, 2, 4, 5, 6};
    return static_cast<Interpolation>(codes[bytes_.below(codes.size())]);
  }

  Modifier modifier(const Sample& sample, const std::string& name) {
    switch (bytes_.below(8)) {
      case 0:
        return NormFactor{name, parameter()};
      case 1:
        return Lumi{name, parameter()};
      case 2:
        return NormSys{name, parameter(), bytes_.number(), bytes_.number(), code()};
      case 3:
        return StatError{name, parameters(n_bins_), {}};
      case 4:
        return ShapeFactor{name, parameters(n_bins_)};
      case 5:
        return formula(name);
      default:
        return histosys(sample, name);
    }
  }

  Modifier histosys(const Sample& sample, const std::string& name) {
    HistoSys result{name, parameter(), {}, {}, code()};
    for (const double nominal : sample.nominal) {
      const bool is_relative = bytes_.flag();
      const double low = bytes_.number(), high = bytes_.number();
      result.low.push_back(is_relative ? nominal * low : low);
      result.high.push_back(is_relative ? nominal * high : high);
    }
    return result;
  }

  Modifier formula(const std::string& name) {
    static const std::array<const char*, 6> texts{"@0",          "1 + @0^2",         "exp(@0)",
                                                  "sqrt(@0)/@0", "max(@0, -@0)^1.5", "pow(@0, @0)"};
    FormulaFactor result{name, texts[bytes_.below(texts.size())], {parameter()}};
    if (!bytes_.flag()) return result;
    result.expression += " * u";
    const std::size_t n_nodes = 1 + bytes_.below(2);
    std::vector<double>& values = result.variables.emplace_back(BinVariable{"u", {}}).values;
    for (std::size_t i = 0; i < n_bins_ * n_nodes; ++i) {
      values.push_back(bytes_.number());
      if (n_nodes > 1) result.weights.push_back(bytes_.number());
    }
    return result;
  }

  Bytes bytes_;
  SpecAndData result_;
  std::size_t n_bins_ = 0;
};

}  // namespace

SpecAndData spec_from_bytes(const std::uint8_t* data, std::size_t size) {
  return Builder(data, size).build();
}

}  // namespace nablafit::testing
