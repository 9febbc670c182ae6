#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/finetune/job.h"
#include "server/finetune/job_plan.h"
#include "server/models/model_manager.h"
#include "server/store/store.h"

namespace resnetd {

// The dataset in which the exemplars of a version are kept, made when a job
// makes the version: an ordinary sealed dataset, whose pictures are those of
// the datasets they came from.
DatasetName ExemplarDataset(const ModelName& model, VersionNumber version);

// Everything of a sealed dataset. NOT_FOUND (DATASET_NOT_FOUND);
// FAILED_PRECONDITION (DATASET_NOT_SEALED).
absl::StatusOr<DatasetContent> ReadDataset(DatasetCatalog& catalog,
                                           const DatasetName& name);

// What a plan of `spec` is made from; spec.base is set, or spec.architecture.
// NOT_FOUND (DATASET_NOT_FOUND, MODEL_NOT_FOUND, VERSION_NOT_FOUND);
// FAILED_PRECONDITION (DATASET_NOT_SEALED).
absl::StatusOr<PlanInputs> ReadInputs(const JobSpec& spec, Store& store,
                                      ModelManager& models);

// Keeps exemplars of what `plan`, that of `job`, trained on, for version
// `version` of its model: per class so many to train on as the job says, and as
// many to validate with, of these more where they are fewer than
// kLeastRealPictures together. Nothing when they are kept already.
absl::Status KeepExemplars(const Job& job, const JobPlan& plan,
                           VersionNumber version, DatasetCatalog& catalog);

}  // namespace resnetd
