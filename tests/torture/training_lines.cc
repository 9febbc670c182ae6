#include "tests/torture/training_lines.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "server/base/status_macros.h"
#include "tests/torture/training_step.h"

namespace resnetd {

std::string DatasetLine(const std::string& name, bool is_sealed,
                        const Digest& digest, std::int64_t examples,
                        std::int64_t rejected, std::int64_t bytes,
                        std::int64_t index) {
  return absl::StrCat("dataset ", name, is_sealed ? " sealed " : " open ",
                      digest, " examples ", examples, " rejected ", rejected,
                      " bytes ", bytes, " index ", index);
}

std::string ExampleLine(const std::string& name, std::int64_t sequence,
                        const Digest& image, const Digest& pack,
                        std::int64_t offset, std::int64_t bytes, int label,
                        int split) {
  return absl::StrCat("example ", name, " ", sequence, " ", image, " in ", pack,
                      " at ", offset, " bytes ", bytes, " label ", label,
                      " split ", split);
}

std::string RejectedLine(const std::string& name, std::int64_t sequence,
                         const std::string& what) {
  return absl::StrCat("rejected ", name, " ", sequence, " ", what);
}

std::string JobLine(const std::string& name, int state, bool is_done,
                    const std::string& spec, const std::string& status,
                    std::int64_t generation) {
  return absl::StrCat("job ", name, " state ", state, is_done ? " done " : " ",
                      spec, " ", status, " generation ", generation);
}

std::string JobEventLine(const std::string& name, std::int64_t sequence,
                         int kind, const std::string& payload) {
  return absl::StrCat("job-event ", name, " ", sequence, " kind ", kind, " ",
                      payload);
}

std::string CheckpointLine(const std::string& name, std::int64_t step,
                           const std::string& manifest,
                           const std::vector<Digest>& blobs) {
  return absl::StrCat("checkpoint ", name, " ", step, " ", manifest, " ",
                      absl::StrJoin(blobs, " "));
}

std::map<std::int64_t, std::string> JobsIn(const std::vector<AuditRow>& audit) {
  std::map<std::int64_t, std::string> names;
  std::map<std::string, std::size_t> ordinals;
  for (const AuditRow& row : audit) {
    absl::string_view resource = row.resource;
    absl::string_view dataset = row.outcome;
    std::int64_t number = 0;
    if (row.method == "CreateJob" && absl::ConsumePrefix(&resource, "jobs/") &&
        absl::ConsumePrefix(&dataset, "created over datasets/") &&
        absl::SimpleAtoi(resource, &number)) {
      const std::string name(dataset);
      names[number] = JobText(name, ++ordinals[name]);
    }
  }
  return names;
}

namespace {

absl::StatusOr<std::vector<std::string>> LinesOf(Store& store,
                                                 const DatasetRow& row) {
  const std::string& name = row.name.text();
  ASSIGN_OR_RETURN(const std::int64_t index,
                   store.datasets().UploadIndex(row.name, "upload"));
  std::vector<std::string> lines = {
      DatasetLine(name, row.state == DatasetState::kSealed,
                  row.digest.empty() ? "none" : row.digest, row.examples,
                  row.rejected, row.bytes, index)};
  ASSIGN_OR_RETURN(const std::vector<ExampleRow> examples,
                   store.datasets().ListExamples(row.name, 0, 1'000'000));
  for (const ExampleRow& example : examples) {
    lines.push_back(ExampleLine(
        name, example.sequence, example.image, example.pack, example.offset,
        example.bytes, example.label, static_cast<int>(example.split)));
  }
  ASSIGN_OR_RETURN(const std::vector<RejectedRow> rejected,
                   store.datasets().ListRejected(row.name, 0, 1'000'000));
  for (const RejectedRow& one : rejected) {
    lines.push_back(RejectedLine(name, one.sequence, one.name));
  }
  return lines;
}

absl::StatusOr<std::vector<std::string>> LinesOf(Store& store,
                                                 const JobRow& row,
                                                 const std::string& name) {
  std::vector<std::string> lines = {JobLine(
      name, row.state, row.is_done, row.spec, row.status, row.generation)};
  ASSIGN_OR_RETURN(const std::vector<JobEventRow> events,
                   store.jobs().ListJobEvents(row.number, 0, 1'000'000));
  for (const JobEventRow& event : events) {
    lines.push_back(
        JobEventLine(name, event.sequence, event.kind, event.payload));
  }
  ASSIGN_OR_RETURN(const std::vector<CheckpointRow> checkpoints,
                   store.jobs().ListCheckpoints(row.number));
  for (const CheckpointRow& checkpoint : checkpoints) {
    lines.push_back(CheckpointLine(name, checkpoint.step, checkpoint.manifest,
                                   checkpoint.blobs));
  }
  return lines;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> TrainingLinesOf(
    Store& store, const std::map<std::int64_t, std::string>& jobs) {
  std::vector<std::string> lines;
  ASSIGN_OR_RETURN(const std::vector<DatasetRow> datasets,
                   store.datasets().ListDatasets());
  for (const DatasetRow& row : datasets) {
    ASSIGN_OR_RETURN(const std::vector<std::string> more, LinesOf(store, row));
    lines.insert(lines.end(), more.begin(), more.end());
  }
  ASSIGN_OR_RETURN(std::vector<JobRow> rows, store.jobs().ListJobs());
  std::reverse(rows.begin(), rows.end());
  for (const JobRow& row : rows) {
    const auto name = jobs.find(row.number.value);
    ASSIGN_OR_RETURN(
        const std::vector<std::string> more,
        LinesOf(store, row,
                name == jobs.end() ? "not in the audit" : name->second));
    lines.insert(lines.end(), more.begin(), more.end());
  }
  return lines;
}

}  // namespace resnetd
