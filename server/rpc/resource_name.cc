#include "server/rpc/resource_name.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/models/model_registry.h"

namespace resnetd {
namespace {

constexpr absl::string_view kModels = "models/";
constexpr absl::string_view kDatasets = "datasets/";
constexpr absl::string_view kJobs = "jobs/";
constexpr absl::string_view kCheckpoints = "/checkpoints/";

// A number from `least` on in its one spelling: no sign, no space, no zero in
// front.
bool ReadNumber(absl::string_view text, std::int64_t least,
                std::int64_t& number) {
  return absl::SimpleAtoi(text, &number) && number >= least &&
         absl::StrCat(number) == text;
}

absl::Status BadName(absl::string_view field, absl::string_view text,
                     absl::string_view form) {
  const std::string message =
      absl::StrCat(field, " ", Quoted(text, 128), " is not of the form ", form);
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               message)
      .Violation(field, message);
}

}  // namespace

absl::StatusOr<ModelName> ParseModelName(absl::string_view field,
                                         absl::string_view text) {
  if (absl::string_view name = text; absl::ConsumePrefix(&name, kModels)) {
    if (absl::StatusOr<ModelName> model = ModelName::Parse(name); model.ok()) {
      return model;
    }
  }
  return BadName(field, text, "\"models/NAME\"");
}

absl::StatusOr<VersionName> ParseVersionName(absl::string_view field,
                                             absl::string_view text) {
  if (absl::StartsWith(text, kModels)) {
    absl::StatusOr<ModelReference> reference = ParseModelReference(text);
    if (reference.ok() && reference->version) {
      return VersionName{.model = *std::move(reference->name),
                         .version = *reference->version};
    }
  }
  return BadName(field, text, "\"models/NAME/versions/N\"");
}

absl::StatusOr<AliasName> ParseAliasName(absl::string_view field,
                                         absl::string_view text) {
  if (absl::StartsWith(text, kModels)) {
    absl::StatusOr<ModelReference> reference = ParseModelReference(text);
    if (reference.ok() && !reference->alias.empty()) {
      return AliasName{.model = *std::move(reference->name),
                       .alias = std::move(reference->alias)};
    }
  }
  return BadName(field, text, "\"models/NAME/aliases/ALIAS\"");
}

absl::StatusOr<DatasetName> ParseDatasetName(absl::string_view field,
                                             absl::string_view text) {
  if (absl::string_view name = text; absl::ConsumePrefix(&name, kDatasets)) {
    if (absl::StatusOr<DatasetName> dataset = DatasetName::Parse(name);
        dataset.ok()) {
      return dataset;
    }
  }
  return BadName(field, text, "\"datasets/NAME\"");
}

std::string ResourceName(const DatasetName& dataset) {
  return absl::StrCat(kDatasets, dataset.text());
}

absl::StatusOr<JobNumber> ParseJobName(absl::string_view field,
                                       absl::string_view text) {
  absl::string_view digits = text;
  JobNumber job;
  if (absl::ConsumePrefix(&digits, kJobs) && ReadNumber(digits, 1, job.value)) {
    return job;
  }
  return BadName(field, text, "\"jobs/N\"");
}

absl::StatusOr<CheckpointReference> ParseCheckpointName(
    absl::string_view field, absl::string_view text) {
  absl::string_view rest = text;
  CheckpointReference reference;
  if (absl::ConsumePrefix(&rest, kJobs)) {
    const std::size_t slash = rest.find('/');
    absl::string_view step = rest.substr(std::min(slash, rest.size()));
    if (ReadNumber(rest.substr(0, slash), 1, reference.job.value) &&
        absl::ConsumePrefix(&step, kCheckpoints) &&
        ReadNumber(step, 0, reference.step)) {
      return reference;
    }
  }
  return BadName(field, text, "\"jobs/N/checkpoints/STEP\"");
}

std::string ResourceName(JobNumber job) {
  return absl::StrCat(kJobs, job.value);
}

absl::StatusOr<std::string> ParseAlias(absl::string_view field,
                                       absl::string_view text) {
  if (CheckAlias(text).ok()) {
    return std::string(text);
  }
  return BadName(field, text,
                 "\"ALIAS\": lower-case letters, digits and \"._-\" between "
                 "them, at most 64 bytes");
}

}  // namespace resnetd
