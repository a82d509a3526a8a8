/// \file
/// Small pyhf workspaces for the tests of the reader.
#ifndef NABLAFIT_TESTS_PYHF_TEXTS_HPP
#define NABLAFIT_TESTS_PYHF_TEXTS_HPP

#include <string>

#include "nablafit/io/pyhf.hpp"

/// A workspace of the given channels and observations (contents of the arrays) with one measurement
/// called "m", whose settings are `parameters`.
inline std::string workspace_text(const std::string& channels, const std::string& observations,
                                  const std::string& parameters = "",
                                  const std::string& poi = "mu") {
  return R"({"version": "1.0.0", "channels": [)" + channels + R"(], "observations": [)" +
         observations + R"(], "measurements": [{"name": "m", "config": {"poi": ")" + poi +
         R"(", "parameters": [)" + parameters + "]}}]}";
}

/// One channel "c" with one sample "s".
inline std::string one_sample(const std::string& data, const std::string& modifiers,
                              const std::string& parameters = "", const std::string& poi = "mu") {
  return workspace_text(R"({"name": "c", "samples": [{"name": "s", "data": )" + data +
                            R"(, "modifiers": [)" + modifiers + "]}]}",
                        R"({"name": "c", "data": )" + data + "}", parameters, poi);
}

inline nablafit::ModelSpec read_spec(const std::string& text) {
  return nablafit::io::PyhfWorkspace::parse(text).model_spec();
}

#endif  // NABLAFIT_TESTS_PYHF_TEXTS_HPP
