/// \file
/// Readers that take a parsed document.
#ifndef NABLAFIT_SRC_IO_DOCUMENT_READERS_HPP
#define NABLAFIT_SRC_IO_DOCUMENT_READERS_HPP

#include "io/json/document.hpp"
#include "nablafit/io/hs3.hpp"
#include "nablafit/io/pyhf.hpp"

namespace nablafit::io {

/// Throws WorkspaceError as PyhfWorkspace::parse.
PyhfWorkspace read_pyhf(JsonDocument document, BadData bad_data = BadData::refuse);
/// Throws WorkspaceError as read_hs3 of a text.
Hs3Document read_hs3(const JsonDocument& document, BadData bad_data = BadData::refuse);

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_DOCUMENT_READERS_HPP
