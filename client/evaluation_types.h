#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/dataset_types.h"
#include "client/job_types.h"
#include "client/model_types.h"

namespace resnetd::client {

// What the calls that measure versions take and give. Plain values; what they
// mean is in proto/resnetd/v1/evaluation.proto.

enum class DatasetPart { kUnknown, kTrain, kValidation, kTest, kAll };

// E.g. "validation".
absl::string_view DatasetPartName(DatasetPart part);

struct Measurement {
  // "NAME" or "datasets/NAME", sealed.
  std::string dataset;
  DatasetPart part = DatasetPart::kValidation;
  // Absent: as in jobs.
  std::optional<SplitSpec> split;
};

struct EvaluatedClass {
  int index = 0;
  std::string label;
  std::int64_t examples = 0;
  std::int64_t correct = 0;
  std::int64_t predicted = 0;
  // Absent: no pictures of the class, and none that were taken for it.
  std::optional<double> recall;
  std::optional<double> precision;
};

struct ConfusionCell {
  int label = 0;
  int predicted = 0;
  std::int64_t examples = 0;
};

struct EvaluationReport {
  // "models/NAME/versions/N".
  std::string version;
  // "datasets/NAME".
  std::string dataset;
  std::string dataset_digest;
  DatasetPart part = DatasetPart::kUnknown;
  int num_classes = 0;
  std::int64_t examples = 0;
  std::int64_t correct = 0;
  double accuracy = 0;
  std::optional<double> top5_accuracy;
  double loss = 0;
  double mean_confidence = 0;
  double calibration_error = 0;
  double temperature = 1;
  double fitted_temperature = 1;
  double fitted_loss = 0;
  double fitted_calibration_error = 0;
  double majority_baseline = 0;
  std::string majority_label;
  std::vector<EvaluatedClass> classes;
  std::vector<ConfusionCell> confusion;
  bool confusion_is_complete = false;
  // Of a picture.
  std::optional<std::chrono::nanoseconds> latency;
  std::string precision;
  std::string backend;
};

struct PairedCounts {
  std::int64_t both = 0;
  std::int64_t only_champion = 0;
  std::int64_t only_candidate = 0;
  std::int64_t neither = 0;
};

struct PairedClass {
  int index = 0;
  std::string label;
  bool is_old = false;
  PairedCounts counts;
};

struct PairedReport {
  EvaluationReport champion;
  EvaluationReport candidate;
  PairedCounts all;
  PairedCounts old_classes;
  PairedCounts new_classes;
  double p_value = 1;
  std::string text;
  std::vector<PairedClass> classes;
  std::optional<double> latency_ratio;
  double size_ratio = 1;
  GateVerdict gate;
};

struct CompareRequest {
  // "models/NAME/versions/N".
  std::string champion;
  std::string candidate;
  Measurement measurement;
};

struct CalibrateRequest {
  // "models/NAME/versions/N".
  std::string name;
  Measurement measurement;
  // By which a repetition is recognised; empty: the client makes one.
  std::string request_id;
  // True: it is measured, and no version is made.
  bool validate_only = false;
};

struct Calibrated {
  Version version;
  // False: the version was there before, or nothing was made.
  bool created = false;
  // Of the version that was calibrated.
  EvaluationReport report;
};

// What one precision showed on the server's machine.
struct PrecisionTrial {
  // "fp32", "bf16", "int8".
  std::string precision;
  // CPU time; absent: it cannot be used at all.
  std::optional<std::chrono::nanoseconds> picture_time;
  std::int64_t examples = 0;
  std::int64_t agreeing = 0;
  double logit_error = 0;
  std::int64_t labelled = 0;
  std::int64_t correct = 0;
  std::int64_t memory_bytes = 0;
  // E.g. "DISAGREES"; empty: it may be used.
  std::string objection;
  std::string objection_text;
};

struct PrecisionReport {
  // "datasets/NAME".
  std::string dataset;
  std::string dataset_digest;
  DatasetPart part = DatasetPart::kUnknown;
  // "fp32" first.
  std::vector<PrecisionTrial> trials;
  // What the server may serve it in, and what that and "auto" come to.
  std::string policy;
  std::string chosen;
  std::string fastest;
  std::string calibration_method;
};

struct QuantizeRequest {
  // "models/NAME/versions/N".
  std::string name;
  Measurement measurement;
  // True: it is measured, and the version answers as before.
  bool validate_only = false;
};

struct Quantized {
  Version version;
  PrecisionReport report;
};

}  // namespace resnetd::client
