#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// A name that people give: [a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?, without "..".
// A plain value, always valid. It is a key, never a file name. Names of
// different kinds are different types.
template <typename Kind>
class Name {
 public:
  // INVALID_ARGUMENT (REQUEST_INVALID), with a violation for Kind::kField, when
  // `text` does not have the form above.
  static absl::StatusOr<Name> Parse(absl::string_view text);

  const std::string& text() const { return text_; }
  friend bool operator==(const Name&, const Name&) = default;
  friend bool operator<(const Name& a, const Name& b) {
    return a.text_ < b.text_;
  }

 private:
  explicit Name(absl::string_view text) : text_(text) {}
  std::string text_;
};

struct ModelKind {
  static constexpr char kField[] = "model";
};
struct DatasetKind {
  static constexpr char kField[] = "dataset";
};
using ModelName = Name<ModelKind>;
using DatasetName = Name<DatasetKind>;

// Number of a version of a model, from 1 on.
struct VersionNumber {
  std::int64_t value = 1;
  friend bool operator==(const VersionNumber&, const VersionNumber&) = default;
  friend bool operator<(VersionNumber a, VersionNumber b) {
    return a.value < b.value;
  }
};

// Number of a job of this server's store, from 1 on.
struct JobNumber {
  std::int64_t value = 1;
  friend bool operator==(const JobNumber&, const JobNumber&) = default;
  friend bool operator<(JobNumber a, JobNumber b) { return a.value < b.value; }
};

// A request id of ours: 32 lower-case hex digits, random, for calls that bring
// none of their own.
std::string NewRequestId();

}  // namespace resnetd
