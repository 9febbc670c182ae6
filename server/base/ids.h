#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// The name of a model: [a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?, without "..".
// A plain value, always valid. It is a key, never a file name.
class ModelName {
 public:
  // INVALID_ARGUMENT when `text` does not have the form above.
  static absl::StatusOr<ModelName> Parse(absl::string_view text);

  const std::string& text() const { return text_; }
  friend bool operator==(const ModelName&, const ModelName&) = default;
  friend bool operator<(const ModelName& a, const ModelName& b) {
    return a.text_ < b.text_;
  }

 private:
  explicit ModelName(absl::string_view text) : text_(text) {}
  std::string text_;
};

// Number of a version of a model, from 1 on.
struct VersionNumber {
  std::int64_t value = 1;
  friend bool operator==(const VersionNumber&, const VersionNumber&) = default;
  friend bool operator<(VersionNumber a, VersionNumber b) {
    return a.value < b.value;
  }
};

// A request id of ours: 32 lower-case hex digits, random, for calls that bring
// none of their own.
std::string NewRequestId();

}  // namespace resnetd
