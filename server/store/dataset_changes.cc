#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/store/alias_move.h"
#include "server/store/blob_pins.h"
#include "server/store/durable_datasets.h"
#include "server/store/example_table.h"
#include "server/store/job_table.h"
#include "server/store/pack_table.h"
#include "server/store/seal.h"
#include "server/store/sealed_digest.h"
#include "server/store/sequence_rows.h"
#include "server/store/tally_table.h"
#include "server/store/upload_table.h"

namespace resnetd {
namespace {

using Change = Connections::Change;

// Rows of a deleted dataset that are removed in one transaction: some 0.2 s.
constexpr std::int64_t kPiece = 10'000;
// Pieces that DeleteDataset() removes itself; the collector goes on.
constexpr int kPiecesAtOnce = 5;

// The dataset that a repeated mutation has named before, of any state.
absl::StatusOr<DatasetRow> ReadBack(Database& database,
                                    const DatasetName& name) {
  ASSIGN_OR_RETURN(std::optional<DatasetRecord> record,
                   FindDataset(database, name));
  if (!record) {
    return DamagedDatabase("a request names a dataset that is not there");
  }
  return std::move(record->row);
}

absl::Status CheckDatasetEtag(const DatasetRow& row, absl::string_view etag) {
  return CheckEtag(absl::StrCat("dataset ", Quoted(row.name.text())), etag,
                   EtagOf(row));
}

absl::Status CheckNoOpenJob(Database& database, const DatasetName& name) {
  ASSIGN_OR_RETURN(const std::vector<JobRecord> open,
                   ListJobRecords(database, WhichJobs::kOpen));
  std::vector<std::int64_t> jobs;
  for (const JobRecord& record : open) {
    if (record.row.dataset == name) {
      jobs.push_back(record.row.number.value);
    }
  }
  if (jobs.empty()) {
    return absl::OkStatus();
  }
  const std::string list = absl::StrJoin(jobs, ",");
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kDatasetInUse,
               absl::StrCat("dataset ", Quoted(name.text()), " is used by ",
                            jobs.size() == 1 ? "job " : "jobs ", list,
                            "; cancel or await them first"))
      .Metadata("jobs", list);
}

// Removes a piece of the rows of a deleted dataset. False: there was none.
absl::StatusOr<bool> RemoveRows(Database& database, std::int64_t dataset) {
  for (const absl::string_view table : {"examples", "rejected_examples"}) {
    ASSIGN_OR_RETURN(const bool removed,
                     RemoveOldest(database, table, "dataset", dataset, kPiece));
    if (removed) {
      return true;
    }
  }
  // Last, as the mark of those that are not finished.
  ASSIGN_OR_RETURN(const std::vector<PackRow> packs,
                   ListPacks(database, dataset));
  ASSIGN_OR_RETURN(const std::int64_t uploads, CheckUploads(database, dataset));
  if (packs.empty() && uploads == 0) {
    return false;
  }
  RETURN_IF_ERROR(RemoveUploads(database, dataset));
  RETURN_IF_ERROR(RemovePacks(database, dataset));
  return true;
}

}  // namespace

absl::StatusOr<DatasetRow> DurableDatasets::CreateDataset(
    const DatasetName& name, const std::vector<std::string>& labels,
    const Mutation& mutation) {
  RETURN_IF_ERROR(CheckWritable(db_, blobs_));
  MutexLock lock(db_.write_mutex());
  ASSIGN_OR_RETURN(Change change, db_.Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   FindRequest(change.database, mutation));
  if (repeated) {
    return ReadBack(change.database, name);
  }
  ASSIGN_OR_RETURN(const std::optional<DatasetRecord> known,
                   FindDataset(change.database, name));
  if (known) {
    const bool is_deleted = known->row.state == DatasetState::kDeleted;
    return Error(absl::StatusCode::kAlreadyExists, Reason::kDatasetExists,
                 absl::StrCat(
                     "dataset ", Quoted(name.text()),
                     is_deleted ? " was there and was deleted" : " exists",
                     "; choose another name"))
        .Resource("dataset", ResourceOf(name));
  }
  ASSIGN_OR_RETURN(Tally tally, ReadTally(change.database));
  DatasetRecord record{.number = ++tally.datasets,
                       .row = {.name = name,
                               .state = DatasetState::kOpen,
                               .labels = labels,
                               .digest = "",
                               .created = change.now,
                               .sealed = std::nullopt}};
  RETURN_IF_ERROR(InsertDataset(change.database, record));
  RETURN_IF_ERROR(WriteTally(change.database, tally));
  RETURN_IF_ERROR(db_.Record(
      change, mutation, {.resource = ResourceOf(name), .created = true},
      absl::StrCat("created with ", labels.size(), " labels")));
  return std::move(record.row);
}

absl::StatusOr<DatasetRow> DurableDatasets::SealDataset(
    const DatasetName& name, absl::string_view etag, const Mutation& mutation) {
  RETURN_IF_ERROR(CheckWritable(db_, blobs_));
  MutexLock lock(db_.write_mutex());
  ASSIGN_OR_RETURN(Change change, db_.Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   FindRequest(change.database, mutation));
  if (repeated) {
    return ReadBack(change.database, name);
  }
  ASSIGN_OR_RETURN(DatasetRecord record, ReadDataset(change.database, name));
  RETURN_IF_ERROR(CheckDatasetEtag(record.row, etag));
  const Outcome outcome{.resource = ResourceOf(name)};
  if (record.row.state == DatasetState::kSealed) {
    RETURN_IF_ERROR(db_.RecordNothing(change, mutation, outcome));
    return std::move(record.row);
  }
  DatasetDigest digest;
  ASSIGN_OR_RETURN(
      const std::int64_t examples,
      ForEachExample(change.database, record.number,
                     [&](const ExampleRow& row) { digest.Add(row); }));
  if (examples != record.row.examples) {
    return DamagedDatabase("examples of a dataset are missing");
  }
  record.row.state = DatasetState::kSealed;
  record.row.digest = digest.Finish(record.row.labels);
  record.row.sealed = change.now;
  RETURN_IF_ERROR(UpdateDataset(change.database, record));
  RETURN_IF_ERROR(db_.Record(change, mutation, outcome,
                             absl::StrCat("sealed with ", examples,
                                          " examples as ", record.row.digest)));
  return std::move(record.row);
}

absl::StatusOr<DatasetRow> DurableDatasets::DeleteDataset(
    const DatasetName& name, absl::string_view etag, const Mutation& mutation) {
  RETURN_IF_ERROR(CheckWritable(db_, blobs_));
  absl::StatusOr<DatasetRow> row = MarkDeleted(name, etag, mutation);
  if (row.ok()) {
    // It is deleted, whatever comes of this.
    RemoveRowsOfDeleted(kPiecesAtOnce).IgnoreError();
  }
  return row;
}

absl::StatusOr<DatasetRow> DurableDatasets::MarkDeleted(
    const DatasetName& name, absl::string_view etag, const Mutation& mutation) {
  MutexLock lock(db_.write_mutex());
  ASSIGN_OR_RETURN(Change change, db_.Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   FindRequest(change.database, mutation));
  if (repeated) {
    return ReadBack(change.database, name);
  }
  ASSIGN_OR_RETURN(DatasetRecord record, ReadDataset(change.database, name));
  RETURN_IF_ERROR(CheckDatasetEtag(record.row, etag));
  RETURN_IF_ERROR(CheckNoOpenJob(change.database, name));
  record.row.state = DatasetState::kDeleted;
  RETURN_IF_ERROR(UpdateDataset(change.database, record));
  RETURN_IF_ERROR(db_.Record(
      change, mutation, {.resource = ResourceOf(name)},
      absl::StrCat("deleted with ", record.row.examples, " examples")));
  return std::move(record.row);
}

absl::StatusOr<bool> DurableDatasets::RemovePiece() {
  MutexLock lock(db_.write_mutex());
  ASSIGN_OR_RETURN(Change change, db_.Begin());
  ASSIGN_OR_RETURN(const std::vector<DatasetRecord> records,
                   ListAllDatasets(change.database));
  for (const DatasetRecord& record : records) {
    if (record.row.state != DatasetState::kDeleted) {
      continue;
    }
    ASSIGN_OR_RETURN(const bool removed,
                     RemoveRows(change.database, record.number));
    if (removed) {
      RETURN_IF_ERROR(db_.Finish(change));
      return true;
    }
  }
  return false;
}

absl::Status DurableDatasets::RemoveRowsOfDeleted(int pieces) {
  for (int i = 0; i < pieces; ++i) {
    ASSIGN_OR_RETURN(const bool removed, RemovePiece());
    if (!removed) {
      break;
    }
  }
  return absl::OkStatus();
}

}  // namespace resnetd
