#include "compile/lists.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <utility>

#include "util/interruption.hpp"

namespace nablafit::detail {

std::uint32_t InterpolantTable::id(std::uint32_t argument, Interpolation code) {
  const std::uint64_t key = (std::uint64_t{argument} << 8U) | static_cast<std::uint64_t>(code);
  const auto [position, is_new] = known_.emplace(key, static_cast<std::uint32_t>(arguments.size()));
  if (is_new) {
    arguments.push_back(argument);
    codes.push_back(static_cast<std::uint8_t>(code));
  }
  return position->second;
}

namespace {

constexpr std::uint32_t not_transformed = 0xFFFFFFFFU;

/// An additive HistoSys of the sample being collected.
struct Variation {
  std::uint32_t interpolant;
  const HistoSys* histogram;
  std::uint32_t input;  ///< of its first bin, `low`; those of `high` follow
};

/// Scopes that have the same value for all parameter values are the same.
struct SameScope {
  static bool same(const InterpolatedFactor& a, const InterpolatedFactor& b) {
    return a.interpolant == b.interpolant && a.low == b.low && a.high == b.high &&
           a.low_input == b.low_input;
  }
  static bool same(const OperandRef& a, const OperandRef& b) {
    return a.kind == b.kind && a.index == b.index;
  }
  template <typename T>
  static bool same(const std::vector<T>& a, const std::vector<T>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const T& x, const T& y) { return same(x, y); });
  }
  bool operator()(const Scope& a, const Scope& b) const {
    return a.floor == b.floor && same(a.factors, b.factors) && same(a.inside, b.inside) &&
           same(a.outside, b.outside);
  }
};

struct ScopeHash {
  std::size_t operator()(const Scope& scope) const {
    std::size_t hash = scope.inside.size();
    const auto mix = [&hash](auto value) {
      hash ^=
          std::hash<decltype(value)>{}(value) + 0x9E3779B97F4A7C15U + (hash << 6U) + (hash >> 2U);
    };
    for (const InterpolatedFactor& factor : scope.factors) {
      mix(factor.interpolant);
      mix(factor.low);
      mix(factor.high);
    }
    for (const auto* refs : {&scope.inside, &scope.outside}) {
      for (const OperandRef& ref : *refs) mix(ref.index);
    }
    return hash;
  }
};

class Collector {
 public:
  Collector(CompiledModel& model, ModelLists& lists, const InputLayout* inputs)
      : model_(model),
        lists_(lists),
        inputs_(inputs),
        transformed_of_(model.names.size(), not_transformed) {
    for (std::size_t i = 0; i < model.names.size(); ++i) index_of_.emplace(model.names[i], i);
  }

  void collect() {
    for (const Channel& channel : model_.source->channels) {
      for (const Sample& sample : channel.samples) {
        collect_sample(sample);
        ++family_;
      }
      first_bin_ += static_cast<std::uint32_t>(channel.n_bins());
    }
  }

 private:
  using Kind = OperandRef::Kind;

  std::uint32_t parameter(const std::string& name) const {
    return static_cast<std::uint32_t>(index_of_.at(name));
  }

  std::uint32_t transformed(const std::string& name) {
    const std::uint32_t index = parameter(name);
    if (transformed_of_[index] == not_transformed) {
      transformed_of_[index] = static_cast<std::uint32_t>(model_.transformed.size());
      model_.transformed.push_back(transformed_parameter(index));
    }
    return transformed_of_[index];
  }

  TransformedParameter transformed_parameter(std::uint32_t index) const {
    const Transformation& transformation = model_.source->parameters[index].transformation;
    if (const auto* gamma = std::get_if<GammaTransformation>(&transformation)) {
      return {index, TransformationKind::gamma, gamma->relative, 0.0};
    }
    if (const auto* lognormal = std::get_if<LogNormalTransformation>(&transformation)) {
      return {index, TransformationKind::lognormal, lognormal->relative,
              std::log1p(lognormal->relative)};
    }
    return {index, TransformationKind::identity, 1.0, 0.0};
  }

  // One overload per modifier type: they sort it into what the sample will need.

  void add(const NormFactor& m) {
    scope_.outside.push_back({Kind::parameter, parameter(m.parameter)});
  }
  void add(const Lumi& m) { scope_.outside.push_back({Kind::parameter, parameter(m.parameter)}); }

  void add(const NormSys& m) {
    if (is_additive(m.interpolation)) {
      additive_.interpolants.push_back(
          lists_.additive_interpolants.id(transformed(m.parameter), m.interpolation));
      additive_.symmetric.push_back((m.high - m.low) / 2.0);
      additive_.asymmetric.push_back((m.high + m.low - 2.0) / 16.0);
      if (inputs_ != nullptr) additive_.inputs.push_back(input_);
    } else {
      InterpolatedFactor factor{
          lists_.factor_interpolants.id(transformed(m.parameter), m.interpolation), m.low, m.high};
      if (inputs_ != nullptr) {
        factor.low_input = input_;
        factor.high_input = input_ + 1;
      }
      scope_.factors.push_back(factor);
    }
  }

  void add(const HistoSys& m) {
    if (is_additive(m.interpolation)) {
      variations_.push_back(
          {lists_.additive_interpolants.id(transformed(m.parameter), m.interpolation), &m, input_});
    } else {
      scalings_.push_back(
          {lists_.factor_interpolants.id(transformed(m.parameter), m.interpolation), &m, input_});
    }
  }

  void add(const StatError& m) { bin_parameters_.push_back(&m.parameters); }
  void add(const ShapeSys& m) { bin_parameters_.push_back(&m.parameters); }
  void add(const ShapeFactor& m) { bin_parameters_.push_back(&m.parameters); }

  void add(const FormulaFactor& m) {
    DerivedFactor factor{model_.n_derived, Formula(m, n_bins_), {}};
    for (const std::string& name : m.parameters) factor.parameters.push_back(parameter(name));
    if (m.is_per_bin()) {
      bin_formulas_.push_back(factor.operand);
    } else {
      scope_.outside.push_back({Kind::derived, factor.operand});
    }
    model_.n_derived += static_cast<std::uint32_t>(factor.formula.n_values());
    model_.derived_factors.push_back(std::move(factor));
  }

  void collect_sample(const Sample& sample) {
    scope_ = Scope();
    additive_ = AdditiveFactor();
    variations_.clear();
    scalings_.clear();
    bin_parameters_.clear();
    bin_formulas_.clear();
    n_bins_ = sample.nominal.size();
    for (std::size_t i = 0; i < sample.modifiers.size(); ++i) {
      check_interruption(operations_per_name + n_bins_);
      if (inputs_ != nullptr) input_ = inputs_->samples[family_].modifiers[i];
      std::visit([this](const auto& m) { this->add(m); }, sample.modifiers[i]);
    }
    // Additive factors are numbered after the derived ones, once all of those are known.
    if (!additive_.interpolants.empty()) {
      scope_.inside.push_back({Kind::derived, additive_bit | static_cast<std::uint32_t>(
                                                                 model_.additive_factors.size())});
      model_.additive_factors.push_back(additive_);
    }
    if (sample.factor_floor) scope_.floor = *sample.factor_floor;
    scope_refs_.clear();
    add_scope(std::move(scope_), scope_refs_);
    for (std::size_t bin = 0; bin < sample.nominal.size(); ++bin) add_row(sample, bin);
  }

  /// Adds the reference(s) that stand for the scope: itself, or its one plain operand.
  void add_scope(Scope scope, std::vector<OperandRef>& refs) {
    const bool plain = scope.factors.empty() && scope.inside.empty() && !scope.has_floor();
    if (plain && scope.outside.size() <= 1) {
      refs.insert(refs.end(), scope.outside.begin(), scope.outside.end());
      return;
    }
    const auto [position, is_new] =
        known_scopes_.emplace(scope, static_cast<std::uint32_t>(lists_.scopes.size()));
    if (is_new) lists_.scopes.push_back(std::move(scope));
    refs.push_back({Kind::scope, position->second});
  }

  void add_row(const Sample& sample, std::size_t bin) {
    RowList& rows = lists_.rows;
    const double nominal = sample.nominal[bin];
    rows.nominal.push_back(nominal);
    rows.floor.push_back(sample.yield_floor.value_or(-std::numeric_limits<double>::infinity()));
    rows.bin.push_back(first_bin_ + static_cast<std::uint32_t>(bin));
    rows.family.push_back(family_);
    add_entries(nominal, bin);
    rows.operands.insert(rows.operands.end(), scope_refs_.begin(), scope_refs_.end());
    for (const auto* names : bin_parameters_) {
      rows.operands.push_back({Kind::parameter, parameter((*names)[bin])});
    }
    for (const std::uint32_t first : bin_formulas_) {
      rows.operands.push_back({Kind::derived, first + static_cast<std::uint32_t>(bin)});
    }
    if (!scalings_.empty() && (nominal != 0.0 || inputs_ != nullptr))
      add_scope(scaling_scope(sample, bin), rows.operands);
    rows.operand_offsets.push_back(static_cast<std::uint32_t>(rows.operands.size()));
  }

  void add_entries(double nominal, std::size_t bin) {
    RowList& rows = lists_.rows;
    for (const Variation& variation : variations_) {
      const double low = variation.histogram->low[bin];
      const double high = variation.histogram->high[bin];
      if (inputs_ != nullptr) {
        rows.entry_low.push_back(variation.input + static_cast<std::uint32_t>(bin));
        rows.entry_high.push_back(
            variation.input + static_cast<std::uint32_t>(bin + variation.histogram->low.size()));
      } else if (low == nominal && high == nominal) {
        continue;
      }
      rows.entry_interpolants.push_back(variation.interpolant);
      rows.symmetric.push_back((high - low) / 2.0);
      rows.asymmetric.push_back(((high - nominal) - (nominal - low)) / 16.0);
    }
    rows.entry_offsets.push_back(static_cast<std::uint32_t>(rows.entry_interpolants.size()));
  }

  /// A bin without nominal yield has no ratios; they are taken as 1.
  Scope scaling_scope(const Sample& sample, std::size_t bin) const {
    Scope scope;
    const double nominal = sample.nominal[bin];
    const std::size_t n_bins = sample.nominal.size();
    for (const Variation& scaling : scalings_) {
      const double low = scaling.histogram->low[bin], high = scaling.histogram->high[bin];
      InterpolatedFactor factor{scaling.interpolant, nominal == 0.0 ? 1.0 : low / nominal,
                                nominal == 0.0 ? 1.0 : high / nominal};
      if (inputs_ != nullptr) {
        factor.low_input = scaling.input + static_cast<std::uint32_t>(bin);
        factor.high_input = scaling.input + static_cast<std::uint32_t>(bin + n_bins);
        factor.nominal_input = inputs_->samples[family_].nominal + static_cast<std::uint32_t>(bin);
      }
      scope.factors.push_back(factor);
    }
    return scope;
  }

  CompiledModel& model_;
  ModelLists& lists_;
  const InputLayout* inputs_;
  std::unordered_map<std::string_view, std::size_t> index_of_;
  std::vector<std::uint32_t> transformed_of_;
  std::unordered_map<Scope, std::uint32_t, ScopeHash, SameScope> known_scopes_;
  std::uint32_t first_bin_ = 0;
  std::uint32_t family_ = 0;

  std::uint32_t input_ = no_input;  ///< first input of the modifier being added

  // Of the sample being collected:
  Scope scope_;
  AdditiveFactor additive_;
  std::vector<Variation> variations_, scalings_;
  std::vector<const std::vector<std::string>*> bin_parameters_;
  std::vector<std::uint32_t> bin_formulas_;  ///< provisional operand of the first bin's
  std::vector<OperandRef> scope_refs_;
  std::size_t n_bins_ = 0;

 public:
  static constexpr std::uint32_t additive_bit = 0x80000000U;
};

/// Replaces provisional numbers of additive factors with ones after the derived factors.
void number_additive_factors(const CompiledModel& model, ModelLists& lists) {
  for (Scope& scope : lists.scopes) {
    for (OperandRef& ref : scope.inside)
      ref.index = model.n_derived + (ref.index & ~Collector::additive_bit);
  }
}

}  // namespace

void collect_lists(CompiledModel& model, ModelLists& lists, const InputLayout* inputs) {
  Collector(model, lists, inputs).collect();
  number_additive_factors(model, lists);
  for (std::size_t i = 0; i < model.additive_factors.size(); ++i) {
    model.additive_factors[i].operand = model.n_derived + static_cast<std::uint32_t>(i);
  }
}

}  // namespace nablafit::detail
