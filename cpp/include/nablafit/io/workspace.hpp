/// \file
/// Workspaces in any JSON format, recognised by content.
#ifndef NABLAFIT_IO_WORKSPACE_HPP
#define NABLAFIT_IO_WORKSPACE_HPP

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nablafit/export.hpp"
#include "nablafit/spec.hpp"

namespace nablafit::io {

/// A parsed and checked document in pyhf JSON or HS3 JSON. Immutable, cheap to copy; every member
/// may be called from any number of threads at once.
///
///     const auto workspace = nablafit::io::Workspace::load("workspace.json");
///     const nablafit::Model model(workspace.model_spec());
///     const nablafit::Likelihood likelihood(model, model.data(workspace.observations()));
class NABLAFIT_API Workspace {
 public:
  enum class Format { pyhf, hs3 };

  /// Reads a file. Throws WorkspaceError if it cannot be read, or as `parse`.
  static Workspace load(const std::string& path);
  /// Throws WorkspaceError for anything else; its location is `source` followed by a JSON pointer.
  static Workspace parse(std::string_view text, const std::string& source = "workspace");

  Format format() const noexcept;
  const std::vector<std::string>& measurement_names() const noexcept;
  /// The model of one measurement; `measurement` empty: the first one. Throws ArgumentError for an
  /// unknown name.
  ModelSpec model_spec(const std::string& measurement = {}) const;
  /// The data sets, the observed one first; may be empty in HS3.
  const std::vector<Observations>& datasets() const noexcept;
  /// One data set; `name` empty: the first one. Throws ArgumentError if there is none.
  const Observations& observations(const std::string& name = {}) const;
  /// What was assumed while reading, one sentence each.
  const std::vector<std::string>& notes() const noexcept;

 private:
  struct Contents;
  explicit Workspace(std::shared_ptr<const Contents> contents) noexcept;
  std::shared_ptr<const Contents> contents_;
};

}  // namespace nablafit::io

#endif  // NABLAFIT_IO_WORKSPACE_HPP
