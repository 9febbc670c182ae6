#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/models/architecture.h"
#include "server/models/tensor_view.h"

namespace resnetd {

// The architecture that has exactly the names and shapes of `tensors` (of which
// no two have the same name), with its number of classes, as Weights::Bind
// wants them; looks at no value. `wanted` is the name of the only one that will
// do; empty: any that FindArchitecture knows. Costs a few milliseconds,
// whatever the file holds.
//
// INVALID_ARGUMENT (MODEL_INVALID): `wanted` is unknown.
// INVALID_ARGUMENT (WEIGHTS_MISMATCH): nothing fits; the text is the difference
// to `wanted`, and the name of the architecture that fits if one does; without
// `wanted` the difference to the architecture with the fewest differences.
absl::StatusOr<Architecture> RecogniseArchitecture(
    absl::Span<const TensorView> tensors, absl::string_view wanted);

}  // namespace resnetd
