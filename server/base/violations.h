#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"

namespace resnetd {

// What is wrong with a request, gathered so that one answer names it all. Not
// thread-safe.
class Violations {
 public:
  void Add(absl::string_view field, absl::string_view text);
  // A limit decides the reason only when it is the first thing that is wrong.
  // `name`: of the flag that sets it, or of the limit.
  void AddLimit(absl::string_view field, absl::string_view name,
                std::size_t limit, std::size_t value, absl::string_view text);
  // Takes over an INVALID_ARGUMENT of a check: its text, its violations, its
  // reason if it is the first; `field` names the place when it says none. OK is
  // no violation.
  void AddError(absl::string_view field, const absl::Status& error);
  // The same of a check that names fields inside of `parent`.
  void AddErrorIn(absl::string_view parent, const absl::Status& error);
  // The value, or nothing and a violation as by AddError().
  template <typename T>
  std::optional<T> Take(absl::string_view field, absl::StatusOr<T> value) {
    if (value.ok()) {
      return *std::move(value);
    }
    AddError(field, value.status());
    return std::nullopt;
  }

  bool empty() const { return texts_.empty(); }
  // OK, or INVALID_ARGUMENT with everything that was added.
  absl::Status ToStatus() const;

 private:
  void Append(const absl::Status& error, ErrorDetails details);

  // Of the first one.
  Reason reason_ = Reason::kRequestInvalid;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::vector<std::string> texts_;
  // Field and what is wrong with it.
  std::vector<std::pair<std::string, std::string>> found_;
};

}  // namespace resnetd
