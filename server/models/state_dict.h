#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/models/pickle_value.h"

namespace resnetd {

struct StateDictLimits {
  // Of a tensor's name.
  std::size_t max_name_bytes = 256;
};

// An entry of a state dict; points into the document and its pickle.
struct StateDictEntry {
  absl::string_view name;
  const PickledTensor* tensor = nullptr;
};

// The tensors of the state dict in `document`, in its order: the root itself
// when it is a dict of tensors, else the dict of tensors that the root has
// under "state_dict", "model" or "model_state_dict", as training scripts write
// it; whatever else lies beside it is not looked at.
//
// INVALID_ARGUMENT (MODEL_INVALID) when there is none, more than one, or
// something in it is no tensor; DATA_LOSS (WEIGHTS_CORRUPT) when a name occurs
// twice; INVALID_ARGUMENT (LIMIT_EXCEEDED, metadata "limit") for a name over
// the limit. The document must outlive the answer.
absl::StatusOr<std::vector<StateDictEntry>> FindStateDict(
    const PickleDocument& document, const StateDictLimits& limits = {});

}  // namespace resnetd
