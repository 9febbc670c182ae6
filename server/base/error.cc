#include "server/base/error.h"

#include <array>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace resnetd {
namespace {

constexpr absl::string_view kPayloadUrl = "resnetd/error-details";

// Fields are written as <length>:<bytes>, one after the other, each record led
// by a one-letter kind: self-delimiting, so that any byte may occur in a value.
void AppendField(std::string& out, absl::string_view value) {
  absl::StrAppend(&out, value.size(), ":", value);
}

void AppendRecord(std::string& out, char kind, absl::string_view first,
                  absl::string_view second) {
  out.push_back(kind);
  AppendField(out, first);
  AppendField(out, second);
}

bool TakeField(absl::string_view& in, std::string& value) {
  const std::size_t colon = in.find(':');
  std::size_t length = 0;
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(in.substr(0, colon), &length) ||
      length > in.size() - colon - 1) {
    return false;
  }
  value = std::string(in.substr(colon + 1, length));
  in.remove_prefix(colon + 1 + length);
  return true;
}

std::string Serialize(const ErrorDetails& details) {
  std::string out;
  AppendRecord(out, 'r', details.reason, "");
  for (const auto& [key, value] : details.metadata) {
    AppendRecord(out, 'm', key, value);
  }
  for (const auto& [field, description] : details.violations) {
    AppendRecord(out, 'v', field, description);
  }
  if (details.resource) {
    AppendRecord(out, 's', details.resource->first, details.resource->second);
  }
  if (details.retry_after) {
    AppendRecord(out, 't', absl::StrCat(details.retry_after->count()), "");
  }
  return out;
}

void ApplyRecord(char kind, std::string first, std::string second,
                 ErrorDetails& details) {
  switch (kind) {
    case 'r':
      details.reason = std::move(first);
      break;
    case 'm':
      details.metadata.emplace_back(std::move(first), std::move(second));
      break;
    case 'v':
      details.violations.emplace_back(std::move(first), std::move(second));
      break;
    case 's':
      details.resource.emplace(std::move(first), std::move(second));
      break;
    case 't':
      if (std::int64_t nanoseconds = 0; absl::SimpleAtoi(first, &nanoseconds)) {
        details.retry_after = Duration(nanoseconds);
      }
      break;
    default:
      break;
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-function-size): two lines a reason, nothing else.
absl::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kInternal:
      return "INTERNAL";
    case Reason::kRequestInvalid:
      return "REQUEST_INVALID";
    case Reason::kLimitExceeded:
      return "LIMIT_EXCEEDED";
    case Reason::kImageDecodeFailed:
      return "IMAGE_DECODE_FAILED";
    case Reason::kModelNotFound:
      return "MODEL_NOT_FOUND";
    case Reason::kVersionNotFound:
      return "VERSION_NOT_FOUND";
    case Reason::kVersionNotReady:
      return "VERSION_NOT_READY";
    case Reason::kModelInvalid:
      return "MODEL_INVALID";
    case Reason::kWeightsMismatch:
      return "WEIGHTS_MISMATCH";
    case Reason::kWeightsCorrupt:
      return "WEIGHTS_CORRUPT";
    case Reason::kQueueFull:
      return "QUEUE_FULL";
    case Reason::kOverloaded:
      return "OVERLOADED";
    case Reason::kDeadlineUnreachable:
      return "DEADLINE_UNREACHABLE";
    case Reason::kExpiredInQueue:
      return "EXPIRED_IN_QUEUE";
    case Reason::kCancelled:
      return "CANCELLED";
    case Reason::kStarting:
      return "STARTING";
    case Reason::kDraining:
      return "DRAINING";
    case Reason::kBackendUnavailable:
      return "BACKEND_UNAVAILABLE";
    case Reason::kAliasNotFound:
      return "ALIAS_NOT_FOUND";
    case Reason::kBlobNotFound:
      return "BLOB_NOT_FOUND";
    case Reason::kAliasMoved:
      return "ALIAS_MOVED";
    case Reason::kEtagMismatch:
      return "ETAG_MISMATCH";
    case Reason::kRequestIdConflict:
      return "REQUEST_ID_CONFLICT";
    case Reason::kVersionInUse:
      return "VERSION_IN_USE";
    case Reason::kVersionFailed:
      return "VERSION_FAILED";
    case Reason::kLabelChange:
      return "LABEL_CHANGE";
    case Reason::kNoPreviousVersion:
      return "NO_PREVIOUS_VERSION";
    case Reason::kGoldenMismatch:
      return "GOLDEN_MISMATCH";
    case Reason::kDigestMismatch:
      return "DIGEST_MISMATCH";
    case Reason::kMemoryAdmission:
      return "MEMORY_ADMISSION";
    case Reason::kStorageFull:
      return "STORAGE_FULL";
    case Reason::kStoreUnusable:
      return "STORE_UNUSABLE";
    case Reason::kStoreCorrupt:
      return "STORE_CORRUPT";
    case Reason::kStoreFailed:
      return "STORE_FAILED";
    case Reason::kEventsExpired:
      return "EVENTS_EXPIRED";
    case Reason::kDatasetNotFound:
      return "DATASET_NOT_FOUND";
    case Reason::kDatasetExists:
      return "DATASET_EXISTS";
    case Reason::kDatasetSealed:
      return "DATASET_SEALED";
    case Reason::kDatasetNotSealed:
      return "DATASET_NOT_SEALED";
    case Reason::kDatasetInUse:
      return "DATASET_IN_USE";
    case Reason::kTooFewExamples:
      return "TOO_FEW_EXAMPLES";
    case Reason::kTooManyBadExamples:
      return "TOO_MANY_BAD_EXAMPLES";
    case Reason::kJobNotFound:
      return "JOB_NOT_FOUND";
    case Reason::kJobState:
      return "JOB_STATE";
    case Reason::kCheckpointNotFound:
      return "CHECKPOINT_NOT_FOUND";
    case Reason::kCheckpointCorrupt:
      return "CHECKPOINT_CORRUPT";
    case Reason::kRecipeInvalid:
      return "RECIPE_INVALID";
    case Reason::kForgettingNotAllowed:
      return "FORGETTING_NOT_ALLOWED";
    case Reason::kGateNotPassed:
      return "GATE_NOT_PASSED";
    case Reason::kNonfiniteLoss:
      return "NONFINITE_LOSS";
    case Reason::kDiverged:
      return "DIVERGED";
    case Reason::kOutOfMemory:
      return "OUT_OF_MEMORY";
    case Reason::kJobTimeLimit:
      return "JOB_TIME_LIMIT";
    case Reason::kReplica:
      return "REPLICA";
    case Reason::kCredentialsMissing:
      return "CREDENTIALS_MISSING";
    case Reason::kCredentialsWrong:
      return "CREDENTIALS_WRONG";
    case Reason::kCredentialsExpired:
      return "CREDENTIALS_EXPIRED";
    case Reason::kRoleMissing:
      return "ROLE_MISSING";
  }
  return "INTERNAL";
}

Error::Error(absl::StatusCode code, Reason reason, absl::string_view message)
    : status_(code, message) {
  details_.reason = std::string(ReasonName(reason));
}

Error&& Error::Metadata(absl::string_view key, absl::string_view value) && {
  details_.metadata.emplace_back(key, value);
  return std::move(*this);
}

Error&& Error::Violation(absl::string_view field,
                         absl::string_view description) && {
  AddViolation(field, description);
  return std::move(*this);
}

void Error::AddViolation(absl::string_view field,
                         absl::string_view description) {
  details_.violations.emplace_back(field, description);
}

Error&& Error::Resource(absl::string_view type, absl::string_view name) && {
  details_.resource.emplace(type, name);
  return std::move(*this);
}

Error&& Error::RetryAfter(Duration delay) && {
  details_.retry_after = delay;
  return std::move(*this);
}

Error::operator absl::Status() && {
  status_.SetPayload(kPayloadUrl, absl::Cord(Serialize(details_)));
  return std::move(status_);
}

ErrorDetails DetailsOf(const absl::Status& status) {
  ErrorDetails details;
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  if (!payload) {
    return details;
  }
  const std::string bytes(*payload);
  absl::string_view rest = bytes;
  while (!rest.empty()) {
    const char kind = rest.front();
    rest.remove_prefix(1);
    std::string first;
    std::string second;
    if (!TakeField(rest, first) || !TakeField(rest, second)) {
      break;
    }
    ApplyRecord(kind, std::move(first), std::move(second), details);
  }
  return details;
}

absl::Status Annotate(const absl::Status& status, absl::string_view prefix,
                      absl::string_view field) {
  absl::Status annotated(status.code(), absl::StrCat(prefix, status.message()));
  ErrorDetails details = DetailsOf(status);
  if (!field.empty()) {
    details.violations.emplace_back(field, status.message());
  }
  annotated.SetPayload(kPayloadUrl, absl::Cord(Serialize(details)));
  return annotated;
}

}  // namespace resnetd
