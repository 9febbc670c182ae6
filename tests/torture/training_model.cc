#include "tests/torture/training_model.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/sha256.h"
#include "tests/torture/training_lines.h"
#include "tests/torture/training_step.h"

namespace resnetd {
namespace {

std::vector<Digest> DigestsOf(
    const std::vector<std::vector<std::uint8_t>>& blobs) {
  std::vector<Digest> digests;
  for (const std::vector<std::uint8_t>& blob : blobs) {
    digests.push_back(Sha256Hex(blob));
  }
  return digests;
}

// What docs/store.md says of the digest of a dataset.
Digest DigestOf(const std::vector<std::uint64_t>& contents) {
  std::map<Digest, std::string> lines;
  for (const std::uint64_t content : contents) {
    const std::vector<Digest> images = DigestsOf(PicturesOf(content));
    for (std::size_t i = 0; i < images.size(); ++i) {
      lines[images[i]] = absl::StrCat(images[i], " ", LabelOf(content, i), " ",
                                      static_cast<int>(SplitOf(content)), "\n");
    }
  }
  std::string text = "resnetd dataset 1\n2\n3:cat\n3:dog\n";
  for (const auto& [image, line] : lines) {
    text += line;
  }
  return Sha256Hex(absl::MakeSpan(
      reinterpret_cast<const unsigned char*>(text.data()), text.size()));
}

std::string NameOf(const Step& step) { return "datasets/" + DatasetOf(step); }

}  // namespace

bool TrainingModel::Do(const Step& step, const AddAudit& audit) {
  switch (step.kind) {
    case StepKind::kCreateDataset:
      return CreateDataset(step, audit);
    case StepKind::kAppend:
      return Append(step);
    case StepKind::kSealDataset:
      return Seal(step, audit);
    case StepKind::kDeleteDataset:
      return DeleteDataset(step, audit);
    case StepKind::kCreateJob:
      return CreateJob(step, audit);
    case StepKind::kAdvanceJob:
    case StepKind::kEndJob:
      return ChangeJob(step, audit);
    case StepKind::kDeleteJob:
      return DeleteJob(step, audit);
    default:
      std::abort();
  }
}

TrainingModel::Dataset* TrainingModel::Find(const Step& step) {
  const auto found = datasets_.find(DatasetOf(step));
  return found == datasets_.end() || found->second.is_deleted ? nullptr
                                                              : &found->second;
}

std::size_t TrainingModel::FindJob(const Step& step) const {
  std::vector<std::size_t> jobs;
  for (std::size_t i = jobs_.size(); i > 0; --i) {
    if (jobs_[i - 1].dataset == DatasetOf(step)) {
      jobs.push_back(i - 1);
    }
  }
  return jobs.empty()
             ? jobs_.size()
             : jobs[static_cast<std::size_t>(step.version) % jobs.size()];
}

bool TrainingModel::CreateDataset(const Step& step, const AddAudit& audit) {
  if (!datasets_.emplace(DatasetOf(step), Dataset{}).second) {
    return false;
  }
  audit("CreateDataset", NameOf(step));
  return true;
}

bool TrainingModel::Append(const Step& step) {
  Dataset* const dataset = Find(step);
  if (dataset == nullptr || dataset->is_sealed ||
      std::count(dataset->contents.begin(), dataset->contents.end(),
                 step.content) != 0) {
    return false;
  }
  dataset->contents.push_back(step.content);
  return true;
}

bool TrainingModel::Seal(const Step& step, const AddAudit& audit) {
  Dataset* const dataset = Find(step);
  if (dataset == nullptr) {
    return false;
  }
  if (!std::exchange(dataset->is_sealed, true)) {
    audit("SealDataset", NameOf(step));
  }
  return true;
}

bool TrainingModel::DeleteDataset(const Step& step, const AddAudit& audit) {
  Dataset* const dataset = Find(step);
  if (dataset == nullptr) {
    return false;
  }
  for (const Job& job : jobs_) {
    if (job.dataset == DatasetOf(step) && !job.is_done) {
      return false;
    }
  }
  dataset->is_deleted = true;
  audit("DeleteDataset", NameOf(step));
  return true;
}

bool TrainingModel::CreateJob(const Step& step, const AddAudit& audit) {
  Dataset* const dataset = Find(step);
  if (dataset == nullptr) {
    return false;
  }
  Job job{.dataset = DatasetOf(step),
          .ordinal = ++dataset->jobs,
          .spec = absl::StrCat("spec ", step.content)};
  const std::string name = JobText(job.dataset, job.ordinal);
  job.events.push_back(JobEventLine(name, 1, 1, "created"));
  jobs_.push_back(std::move(job));
  audit("CreateJob", "jobs/" + name);
  return true;
}

bool TrainingModel::ChangeJob(const Step& step, const AddAudit& audit) {
  const std::size_t index = FindJob(step);
  if (index == jobs_.size() || jobs_[index].is_done) {
    return false;
  }
  Job& job = jobs_[index];
  const std::string name = JobText(job.dataset, job.ordinal);
  const auto add_event = [&](int kind, const std::string& payload) {
    job.events.push_back(JobEventLine(
        name, static_cast<std::int64_t>(job.events.size()) + 1, kind, payload));
  };
  ++job.generation;
  if (step.kind == StepKind::kEndJob) {
    job.state = 9;
    job.is_done = true;
    add_event(4, "ended");
    audit("EndJob", "jobs/" + name);
    return true;
  }
  job.state = 2;
  job.status = absl::StrCat("content ", step.content);
  add_event(2, "step");
  add_event(3, absl::StrCat(step.content));
  for (const std::int64_t replaced : ReplacedBy(step.content)) {
    job.checkpoints.erase(static_cast<std::uint64_t>(replaced));
  }
  job.checkpoints.insert(step.content);
  if (!step.request_id.empty()) {
    audit("AdvanceJob", "jobs/" + name);
  }
  return true;
}

bool TrainingModel::DeleteJob(const Step& step, const AddAudit& audit) {
  const std::size_t index = FindJob(step);
  if (index == jobs_.size() || !jobs_[index].is_done) {
    return false;
  }
  audit("DeleteJob",
        "jobs/" + JobText(jobs_[index].dataset, jobs_[index].ordinal));
  jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(index));
  return true;
}

void TrainingModel::AddLines(const std::string& name, const Dataset& dataset,
                             std::vector<std::string>& lines) {
  std::vector<std::string> examples;
  std::int64_t all_bytes = 0;
  for (const std::uint64_t content : dataset.contents) {
    const Digest pack = Sha256Hex(PackOf(content));
    std::int64_t offset = 0;
    std::size_t index = 0;
    for (const auto& picture : PicturesOf(content)) {
      const auto bytes = static_cast<std::int64_t>(picture.size());
      examples.push_back(ExampleLine(
          name, static_cast<std::int64_t>(examples.size()) + 1,
          Sha256Hex(picture), pack, offset, bytes, LabelOf(content, index++),
          static_cast<int>(SplitOf(content))));
      offset += bytes;
    }
    all_bytes += offset;
  }
  const auto count = static_cast<std::int64_t>(examples.size());
  const auto rejected = static_cast<std::int64_t>(dataset.contents.size());
  lines.push_back(
      DatasetLine(name, dataset.is_sealed,
                  dataset.is_sealed ? DigestOf(dataset.contents) : "none",
                  count, rejected, all_bytes, count + rejected));
  lines.insert(lines.end(), examples.begin(), examples.end());
  std::int64_t sequence = 0;
  for (const std::uint64_t content : dataset.contents) {
    lines.push_back(
        RejectedLine(name, ++sequence, absl::StrCat("content ", content)));
  }
}

void TrainingModel::AddLines(const Job& job, std::vector<std::string>& lines) {
  const std::string name = JobText(job.dataset, job.ordinal);
  lines.push_back(JobLine(name, job.state, job.is_done, job.spec, job.status,
                          job.generation));
  lines.insert(lines.end(), job.events.begin(), job.events.end());
  for (const std::uint64_t content : job.checkpoints) {
    lines.push_back(CheckpointLine(name, static_cast<std::int64_t>(content),
                                   absl::StrCat("content ", content),
                                   DigestsOf(CheckpointBlobsOf(content))));
  }
}

std::vector<std::string> TrainingModel::Lines() const {
  std::vector<std::string> lines;
  for (const auto& [name, dataset] : datasets_) {
    if (!dataset.is_deleted) {
      AddLines(name, dataset, lines);
    }
  }
  for (const Job& job : jobs_) {
    AddLines(job, lines);
  }
  return lines;
}

std::set<Digest> TrainingModel::LiveBlobs() const {
  std::set<Digest> blobs;
  for (const auto& [name, dataset] : datasets_) {
    for (const std::uint64_t content :
         dataset.is_deleted ? std::vector<std::uint64_t>() : dataset.contents) {
      blobs.insert(Sha256Hex(PackOf(content)));
    }
  }
  for (const Job& job : jobs_) {
    for (const std::uint64_t content : job.checkpoints) {
      for (const Digest& digest : DigestsOf(CheckpointBlobsOf(content))) {
        blobs.insert(digest);
      }
    }
  }
  return blobs;
}

}  // namespace resnetd
