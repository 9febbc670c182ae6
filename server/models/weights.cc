#include "server/models/weights.h"

#include <cstddef>
#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/populate_memory.h"
#include "server/base/status_macros.h"
#include "server/models/float_conversion.h"
#include "server/models/tensor_names.h"

namespace resnetd {
namespace {

absl::Status BadValue(absl::string_view name, std::size_t index,
                      std::size_t count, absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt,
               absl::StrCat("tensor ", name, ": value ", index, " of ", count,
                            " ", what))
      .Metadata("tensor", name);
}

absl::Status CheckValues(absl::string_view name,
                         absl::Span<const float> values) {
  if (const std::size_t bad = FirstNonFinite(values); bad < values.size()) {
    return BadValue(name, bad, values.size(),
                    absl::StrCat("is ", values[bad], ", not a finite number"));
  }
  if (!absl::EndsWith(name, ".running_var")) {
    return absl::OkStatus();
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 0) {
      return BadValue(
          name, i, values.size(),
          absl::StrCat("is ", values[i], ", a variance is never negative"));
    }
  }
  return absl::OkStatus();
}

std::size_t CountValues(absl::Span<const std::int64_t> shape) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) {
    count *= static_cast<std::size_t>(size);
  }
  return count;
}

}  // namespace

Weights::Weights(absl::flat_hash_map<std::string, Tensor> tensors)
    : tensors_(std::move(tensors)) {}

absl::StatusOr<Weights> Weights::Bind(absl::Span<const TensorView> tensors,
                                      const Network& network) {
  const std::vector<TensorSpec> specs = TensorSpecs(network);
  const TensorNames names(tensors);
  if (const TensorDifference difference = Compare(names, specs);
      !difference.empty()) {
    return MismatchError("the weights do not fit the network", difference);
  }
  absl::flat_hash_map<std::string, Tensor> bound;
  bound.reserve(specs.size());
  for (const TensorSpec& spec : specs) {
    Tensor& tensor = bound[spec.name];
    tensor.shape = spec.shape;
    const std::size_t count = CountValues(spec.shape);
    tensor.values.reserve(count);
    PopulateMemory(tensor.values.data(), count * sizeof(float));
    tensor.values.resize(count);
    if (const TensorView* found = names.Find(spec.name)) {
      ConvertToFloat(*found, absl::MakeSpan(tensor.values));
      RETURN_IF_ERROR(CheckValues(spec.name, tensor.values));
    }
  }
  return Weights(std::move(bound));
}

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
