#pragma once

#include "absl/status/statusor.h"
#include "resnetd/v1/model_service.pb.h"
#include "server/models/model_manager.h"
#include "server/rpc/download_call.h"

namespace resnetd {

// What the methods of ModelService that change nothing answer. Thread-safe as
// the manager is; they may wait for the disk.

absl::StatusOr<v1::ListModelsResponse> ListModels(
    ModelManager& manager, const v1::ListModelsRequest& request);
absl::StatusOr<v1::GetModelResponse> GetModel(
    ModelManager& manager, const v1::GetModelRequest& request);
absl::StatusOr<v1::ListVersionsResponse> ListVersions(
    ModelManager& manager, const v1::ListVersionsRequest& request);
absl::StatusOr<v1::GetVersionResponse> GetVersion(
    ModelManager& manager, const v1::GetVersionRequest& request);

absl::StatusOr<Download<v1::ExportVersionResponse>> OpenVersion(
    ModelManager& manager, const v1::ExportVersionRequest& request);
absl::StatusOr<Download<v1::GetBlobResponse>> OpenBlob(
    ModelManager& manager, const v1::GetBlobRequest& request);

}  // namespace resnetd
