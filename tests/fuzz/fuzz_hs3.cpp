/// Any bytes as an HS3 document: refused with a WorkspaceError, or every measurement compiles and
/// evaluates, and what the writer makes of it can be read again.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "evaluate_everywhere.hpp"
#include "fuzz_target.hpp"
#include "nablafit/error.hpp"
#include "nablafit/io/hs3.hpp"

using namespace nablafit;

namespace {

void write_and_read(const ModelSpec& spec) {
  std::string text;
  try {
    text = io::write_hs3(spec, {}, {true}).text;
  } catch (const Error&) {
    return;  // nothing to write
  }
  try {
    io::read_hs3(text, "written");
  } catch (const WorkspaceError& error) {
    std::fprintf(stderr, "written, then refused: %s: %s\n", error.location().c_str(), error.what());
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const io::Hs3Document document = io::read_hs3(text);
    for (const ModelSpec& spec : document.measurements) {
      testing::evaluate_everywhere(spec, document.datasets);
      write_and_read(spec);
    }
  } catch (const WorkspaceError&) {
    return 0;
  }
  return 0;
}
