#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/finetune/trainer.h"
#include "server/nn/layers.h"

namespace resnetd {

// Copies `tensors`, as float32 in C order, under their names.
// May throw c10::Error.
TensorList ToPlain(absl::Span<const NamedTensor> tensors);

// INVALID_ARGUMENT (CHECKPOINT_CORRUPT): `values` are not of exactly the names
// and shapes of `tensors`, in any order. `what` names them in the text:
// "weights".
absl::Status CheckFits(const TensorList& values,
                       absl::Span<const NamedTensor> tensors,
                       absl::string_view what);

// Writes `values` into `tensors`, by name.
// Precondition: CheckFits(). May throw c10::Error.
void CopyInto(const TensorList& values, absl::Span<const NamedTensor> tensors);

}  // namespace resnetd
