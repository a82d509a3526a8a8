/// Malformed workspaces of tests/data/malformed_pyhf.json, which the Python tests read too.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "io/json/document.hpp"
#include "nablafit/error.hpp"
#include "nablafit/io/pyhf.hpp"
#include "pyhf_texts.hpp"

namespace {

using namespace nablafit;
using io::JsonDocument;
using io::JsonValue;
using io::PyhfWorkspace;

std::string file_text(const std::string& name) {
  std::ifstream file(std::string(NABLAFIT_TEST_DATA) + "/" + name, std::ios::binary);
  REQUIRE(file.good());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string joined_lines(JsonValue lines) {
  std::string text;
  for (const JsonValue line : lines.elements()) {
    text += (text.empty() ? "" : "\n") + std::string(line.string());
  }
  return text;
}

std::string malformed_text(JsonValue test_case, const std::string& base) {
  if (test_case.find("text").exists()) return std::string(test_case.find("text").string());
  const std::string_view wanted = test_case.find("find").string();
  const std::size_t at = base.find(wanted);
  REQUIRE(at != std::string::npos);
  REQUIRE(base.find(wanted, at + 1) == std::string::npos);
  return std::string(base).replace(at, wanted.size(), test_case.find("replace").string());
}

}  // namespace

TEST_CASE("pyhf: malformed workspaces say where, what was found and what was expected") {
  const JsonDocument table = JsonDocument::parse(file_text("malformed_pyhf.json"), "table");
  const std::string base = joined_lines(table.root().find("base"));
  CHECK_NOTHROW(PyhfWorkspace::parse(base).model_spec("blind"));
  const JsonValue cases = table.root().find("cases");
  CHECK(cases.size() >= 100);
  for (const JsonValue test_case : cases.elements()) {
    CAPTURE(std::string(test_case.find("name").string()));
    const std::string text = malformed_text(test_case, base);
    try {
      PyhfWorkspace::parse(text);
      FAIL_CHECK("accepted");
    } catch (const WorkspaceError& error) {
      CHECK(error.location() == std::string(test_case.find("location").string()));
      CHECK_MESSAGE(
          std::string(error.what()).find(test_case.find("message").string()) != std::string::npos,
          error.what());
    }
  }
}

TEST_CASE("pyhf: every truncation of a workspace is an error at its end") {
  const std::string text = one_sample("[10, 2e1]", R"({"name": "\u00b5", "type": "normfactor"})");
  CHECK_NOTHROW(PyhfWorkspace::parse(text));
  for (std::size_t length = 0; length < text.size(); ++length) {
    CAPTURE(length);
    try {
      PyhfWorkspace::parse(text.substr(0, length));
      FAIL_CHECK("accepted");
    } catch (const WorkspaceError& error) {
      CHECK(error.location() == "workspace: line 1, column " + std::to_string(length + 1));
      CHECK(std::string(error.what()).find("found the end of the text") != std::string::npos);
    }
  }
}

TEST_CASE("pyhf: texts in other encodings are refused") {
  const std::string before = R"({"version": ")";
  const auto text = [&](const std::string& bytes) { return before + bytes + "\"}"; };
  CHECK_NOTHROW(JsonDocument::parse(text("\xC2\xB5\xE2\x82\xAC\xF0\x9F\x98\x80"), "text"));
  for (const char* bytes : {"\xB5", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                            "\xF5\x80\x80\x80", "\xE2\x82", "\xC2"}) {
    try {
      PyhfWorkspace::parse(text(bytes), "file.json");
      FAIL_CHECK("accepted");
    } catch (const WorkspaceError& error) {
      CHECK(std::string(error.what()).find("UTF-8") != std::string::npos);
      CHECK(error.location() == "file.json: line 1, column " + std::to_string(before.size() + 1));
    }
  }
}

TEST_CASE("JSON pointers escape tilde and slash, and repeated keys are found in large objects") {
  const JsonDocument document = JsonDocument::parse(R"({"a/b": [0, {"c~d": true}]})", "text");
  const JsonValue value = *++document.root().find("a/b").elements().begin();
  CHECK(value.find("c~d").pointer() == "/a~1b/1/c~0d");
  CHECK_FALSE(value.find("c").exists());
  std::string many = "{";
  for (int i = 0; i < 30; ++i) many += "\"k" + std::to_string(i) + "\": 0, ";
  CHECK_NOTHROW(JsonDocument::parse(many + "\"k30\": 0}", "text"));
  CHECK_THROWS_WITH_AS(JsonDocument::parse("[1, " + many + "\"k7\": 0}]", "text"),
                       "text: /1: found the key 'k7' more than once in this object, expected every "
                       "key once; remove or rename one",
                       WorkspaceError);
}
