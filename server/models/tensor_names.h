#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/models/architecture.h"
#include "server/models/tensor_view.h"

namespace resnetd {

// The tensors of a file by the names that a network gives them: prefixes
// "module.", "model." and "state_dict." that all names share are stripped.
// Points to the tensors, which must outlive it. Immutable; reading is
// thread-safe.
class TensorNames {
 public:
  // Precondition: no two tensors have the same name.
  explicit TensorNames(absl::Span<const TensorView> tensors);

  // Null when there is none.
  const TensorView* Find(absl::string_view name) const;
  std::size_t size() const { return tensors_.size(); }
  absl::Span<const TensorView> tensors() const { return tensors_; }
  // The name of one of tensors() without the prefixes.
  absl::string_view NameOf(const TensorView& tensor) const {
    return absl::string_view(tensor.name).substr(prefix_bytes_);
  }

 private:
  absl::Span<const TensorView> tensors_;
  std::size_t prefix_bytes_ = 0;
  absl::flat_hash_map<absl::string_view, const TensorView*> by_name_;
};

// The names and shapes in which a file and a network differ, each as text with
// its shape. A missing counter (num_batches_tracked) is no difference.
struct TensorDifference {
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
  std::vector<std::string> wrong_shape;

  bool empty() const {
    return missing.empty() && unexpected.empty() && wrong_shape.empty();
  }
};

TensorDifference Compare(const TensorNames& tensors,
                         absl::Span<const TensorSpec> specs);

// INVALID_ARGUMENT (WEIGHTS_MISMATCH): `what` and the numbers of differences,
// then one a line, the first 50 of each kind; metadata "missing", "unexpected"
// and "wrong_shape" are the numbers.
absl::Status MismatchError(absl::string_view what,
                           const TensorDifference& difference);

}  // namespace resnetd
