/// \file
/// Reader and writer for HS3 JSON documents (HEP Statistics Serialization Standard) that contain
/// HistFactory models: `histfactory_dist` with Gaussian and Poisson constraints.
#ifndef NABLAFIT_IO_HS3_HPP
#define NABLAFIT_IO_HS3_HPP

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nablafit/error.hpp"
#include "nablafit/export.hpp"
#include "nablafit/io/pyhf.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::io {

/// Contents of a document. Measurements are named by `ModelSpec::name`, data sets by
/// `Observations::name`; names are unique in both lists.
struct Hs3Document {
  std::vector<ModelSpec> measurements;  ///< in the order of the document; at least one
  std::vector<Observations> datasets;   ///< "obsData" or "observed" first, then in document order
  std::vector<std::string> notes;       ///< what was assumed while reading, one sentence each
  /// What is wrong with the first data set that was left out: only with BadData::report.
  std::optional<WorkspaceError> data_problem;
};

/// Reads the dialects of ROOT (6.28 to 6.40 and its structured interpolations), of pyhs3, of
/// `write_hs3` and of the standard; the notes say which one was used, and what follows from that.
/// Analyses that differ only in their data are one measurement with several data sets. Parameters
/// are in the order of the initial parameter point, then of their first use.
/// Throws WorkspaceError for what is not HS3, contradicts itself, or is a distribution, function or
/// constraint outside HistFactory; its location is `source` followed by a JSON pointer.
NABLAFIT_API Hs3Document read_hs3(std::string_view text, const std::string& source = "workspace",
                                  BadData bad_data = BadData::refuse);

struct Hs3WriteOptions {
  bool lossy = false;  ///< write what HS3 can represent and list the rest, instead of throwing
};

struct Hs3Text {
  std::string text;                 ///< the document, UTF-8
  std::vector<std::string> losses;  ///< what HS3 cannot represent; empty unless `lossy`
  std::vector<std::string> notes;   ///< what other programs will read differently
};

/// Writes a model with any number of data sets. Reading the text back gives the same model, up to
/// rounding of gamma constraints. Throws SpecError if the model is not valid, ArgumentError for
/// data that do not fit it, and WorkspaceError with the full list of what HS3 cannot represent.
NABLAFIT_API Hs3Text write_hs3(const ModelSpec& spec, const std::vector<Observations>& datasets,
                               const Hs3WriteOptions& options = {});

}  // namespace nablafit::io

#endif  // NABLAFIT_IO_HS3_HPP
