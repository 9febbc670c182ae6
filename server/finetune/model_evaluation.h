#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/finetune/comparison.h"
#include "server/finetune/dataset_split.h"
#include "server/finetune/evaluation.h"
#include "server/finetune/gate.h"
#include "server/finetune/job_plan.h"
#include "server/models/model_package.h"
#include "server/store/dataset_catalog.h"

namespace resnetd {

// What is measured of stored versions on a dataset, and the decisions about it:
// which examples, which classes they are, what the numbers mean. The pictures
// go through the networks in evaluator.h.

// Which part of a dataset.
enum class DatasetPart { kTrain = 1, kValidation = 2, kTest = 3, kAll = 4 };

// "train", "validation", "test", "all".
absl::string_view DatasetPartName(DatasetPart part);

struct Measurement {
  DatasetName dataset;
  DatasetPart part = DatasetPart::kValidation;
  // How examples without a split of their own are divided.
  SplitSpec split;
};

// A version on a part of a dataset.
struct VersionEvaluation {
  // Never null.
  std::shared_ptr<const VersionFacts> version;
  // Arithmetic and backend of the network that answered.
  std::string precision;
  std::string backend;
  // SHA-256 of the sealed dataset.
  Digest dataset_digest;
  // At the temperature of the version.
  EvaluationReport report;
  // The temperature that fits these examples best, that of the version where
  // they tell none, see TellTemperature(); and what
  // loss and calibration error would be with it: on the examples that it was
  // fitted on, so a little better than elsewhere.
  double fitted_temperature = 1;
  double fitted_loss = 0;
  double fitted_calibration_error = 0;
  // Accuracy of always answering the commonest class, which is this one.
  double majority_baseline = 0;
  int majority_class = 0;
  // Median time of a picture in the network, in whole batches, at the priority
  // of training; nullopt: too few batches to say.
  std::optional<Duration> latency;
};

// Two versions on the same part of a dataset. Classes are the candidate's.
struct VersionComparison {
  VersionEvaluation champion;
  VersionEvaluation candidate;
  PairedReport paired;
  // Candidate / champion; nullopt: not measured.
  std::optional<double> latency_ratio;
  double size_ratio = 1;
  // What the gate with its default rules would say.
  GateVerdict verdict;
  // The same of McNemar's test alone, for people.
  std::string text;
};

// The examples of the part, in the dataset's order; PlannedExample::label is
// the dataset's. FAILED_PRECONDITION (TOO_FEW_EXAMPLES): none, with how many
// the other parts have; INVALID_ARGUMENT: CheckSplit().
absl::StatusOr<std::vector<PlannedExample>> ChooseExamples(
    const DatasetContent& data, const Measurement& what);

// Gives `examples` the classes of a version, by name: the first class of that
// name. INVALID_ARGUMENT (REQUEST_INVALID): the version lacks labels of
// examples; names each of the first few with how many pictures it has.
absl::Status UseClassesOf(const VersionFacts& version,
                          const std::vector<std::string>& dataset_labels,
                          std::vector<PlannedExample>& examples);

// Everything of VersionEvaluation that follows from the logits; `labels` are
// classes of `version`.
VersionEvaluation Measure(std::shared_ptr<const VersionFacts> version,
                          absl::Span<const float> logits,
                          absl::Span<const int> labels);

// Everything of VersionComparison that follows from the logits and the two
// evaluations; `labels` are classes of the candidate.
VersionComparison Judge(VersionEvaluation champion, VersionEvaluation candidate,
                        absl::Span<const float> champion_logits,
                        absl::Span<const float> candidate_logits,
                        absl::Span<const int> labels);

// The median time of a picture: `batches` are the times of equal batches of
// `size`. nullopt: fewer than kLeastTimedBatches of them.
inline constexpr std::size_t kLeastTimedBatches = 8;
std::optional<Duration> PictureTime(std::vector<Duration> batches,
                                    std::size_t size);

// FitTemperature() in thousandths, so that people can write it down. nullopt:
// it is at an end of its range, as where every example is right, and any lower
// one would fit better still: then the examples tell nothing of it.
std::optional<double> TellTemperature(const LogitsView& logits,
                                      absl::Span<const int> labels);

}  // namespace resnetd
