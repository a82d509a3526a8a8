/// \file
/// Place in a ModelSpec, for messages.
#ifndef NABLAFIT_SRC_SPEC_LOCATION_HPP
#define NABLAFIT_SRC_SPEC_LOCATION_HPP

#include <cstddef>
#include <string>

namespace nablafit::detail {

/// One step of a path such as `channels[0].samples[1].nominal`, linked to its parent, so that text
/// is only made when an error needs it. The parent and all names must outlive the step.
class SpecLocation {
 public:
  /// The specification itself.
  SpecLocation() = default;
  /// A member: `parent.field`.
  SpecLocation(const SpecLocation& parent, const char* field) : parent_(&parent), field_(field) {}
  /// An element of a member: `parent.field[index]`.
  SpecLocation(const SpecLocation& parent, const char* field, std::size_t index)
      : parent_(&parent), field_(field), index_(index), has_index_(true) {}
  /// An element with a name: `kind` says what it is ("channel").
  SpecLocation(const SpecLocation& parent, const char* field, std::size_t index, const char* kind,
               const std::string& name)
      : parent_(&parent),
        field_(field),
        index_(index),
        has_index_(true),
        kind_(kind),
        name_(&name) {}

  /// `channels[0].samples[1].nominal`; empty for the specification itself.
  std::string path() const {
    if (parent_ == nullptr) return {};
    std::string text = parent_->path();
    if (!text.empty()) text += '.';
    text += field_;
    if (has_index_) text += '[' + std::to_string(index_) + ']';
    return text;
  }

  /// "channel 'SR', sample 'signal'"; empty if nothing on the path has a name.
  std::string names() const {
    if (parent_ == nullptr) return {};
    std::string text = parent_->names();
    if (name_ == nullptr || name_->empty()) return text;
    if (!text.empty()) text += ", ";
    return text + kind_ + " '" + *name_ + "'";
  }

 private:
  const SpecLocation* parent_ = nullptr;
  const char* field_ = nullptr;
  std::size_t index_ = 0;
  bool has_index_ = false;
  const char* kind_ = nullptr;
  const std::string* name_ = nullptr;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_SPEC_LOCATION_HPP
