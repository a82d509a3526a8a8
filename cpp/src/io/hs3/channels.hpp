/// \file
/// Channels of HS3: `histfactory_dist` distributions with their samples and modifiers.
#ifndef NABLAFIT_SRC_IO_HS3_CHANNELS_HPP
#define NABLAFIT_SRC_IO_HS3_CHANNELS_HPP

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/hs3/gammas.hpp"
#include "io/hs3/interpolation.hpp"

namespace nablafit::io {

/// The axes of a distribution or data set with `n_bins` bins; empty if there are none. Throws if
/// the number of their bins differs.
std::vector<Axis> read_hs3_axes(JsonValue axes, std::size_t n_bins);

/// Reads the channels of one model, one by one.
class Hs3ChannelReader {
 public:
  Hs3ChannelReader(const Hs3Index& index, Hs3Parameters& parameters, Hs3Constraints& constraints,
                   Hs3Notes& notes)
      : index_(index),
        parameters_(parameters),
        constraints_(constraints),
        gammas_(index, parameters, notes),
        notes_(notes) {}

  Channel read(JsonValue distribution, const std::string& name);

 private:
  struct ModifierKeys {
    JsonValue value, name, parameter, parameters, data, interpolation;
    std::string_view type;
    Hs3ConstraintKeys constraint;
  };

  void read_sample(JsonValue value, Sample& sample);
  void read_sample_data(JsonValue data, Sample& sample);
  void read_modifier(JsonValue value, Sample& sample, JsonValue data);
  ModifierKeys read_keys(JsonValue value) const;
  std::string name_of(const ModifierKeys& keys) const;
  std::string parameter_of(const ModifierKeys& keys, Hs3Role role);
  std::vector<std::string> gammas_of(const ModifierKeys& keys, const std::string& fallback);
  Interpolation interpolation_of(const ModifierKeys& keys, Hs3Interpolated kind) const;
  Hs3ConstraintType gamma_type(const ModifierKeys& keys, Hs3ConstraintType fallback) const;

  void add_normfactor(const ModifierKeys& keys, Sample& sample);
  void add_normsys(const ModifierKeys& keys, Sample& sample);
  void add_histosys(const ModifierKeys& keys, Sample& sample);
  void add_shapesys(const ModifierKeys& keys, Sample& sample);
  void add_staterror(const ModifierKeys& keys, Sample& sample, JsonValue data);
  void add_custom(const ModifierKeys& keys, Sample& sample);

  double read_factor(JsonValue value, Interpolation code);
  std::vector<double> read_variation(JsonValue data, std::string_view key) const;
  bool constrain_each(const ModifierKeys& keys, const std::vector<std::string>& parameters);
  void sum_staterrors(const ModifierKeys& keys, const std::vector<std::string>& parameters,
                      const Sample& sample, const std::vector<double>& errors);
  void constrain_staterrors(Channel& channel);
  using RatiosOfBins = std::map<std::vector<std::string>, std::vector<double>>;
  void scale_uncertainties(Channel& channel, const RatiosOfBins& ratios) const;
  void set_floors(Sample& sample) const;
  void shorten_sample_names(Channel& channel) const;
  /// Bin on which the i-th entry of a list of parameters acts.
  std::size_t bin_of(std::size_t i) const;
  template <typename T>
  std::vector<T> in_bin_order(const std::vector<T>& list) const;

  const Hs3Index& index_;
  Hs3Parameters& parameters_;
  Hs3Constraints& constraints_;
  Hs3Gammas gammas_;
  Hs3Notes& notes_;

  // Of the channel being read.
  std::string channel_name_;
  JsonValue channel_;
  std::size_t n_bins_ = 0;
  std::vector<std::size_t> shape_;  ///< bins per axis, where there are several
  std::vector<Hs3StatErrors> staterrors_;
  std::map<std::vector<std::string>, std::size_t> group_of_;  ///< of parameters in document order
};

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_HS3_CHANNELS_HPP
