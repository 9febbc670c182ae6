#pragma once

#include "absl/strings/string_view.h"
#include "resnetd/v1/classification_service.pb.h"
#include "resnetd/v1/model_service.pb.h"
#include "server/models/model.h"
#include "server/serving/classify_types.h"

namespace resnetd {

// The domain's answers as messages. Errors of single images look as they would
// on a failed call.
v1::ClassifyResponse ToProto(const ClassifyResponse& response,
                             absl::string_view request_id, bool want_timing);

// A version that answers, hence RESIDENCY_READY.
v1::Model ToModelProto(const ServedVersion& version, bool is_default);

enum class Labels { kInclude, kLeaveOut };
v1::Version ToVersionProto(const ServedVersion& version, Labels labels);

}  // namespace resnetd
