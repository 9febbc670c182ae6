#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/dataset_service.pb.h"
#include "server/finetune/dataset_manager.h"
#include "server/rpc/mutation_of.h"
#include "server/rpc/request_limits.h"

namespace resnetd {

// What the unary methods of DatasetService that change something answer.
// INVALID_ARGUMENT with every violation at once. Thread-safe as the manager is;
// they wait for the disk.

absl::StatusOr<v1::CreateDatasetResponse> CreateDataset(
    DatasetManager& manager, const RequestLimits& limits,
    const v1::CreateDatasetRequest& request,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::SealDatasetResponse> SealDataset(
    DatasetManager& manager, const RequestLimits& limits,
    const v1::SealDatasetRequest& request,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::DeleteDatasetResponse> DeleteDataset(
    DatasetManager& manager, const RequestLimits& limits,
    const v1::DeleteDatasetRequest& request,
    absl::string_view actor = kAnonymous);

}  // namespace resnetd
