#pragma once

#include "absl/strings/string_view.h"
#include "resnetd/v1/classification_service.pb.h"
#include "server/serving/classify_types.h"

namespace resnetd {

// The domain's answers as messages. Errors of single images look as they would
// on a failed call.
v1::ClassifyResponse ToProto(const ClassifyResponse& response,
                             absl::string_view request_id, bool want_timing);
// Of a request for embeddings.
v1::EmbedResponse ToEmbedProto(const ClassifyResponse& response,
                               absl::string_view request_id, bool want_timing);

}  // namespace resnetd
