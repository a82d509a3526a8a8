#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "nablafit/digest.hpp"
#include "util/sha256.hpp"

using nablafit::digest;
using nablafit::ModelSpec;

namespace {

std::string sha256(const std::string& text, std::size_t n_pieces = 1) {
  nablafit::detail::Sha256 hash;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const std::size_t size = text.size() / n_pieces;
  for (std::size_t i = 0; i < n_pieces; ++i) {
    const std::size_t end = i + 1 == n_pieces ? text.size() : (i + 1) * size;
    hash.update(bytes + i * size, end - i * size);
  }
  return hash.finish();
}

ModelSpec two_bins() {
  ModelSpec spec;
  spec.name = "m";
  spec.parameters.emplace_back();
  spec.parameters[0].name = "mu";
  spec.parameters[0].upper = 10.0;
  nablafit::Channel& channel = spec.channels.emplace_back();
  channel.name = "c";
  nablafit::Sample& sample = channel.samples.emplace_back();
  sample.name = "s";
  sample.nominal = {1.0, 2.0};
  sample.modifiers.emplace_back(nablafit::NormFactor{"mu", "mu"});
  return spec;
}

}  // namespace

// Examples of NIST for FIPS 180-4, and hashlib of Python 3.11 for the others.
TEST_CASE("SHA-256 gives the published digests") {
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  const std::string many(1'000'000, 'a');
  for (const std::size_t n_pieces : {1U, 7U, 10'000U, 300'000U}) {
    CHECK(sha256(many, n_pieces) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  }
}

TEST_CASE("the digest of a specification follows every member") {
  const std::string plain = digest(two_bins());
  CHECK(plain.size() == 71);
  CHECK(plain.rfind("sha256:", 0) == 0);
  CHECK(digest(two_bins()) == plain);

  const auto changed = [&](auto change) {
    ModelSpec spec = two_bins();
    change(spec);
    return digest(spec) != plain;
  };
  CHECK(changed([](ModelSpec& s) { s.name = "n"; }));
  CHECK(changed([](ModelSpec& s) { s.channels[0].samples[0].nominal[1] = 2.0000000000000004; }));
  CHECK(changed([](ModelSpec& s) { s.channels[0].samples[0].yield_floor = 0.0; }));
  CHECK(changed([](ModelSpec& s) { s.channels[0].samples[0].factor_floor = 0.0; }));
  CHECK(changed([](ModelSpec& s) { s.channels[0].axes.push_back({"x", {0.0, 1.0, 2.0}}); }));
  CHECK(changed([](ModelSpec& s) { s.parameters[0].fixed = true; }));
  CHECK(changed([](ModelSpec& s) { s.parameters[0].constraint = nablafit::PoissonConstraint{}; }));
  CHECK(changed([](ModelSpec& s) { s.parameters[0].constraint = nablafit::GammaConstraint{}; }));
  CHECK(changed([](ModelSpec& s) { s.parameters_of_interest = {"mu"}; }));
  CHECK(changed([](ModelSpec& s) { s.parameter_points.push_back({"p", {}}); }));
  CHECK(changed(
      [](ModelSpec& s) { s.channels[0].samples[0].modifiers[0] = nablafit::Lumi{"mu", "mu"}; }));
  CHECK_FALSE(changed([](ModelSpec& s) { s.parameters[0].lower = -0.0; }));
}

TEST_CASE("texts do not run into each other") {
  ModelSpec a = two_bins();
  ModelSpec b = two_bins();
  a.parameters_of_interest = {"ab", "c"};
  b.parameters_of_interest = {"a", "bc"};
  CHECK(digest(a) != digest(b));
}

// Computed from the description in digest.hpp with struct and hashlib of Python 3.11.
TEST_CASE("the canonical form is the documented one") {
  CHECK(digest(nablafit::Data{{3.0, -0.0}, {0.5}}) ==
        "sha256:973982b581549cd3f687f490cbcc954dccc03dc0cba7e5cf5c09b56e3a8e91f8");
  CHECK(digest(two_bins()) ==
        "sha256:ee2601b76d353dcb4e5561ce434f994725067617a452606c890278e5167718c2");
}
