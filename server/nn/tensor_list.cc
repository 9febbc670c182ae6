#include "server/nn/tensor_list.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/nn/weight_view.h"

namespace resnetd {
namespace {

using ByName = absl::flat_hash_map<absl::string_view, const Tensor*>;

absl::Status Corrupt(absl::string_view what, absl::string_view is_wrong) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kCheckpointCorrupt,
               absl::StrCat("the ", what,
                            " of the saved state are not those of this "
                            "training: ",
                            is_wrong));
}

ByName IndexOf(const TensorList& values) {
  ByName index;
  for (const auto& [name, value] : values) {
    index.emplace(name, &value);
  }
  return index;
}

absl::Status CheckOne(const Tensor& value, const NamedTensor& wanted,
                      absl::string_view what) {
  if (at::IntArrayRef(value.shape) != wanted.tensor.sizes() ||
      value.values.size() != static_cast<std::size_t>(wanted.tensor.numel())) {
    return Corrupt(what, absl::StrCat(wanted.name, " has another shape"));
  }
  return absl::OkStatus();
}

}  // namespace

TensorList ToPlain(absl::Span<const NamedTensor> tensors) {
  const c10::NoGradGuard unrecorded;
  TensorList list;
  list.reserve(tensors.size());
  for (const NamedTensor& entry : tensors) {
    const at::Tensor plain = entry.tensor.to(at::kCPU, at::kFloat).contiguous();
    const float* first = plain.const_data_ptr<float>();
    list.emplace_back(entry.name, Tensor{plain.sizes().vec(),
                                         {first, first + plain.numel()}});
  }
  return list;
}

absl::Status CheckFits(const TensorList& values,
                       absl::Span<const NamedTensor> tensors,
                       absl::string_view what) {
  if (values.size() != tensors.size()) {
    return Corrupt(what, absl::StrCat("they are ", values.size(),
                                      " tensors instead of ", tensors.size()));
  }
  const ByName index = IndexOf(values);
  for (const NamedTensor& wanted : tensors) {
    const auto found = index.find(wanted.name);
    if (found == index.end()) {
      return Corrupt(what, absl::StrCat(wanted.name, " is missing"));
    }
    RETURN_IF_ERROR(CheckOne(*found->second, wanted, what));
  }
  return absl::OkStatus();
}

void CopyInto(const TensorList& values, absl::Span<const NamedTensor> tensors) {
  // Parameters ask for gradients: a copy into them is no part of the network.
  const c10::NoGradGuard unrecorded;
  const ByName index = IndexOf(values);
  for (const NamedTensor& entry : tensors) {
    entry.tensor.copy_(ViewOf(*index.at(entry.name)));
  }
}

}  // namespace resnetd
