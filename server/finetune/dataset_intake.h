#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/finetune/dataset_manager.h"
#include "server/finetune/decode_pool.h"
#include "server/store/dataset_catalog.h"
#include "server/store/store.h"

namespace resnetd {

// What becomes of the examples of one Add(): looks at every picture, decides
// which are taken, writes those as one blob. Check(), then Decide() and
// WritePack(), then as often as needed Decide() again, each time followed by
// TakeBatch(). Not thread-safe.
class DatasetIntake {
 public:
  // Everything outlives it. `first_index`: of examples[0] in the upload.
  DatasetIntake(const DatasetRow& dataset, std::int64_t first_index,
                absl::Span<const UploadedExample> examples);

  // Decodes and measures every picture. An error is none of a picture's:
  // RESOURCE_EXHAUSTED (OVERLOADED).
  absl::Status Check(const DecodeLimits& limits, DecodePool& pool);
  // Compares with what the dataset has now, and with each other.
  absl::Status Decide(DatasetCatalog& catalog);
  // Writes the pictures that were decided to be taken, if there are any.
  absl::Status WritePack(Store& store);

  // What was decided last.
  std::int64_t accepted() const;
  // Of the pictures that are taken.
  std::int64_t accepted_bytes() const;
  UploadProgress Progress() const;
  // The rows for the catalog; upload and indices are the caller's.
  ExampleBatch Batch() const;

 private:
  enum class Verdict { kTaken, kDuplicate, kRejected };
  struct Looked {
    ExampleRow row;
    Verdict verdict = Verdict::kTaken;
    // Of the picture and the label alone; Decide() begins from here.
    bool is_sound = false;
    std::string code;
    std::string message;
  };

  absl::Status Look(std::size_t index, const DecodeLimits& limits);
  void Compare(const ExampleRow& there, Looked& looked) const;
  void Reject(absl::string_view code, std::string message,
              Looked& looked) const;

  const DatasetRow& dataset_;
  const std::int64_t first_index_;
  const absl::Span<const UploadedExample> examples_;
  absl::flat_hash_map<absl::string_view, int> labels_;
  std::vector<Looked> looked_;
};

}  // namespace resnetd
