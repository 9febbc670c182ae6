#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/classification_service.pb.h"
#include "server/rpc/request_limits.h"
#include "server/serving/classify_types.h"

namespace resnetd {

// Checks everything of a request but what only the model knows, and makes the
// domain's request of it; request_id, arrived, deadline and cancelled are left
// to the caller. Encoded images are not copied: they point into `message`,
// which has to stay as it is until the answer.
//
// INVALID_ARGUMENT with every violation of the whole request at once. An image
// that breaks a rule becomes an absl::Status in its place; it fails the whole
// request when it is the only one or with fail_fast.
absl::StatusOr<ClassifyRequest> ToClassifyRequest(
    const v1::ClassifyRequest& message, const RequestLimits& limits);

// OK for an id of printable ASCII within the limit; the empty id is one.
// INVALID_ARGUMENT otherwise.
absl::Status CheckRequestId(absl::string_view request_id,
                            const RequestLimits& limits);

// Memory that ToClassifyRequest will take for the raw images of `message`.
std::size_t RawPixelBytes(const v1::ClassifyRequest& message);

// Frees the raw images of `message`; ToClassifyRequest has copied them.
void DropRawImages(v1::ClassifyRequest& message);

}  // namespace resnetd
