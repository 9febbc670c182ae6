#pragma once

#include "absl/status/statusor.h"
#include "resnetd/v1/dataset_service.pb.h"
#include "server/finetune/dataset_manager.h"

namespace resnetd {

// What the methods of DatasetService that change nothing answer. Thread-safe as
// the manager is; they may wait for the disk.

absl::StatusOr<v1::GetDatasetResponse> GetDataset(
    DatasetManager& manager, const v1::GetDatasetRequest& request);
absl::StatusOr<v1::ListDatasetsResponse> ListDatasets(
    DatasetManager& manager, const v1::ListDatasetsRequest& request);
absl::StatusOr<v1::ListExamplesResponse> ListExamples(
    DatasetManager& manager, const v1::ListExamplesRequest& request);
absl::StatusOr<v1::ListRejectedExamplesResponse> ListRejectedExamples(
    DatasetManager& manager, const v1::ListRejectedExamplesRequest& request);

}  // namespace resnetd
