#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"

namespace resnetd {

// Why a call failed, for programs. Spelled in the protos as
// ERROR_REASON_<NAME>; on the wire ErrorInfo.reason carries ReasonName().
enum class Reason {
  kInternal,             // INTERNAL: a bug of ours.
  kRequestInvalid,       // INVALID_ARGUMENT: a field's value is not allowed.
  kLimitExceeded,        // INVALID_ARGUMENT: a count or size is over a limit.
  kImageDecodeFailed,    // INVALID_ARGUMENT: metadata "cause" says why.
  kModelNotFound,        // NOT_FOUND
  kVersionNotFound,      // NOT_FOUND
  kVersionNotReady,      // FAILED_PRECONDITION: known, but not loaded.
  kModelInvalid,         // INVALID_ARGUMENT: files of a model do not fit.
  kWeightsMismatch,      // INVALID_ARGUMENT: tensors do not fit the network.
  kWeightsCorrupt,       // DATA_LOSS: digest or format of the weights.
  kQueueFull,            // RESOURCE_EXHAUSTED: retry after RetryInfo.
  kOverloaded,           // RESOURCE_EXHAUSTED: wait, calls, bytes or memory
                         // over what is allowed; retry after RetryInfo.
  kDeadlineUnreachable,  // DEADLINE_EXCEEDED: refused on arrival.
  kExpiredInQueue,       // DEADLINE_EXCEEDED: passed while it waited.
  kCancelled,            // CANCELLED: by the caller.
  kStarting,             // UNAVAILABLE
  kDraining,             // UNAVAILABLE
  kBackendUnavailable,   // FAILED_PRECONDITION: plug-in missing or unusable.
  // NOT_FOUND: the model has no such alias.
  kAliasNotFound,
  // NOT_FOUND: no blob of this digest.
  kBlobNotFound,
  // ABORTED: the alias no longer names the version that the caller
  // expected. Metadata: "current" (version), "etag".
  kAliasMoved,
  // ABORTED: changed since the caller read it. Metadata: "etag", the current
  // one.
  kEtagMismatch,
  // ALREADY_EXISTS: the request_id was used for another request.
  kRequestIdConflict,
  // FAILED_PRECONDITION: an alias names the version. Metadata: "aliases".
  kVersionInUse,
  // FAILED_PRECONDITION: the version could not be loaded on this server.
  kVersionFailed,
  // FAILED_PRECONDITION: the labels differ from those that are served and
  // allow_label_change was not set.
  kLabelChange,
  // FAILED_PRECONDITION: the alias never named another version.
  kNoPreviousVersion,
  // DATA_LOSS: the version does not give the logits that it was stored with.
  // Metadata: "difference", "tolerance".
  kGoldenMismatch,
  // INVALID_ARGUMENT: the bytes sent do not have the digest or size announced.
  // Metadata: "expected", "actual".
  kDigestMismatch,
  // RESOURCE_EXHAUSTED: loading would exceed the memory for models. Metadata:
  // "needed", "free", "limit" in bytes.
  kMemoryAdmission,
  // RESOURCE_EXHAUSTED: no room on the disk or over the quota of the store.
  // Metadata: "needed", "free" in bytes.
  kStorageFull,
  // FAILED_PRECONDITION: the data directory cannot be used: locked by another
  // server, on a network file system, or of a newer format.
  kStoreUnusable,
  // DATA_LOSS: the store is damaged: a blob or the database.
  kStoreCorrupt,
  // UNAVAILABLE: the disk failed while the store was written. The change took
  // effect whole or not at all: a restart shows which. Until then the server
  // takes no changes.
  kStoreFailed,
  // OUT_OF_RANGE: the events asked for are no longer kept. Metadata:
  // "oldest", the first sequence there is.
  kEventsExpired,
  // NOT_FOUND: no dataset of this name.
  kDatasetNotFound,
  // ALREADY_EXISTS: a dataset of this name is there, or was there and was
  // deleted.
  kDatasetExists,
  // FAILED_PRECONDITION: a sealed dataset takes no more examples.
  kDatasetSealed,
  // FAILED_PRECONDITION: the dataset still takes examples; seal it first.
  kDatasetNotSealed,
  // FAILED_PRECONDITION: a job that is not done uses the dataset. Metadata:
  // "jobs".
  kDatasetInUse,
  // FAILED_PRECONDITION, and why a job failed: a class has too few examples.
  // Metadata: "class", "examples", "needed".
  kTooFewExamples,
  // FAILED_PRECONDITION, and why a job failed: too many examples of the dataset
  // were rejected. Metadata: "rejected", "examples", "limit".
  kTooManyBadExamples,
  // NOT_FOUND: no job of this name.
  kJobNotFound,
  // FAILED_PRECONDITION: the job is in a state that does not allow this.
  // Metadata: "state".
  kJobState,
  // NOT_FOUND: the job has no checkpoint of this step.
  kCheckpointNotFound,
  // DATA_LOSS: a checkpoint is damaged.
  kCheckpointCorrupt,
  // INVALID_ARGUMENT: settings of the training are not allowed or contradict
  // each other; BadRequest names every one.
  kRecipeInvalid,
  // FAILED_PRECONDITION: the base knows classes that the dataset has no example
  // of, none are kept for replay, and allow_forgetting was not set. Metadata:
  // "classes".
  kForgettingNotAllowed,
  // FAILED_PRECONDITION: a version is not good enough to be promoted; one
  // violation for each criterion.
  kGateNotPassed,
  // Why a job failed: loss or gradient became infinite or not a number, again
  // after every recovery.
  kNonfiniteLoss,
  // Why a job failed: the loss grew without end, again after every recovery.
  kDiverged,
  // RESOURCE_EXHAUSTED, and why a job failed: not enough memory to train.
  // Metadata: "needed", "free" in bytes when they are known.
  kOutOfMemory,
  // Why a job failed: it reached its limit of time.
  kJobTimeLimit,
  // FAILED_PRECONDITION: this server follows a registry; its models are changed
  // there.
  kReplica,
  // UNAUTHENTICATED: the call brings no credentials, and the server asks for
  // them.
  kCredentialsMissing,
  // UNAUTHENTICATED: the token, or the client's certificate, is nobody's.
  kCredentialsWrong,
  // UNAUTHENTICATED: the token, or what is granted to the certificate, has
  // expired. Metadata: "not_after".
  kCredentialsExpired,
  // PERMISSION_DENIED: the caller is known, and its role does not include this
  // method. Metadata: "principal", "role", "required_role", "method".
  kRoleMissing,
};

// The upper-case name, e.g. "MODEL_NOT_FOUND".
absl::string_view ReasonName(Reason reason);

// What an error says beside its code and its text. Travels inside an
// absl::Status, so that every module can make rich errors and only rpc knows
// their wire form.
struct ErrorDetails {
  // ErrorInfo.reason, e.g. "MODEL_NOT_FOUND".
  std::string reason;
  // ErrorInfo.metadata: facts for programs, e.g. {"limit", "256"}.
  std::vector<std::pair<std::string, std::string>> metadata;
  // BadRequest.field_violations: {field path, what is wrong with it}.
  std::vector<std::pair<std::string, std::string>> violations;
  // ResourceInfo, e.g. {"model", "models/resnet50"}.
  std::optional<std::pair<std::string, std::string>> resource;
  // RetryInfo.retry_delay.
  std::optional<Duration> retry_after;
};

// Builds a Status with details:
//   return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
//                absl::StrCat("request has ", n, " images, at most ", limit,
//                             " are accepted"))
//       .Violation("images", "too many")
//       .Metadata("limit", absl::StrCat(limit));
// The text says what, which, how much and what to do. It never holds a path,
// an address or the text of a library. A plain value.
class Error {
 public:
  Error(absl::StatusCode code, Reason reason, absl::string_view message);

  Error&& Metadata(absl::string_view key, absl::string_view value) &&;
  Error&& Violation(absl::string_view field, absl::string_view description) &&;
  Error&& Resource(absl::string_view type, absl::string_view name) &&;
  Error&& RetryAfter(Duration delay) &&;

  // For violations that are found in a loop.
  void AddViolation(absl::string_view field, absl::string_view description);

  // Implicit, so that a function returning Status or StatusOr can return an
  // Error as it is.
  operator absl::Status() &&;  // NOLINT(google-explicit-constructor): see
                               // above.

 private:
  absl::Status status_;
  ErrorDetails details_;
};

// The details of `status`; empty `reason` when it carries none (an error that
// did not come from Error).
ErrorDetails DetailsOf(const absl::Status& status);

// The same error with `prefix` before its text and, when `field` is not empty,
// a field violation for it; keeps code and details. Used to say which image or
// which model an error of a lower module belongs to.
absl::Status Annotate(const absl::Status& status, absl::string_view prefix,
                      absl::string_view field = "");

}  // namespace resnetd
