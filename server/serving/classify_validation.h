#pragma once

#include <cstddef>
#include <optional>

#include "absl/status/status.h"

namespace resnetd {

// What a request asks for, without its pictures.
struct ClassifyNumbers {
  std::size_t images = 0;
  int top_k = 0;
  float min_probability = 0;
};

// INVALID_ARGUMENT with one violation for each wrong field: no image, more than
// `max_images` (LIMIT_EXCEEDED), top_k outside 0..num_classes, min_probability
// outside 0..1. `num_classes` is absent while the model is not known yet: then
// any top_k from 0 on may be right.
absl::Status ValidateClassify(const ClassifyNumbers& request,
                              std::size_t max_images,
                              std::optional<std::size_t> num_classes);

}  // namespace resnetd
