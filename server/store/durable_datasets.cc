#include "server/store/durable_datasets.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/store/example_table.h"
#include "server/store/rejected_table.h"
#include "server/store/seal.h"
#include "server/store/upload_table.h"

namespace resnetd {
namespace {

// How many rows of `rows` a list of those after `after` has.
std::int64_t Wanted(std::int64_t rows, std::int64_t after, std::size_t limit) {
  return std::clamp<std::int64_t>(
      rows - after, 0,
      static_cast<std::int64_t>(std::min(limit, std::size_t{1} << 30U)));
}

template <typename Row>
absl::StatusOr<std::vector<Row>> AllOf(absl::StatusOr<std::vector<Row>> rows,
                                       std::int64_t wanted) {
  if (rows.ok() && static_cast<std::int64_t>(rows->size()) != wanted) {
    return DamagedDatabase("examples of a dataset are missing");
  }
  return rows;
}

}  // namespace

std::string ResourceOf(const DatasetName& dataset) {
  return absl::StrCat("datasets/", dataset.text());
}

absl::Status NoDataset(const DatasetName& dataset) {
  return Error(absl::StatusCode::kNotFound, Reason::kDatasetNotFound,
               absl::StrCat("dataset ", Quoted(dataset.text()),
                            " does not exist"))
      .Resource("dataset", ResourceOf(dataset));
}

absl::StatusOr<DatasetRecord> ReadDataset(Database& database,
                                          const DatasetName& name) {
  ASSIGN_OR_RETURN(std::optional<DatasetRecord> record,
                   FindDataset(database, name));
  if (!record || record->row.state == DatasetState::kDeleted) {
    return NoDataset(name);
  }
  return *std::move(record);
}

absl::StatusOr<std::int64_t> DurableDatasets::UploadIndex(
    const DatasetName& dataset, absl::string_view upload) {
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_.reader()));
  ASSIGN_OR_RETURN(const DatasetRecord record,
                   ReadDataset(db_.reader(), dataset));
  ASSIGN_OR_RETURN(const std::optional<std::int64_t> index,
                   ReadUpload(db_.reader(), record.number, upload));
  return index.value_or(0);
}

absl::StatusOr<std::optional<ExampleRow>> DurableDatasets::FindExample(
    const DatasetName& dataset, const Digest& image) {
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_.reader()));
  ASSIGN_OR_RETURN(const DatasetRecord record,
                   ReadDataset(db_.reader(), dataset));
  return FindExampleRow(db_.reader(), record.number, image);
}

absl::StatusOr<std::vector<DatasetRow>> DurableDatasets::ListDatasets() {
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(std::vector<DatasetRecord> records,
                   ListAllDatasets(db_.reader()));
  std::vector<DatasetRow> rows;
  for (DatasetRecord& record : records) {
    if (record.row.state != DatasetState::kDeleted) {
      rows.push_back(std::move(record.row));
    }
  }
  return rows;
}

absl::StatusOr<DatasetRow> DurableDatasets::GetDataset(
    const DatasetName& name) {
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(DatasetRecord record, ReadDataset(db_.reader(), name));
  return std::move(record.row);
}

absl::StatusOr<std::vector<ExampleRow>> DurableDatasets::ListExamples(
    const DatasetName& dataset, std::int64_t after, std::size_t limit) {
  after = std::max<std::int64_t>(after, 0);
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_.reader()));
  ASSIGN_OR_RETURN(const DatasetRecord record,
                   ReadDataset(db_.reader(), dataset));
  const std::int64_t wanted = Wanted(record.row.examples, after, limit);
  return AllOf(ReadExamples(db_.reader(), record.number, after, wanted),
               wanted);
}

absl::StatusOr<std::vector<RejectedRow>> DurableDatasets::ListRejected(
    const DatasetName& dataset, std::int64_t after, std::size_t limit) {
  after = std::max<std::int64_t>(after, 0);
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_.reader()));
  ASSIGN_OR_RETURN(const DatasetRecord record,
                   ReadDataset(db_.reader(), dataset));
  const std::int64_t wanted = Wanted(record.row.rejected, after, limit);
  return AllOf(ReadRejected(db_.reader(), record.number, after, wanted),
               wanted);
}

absl::StatusOr<DatasetCount> DurableDatasets::Count() {
  MutexLock lock(db_.read_mutex());
  return CountDatasets(db_.reader());
}

}  // namespace resnetd
