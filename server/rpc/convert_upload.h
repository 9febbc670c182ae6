#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "resnetd/v1/dataset_service.pb.h"
#include "server/finetune/dataset_manager.h"
#include "server/rpc/request_limits.h"

namespace resnetd {

struct UploadHeader {
  DatasetName dataset;
  std::string upload;
};

// INVALID_ARGUMENT with every violation at once; fields are named from the
// request on: "header.upload".
absl::StatusOr<UploadHeader> ToUploadHeader(
    const v1::UploadExamplesHeader& message);

// The examples of `message`, whose names and labels are moved out of it; the
// pictures stay in it, and it outlives them. INVALID_ARGUMENT with every
// violation at once: "batch.examples[3].name".
absl::StatusOr<std::vector<UploadedExample>> ToUploadedExamples(
    v1::UploadBatch& message, const RequestLimits& limits);

}  // namespace resnetd
