/// \file
/// Common parts of the HS3 writer.
#ifndef NABLAFIT_SRC_IO_HS3_WRITER_HPP
#define NABLAFIT_SRC_IO_HS3_WRITER_HPP

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "nablafit/io/hs3.hpp"

namespace nablafit::io {

using OrderedJson = nlohmann::ordered_json;

/// Adds a member with a new key; operator[] would compare the key with all that are there.
inline void append_member(OrderedJson& object, const std::string& key, OrderedJson value) {
  if (object.is_null()) object = OrderedJson::object();
  object.get_ref<OrderedJson::object_t&>().emplace_back(key, std::move(value));
}

/// Parameters by name, and what HS3 cannot represent or its other readers will misread.
class Hs3WriterContext {
 public:
  explicit Hs3WriterContext(const ModelSpec& spec);

  const Parameter& parameter(const std::string& name) const { return *by_name_.at(name); }
  /// Null for the name of no parameter.
  const Parameter* find(const std::string& name) const;
  void lose(const std::string& what) {
    if (lost_.insert(what).second) losses.push_back(what);
  }
  void note(const std::string& what) {
    if (noted_.insert(what).second) notes.push_back(what);
  }
  /// Of a constrained parameter. Not the name of a parameter, unless listed as a loss.
  const std::string& observable_name(const Parameter& parameter) const {
    return observables_.at(parameter.name);
  }
  /// `name`, or with underscores after it if a parameter or a global observable has it.
  std::string unused(std::string name) const;
  /// Of the distribution that constrains a parameter; distinct for different parameters.
  const std::string& constraint_name(const Parameter& parameter) const {
    return constraints_.at(parameter.name);
  }

  const ModelSpec& spec;
  std::vector<std::string> losses;
  std::vector<std::string> notes;
  std::unordered_set<std::string> implied;  ///< gammas whose terms staterror or shapesys imply
  std::unordered_set<std::string> named;    ///< parameters whose terms a modifier names
  OrderedJson functions = OrderedJson::array();
  std::unordered_map<std::string, std::size_t> formulas;  ///< positions in `functions`, by name
  OrderedJson densities;  ///< by distribution: what HS3 has no key for
  /// First gammas of staterrors whose samples share the uncertainty of the bin in proportion.
  OrderedJson shared_out = OrderedJson::array();

 private:
  void name_observables();
  void name_constraints();
  /// `name`, or with underscores after it if it is the name of a parameter.
  std::string unlike_parameters(std::string name) const;

  std::unordered_map<std::string, const Parameter*> by_name_;
  std::unordered_map<std::string, std::string> observables_;  ///< names, by parameter
  std::unordered_map<std::string, std::string> constraints_;  ///< names, by parameter
  std::unordered_map<std::string, double> observed_;          ///< global observables, by name
  std::unordered_set<std::string> lost_, noted_;
};

/// The `histfactory_dist`, or `bincounts_density_dist`, of one channel.
class Hs3ChannelWriter {
 public:
  Hs3ChannelWriter(Hs3WriterContext& context, const Channel& channel);

  OrderedJson write();

 private:
  struct StatGroup {
    std::vector<std::string> parameters;  ///< in bin order
    std::vector<std::size_t> samples;
    std::vector<const StatError*> sources;  ///< one per sample
    std::string type;
  };

  OrderedJson write_density(std::size_t n_nodes);
  OrderedJson axes() const;
  OrderedJson sample(std::size_t index);
  OrderedJson modifier(const Modifier& source, const Sample& sample);
  // One overload per modifier type.
  OrderedJson write(const NormFactor& source);
  OrderedJson write(const Lumi& source);
  OrderedJson write(const NormSys& source);
  OrderedJson write(const HistoSys& source);
  OrderedJson write(const StatError& source);
  OrderedJson write(const ShapeSys& source);
  OrderedJson write(const ShapeFactor& source);
  OrderedJson write(const FormulaFactor& source);
  OrderedJson factor(const std::string& name, const std::string& parameter);
  /// Whether HS3 can represent a formula; if not, it is recorded as a loss.
  bool has_place(const FormulaFactor& source);
  void name_constraint(OrderedJson& modifier, const std::string& parameter);

  void collect_groups();
  void share_out_errors(const StatGroup& group);
  bool is_stated(const StatGroup& group) const;
  bool has_stated_errors(const StatGroup& group, std::vector<double>& relative);
  std::string constraint_type(const std::vector<std::string>& parameters, const std::string& what);
  double relative_uncertainty(const std::string& parameter);
  std::size_t bin_of(std::size_t i) const;
  template <typename T>
  std::vector<T> in_list_order(const std::vector<T>& by_bin) const;
  std::string where(const std::string& what) const;

  Hs3WriterContext& context_;
  const Channel& channel_;
  std::size_t n_bins_;
  std::vector<std::size_t> shape_;  ///< bins per axis, where there are several
  std::vector<StatGroup> groups_;
  std::map<std::vector<std::string>, std::size_t> group_of_;  ///< by parameters
  std::vector<std::vector<double>> errors_;                   ///< by sample; empty for none
};

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_HS3_WRITER_HPP
