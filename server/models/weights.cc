#include "server/models/weights.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "server/base/log.h"

namespace resnetd {

Weights::Weights(absl::flat_hash_map<std::string, Tensor> tensors)
    : tensors_(std::move(tensors)) {}

Weights Weights::FromTensors(absl::flat_hash_map<std::string, Tensor> tensors) {
  return Weights(std::move(tensors));
}

const Tensor& Weights::at(absl::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    Log(LogLevel::kError, "weights: no such tensor",
        {{"name", std::string(name)}});
    std::abort();
  }
  return found->second;
}

}  // namespace resnetd
