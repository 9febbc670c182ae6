#pragma once

#include "absl/status/status.h"
#include "server/serving/classify_types.h"

namespace resnetd {

// Checks the values of a request that do not depend on the pictures, for a
// model of `num_classes` classes. INVALID_ARGUMENT with one violation for each
// wrong field: no image, more than `max_images`, top_k outside 0..num_classes,
// min_probability outside 0..1.
absl::Status ValidateClassify(const ClassifyRequest& request,
                              std::size_t max_images, std::size_t num_classes);

}  // namespace resnetd
