#include "server/base/violations.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace resnetd {
namespace {

// The reason of that name; REQUEST_INVALID for none of ours.
Reason ReasonNamed(absl::string_view name) {
  for (int i = 0; i <= static_cast<int>(Reason::kRoleMissing); ++i) {
    if (const auto reason = static_cast<Reason>(i);
        ReasonName(reason) == name) {
      return reason;
    }
  }
  return Reason::kRequestInvalid;
}

}  // namespace

void Violations::Add(absl::string_view field, absl::string_view text) {
  AddError(field, Error(absl::StatusCode::kInvalidArgument,
                        Reason::kRequestInvalid, text));
}

void Violations::AddLimit(absl::string_view field, absl::string_view name,
                          std::size_t limit, std::size_t value,
                          absl::string_view text) {
  AddError(field, Error(absl::StatusCode::kInvalidArgument,
                        Reason::kLimitExceeded, text)
                      .Metadata("limit_name", name)
                      .Metadata("limit", absl::StrCat(limit))
                      .Metadata("value", absl::StrCat(value)));
}

void Violations::AddError(absl::string_view field, const absl::Status& error) {
  if (error.ok()) {
    return;
  }
  ErrorDetails details = DetailsOf(error);
  if (details.violations.empty()) {
    details.violations.emplace_back(std::string(field),
                                    std::string(error.message()));
  }
  Append(error, std::move(details));
}

void Violations::AddErrorIn(absl::string_view parent,
                            const absl::Status& error) {
  if (error.ok()) {
    return;
  }
  ErrorDetails details = DetailsOf(error);
  for (auto& [field, text] : details.violations) {
    field = absl::StrCat(parent, ".", field);
  }
  if (details.violations.empty()) {
    details.violations.emplace_back(std::string(parent),
                                    std::string(error.message()));
  }
  Append(error, std::move(details));
}

void Violations::Append(const absl::Status& error, ErrorDetails details) {
  if (texts_.empty()) {
    reason_ = ReasonNamed(details.reason);
    metadata_ = std::move(details.metadata);
  }
  texts_.emplace_back(error.message());
  for (std::pair<std::string, std::string>& violation : details.violations) {
    found_.push_back(std::move(violation));
  }
}

absl::Status Violations::ToStatus() const {
  if (texts_.empty()) {
    return absl::OkStatus();
  }
  Error error(absl::StatusCode::kInvalidArgument, reason_,
              absl::StrJoin(texts_, "; "));
  for (const auto& [field, text] : found_) {
    error.AddViolation(field, text);
  }
  for (const auto& [key, value] : metadata_) {
    Error longer = std::move(error).Metadata(key, value);
    error = std::move(longer);
  }
  return error;
}

}  // namespace resnetd
