#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <unordered_map>

#include "io/json/reader.hpp"
#include "io/pyhf/parameters.hpp"
#include "spec/standard_parameters.hpp"

namespace nablafit::io {
namespace {

constexpr std::size_t index_of(PyhfType type) { return static_cast<std::size_t>(type); }

/// normsys and histosys of the same name share a parameter; no other types may share a name.
bool may_share_name(PyhfType a, PyhfType b) {
  const auto is_alpha = [](PyhfType t) {
    return t == PyhfType::normsys || t == PyhfType::histosys;
  };
  return a == b || (is_alpha(a) && is_alpha(b));
}

/// A sample that has a staterror.
struct Carrier {
  std::size_t channel;
  const PyhfSample* sample;
  PyhfModifier* modifier;
};

/// What is known about a modifier name while the channels are walked.
struct NameUse {
  std::string_view name;
  std::array<JsonValue, n_pyhf_types> first_of_type;
  std::array<std::size_t, n_pyhf_types> last_sample{};  ///< counted from 1
  ParameterSet set;
  std::vector<Carrier> carriers;
};

std::string type_and_name(PyhfType type, std::string_view name) {
  return std::string(name_of(type)) + " " + quoted(name);
}

void finish_shapesys(ParameterSet& set, const PyhfSample& sample, const PyhfModifier& modifier) {
  set.size = sample.data.size();
  const std::vector<double> nominal = numbers(sample.data);
  auto yield = nominal.begin();
  for (const JsonValue element : modifier.data.elements()) {
    const double uncertainty = element.number();
    const bool is_valid = *yield > 0.0 && uncertainty > 0.0;
    const double tau = detail::shape_tau(*yield, uncertainty);
    if (!std::isfinite(tau) || (is_valid && tau == 0.0)) {
      fail(element, "found " + describe(element) +
                        " as uncertainty, whose ratio to the nominal yield is beyond the range of "
                        "a double, expected a comparable number; 0 means no uncertainty");
    }
    set.widths.push_back(tau);
    ++yield;
  }
}

/// Walks the modifiers in pyhf's order of channels and samples.
class ParameterSetCollector {
 public:
  explicit ParameterSetCollector(std::vector<PyhfChannel>& channels) : channels_(channels) {}
  std::vector<ParameterSet> run();

 private:
  void add_sample(std::size_t channel, PyhfSample& sample);
  void add_modifier(std::size_t channel, const PyhfSample& sample, PyhfModifier& modifier);
  void add_type(NameUse& use, const PyhfSample& sample, const PyhfModifier& modifier);
  void check_repetition(NameUse& use, const PyhfModifier& modifier) const;
  void check_bins(const NameUse& use, const PyhfSample& sample, const PyhfModifier& modifier) const;
  void finish_staterror(NameUse& use);
  void finish_staterror_channel(ParameterSet& set, const Carrier* first, const Carrier* last) const;
  void check_same_samples(const NameUse& use, std::size_t first, std::size_t last,
                          std::size_t n_first) const;
  void check_indexed_names() const;
  std::vector<ParameterSet> take_in_order();

  std::vector<PyhfChannel>& channels_;
  std::vector<NameUse> uses_;
  std::unordered_map<std::string_view, std::uint32_t> index_;
  std::array<std::vector<std::uint32_t>, n_pyhf_types> uses_of_type_;
  std::size_t n_samples_ = 0;
};

std::vector<ParameterSet> ParameterSetCollector::run() {
  for (std::size_t c = 0; c < channels_.size(); ++c) {
    for (PyhfSample& sample : channels_[c].samples) add_sample(c, sample);
  }
  auto& staterrors = uses_of_type_[index_of(PyhfType::staterror)];
  std::sort(staterrors.begin(), staterrors.end(),
            [&](std::uint32_t a, std::uint32_t b) { return uses_[a].name < uses_[b].name; });
  for (const std::uint32_t use : staterrors) finish_staterror(uses_[use]);
  check_indexed_names();
  return take_in_order();
}

void ParameterSetCollector::add_sample(std::size_t channel, PyhfSample& sample) {
  ++n_samples_;
  std::array<std::size_t, n_pyhf_types> n_before{};
  for (std::size_t t = 0; t < n_pyhf_types; ++t) n_before[t] = uses_of_type_[t].size();
  for (PyhfModifier& modifier : sample.modifiers) add_modifier(channel, sample, modifier);
  for (std::size_t t = 0; t < n_pyhf_types; ++t) {
    auto& list = uses_of_type_[t];
    std::sort(list.begin() + static_cast<std::ptrdiff_t>(n_before[t]), list.end(),
              [&](std::uint32_t a, std::uint32_t b) { return uses_[a].name < uses_[b].name; });
  }
}

void ParameterSetCollector::add_modifier(std::size_t channel, const PyhfSample& sample,
                                         PyhfModifier& modifier) {
  const auto next = static_cast<std::uint32_t>(uses_.size());
  const auto [found, is_new] = index_.emplace(modifier.name, next);
  if (is_new) {
    uses_.emplace_back();
    uses_.back().name = modifier.name;
  }
  modifier.parameter_set = found->second;
  NameUse& use = uses_[found->second];
  if (!use.first_of_type[index_of(modifier.type)].exists()) {
    add_type(use, sample, modifier);
  } else {
    check_repetition(use, modifier);
  }
  use.last_sample[index_of(modifier.type)] = n_samples_;
  if (modifier.type == PyhfType::staterror) use.carriers.push_back({channel, &sample, &modifier});
  if (modifier.type == PyhfType::shapefactor) check_bins(use, sample, modifier);
}

void ParameterSetCollector::add_type(NameUse& use, const PyhfSample& sample,
                                     const PyhfModifier& modifier) {
  for (std::size_t t = 0; t < n_pyhf_types; ++t) {
    const auto other = static_cast<PyhfType>(t);
    if (!use.first_of_type[t].exists() || may_share_name(other, modifier.type)) continue;
    fail(modifier.value, "found the " + type_and_name(modifier.type, modifier.name) + " and a " +
                             std::string(name_of(other)) + " of the same name at " +
                             use.first_of_type[t].pointer() +
                             ", expected different names (only normsys and histosys may share "
                             "one); rename one");
  }
  use.first_of_type[index_of(modifier.type)] = modifier.value;
  uses_of_type_[index_of(modifier.type)].push_back(modifier.parameter_set);
  ParameterSet& set = use.set;
  if (set.origin.exists() && modifier.type != PyhfType::histosys) return;
  set.name = modifier.name;
  set.type = modifier.type;
  set.origin = modifier.value;
  if (modifier.type == PyhfType::shapefactor) set.size = sample.data.size();
  if (modifier.type == PyhfType::shapesys) finish_shapesys(set, sample, modifier);
}

void ParameterSetCollector::check_repetition(NameUse& use, const PyhfModifier& modifier) const {
  const JsonValue first = use.first_of_type[index_of(modifier.type)];
  if (use.last_sample[index_of(modifier.type)] == n_samples_) {
    fail(modifier.value, "found the " + type_and_name(modifier.type, modifier.name) +
                             " twice in one sample, expected it once; remove or rename one");
  }
  if (modifier.type == PyhfType::shapesys) {
    fail(modifier.value, "found a second " + type_and_name(modifier.type, modifier.name) +
                             " (the first is " + first.pointer() +
                             "), expected one sample only, as its constraint depends on the "
                             "sample's yields; rename it, or use a staterror");
  }
}

void ParameterSetCollector::check_bins(const NameUse& use, const PyhfSample& sample,
                                       const PyhfModifier& modifier) const {
  if (sample.data.size() <= use.set.size) return;
  fail(modifier.value, "found the " + type_and_name(modifier.type, modifier.name) + " on " +
                           std::to_string(sample.data.size()) + " bins, expected at most " +
                           std::to_string(use.set.size) + " as in " + use.set.origin.pointer() +
                           ", the first by channel name; rename one of them");
}

// --- staterror -----------------------------------------------------------------------------------

/// Bins of several channels with the same name are appended to each other, as in pyhf.
void ParameterSetCollector::finish_staterror(NameUse& use) {
  use.set.size = 0;
  const std::size_t n = use.carriers.size();
  std::size_t n_first = 0;
  for (std::size_t first = 0; first < n;) {
    std::size_t last = first;
    while (last < n && use.carriers[last].channel == use.carriers[first].channel) ++last;
    if (first == 0) n_first = last;
    check_same_samples(use, first, last, n_first);
    for (std::size_t i = first; i < last; ++i) {
      use.carriers[i].modifier->offset = static_cast<std::uint32_t>(use.set.size);
    }
    finish_staterror_channel(use.set, use.carriers.data() + first, use.carriers.data() + last);
    first = last;
  }
}

/// A sigma of 0, also if the total is not positive, means that the parameter is fixed.
void ParameterSetCollector::finish_staterror_channel(ParameterSet& set, const Carrier* first,
                                                     const Carrier* last) const {
  const std::size_t n_bins = first->sample->data.size();
  std::vector<double> totals(n_bins, 0.0);
  std::vector<double> squares(n_bins, 0.0);
  for (const Carrier* carrier = first; carrier != last; ++carrier) {
    auto total = totals.begin();
    for (const JsonValue nominal : carrier->sample->data.elements()) *total++ += nominal.number();
  }
  for (const Carrier* carrier = first; carrier != last; ++carrier) {
    std::size_t b = 0;
    for (const JsonValue uncertainty : carrier->modifier->data.elements()) {
      squares[b] += detail::relative_square(uncertainty.number(), totals[b]);
      ++b;
    }
  }
  for (const double square : squares) set.widths.push_back(std::sqrt(square));
  set.size += n_bins;
}

/// pyhf first combines equal samples across channels, and requires that all of them have the name.
void ParameterSetCollector::check_same_samples(const NameUse& use, std::size_t first,
                                               std::size_t last, std::size_t n_first) const {
  const auto begin = use.carriers.begin();
  const auto at = [&](std::size_t i) { return begin + static_cast<std::ptrdiff_t>(i); };
  const auto is_same = [](const Carrier& a, const Carrier& b) {
    return a.sample->name == b.sample->name;
  };
  if (std::equal(at(first), at(last), begin, at(n_first), is_same)) return;
  const Carrier& carrier = *at(first);
  fail(carrier.modifier->value,
       "found the " + type_and_name(PyhfType::staterror, use.name) + " in channel " +
           quoted(channels_[carrier.channel].name) + " on other samples than in channel " +
           quoted(channels_[begin->channel].name) +
           ", expected the same samples; give each channel a staterror of its own name");
}

// --- order ---------------------------------------------------------------------------------------

/// A parameter called `gamma[0]` must not be confused with bin 0 of `gamma`.
void ParameterSetCollector::check_indexed_names() const {
  for (const NameUse& use : uses_) {
    if (!use.set.is_scalar() || use.name.back() != ']') continue;
    const std::string_view stem = use.name.substr(0, use.name.rfind('['));
    const auto found = index_.find(stem);
    if (found == index_.end() || uses_[found->second].set.is_scalar()) continue;
    const ParameterSet& other = uses_[found->second].set;
    const std::string_view digits =
        use.name.substr(stem.size() + 1, use.name.size() - stem.size() - 2);
    std::size_t bin = 0;
    for (const char digit : digits) {
      const bool may_be_bin = digit >= '0' && digit <= '9' && bin < other.size;
      bin = may_be_bin ? 10 * bin + static_cast<std::size_t>(digit - '0') : other.size;
    }
    if (bin >= other.size || digits != std::to_string(bin)) continue;
    fail(use.set.origin, "found the name " + quoted(use.name) + ", which is also that of bin " +
                             std::to_string(bin) + " of " + quoted(stem) + " at " +
                             other.origin.pointer() +
                             ", expected different names; rename one of them");
  }
}

std::vector<ParameterSet> ParameterSetCollector::take_in_order() {
  std::vector<ParameterSet> sets;
  sets.reserve(uses_.size());
  std::vector<std::uint32_t> new_index(uses_.size());
  for (std::size_t t = 0; t < n_pyhf_types; ++t) {
    for (const std::uint32_t use : uses_of_type_[t]) {
      if (index_of(uses_[use].set.type) != t) continue;  // a normsys that a histosys has listed
      new_index[use] = static_cast<std::uint32_t>(sets.size());
      sets.push_back(std::move(uses_[use].set));
    }
  }
  for (PyhfChannel& channel : channels_) {
    for (PyhfSample& sample : channel.samples) {
      for (PyhfModifier& modifier : sample.modifiers) {
        modifier.parameter_set = new_index[modifier.parameter_set];
      }
    }
  }
  return sets;
}

}  // namespace

std::vector<ParameterSet> collect_parameter_sets(std::vector<PyhfChannel>& channels) {
  return ParameterSetCollector(channels).run();
}

}  // namespace nablafit::io
