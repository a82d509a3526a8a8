/// \file
/// Fingerprints of models and data, to record what a result was made from.
#ifndef NABLAFIT_DIGEST_HPP
#define NABLAFIT_DIGEST_HPP

#include <string>

#include "nablafit/export.hpp"
#include "nablafit/model.hpp"
#include "nablafit/spec.hpp"

namespace nablafit {

/// "sha256:" and 64 hexadecimal digits, of a canonical form of the whole specification: names,
/// numbers, order. Equal specifications have equal digests, on every platform and whatever file
/// format they came from; equal digests mean equal likelihoods.
///
/// Canonical form: the text "nablafit.ModelSpec/1", then all members in the order of their
/// declaration: numbers as IEEE 754 binary64, little-endian (-0 as 0); strings and sequences
/// preceded by their length, variants by their index, lengths and indices as 64-bit little-endian
/// integers; optional values preceded by a byte 0 or 1; flags as a byte. The number after the slash
/// increases when a member is added. Throws ArgumentError for models with functions in C++
/// (function.hpp), which have no canonical form.
NABLAFIT_API std::string digest(const ModelSpec& spec);
/// The same for the data of a model; the text is "nablafit.Data/1".
NABLAFIT_API std::string digest(const Data& data);

}  // namespace nablafit

#endif  // NABLAFIT_DIGEST_HPP
