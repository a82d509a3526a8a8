/// \file
/// Common base class of everything that nablafit throws.
#ifndef NABLAFIT_ERROR_HPP
#define NABLAFIT_ERROR_HPP

#include <stdexcept>
#include <string>
#include <utility>

#include "nablafit/export.hpp"

namespace nablafit {

/// Base of all exceptions. `what()` is a complete sentence that says where, what was found, what
/// was expected and, if there is one, the remedy. `location()` is only the "where", for programs: a
/// path into a specification (`channels[0].samples[2]`), a JSON pointer (`/channels/0`), a
/// parameter name, or empty.
class NABLAFIT_EXCEPTION Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, std::string location = {})
      : std::runtime_error(location.empty() ? message : location + ": " + message),
        location_(std::move(location)) {}

  const std::string& location() const noexcept { return location_; }

 private:
  std::string location_;
};

/// A file or document that cannot be read as the format it claims to be.
class NABLAFIT_EXCEPTION WorkspaceError : public Error {
 public:
  using Error::Error;
};

/// A ModelSpec that contradicts itself or contains something undefined.
class NABLAFIT_EXCEPTION SpecError : public Error {
 public:
  using Error::Error;
};

/// An argument that does not fit the model: a wrong length, an unknown name, a value out of range.
class NABLAFIT_EXCEPTION ArgumentError : public Error {
 public:
  using Error::Error;
};

}  // namespace nablafit

#endif  // NABLAFIT_ERROR_HPP
