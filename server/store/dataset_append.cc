#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/store/blob_pins.h"
#include "server/store/durable_datasets.h"
#include "server/store/example_table.h"
#include "server/store/pack_table.h"
#include "server/store/rejected_table.h"
#include "server/store/tombstone_table.h"
#include "server/store/upload_table.h"

namespace resnetd {
namespace {

// Each once.
std::vector<Digest> PacksOf(const ExampleBatch& batch) {
  std::set<Digest> packs;
  for (const ExampleRow& row : batch.examples) {
    packs.insert(row.pack);
  }
  return {packs.begin(), packs.end()};
}

// What can only be a bug of whoever made the batch.
absl::Status CheckWhole(const ExampleBatch& batch, std::size_t labels,
                        const std::map<Digest, std::int64_t>& packs) {
  for (const ExampleRow& row : batch.examples) {
    if (!IsSha256Hex(row.image) || row.label < 0 ||
        static_cast<std::size_t>(row.label) >= labels || row.bytes < 1 ||
        row.offset < 0 || row.offset > packs.at(row.pack) - row.bytes) {
      return Error(absl::StatusCode::kInternal, Reason::kInternal,
                   "an example names no picture of its pack, or no label of "
                   "its dataset");
    }
  }
  if (batch.next_index < batch.expected_index) {
    return Error(absl::StatusCode::kInternal, Reason::kInternal,
                 "an upload goes backwards");
  }
  return absl::OkStatus();
}

absl::Status TakesExamples(const DatasetRow& row) {
  if (row.state == DatasetState::kOpen) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kDatasetSealed,
               absl::StrCat("dataset ", Quoted(row.name.text()),
                            " is sealed and takes no more examples; make "
                            "another one"));
}

// Moves the upload of `batch` on.
absl::Status AdvanceUpload(Database& database, const ExampleBatch& batch,
                           DatasetRecord& record) {
  ASSIGN_OR_RETURN(const std::optional<std::int64_t> index,
                   ReadUpload(database, record.number, batch.upload));
  if (index.value_or(0) != batch.expected_index) {
    return Error(absl::StatusCode::kAborted, Reason::kEtagMismatch,
                 absl::StrCat("upload ", Quoted(batch.upload), " of dataset ",
                              Quoted(batch.dataset.text()), " is at index ",
                              index.value_or(0), ", not ", batch.expected_index,
                              "; go on from where it is"))
        .Metadata("etag", EtagOf(record.row))
        .Metadata("next_index", absl::StrCat(index.value_or(0)));
  }
  record.uploads += index ? 0 : 1;
  return WriteUpload(database, record.number, batch.upload, batch.next_index);
}

// The numbers of the packs; those that the dataset does not know yet are added.
absl::StatusOr<std::map<Digest, std::int64_t>> AddPacks(
    Database& database, const std::map<Digest, std::int64_t>& sizes,
    DatasetRecord& record) {
  std::map<Digest, std::int64_t> numbers;
  for (const auto& [digest, bytes] : sizes) {
    ASSIGN_OR_RETURN(const std::optional<PackRow> known,
                     FindPack(database, record.number, digest));
    numbers[digest] = known ? known->number : ++record.packs;
    if (!known) {
      RETURN_IF_ERROR(InsertPack(database, {.dataset = record.number,
                                            .number = record.packs,
                                            .digest = digest,
                                            .bytes = bytes}));
    }
    RETURN_IF_ERROR(RemoveTombstone(database, digest));
  }
  return numbers;
}

absl::Status AddExample(Database& database, ExampleRow row, std::int64_t pack,
                        DatasetRecord& record) {
  ASSIGN_OR_RETURN(const std::optional<ExampleRow> known,
                   FindExampleRow(database, record.number, row.image));
  if (known) {
    return Error(absl::StatusCode::kAlreadyExists, Reason::kRequestInvalid,
                 absl::StrCat("dataset ", Quoted(record.row.name.text()),
                              " has the picture ", row.image,
                              " already, as example ", known->sequence))
        .Metadata("image", row.image);
  }
  row.sequence = ++record.row.examples;
  record.row.bytes += row.bytes;
  return InsertExample(database, record.number, row, pack);
}

absl::Status AddBatch(Database& database, const ExampleBatch& batch,
                      const std::map<Digest, std::int64_t>& sizes,
                      DatasetRecord& record) {
  ASSIGN_OR_RETURN(const auto packs, AddPacks(database, sizes, record));
  for (const ExampleRow& row : batch.examples) {
    RETURN_IF_ERROR(AddExample(database, row, packs.at(row.pack), record));
  }
  for (RejectedRow row : batch.rejected) {
    row.sequence = ++record.row.rejected;
    RETURN_IF_ERROR(InsertRejected(database, record.number, row));
  }
  return UpdateDataset(database, record);
}

}  // namespace

absl::StatusOr<DatasetRow> DurableDatasets::AppendExamples(
    const ExampleBatch& batch) {
  RETURN_IF_ERROR(CheckWritable(db_, blobs_));
  ASSIGN_OR_RETURN(const BlobPins pins, BlobPins::Take(blobs_, PacksOf(batch)));
  MutexLock lock(db_.write_mutex());
  ASSIGN_OR_RETURN(Connections::Change change, db_.Begin());
  ASSIGN_OR_RETURN(DatasetRecord record,
                   ReadDataset(change.database, batch.dataset));
  RETURN_IF_ERROR(TakesExamples(record.row));
  RETURN_IF_ERROR(CheckWhole(batch, record.row.labels.size(), pins.sizes()));
  RETURN_IF_ERROR(AdvanceUpload(change.database, batch, record));
  RETURN_IF_ERROR(AddBatch(change.database, batch, pins.sizes(), record));
  RETURN_IF_ERROR(db_.Finish(change));
  pins.Named(blobs_);
  return std::move(record.row);
}

}  // namespace resnetd
