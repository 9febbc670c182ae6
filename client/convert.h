#pragma once

#include <grpcpp/support/status.h>

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/client.h"
#include "google/rpc/status.pb.h"
#include "resnetd/v1/classification_service.pb.h"
#include "resnetd/v1/model_service.pb.h"
#include "resnetd/v1/server_service.pb.h"

namespace resnetd::client {

// Between the messages of the wire and the types of client.h; nothing else.

v1::ClassifyRequest ToProto(ClassifyRequest request);

// INTERNAL with kReasonBadAnswer when the answer does not have `images`
// results.
absl::StatusOr<ClassifyAnswer> FromProto(v1::ClassifyResponse response,
                                         std::size_t images);
Model FromProto(const v1::Model& model);
Version FromProto(const v1::Version& version);
ServerInfo FromProto(const v1::GetServerInfoResponse& info);

// The status with its details as payload, so that ErrorInfoOf() finds them.
absl::Status FromProto(const google::rpc::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace resnetd::client
