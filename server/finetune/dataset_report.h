#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/ids.h"
#include "server/finetune/dataset_manager.h"
#include "server/finetune/dataset_split.h"
#include "server/store/dataset_catalog.h"

namespace resnetd {

// Examples of one class, or of all.
struct SplitCounts {
  std::int64_t train = 0;
  std::int64_t validation = 0;
  std::int64_t test = 0;

  std::int64_t all() const { return train + validation + test; }
};

struct SideReport {
  int min = 0;
  // Half of the pictures are at most this.
  int median = 0;
  int max = 0;
};

// One thing to look at before training.
struct DatasetAdvice {
  // For programs; see DatasetAdvice.code in dataset_service.proto.
  std::string code;
  // A job with the usual settings would refuse the dataset.
  bool blocking = false;
  std::string message;
};

// What the examples of a dataset are like, as plain numbers.
struct DatasetReport {
  SplitSpec split;
  // In class order.
  std::vector<SplitCounts> classes;
  SplitCounts total;
  // Largest class by smallest class that has any; 0 without examples.
  double imbalance = 0;
  SideReport width;
  SideReport height;
  double grey_share = 0;
  // Over all pictures, each counting the same, of values scaled to 0..1.
  std::array<double, 3> mean{};
  std::array<double, 3> deviation{};
  // Accuracy on validation of always answering the class that is most frequent
  // in training; 0 without validation examples.
  double majority_baseline = 0;
  // Rejected examples by code.
  std::map<std::string, std::int64_t> rejected;
  // Blocking ones first.
  std::vector<DatasetAdvice> advice;
};

// Precondition: CheckSplit(split) is OK and every label of `examples` is an
// index of `labels`. Pure.
DatasetReport ReportOn(const std::vector<std::string>& labels,
                       absl::Span<const ExampleRow> examples,
                       const std::map<std::string, std::int64_t>& rejected,
                       const SplitSpec& split);

// The same of a dataset of `manager`: reads its rows of examples, about 300
// bytes each, and waits for the disk. INVALID_ARGUMENT: of CheckSplit();
// NOT_FOUND (DATASET_NOT_FOUND).
absl::StatusOr<DatasetReport> ReportOnDataset(DatasetManager& manager,
                                              const DatasetName& name,
                                              const SplitSpec& split);

}  // namespace resnetd
