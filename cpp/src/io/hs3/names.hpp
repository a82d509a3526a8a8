/// \file
/// Names that ROOT's reader of HS3 accepts: letters, digits and underscores, not beginning with a
/// digit.
#ifndef NABLAFIT_SRC_IO_HS3_NAMES_HPP
#define NABLAFIT_SRC_IO_HS3_NAMES_HPP

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "io/json/reader.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::io {

/// Old to new names, by type; names without an entry do not change.
struct Hs3NameMaps {
  using Map = std::map<std::string, std::string>;

  Map parameters;  ///< and global observables
  Map channels;
  Map samples;
  Map modifiers;
  Map axes;
  Map datasets;
  Map points;

  /// New names for those that ROOT would refuse: `stat[0]` becomes `stat_0`. New names differ from
  /// all others of their type.
  static Hs3NameMaps valid_for_root(const ModelSpec& spec,
                                    const std::vector<Observations>& datasets);
  /// From `misc.nablafit.names` of a document, as made by `written`.
  static Hs3NameMaps read(JsonValue names);

  bool empty() const;
  ModelSpec apply(ModelSpec spec) const;
  Observations apply(Observations data) const;
  /// New to old names by type, as read by `read`.
  nlohmann::ordered_json written() const;
  /// Puts the old names, in quotes, where messages have the new ones.
  void restore_in(std::vector<std::string>& messages) const;
};

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_HS3_NAMES_HPP
