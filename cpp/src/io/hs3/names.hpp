/// \file
/// Names that ROOT's reader of HS3 accepts: letters, digits and underscores, no digit first.
#ifndef NABLAFIT_SRC_IO_HS3_NAMES_HPP
#define NABLAFIT_SRC_IO_HS3_NAMES_HPP

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "io/json/reader.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::io {

/// Old to new names, by what they name; what has no entry keeps its name.
struct Hs3NameMaps {
  using Map = std::map<std::string, std::string>;

  Map parameters;  ///< and global observables
  Map channels;
  Map samples;
  Map modifiers;
  Map axes;
  Map datasets;
  Map points;

  /// What ROOT would refuse, with other names: `stat[0]` becomes `stat_0`. New names are unlike
  /// all others of their kind.
  static Hs3NameMaps valid_for_root(const ModelSpec& spec,
                                    const std::vector<Observations>& datasets);
  /// From `misc.nablafit.names` of a document, which `written` made.
  static Hs3NameMaps read(JsonValue names);

  bool empty() const;
  ModelSpec apply(ModelSpec spec) const;
  Observations apply(Observations data) const;
  /// New to old names by kind: what `read` reads.
  nlohmann::ordered_json written() const;
  /// A message about renamed things, with the old names.
  std::string with_old_names(std::string message) const;
};

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_HS3_NAMES_HPP
