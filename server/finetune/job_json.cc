#include "server/finetune/job_json.h"

#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/finetune/job_fields.h"
#include "server/finetune/json_reader.h"
#include "server/finetune/json_writer.h"
#include "server/finetune/recipe_rules.h"

namespace resnetd {

const std::vector<JobState>& NumbersOf(JobState /*unused*/) {
  return AllJobStates();
}

const std::vector<HeadPolicy>& NumbersOf(HeadPolicy /*unused*/) {
  static const auto* const all = new std::vector<HeadPolicy>{
      HeadPolicy::kAuto, HeadPolicy::kReplace, HeadPolicy::kGrow,
      HeadPolicy::kKeep, HeadPolicy::kRemap};
  return *all;
}

const std::vector<PromotionKind>& NumbersOf(PromotionKind /*unused*/) {
  static const auto* const all = new std::vector<PromotionKind>{
      PromotionKind::kNone, PromotionKind::kCandidate, PromotionKind::kAlias};
  return *all;
}

const std::vector<PromotionState>& NumbersOf(PromotionState /*unused*/) {
  static const auto* const all = new std::vector<PromotionState>{
      PromotionState::kNotRequested, PromotionState::kPending,
      PromotionState::kGateNotPassed, PromotionState::kPromoted,
      PromotionState::kRolledBack};
  return *all;
}

namespace {

using Json = nlohmann::json;

absl::Status Damaged(absl::string_view what, const FieldViolations& found) {
  return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
               absl::StrCat("the ", what, " of a job is damaged in the store"))
      .Metadata("member", found.front().first)
      .Metadata("cause", found.front().second);
}

template <typename T>
std::string Format(const T& value) {
  // A text that is not UTF-8 is no reason to lose the rest.
  return JsonWriter::Write(value).dump(-1, ' ', false,
                                       Json::error_handler_t::replace);
}

// `value`: anything to read over.
template <typename T>
absl::StatusOr<T> Parse(absl::string_view what, absl::string_view text,
                        T value) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr,
                                /*allow_exceptions=*/false);
  FieldViolations violations;
  JsonReader::Read(json, "", violations, value);
  if (!violations.empty()) {
    return Damaged(what, violations);
  }
  return value;
}

// --- Events ---

// The numbers of JobEventRow::kind: 1 and the place in JobEventBody. They are
// in databases: alternatives are added behind the others.
constexpr std::size_t kKinds = std::variant_size_v<JobEventBody>;
using ParseBody = absl::StatusOr<JobEventBody> (*)(absl::string_view text);

template <std::size_t... kIndex>
constexpr std::array<ParseBody, kKinds> ParsersOf(
    std::index_sequence<kIndex...> /*unused*/) {
  return {[](absl::string_view text) -> absl::StatusOr<JobEventBody> {
    using Event = std::variant_alternative_t<kIndex, JobEventBody>;
    return Parse("event", text, Event());
  }...};
}

}  // namespace

std::string FormatSpec(const JobSpec& spec) { return Format(spec); }

absl::StatusOr<JobSpec> ParseSpec(absl::string_view text) {
  return Parse("spec", text,
               JobSpec{.model = ModelName::Parse("blank").value(),
                       .dataset = DatasetName::Parse("blank").value()});
}

std::string FormatStatus(const JobStatus& status) { return Format(status); }

absl::StatusOr<JobStatus> ParseStatus(absl::string_view text) {
  ASSIGN_OR_RETURN(JobStatus status, Parse("status", text, JobStatus()));
  if (status.recipe) {
    const RecipeViolations violations = FindViolations(*status.recipe);
    if (!violations.empty()) {
      return Damaged("status", violations);
    }
  }
  return status;
}

JobEventRow FormatEvent(const JobEventBody& body) {
  return {.sequence = 0,
          .time = {},
          .kind = static_cast<int>(body.index()) + 1,
          .payload = std::visit([](const auto& event) { return Format(event); },
                                body)};
}

absl::StatusOr<JobEvent> ParseEvent(const JobEventRow& row) {
  constexpr std::array<ParseBody, kKinds> kParsers =
      ParsersOf(std::make_index_sequence<kKinds>());
  const std::size_t index = static_cast<std::size_t>(row.kind) - 1;
  if (index >= kParsers.size()) {
    return Damaged("event", {{"kind", absl::StrCat("is ", row.kind)}});
  }
  ASSIGN_OR_RETURN(JobEventBody body, kParsers[index](row.payload));
  return JobEvent{
      .sequence = row.sequence, .time = row.time, .body = std::move(body)};
}

std::string FormatCheckpoint(const CheckpointManifest& manifest) {
  return Format(manifest);
}

absl::StatusOr<CheckpointManifest> ParseCheckpoint(absl::string_view text) {
  return Parse("checkpoint", text, CheckpointManifest());
}

absl::StatusOr<Job> JobOfRow(const JobRow& row) {
  ASSIGN_OR_RETURN(JobSpec spec, ParseSpec(row.spec));
  ASSIGN_OR_RETURN(JobStatus status, ParseStatus(row.status));
  std::string etag = absl::StrCat("r", status.revision);
  return Job{.number = row.number,
             .spec = std::move(spec),
             .status = std::move(status),
             .etag = std::move(etag),
             .created = row.created,
             .updated = row.updated};
}

absl::StatusOr<Checkpoint> CheckpointOfRow(const CheckpointRow& row) {
  ASSIGN_OR_RETURN(CheckpointManifest manifest, ParseCheckpoint(row.manifest));
  return Checkpoint{.step = row.step,
                    .bytes = row.bytes,
                    .created = row.created,
                    .is_best = manifest.best && manifest.best->step == row.step,
                    .evaluation = manifest.evaluation};
}

}  // namespace resnetd
