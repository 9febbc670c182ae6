#include "tests/support/fake_dataset_manager.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'767'225'600)};

absl::Status ErrorOf(absl::StatusCode code, Reason reason,
                     const DatasetName& name) {
  return Error(code, reason, absl::StrCat("dataset ", name.text()));
}

// The rows behind `after`, at most `limit`.
template <typename Row>
std::vector<Row> Page(const std::vector<Row>& rows, std::int64_t after,
                      std::size_t limit) {
  const auto begin =
      std::min<std::size_t>(static_cast<std::size_t>(after), rows.size());
  const std::size_t count = std::min(limit, rows.size() - begin);
  const auto first = rows.begin() + static_cast<std::ptrdiff_t>(begin);
  return {first, first + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace

void FakeDatasetManager::Fail(const std::string& method, absl::Status error) {
  MutexLock lock(mutex_);
  errors_[method] = std::move(error);
}

void FakeDatasetManager::Hold(const std::string& method) {
  MutexLock lock(mutex_);
  held_.insert(method);
}

void FakeDatasetManager::ReleaseAll() {
  {
    MutexLock lock(mutex_);
    held_.clear();
  }
  changed_.NotifyAll();
}

void FakeDatasetManager::AwaitCalls(const std::string& method,
                                    std::size_t count) {
  MutexLock lock(mutex_);
  while (calls_[method] < count) {
    changed_.Wait(mutex_);
  }
}

std::size_t FakeDatasetManager::calls(const std::string& method) {
  MutexLock lock(mutex_);
  return calls_[method];
}

Mutation FakeDatasetManager::last_mutation() {
  MutexLock lock(mutex_);
  return last_mutation_;
}

std::string FakeDatasetManager::last_etag() {
  MutexLock lock(mutex_);
  return last_etag_;
}

std::vector<UploadedExample> FakeDatasetManager::last_examples() {
  MutexLock lock(mutex_);
  return last_examples_;
}

void FakeDatasetManager::Make(const std::string& name) {
  const DatasetName parsed = DatasetName::Parse(name).value();
  MutexLock lock(mutex_);
  datasets_.insert_or_assign(parsed, Stored{.row = {.name = parsed,
                                                    .labels = {"cat", "dog"},
                                                    .created = kNow}});
}

void FakeDatasetManager::AddRow(const std::string& name, ExampleRow row) {
  MutexLock lock(mutex_);
  Stored& stored = datasets_.at(DatasetName::Parse(name).value());
  row.sequence = ++stored.row.examples;
  stored.examples.push_back(std::move(row));
}

void FakeDatasetManager::AddRejected(const std::string& name, RejectedRow row) {
  MutexLock lock(mutex_);
  Stored& stored = datasets_.at(DatasetName::Parse(name).value());
  row.sequence = ++stored.row.rejected;
  stored.rejected.push_back(std::move(row));
}

absl::Status FakeDatasetManager::Enter(const std::string& method) {
  ++calls_[method];
  changed_.NotifyAll();
  while (held_.count(method) > 0) {
    changed_.Wait(mutex_);
  }
  const auto error = errors_.find(method);
  return error == errors_.end() ? absl::OkStatus() : error->second;
}

absl::StatusOr<FakeDatasetManager::Stored*> FakeDatasetManager::Find(
    const DatasetName& name) {
  const auto found = datasets_.find(name);
  if (found == datasets_.end() ||
      found->second.row.state == DatasetState::kDeleted) {
    return ErrorOf(absl::StatusCode::kNotFound, Reason::kDatasetNotFound, name);
  }
  return &found->second;
}

absl::StatusOr<DatasetRow> FakeDatasetManager::CreateDataset(
    const DatasetName& name, const std::vector<std::string>& labels,
    const Mutation& mutation) {
  MutexLock lock(mutex_);
  last_mutation_ = mutation;
  RETURN_IF_ERROR(Enter("CreateDataset"));
  if (datasets_.count(name) > 0) {
    return ErrorOf(absl::StatusCode::kAlreadyExists, Reason::kDatasetExists,
                   name);
  }
  const auto [made, is_new] = datasets_.emplace(
      name, Stored{.row = {.name = name, .labels = labels, .created = kNow}});
  return made->second.row;
}

absl::StatusOr<std::int64_t> FakeDatasetManager::UploadIndex(
    const DatasetName& dataset, absl::string_view upload) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter("UploadIndex"));
  ASSIGN_OR_RETURN(const Stored* stored, Find(dataset));
  const auto found = stored->uploads.find(std::string(upload));
  return found == stored->uploads.end() ? 0 : found->second;
}

absl::StatusOr<UploadProgress> FakeDatasetManager::Add(
    const DatasetName& dataset, absl::string_view upload,
    std::int64_t first_index, absl::Span<const UploadedExample> examples) {
  MutexLock lock(mutex_);
  last_examples_.assign(examples.begin(), examples.end());
  for (UploadedExample& example : last_examples_) {
    example.bytes = {};
  }
  RETURN_IF_ERROR(Enter("Add"));
  ASSIGN_OR_RETURN(Stored* const stored, Find(dataset));
  std::int64_t& next = stored->uploads[std::string(upload)];
  if (first_index > next) {
    return absl::Status(Error(absl::StatusCode::kAborted, Reason::kEtagMismatch,
                              "not the next one")
                            .Metadata("next_index", absl::StrCat(next)));
  }
  UploadProgress progress;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const std::int64_t index = first_index + static_cast<std::int64_t>(i);
    if (index < next) {
      continue;
    }
    next = index + 1;
    const UploadedExample& example = examples[i];
    if (AsText(example.bytes) == "bad") {
      progress.rejected.push_back(
          {.index = index, .code = "TRUNCATED", .message = "ends too early"});
      stored->rejected.push_back({.sequence = ++stored->row.rejected,
                                  .name = example.name,
                                  .label = example.label,
                                  .code = "TRUNCATED",
                                  .message = "ends too early"});
      continue;
    }
    const Digest image = Sha256Hex(example.bytes);
    if (std::any_of(
            stored->examples.begin(), stored->examples.end(),
            [&](const ExampleRow& row) { return row.image == image; })) {
      ++progress.duplicates;
      continue;
    }
    ++progress.accepted;
    stored->row.bytes += static_cast<std::int64_t>(example.bytes.size());
    stored->examples.push_back(
        {.sequence = ++stored->row.examples,
         .image = image,
         .bytes = static_cast<std::int64_t>(example.bytes.size()),
         .label = example.label == stored->row.labels[0] ? 0 : 1,
         .split = example.split,
         .width = 1,
         .height = 1});
  }
  progress.next_index = next;
  return progress;
}

absl::StatusOr<DatasetRow> FakeDatasetManager::SealDataset(
    const DatasetName& name, absl::string_view etag, const Mutation& mutation) {
  MutexLock lock(mutex_);
  last_mutation_ = mutation;
  last_etag_ = std::string(etag);
  RETURN_IF_ERROR(Enter("SealDataset"));
  ASSIGN_OR_RETURN(Stored* const stored, Find(name));
  stored->row.state = DatasetState::kSealed;
  stored->row.sealed = kNow;
  stored->row.digest = Digest(64, 'a');
  return stored->row;
}

absl::StatusOr<DatasetRow> FakeDatasetManager::DeleteDataset(
    const DatasetName& name, absl::string_view etag, const Mutation& mutation) {
  MutexLock lock(mutex_);
  last_mutation_ = mutation;
  last_etag_ = std::string(etag);
  RETURN_IF_ERROR(Enter("DeleteDataset"));
  ASSIGN_OR_RETURN(Stored* const stored, Find(name));
  stored->row.state = DatasetState::kDeleted;
  return stored->row;
}

absl::StatusOr<std::vector<DatasetRow>> FakeDatasetManager::ListDatasets() {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter("ListDatasets"));
  std::vector<DatasetRow> rows;
  for (const auto& [name, stored] : datasets_) {
    if (stored.row.state != DatasetState::kDeleted) {
      rows.push_back(stored.row);
    }
  }
  return rows;
}

absl::StatusOr<DatasetRow> FakeDatasetManager::GetDataset(
    const DatasetName& name) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter("GetDataset"));
  ASSIGN_OR_RETURN(const Stored* stored, Find(name));
  return stored->row;
}

absl::StatusOr<std::vector<ExampleRow>> FakeDatasetManager::ListExamples(
    const DatasetName& dataset, std::int64_t after, std::size_t limit) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter("ListExamples"));
  ASSIGN_OR_RETURN(const Stored* stored, Find(dataset));
  return Page(stored->examples, after, limit);
}

absl::StatusOr<std::vector<RejectedRow>> FakeDatasetManager::ListRejected(
    const DatasetName& dataset, std::int64_t after, std::size_t limit) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter("ListRejected"));
  ASSIGN_OR_RETURN(const Stored* stored, Find(dataset));
  return Page(stored->rejected, after, limit);
}

absl::StatusOr<std::vector<Pixels>> FakeDatasetManager::ReadPictures(
    absl::Span<const ExampleRow> examples) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter("ReadPictures"));
  return std::vector<Pixels>(examples.size(),
                             {.width = 1, .height = 1, .rgb = {0, 0, 0}});
}

}  // namespace resnetd
