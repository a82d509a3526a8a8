/// \file
/// Fingerprints of models and data: what a result was made from.
#ifndef NABLAFIT_DIGEST_HPP
#define NABLAFIT_DIGEST_HPP

#include <string>

#include "nablafit/export.hpp"
#include "nablafit/model.hpp"
#include "nablafit/spec.hpp"

namespace nablafit {

/// "sha256:" and 64 hexadecimal digits, of a canonical form of all that the specification says:
/// names, numbers, order. Equal specifications have equal digests, on every platform; the format of
/// the file that one came from does not matter. `Model(spec)` decides what a fit finds, so equal
/// digests mean equal likelihoods.
///
/// Canonical form: the text "nablafit.ModelSpec/1", then all members in the order of their
/// declaration: numbers as IEEE 754 binary64, little-endian (-0 as 0); texts and sequences after
/// their length, alternatives after their position, lengths and positions as 64-bit little-endian
/// integers; optional values after a byte 0 or 1; flags as a byte. The number after the slash rises
/// when a member is added. Throws ArgumentError for models with functions in C++ (function.hpp),
/// which have no canonical form.
NABLAFIT_API std::string digest(const ModelSpec& spec);
/// The same for the data of a model; the text is "nablafit.Data/1".
NABLAFIT_API std::string digest(const Data& data);

}  // namespace nablafit

#endif  // NABLAFIT_DIGEST_HPP
