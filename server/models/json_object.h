#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// Strict reading of small JSON files that people write. Every error is
// INVALID_ARGUMENT (MODEL_INVALID) with a violation for the member.

// The error "\"member\" what"; about the whole text when `member` is empty.
absl::Status MemberError(absl::string_view member, absl::string_view what);

// Refuses more than `max_bytes`, anything that is no JSON (naming line and
// column) and members that occur twice.
absl::StatusOr<nlohmann::json> ParseStrictJson(absl::string_view text,
                                               std::size_t max_bytes);

// Reads the members of one JSON object by name. Absent members are absent
// answers; wrong ones are errors that name the member with its path. Immutable;
// reading is thread-safe.
class ObjectReader {
 public:
  // An error when `value` is no object or has a member that is not among
  // `known`; it then names the nearest. `value` must outlive the reader.
  static absl::StatusOr<ObjectReader> Open(
      const nlohmann::json& value, std::string path,
      const std::vector<std::string>& known);

  // "preprocess.crop" for "crop" of an object at "preprocess".
  std::string Path(absl::string_view name) const;
  // Null when there is no such member.
  const nlohmann::json* Find(absl::string_view name) const;

  absl::StatusOr<std::optional<std::string>> Text(absl::string_view name,
                                                  std::size_t max_bytes) const;
  // From `least` to `most` >= 0.
  absl::StatusOr<std::optional<std::int64_t>> Integer(absl::string_view name,
                                                      std::int64_t least,
                                                      std::int64_t most) const;
  // From `least` to `most`.
  absl::StatusOr<std::optional<double>> Number(absl::string_view name,
                                               double least, double most) const;
  // An array of 3 numbers that a float can hold.
  absl::StatusOr<std::optional<std::array<float, 3>>> Channels(
      absl::string_view name) const;

  // The answer of one of the above, or an error that names the missing member.
  template <typename T>
  absl::StatusOr<T> Required(absl::StatusOr<std::optional<T>> answer,
                             absl::string_view name) const {
    if (!answer.ok()) {
      return answer.status();
    }
    if (!answer->has_value()) {
      return MemberError(Path(name), "is missing");
    }
    return **std::move(answer);
  }

 private:
  ObjectReader(const nlohmann::json& object, std::string path)
      : object_(&object), path_(std::move(path)) {}
  absl::Status UnknownMember(const std::string& name,
                             const std::vector<std::string>& known) const;

  const nlohmann::json* object_;
  std::string path_;
};

}  // namespace resnetd
