#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/classification_service.pb.h"
#include "server/rpc/request_limits.h"
#include "server/serving/classify_types.h"

namespace resnetd {

// The tensor without a copy: it points into `tensor`, which has to stay as it
// is until the answer. Its values are not looked at, nor whether its sides are
// those of the model.
// INVALID_ARGUMENT (REQUEST_INVALID: type, sides below 1, size of the data;
// LIMIT_EXCEEDED: a side). Violations name what is in `field`, the path of the
// image: "images[3].tensor.height".
absl::StatusOr<TensorImage> ToTensor(const v1::TensorImage& tensor,
                                     absl::string_view field,
                                     const RequestLimits& limits);

}  // namespace resnetd
