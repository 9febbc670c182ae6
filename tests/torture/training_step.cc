#include "tests/torture/training_step.h"

#include <cstdlib>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/ids.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

// Of no job.
constexpr std::int64_t kNoJob = std::numeric_limits<std::int64_t>::max();

DatasetName NameOf(const Step& step) {
  return *DatasetName::Parse(DatasetOf(step));
}

absl::Status Append(const Step& step, Store& store) {
  ASSIGN_OR_RETURN(const Digest pack, Upload(PackOf(step.content), store));
  ASSIGN_OR_RETURN(const std::int64_t index,
                   store.datasets().UploadIndex(NameOf(step), "upload"));
  ExampleBatch batch{.dataset = NameOf(step),
                     .upload = "upload",
                     .next_index = index + 1,
                     .expected_index = index};
  std::int64_t offset = 0;
  for (const std::vector<std::uint8_t>& picture : PicturesOf(step.content)) {
    const std::size_t number = batch.examples.size();
    const auto bytes = static_cast<std::int64_t>(picture.size());
    batch.examples.push_back({.image = Sha256Hex(picture),
                              .pack = pack,
                              .offset = offset,
                              .bytes = bytes,
                              .label = LabelOf(step.content, number),
                              .split = SplitOf(step.content),
                              .mean = {0.1, 0.2, 0.3}});
    offset += bytes;
    ++batch.next_index;
  }
  batch.rejected = {{.name = absl::StrCat("content ", step.content),
                     .label = "none",
                     .code = "TRUNCATED"}};
  return store.datasets().AppendExamples(batch).status();
}

// The number of the job that the step is about, as of now.
absl::StatusOr<JobNumber> FindJob(const Step& step, Store& store) {
  ASSIGN_OR_RETURN(std::vector<JobRow> jobs, store.jobs().ListJobs());
  std::erase_if(
      jobs, [&step](const JobRow& row) { return row.dataset != NameOf(step); });
  if (jobs.empty()) {
    return JobNumber{kNoJob};
  }
  return jobs[static_cast<std::size_t>(step.version) % jobs.size()].number;
}

absl::Status CreateJob(const Step& step, Store& store) {
  const JobRow row{.state = 1,
                   .spec = absl::StrCat("spec ", step.content),
                   .status = "new",
                   .dataset = NameOf(step)};
  return store.jobs()
      .CreateJob(row, {{.kind = 1, .payload = "created"}},
                 {.open = 1000, .open_per_creator = 1000},
                 MutationOf(step, "CreateJob"))
      .status();
}

absl::Status AdvanceJob(const Step& step, Store& store) {
  CheckpointRow checkpoint{.step = static_cast<std::int64_t>(step.content),
                           .manifest = absl::StrCat("content ", step.content)};
  for (const auto& blob : CheckpointBlobsOf(step.content)) {
    ASSIGN_OR_RETURN(Digest digest, Upload(blob, store));
    checkpoint.blobs.push_back(std::move(digest));
  }
  ASSIGN_OR_RETURN(const JobNumber job, FindJob(step, store));
  const JobChange change{
      .job = job,
      .state = 2,
      .status = absl::StrCat("content ", step.content),
      .events = {{.kind = 2, .payload = "step"},
                 {.kind = 3, .payload = absl::StrCat(step.content)}},
      .checkpoint = std::move(checkpoint),
      .remove_checkpoints = ReplacedBy(step.content)};
  // Half of them are the server's own doing.
  return store.jobs()
      .ChangeJob(change, step.request_id.empty()
                             ? std::nullopt
                             : std::optional(MutationOf(step, "AdvanceJob")))
      .status();
}

absl::Status EndJob(const Step& step, Store& store) {
  ASSIGN_OR_RETURN(const JobNumber job, FindJob(step, store));
  return store.jobs()
      .ChangeJob({.job = job,
                  .state = 9,
                  .is_done = true,
                  .events = {{.kind = 4, .payload = "ended"}}},
                 MutationOf(step, "EndJob"))
      .status();
}

absl::Status DeleteJob(const Step& step, Store& store) {
  ASSIGN_OR_RETURN(const JobNumber job, FindJob(step, store));
  return store.jobs().DeleteJob(job, "", MutationOf(step, "DeleteJob"));
}

}  // namespace

bool IsTraining(StepKind kind) { return kind >= StepKind::kCreateDataset; }

std::string DatasetOf(const Step& step) {
  return absl::StrCat(step.model, "-", step.epoch);
}

std::vector<std::vector<std::uint8_t>> PicturesOf(std::uint64_t content) {
  constexpr std::uint64_t kPictures = 3;
  std::vector<std::vector<std::uint8_t>> pictures;
  for (std::uint64_t i = 0; i < kPictures; ++i) {
    std::vector<std::uint8_t> bytes =
        ContentOf(4'000'000 + content * kPictures + i);
    // Short ones would often be alike.
    const std::string mark = absl::StrCat("picture ", content, " ", i, ":");
    bytes.insert(bytes.begin(), mark.begin(), mark.end());
    pictures.push_back(std::move(bytes));
  }
  return pictures;
}

std::vector<std::uint8_t> PackOf(std::uint64_t content) {
  std::vector<std::uint8_t> pack;
  for (const std::vector<std::uint8_t>& picture : PicturesOf(content)) {
    pack.insert(pack.end(), picture.begin(), picture.end());
  }
  return pack;
}

std::vector<std::vector<std::uint8_t>> CheckpointBlobsOf(
    std::uint64_t content) {
  return {ContentOf(5'000'000 + content), ContentOf(6'000'000 + content % 2)};
}

int LabelOf(std::uint64_t content, std::size_t index) {
  return static_cast<int>((content + index) % 2);
}

ExampleSplit SplitOf(std::uint64_t content) {
  return static_cast<ExampleSplit>(content % 4);
}

std::string JobText(const std::string& dataset, std::size_t ordinal) {
  return absl::StrCat(dataset, "/", ordinal);
}

std::vector<std::int64_t> ReplacedBy(std::uint64_t content) {
  const auto step = static_cast<std::int64_t>(content);
  return {step - 3, step - 2};
}

absl::Status DoTraining(const Step& step, Store& store) {
  switch (step.kind) {
    case StepKind::kCreateDataset:
      return store.datasets()
          .CreateDataset(NameOf(step), {"cat", "dog"},
                         MutationOf(step, "CreateDataset"))
          .status();
    case StepKind::kAppend:
      return Append(step, store);
    case StepKind::kSealDataset:
      return store.datasets()
          .SealDataset(NameOf(step), "", MutationOf(step, "SealDataset"))
          .status();
    case StepKind::kDeleteDataset:
      return store.datasets()
          .DeleteDataset(NameOf(step), "", MutationOf(step, "DeleteDataset"))
          .status();
    case StepKind::kCreateJob:
      return CreateJob(step, store);
    case StepKind::kAdvanceJob:
      return AdvanceJob(step, store);
    case StepKind::kEndJob:
      return EndJob(step, store);
    case StepKind::kDeleteJob:
      return DeleteJob(step, store);
    default:
      std::abort();
  }
}

}  // namespace resnetd
