#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd::client {

// What the calls about datasets take and give. Plain values; what they mean is
// in proto/resnetd/v1/dataset_service.proto.

enum class DatasetState { kUnknown, kOpen, kSealed, kDeleted };

// E.g. "SEALED".
absl::string_view DatasetStateName(DatasetState state);

enum class ExampleSplit { kAuto, kTrain, kValidation, kTest };

// "auto", "train", "validation", "test".
absl::string_view ExampleSplitName(ExampleSplit split);

struct Dataset {
  // "datasets/NAME".
  std::string name;
  DatasetState state = DatasetState::kUnknown;
  // Empty from ListDatasets.
  std::vector<std::string> labels;
  int num_classes = 0;
  // Empty while it is open.
  std::string digest;
  std::int64_t example_count = 0;
  std::int64_t rejected_count = 0;
  std::int64_t size_bytes = 0;
  std::chrono::system_clock::time_point create_time;
  std::optional<std::chrono::system_clock::time_point> seal_time;
  std::string etag;
};

struct SplitSpec {
  double validation = 0.2;
  double test = 0;
  std::uint64_t seed = 0;
};

struct SplitCounts {
  std::int64_t train = 0;
  std::int64_t validation = 0;
  std::int64_t test = 0;
};

struct ClassReport {
  std::string label;
  SplitCounts counts;
};

struct SideReport {
  int min = 0;
  int median = 0;
  int max = 0;
};

struct DatasetAdvice {
  std::string code;
  bool blocking = false;
  std::string message;
};

struct DatasetReport {
  std::vector<ClassReport> classes;
  SplitSpec split;
  SplitCounts total;
  double imbalance = 0;
  SideReport width;
  SideReport height;
  double grey_share = 0;
  // Empty without examples.
  std::vector<double> mean;
  std::vector<double> std;
  double majority_baseline = 0;
  // By code.
  std::vector<std::pair<std::string, std::int64_t>> rejections;
  std::vector<DatasetAdvice> advice;
};

struct DescribedDataset {
  Dataset dataset;
  DatasetReport report;
};

struct Example {
  std::int64_t sequence = 0;
  std::string image_sha256;
  std::string label;
  ExampleSplit split = ExampleSplit::kAuto;
  int width = 0;
  int height = 0;
  bool is_grey = false;
  std::int64_t size_bytes = 0;
};

struct RejectedExample {
  std::int64_t sequence = 0;
  std::string name;
  std::string label;
  std::string code;
  std::string message;
};

struct NewDataset {
  std::string name;
  std::vector<std::string> labels;
  // By which a repetition is recognised; empty: the client makes one.
  std::string request_id;
  bool validate_only = false;
};

// SealDataset and DeleteDataset.
struct DatasetChange {
  std::string name;
  // Dataset::etag; empty: whatever it is.
  std::string etag;
  std::string request_id;
};

// A labelled picture on its way to a dataset.
struct LocalExample {
  // For people; only its last 512 bytes are sent.
  std::string name;
  std::string label;
  ExampleSplit split = ExampleSplit::kAuto;
  // A whole JPEG, PNG or WebP file. Of a larger one than kMaxSentBytes only the
  // beginning is sent, which a server refuses as too large.
  std::string image;
};

// Room for the rest of a message beside the largest picture.
inline constexpr std::size_t kMaxSentBytes = std::size_t{60} << 20U;

// Examples in a fixed order: the same each time that an upload is begun again.
// Not thread-safe.
class ExampleSource {
 public:
  virtual ~ExampleSource() = default;
  // Passes over `count` examples.
  virtual absl::Status Skip(std::int64_t count) = 0;
  // The next example; nullopt: there are no more. An error ends the upload with
  // that error.
  virtual absl::StatusOr<std::optional<LocalExample>> Next() = 0;
};

struct UploadRequest {
  std::string dataset;
  // By which the server knows where it was: 1 to 128 printable ASCII
  // characters.
  std::string upload;
};

// Why an example was not taken.
struct UploadRejection {
  // In the upload.
  std::int64_t index = 0;
  std::string name;
  std::string code;
  std::string message;
};

// How far an upload is.
struct UploadSummary {
  // Where it went on: examples before it had been dealt with earlier.
  std::int64_t resumed_at = 0;
  // Examples that are dealt with, those of earlier included.
  std::int64_t next_index = 0;
  // Bytes of pictures that were sent.
  std::int64_t bytes = 0;
  // Of those sent this time and answered.
  std::int64_t accepted = 0;
  std::int64_t duplicates = 0;
  std::int64_t rejected = 0;
  // Sent this time and dealt with, but the answer was lost.
  std::int64_t unanswered = 0;
};

// What UploadExamples tells, from the thread that called it. Both may be empty.
struct UploadListener {
  // After each batch and at the beginning.
  std::function<void(const UploadSummary& so_far)> on_progress = {};
  std::function<void(const UploadRejection& rejection)> on_rejected = {};
};

}  // namespace resnetd::client
