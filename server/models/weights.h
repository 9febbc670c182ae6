#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/models/architecture.h"
#include "server/models/tensor_view.h"

namespace resnetd {

// A float32 tensor, C order.
struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

// The tensors of one network, checked: every name and shape that the network
// needs is there, nothing else, every value is finite, every running_var >= 0.
// Immutable after Bind; reading is thread-safe.
class Weights {
 public:
  // Converts `tensors`, of which no two have the same name, to float32 and
  // checks them against `network`. Prefixes "module.", "model." and
  // "state_dict." common to all names are stripped; missing counters
  // (num_batches_tracked) are accepted and count 0.
  // INVALID_ARGUMENT (WEIGHTS_MISMATCH): the text is the difference (missing,
  // unexpected, wrong shape), one entry a line with shapes, the first 50 of
  // each kind.
  // DATA_LOSS (WEIGHTS_CORRUPT): a value is not finite as float32 or a variance
  // is negative.
  static absl::StatusOr<Weights> Bind(absl::Span<const TensorView> tensors,
                                      const Network& network);

  // For tests and for tools that make weights: takes them as they are.
  static Weights FromTensors(absl::flat_hash_map<std::string, Tensor> tensors);

  // Precondition: the network that the weights were bound to has `name`.
  const Tensor& at(absl::string_view name) const;

 private:
  explicit Weights(absl::flat_hash_map<std::string, Tensor> tensors);
  absl::flat_hash_map<std::string, Tensor> tensors_;
};

}  // namespace resnetd
