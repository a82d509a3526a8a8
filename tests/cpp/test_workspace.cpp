#include <doctest/doctest.h>

#include <string>

#include "nablafit/error.hpp"
#include "nablafit/io/hs3.hpp"
#include "nablafit/io/workspace.hpp"
#include "pyhf_texts.hpp"

using nablafit::io::Workspace;

namespace {

const std::string mu = R"({"name": "mu", "type": "normfactor", "data": null})";

}  // namespace

TEST_CASE("pyhf JSON is recognised and read as by its own reader") {
  const std::string text = one_sample("[3.0, 4.0]", mu);
  const auto workspace = Workspace::parse(text);
  CHECK(workspace.format() == Workspace::Format::pyhf);
  CHECK(workspace.measurement_names() == std::vector<std::string>{"m"});
  CHECK(workspace.model_spec() == read_spec(text));
  CHECK(workspace.model_spec("m") == read_spec(text));
  CHECK(workspace.datasets().size() == 1);
  CHECK(workspace.observations().channels.at(0).counts == std::vector<double>{3.0, 4.0});
  CHECK(workspace.notes().empty());
  CHECK_THROWS_AS(workspace.model_spec("n"), nablafit::ArgumentError);
  CHECK_THROWS_WITH_AS(workspace.observations("observer"),
                       "data set: found no data set 'observer' in workspace, expected one of "
                       "'observed'; did you mean 'observed'?",
                       nablafit::ArgumentError);
}

TEST_CASE("HS3 JSON is recognised and read as by its own reader") {
  const std::string pyhf = one_sample("[3.0, 4.0]", mu);
  const auto source = nablafit::io::PyhfWorkspace::parse(pyhf);
  const std::string text =
      nablafit::io::write_hs3(source.model_spec(), {source.observations()}).text;
  const auto workspace = Workspace::parse(text);
  const auto document = nablafit::io::read_hs3(text);
  CHECK(workspace.format() == Workspace::Format::hs3);
  CHECK(workspace.model_spec() == document.measurements.front());
  CHECK(workspace.model_spec(workspace.measurement_names().front()) == workspace.model_spec());
  CHECK(workspace.datasets() == document.datasets);
  CHECK(workspace.notes() == document.notes);
  CHECK_THROWS_AS(workspace.model_spec("n"), nablafit::ArgumentError);
}

TEST_CASE("what is no workspace is an error with the source") {
  CHECK_THROWS_AS(Workspace::parse(""), nablafit::WorkspaceError);
  CHECK_THROWS_AS(Workspace::parse("[1]"), nablafit::WorkspaceError);
  CHECK_THROWS_AS(Workspace::parse(R"({"distributions": []})"), nablafit::WorkspaceError);
  try {
    Workspace::load("/no/such/file.json");
    FAIL("no exception");
  } catch (const nablafit::WorkspaceError& error) {
    CHECK(error.location() == "/no/such/file.json");
    CHECK(std::string(error.what()).find("No such file") != std::string::npos);
  }
  CHECK_THROWS_AS(Workspace::load(NABLAFIT_TEST_DATA), nablafit::WorkspaceError);
}

TEST_CASE("a workspace is read from a file") {
  const std::string path = std::string(NABLAFIT_TEST_DATA) + "/hs3_small.json";
  const auto workspace = Workspace::load(path);
  CHECK(workspace.format() == Workspace::Format::hs3);
  CHECK_FALSE(workspace.model_spec().channels.empty());
}
