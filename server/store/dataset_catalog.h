#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/store/store_types.h"

namespace resnetd {

enum class DatasetState {
  kOpen = 1,     // takes examples
  kSealed = 2,   // never changes again
  kDeleted = 3,  // its examples are gone; its name stays taken
};

struct DatasetRow {
  DatasetName name;
  DatasetState state = DatasetState::kOpen;
  // In class order.
  std::vector<std::string> labels;
  // Of the sealed dataset; empty before.
  Digest digest;
  std::int64_t examples = 0;
  std::int64_t rejected = 0;
  // Of the pictures, as they were sent.
  std::int64_t bytes = 0;
  WallTime created;
  std::optional<WallTime> sealed;
};

// "d1" for an open dataset without examples; changes with every change of it.
std::string EtagOf(const DatasetRow& dataset);

// Which part of a dataset an example was sent for.
enum class ExampleSplit { kAuto = 0, kTrain = 1, kValidation = 2, kTest = 3 };

// An example that was taken. Its picture is a piece of a blob, so that a
// thousand small pictures cost one sync of the disk.
struct ExampleRow {
  // From 1 on, without gaps, in the order in which they were taken.
  std::int64_t sequence = 0;
  // SHA-256 of the picture. One dataset has each picture once.
  Digest image;
  Digest pack;
  std::int64_t offset = 0;
  std::int64_t bytes = 0;
  // Index of DatasetRow::labels.
  int label = 0;
  ExampleSplit split = ExampleSplit::kAuto;
  int width = 0;
  int height = 0;
  bool is_grey = false;
  // Per channel R, G, B of values scaled to 0..1, over all pixels.
  std::array<double, 3> mean{};
  std::array<double, 3> mean_square{};
};

// An example that was not taken.
struct RejectedRow {
  // From 1 on, without gaps.
  std::int64_t sequence = 0;
  // How the client calls it, e.g. "cats/7.jpg"; for people only.
  std::string name;
  std::string label;
  // E.g. "TRUNCATED", "LABEL_UNKNOWN".
  std::string code;
  std::string message;
};

// What an upload adds at once.
struct ExampleBatch {
  DatasetName dataset;
  // The client's name for its upload, and how many of its examples are dealt
  // with when this batch is: it goes on from there after a broken stream.
  std::string upload;
  std::int64_t next_index = 0;
  // Of how many before this batch; ABORTED when it is not so.
  std::int64_t expected_index = 0;
  // Without sequence. Their packs are blobs that were committed before.
  std::vector<ExampleRow> examples;
  std::vector<RejectedRow> rejected;
};

// Datasets of a store. What a method answered OK survives any crash. Thread-
// safe; mutations wait for the disk. Errors of every mutation: those of Store.
class DatasetCatalog {
 public:
  virtual ~DatasetCatalog() = default;

  // ALREADY_EXISTS (DATASET_EXISTS): also of a deleted one. A repetition of the
  // same request, here and below, is answered with the dataset as it is now:
  // kDeleted when it was deleted since.
  virtual absl::StatusOr<DatasetRow> CreateDataset(
      const DatasetName& name, const std::vector<std::string>& labels,
      const Mutation& mutation) = 0;
  // Adds all of `batch` in one transaction. NOT_FOUND (DATASET_NOT_FOUND,
  // BLOB_NOT_FOUND); FAILED_PRECONDITION (DATASET_SEALED); ABORTED
  // (ETAG_MISMATCH): the upload is at another index, metadata "next_index". A
  // picture that the dataset has: ALREADY_EXISTS, metadata "image"; nothing is
  // added. INTERNAL: an example names no piece of its pack, or no label.
  virtual absl::StatusOr<DatasetRow> AppendExamples(
      const ExampleBatch& batch) = 0;
  // How many examples of the upload are dealt with; 0 for one never seen.
  // NOT_FOUND (DATASET_NOT_FOUND), as below.
  virtual absl::StatusOr<std::int64_t> UploadIndex(
      const DatasetName& dataset, absl::string_view upload) = 0;
  // The example with that picture; nullopt: none.
  virtual absl::StatusOr<std::optional<ExampleRow>> FindExample(
      const DatasetName& dataset, const Digest& image) = 0;
  // Ends the dataset. `digest` is SealedDigest() of all its examples, as they
  // are in the transaction: computed inside. Sealing a sealed one changes
  // nothing. NOT_FOUND; ABORTED (ETAG_MISMATCH).
  virtual absl::StatusOr<DatasetRow> SealDataset(const DatasetName& name,
                                                 absl::string_view etag,
                                                 const Mutation& mutation) = 0;
  // Removes examples and rejections, keeps the row. NOT_FOUND; ABORTED;
  // FAILED_PRECONDITION (DATASET_IN_USE): a job that is not done names it. The
  // numbers of the answer are those of before.
  virtual absl::StatusOr<DatasetRow> DeleteDataset(
      const DatasetName& name, absl::string_view etag,
      const Mutation& mutation) = 0;

  // Ordered by name, without deleted ones.
  virtual absl::StatusOr<std::vector<DatasetRow>> ListDatasets() = 0;
  // NOT_FOUND (DATASET_NOT_FOUND), for a deleted one too.
  virtual absl::StatusOr<DatasetRow> GetDataset(const DatasetName& name) = 0;
  // At most `limit` after `after`, in order of sequence. NOT_FOUND.
  virtual absl::StatusOr<std::vector<ExampleRow>> ListExamples(
      const DatasetName& dataset, std::int64_t after, std::size_t limit) = 0;
  virtual absl::StatusOr<std::vector<RejectedRow>> ListRejected(
      const DatasetName& dataset, std::int64_t after, std::size_t limit) = 0;
};

// SHA-256 over the labels in class order and over image digest, label and split
// of the examples in order of their image digests: whoever has the same data
// has the same digest, in whatever order they were sent.
Digest SealedDigest(const std::vector<std::string>& labels,
                    const std::vector<ExampleRow>& examples);

}  // namespace resnetd
