#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/finetune/head.h"
#include "server/finetune/job.h"
#include "server/finetune/recipe.h"
#include "server/image/preprocess.h"
#include "server/models/architecture.h"
#include "server/models/model_package.h"
#include "server/store/dataset_catalog.h"

namespace resnetd {

// A sealed dataset with all its rows.
struct DatasetContent {
  DatasetRow dataset;
  std::vector<ExampleRow> examples;
};

// What a plan is made from.
struct PlanInputs {
  DatasetContent data;
  // Absent: from scratch.
  std::shared_ptr<const VersionFacts> base;
  // Where old classes are replayed from; absent: there is nothing kept.
  std::optional<DatasetContent> kept;
};

// An example with its place in the network that is trained.
struct PlannedExample {
  ExampleRow row;
  int label = 0;  // class of the result
  // Of the kept examples, not of the dataset.
  bool is_replayed = false;
};

// What a job will do, in full.
struct JobPlan {
  Architecture architecture;
  PreprocessSpec preprocess;
  // Of the result, in class order.
  std::vector<std::string> labels;
  // With a base: its class_map says which class of the result each class of the
  // base is.
  std::optional<HeadPlan> head;
  // Classes of the base that the dataset shows nothing of.
  std::vector<int> unseen_classes;
  // For training: those of the dataset, and those that are replayed.
  std::vector<PlannedExample> train;
  std::vector<PlannedExample> replay;
  // Validation, of the dataset and of replayed classes alike.
  std::vector<PlannedExample> validation;
  Recipe recipe;
};

// What is trained on, in the order in which everything counts it: plan.train,
// then plan.replay.
std::vector<PlannedExample> TrainingExamples(const JobPlan& plan);
// Of each example.
std::vector<int> LabelsOf(const std::vector<PlannedExample>& examples);
// Indices of those that are kept: ChooseByHash() by picture and class.
std::vector<std::size_t> ChooseExemplars(
    const std::vector<PlannedExample>& examples, int per_class,
    std::int64_t seed);

// OK, or FAILED_PRECONDITION (DATASET_NOT_SEALED).
absl::Status CheckSealed(const DatasetRow& dataset);

// A class needs so many examples to train on: with one, all that could be
// learnt is that picture.
inline constexpr std::int64_t kLeastExamples = 2;
// Share of a dataset's examples that may have been rejected.
inline constexpr double kMostRejected = 0.05;

// Decides everything that can be decided without pictures and weights. Pure.
//
// INVALID_ARGUMENT (RECIPE_INVALID: every violation; REQUEST_INVALID: the split
// leaves nothing to validate with, a head policy without a base, no such
// architecture, a label twice in the base). FAILED_PRECONDITION
// (DATASET_NOT_SEALED; TOO_FEW_EXAMPLES: the dataset has one class, a class has
// none or one to train on; TOO_MANY_BAD_EXAMPLES; FORGETTING_NOT_ALLOWED).
absl::StatusOr<JobPlan> PlanJob(const JobSpec& spec, const PlanInputs& inputs);

}  // namespace resnetd
