/// Any bytes as a pyhf workspace: refused with a WorkspaceError, or every measurement compiles and
/// evaluates.
#include <string>
#include <string_view>

#include "evaluate_everywhere.hpp"
#include "fuzz_target.hpp"
#include "nablafit/error.hpp"
#include "nablafit/io/pyhf.hpp"

using namespace nablafit;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto workspace = io::PyhfWorkspace::parse(text);
    for (const std::string& measurement : workspace.measurement_names()) {
      testing::evaluate_everywhere(workspace.model_spec(measurement), {workspace.observations()});
    }
  } catch (const WorkspaceError&) {
    return 0;
  }
  return 0;
}
