#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/base/ids.h"
#include "server/image/image_decoder.h"
#include "server/store/dataset_catalog.h"
#include "server/store/store.h"
#include "server/telemetry/training_metrics.h"

namespace resnetd {

struct DatasetOptions {
  DecodeLimits decode;
  // Of one dataset.
  std::int64_t max_examples = 1'000'000;
  // Of the pictures of one dataset, encoded as they came.
  std::int64_t max_bytes = std::int64_t{50} << 30U;
  std::size_t max_labels = 10'000;
  // Threads that decode what is uploaded.
  std::size_t decode_threads = 1;
  // Counts what is rejected; outlives the manager.
  TrainingMetrics* metrics = &NullTrainingMetrics();
};

// An example as it comes from a client. The bytes are a JPEG, PNG or WebP file
// and outlive the call.
struct UploadedExample {
  // For people: at most 512 bytes of UTF-8 are kept.
  std::string name;
  std::string label;
  ExampleSplit split = ExampleSplit::kAuto;
  absl::Span<const std::uint8_t> bytes;
};

struct RejectedExample {
  // Of the example in the upload.
  std::int64_t index = 0;
  // DECODE_FAILED, TRUNCATED, UNSUPPORTED_FORMAT, UNSUPPORTED_FEATURE,
  // ANIMATED, EMPTY, TOO_LARGE, LABEL_UNKNOWN, DUPLICATE_CONFLICTING_LABEL,
  // LEAKED_ACROSS_SPLITS. The list of dataset_service.proto says what they
  // mean.
  std::string code;
  std::string message;
};

struct UploadProgress {
  // The next example of the upload that has not been dealt with.
  std::int64_t next_index = 0;
  std::int64_t accepted = 0;
  // Pictures that were there already, with the same label and split.
  std::int64_t duplicates = 0;
  std::vector<RejectedExample> rejected;
};

// Datasets of labelled pictures: taken in once, durable when acknowledged,
// immutable when sealed.
//
// Thread-safe. Everything but the reads waits for the disk, and Add() decodes:
// never call them from a thread that must not block. Errors of the store come
// through.
class DatasetManager {
 public:
  // `store` outlives the manager.
  static std::unique_ptr<DatasetManager> Create(const DatasetOptions& options,
                                                Store& store);
  // The same with another catalog than that of `store`.
  static std::unique_ptr<DatasetManager> Create(const DatasetOptions& options,
                                                Store& store,
                                                DatasetCatalog& catalog);
  virtual ~DatasetManager() = default;

  // `labels`: 1 to max_labels different ones of 1 to 256 bytes of UTF-8 without
  // control characters, in class order. INVALID_ARGUMENT (REQUEST_INVALID,
  // LIMIT_EXCEEDED) naming each wrong one; ALREADY_EXISTS (DATASET_EXISTS).
  virtual absl::StatusOr<DatasetRow> CreateDataset(
      const DatasetName& name, const std::vector<std::string>& labels,
      const Mutation& mutation) = 0;

  // Where the upload of that name goes on: 0 for a new one. `upload`: 1 to 128
  // printable ASCII characters, else INVALID_ARGUMENT (REQUEST_INVALID).
  // NOT_FOUND (DATASET_NOT_FOUND); FAILED_PRECONDITION (DATASET_SEALED).
  virtual absl::StatusOr<std::int64_t> UploadIndex(
      const DatasetName& dataset, absl::string_view upload) = 0;
  // Takes the examples `first_index`, ... of the upload: all that are not in
  // order are rejected one by one, the others are durable when this returns.
  // Examples before UploadIndex() are passed over: sending again is free.
  // Also when another call adds them to the same upload at the same time.
  // ABORTED (ETAG_MISMATCH): `first_index` is beyond it, metadata "next_index";
  // or other uploads add the same pictures again and again. RESOURCE_EXHAUSTED
  // (LIMIT_EXCEEDED): the dataset would have more than max_examples, or as many
  // rejected ones; (OVERLOADED): no memory to decode. NOT_FOUND,
  // FAILED_PRECONDITION, INVALID_ARGUMENT: as of UploadIndex().
  virtual absl::StatusOr<UploadProgress> Add(
      const DatasetName& dataset, absl::string_view upload,
      std::int64_t first_index, absl::Span<const UploadedExample> examples) = 0;

  // From here on immutable, with a digest; a sealed one stays as it is.
  // NOT_FOUND (DATASET_NOT_FOUND); FAILED_PRECONDITION (TOO_FEW_EXAMPLES): no
  // example at all; ABORTED (ETAG_MISMATCH).
  virtual absl::StatusOr<DatasetRow> SealDataset(const DatasetName& name,
                                                 absl::string_view etag,
                                                 const Mutation& mutation) = 0;
  // Its pictures are removed after the grace time of the store. NOT_FOUND
  // (DATASET_NOT_FOUND); FAILED_PRECONDITION (DATASET_IN_USE): a job that is
  // not done names it; ABORTED (ETAG_MISMATCH).
  virtual absl::StatusOr<DatasetRow> DeleteDataset(
      const DatasetName& name, absl::string_view etag,
      const Mutation& mutation) = 0;

  // Ordered by name, without deleted ones.
  virtual absl::StatusOr<std::vector<DatasetRow>> ListDatasets() = 0;
  // NOT_FOUND (DATASET_NOT_FOUND), for a deleted one too.
  virtual absl::StatusOr<DatasetRow> GetDataset(const DatasetName& name) = 0;
  // At most `limit` after the sequence number `after`, in order. NOT_FOUND
  // (DATASET_NOT_FOUND).
  virtual absl::StatusOr<std::vector<ExampleRow>> ListExamples(
      const DatasetName& dataset, std::int64_t after, std::size_t limit) = 0;
  virtual absl::StatusOr<std::vector<RejectedRow>> ListRejected(
      const DatasetName& dataset, std::int64_t after, std::size_t limit) = 0;

  // The pictures of `examples`, read from the store and decoded; their digests
  // are checked. DATA_LOSS (STORE_CORRUPT).
  virtual absl::StatusOr<std::vector<Pixels>> ReadPictures(
      absl::Span<const ExampleRow> examples) = 0;
};

}  // namespace resnetd
