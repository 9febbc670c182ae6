#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/dataset_types.h"
#include "client/evaluation_types.h"
#include "client/model_requests.h"
#include "client/model_types.h"
#include "client/types.h"
#include "google/rpc/status.pb.h"
#include "resnetd/v1/classification_service.pb.h"
#include "resnetd/v1/dataset_service.pb.h"
#include "resnetd/v1/model_service.pb.h"
#include "resnetd/v1/server_service.pb.h"

namespace resnetd::client {

// Between the messages of the wire and the types of the client; nothing else.

v1::ClassifyRequest ToProto(ClassifyRequest request);

// INTERNAL with kReasonBadAnswer when the answer does not have `images`
// results.
absl::StatusOr<ClassifyAnswer> FromProto(v1::ClassifyResponse response,
                                         std::size_t images);
Alias FromProto(const v1::Alias& alias);
Model FromProto(const v1::Model& model);
Version FromProto(const v1::Version& version);
ModelEvent FromProto(const v1::ModelEvent& event);
v1::Measurement ToProto(const Measurement& measurement);
EvaluationReport FromProto(const v1::EvaluationReport& message);
PrecisionReport FromProto(const v1::PrecisionReport& message);
PairedReport FromProto(const v1::PairedReport& message);
v1::ImportVersionHeader ToProto(const ImportRequest& request);
ServerInfo FromProto(const v1::GetServerInfoResponse& info);
v1::ExampleSplit ToProto(ExampleSplit split);
Dataset FromProto(const v1::Dataset& dataset);
Example FromProto(const v1::Example& example);
RejectedExample FromProto(const v1::RejectedExample& rejected);
DatasetReport FromProto(const v1::DatasetReport& report);

std::chrono::nanoseconds FromProto(const google::protobuf::Duration& duration);
google::protobuf::Duration ToProto(std::chrono::nanoseconds duration);
std::chrono::system_clock::time_point FromProto(
    const google::protobuf::Timestamp& time);

// The name of an enum's value without what all its values begin with, as
// "PRIORITY_": empty for UNSPECIFIED; "UNKNOWN" for a value of a newer server,
// which has no name here.
std::string ShortName(absl::string_view name, absl::string_view prefix);

// "models/NAME..." for a name with or without "models/" in front.
std::string ModelResource(absl::string_view name);

// "datasets/NAME" for a name with or without "datasets/" in front.
std::string DatasetResource(absl::string_view name);

// The status with its details as payload, so that ErrorInfoOf() finds them.
absl::Status FromProto(const google::rpc::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace resnetd::client
