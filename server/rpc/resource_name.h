#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"

namespace resnetd {

// Resource names, read strictly: nothing before, behind or between, and no
// short forms. INVALID_ARGUMENT (REQUEST_INVALID) with a violation of `field`
// and the form that is accepted.

// "models/NAME".
absl::StatusOr<ModelName> ParseModelName(absl::string_view field,
                                         absl::string_view text);

// "models/NAME/versions/N".
struct VersionName {
  ModelName model;
  VersionNumber version;
};
absl::StatusOr<VersionName> ParseVersionName(absl::string_view field,
                                             absl::string_view text);

// "models/NAME/aliases/ALIAS".
struct AliasName {
  ModelName model;
  std::string alias;
};
absl::StatusOr<AliasName> ParseAliasName(absl::string_view field,
                                         absl::string_view text);

// "datasets/NAME".
absl::StatusOr<DatasetName> ParseDatasetName(absl::string_view field,
                                             absl::string_view text);
std::string ResourceName(const DatasetName& dataset);

// "jobs/N".
absl::StatusOr<JobNumber> ParseJobName(absl::string_view field,
                                       absl::string_view text);
std::string ResourceName(JobNumber job);

struct CheckpointReference {
  JobNumber job;
  std::int64_t step = 0;
};
// "jobs/N/checkpoints/STEP".
absl::StatusOr<CheckpointReference> ParseCheckpointName(absl::string_view field,
                                                        absl::string_view text);

// ALIAS alone: of the form of a model's name.
absl::StatusOr<std::string> ParseAlias(absl::string_view field,
                                       absl::string_view text);

}  // namespace resnetd
