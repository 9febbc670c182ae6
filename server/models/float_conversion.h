#pragma once

#include "absl/types/span.h"
#include "server/models/tensor_view.h"

namespace resnetd {

// The values of `tensor` as float32, rounded to nearest even where float32
// cannot hold them; integers and booleans (any byte but 0 is 1) by value.
// Precondition: out.size() is the number of its elements.
void ConvertToFloat(const TensorView& tensor, absl::Span<float> out);

// Index of the first value that is NaN or infinite; values.size() when every
// one is finite.
std::size_t FirstNonFinite(absl::Span<const float> values);

}  // namespace resnetd
