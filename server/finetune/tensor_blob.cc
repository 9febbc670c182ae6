#include "server/finetune/tensor_blob.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/models/safetensors.h"
#include "server/models/safetensors_writer.h"

namespace resnetd {
namespace {

static_assert(std::endian::native == std::endian::little,
              "a .safetensors file is little-endian, as the values in memory");

std::vector<TensorView> ViewsOf(const TensorList& tensors) {
  std::vector<TensorView> views;
  views.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    views.push_back(
        {.name = name,
         .dtype = DType::kF32,
         .shape = tensor.shape,
         .bytes = {reinterpret_cast<const std::uint8_t*>(tensor.values.data()),
                   tensor.values.size() * sizeof(float)}});
  }
  return views;
}

absl::Status Corrupt(absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, Reason::kCheckpointCorrupt,
               absl::StrCat("a checkpoint is damaged: ", what));
}

absl::StatusOr<Tensor> Copy(const TensorView& view) {
  if (view.dtype != DType::kF32) {
    return Corrupt(absl::StrCat("tensor ", Quoted(view.name), " is of type ",
                                DTypeName(view.dtype)));
  }
  Tensor tensor{.shape = view.shape, .values = {}};
  tensor.values.resize(view.bytes.size() / sizeof(float));
  if (!tensor.values.empty()) {
    std::memcpy(tensor.values.data(), view.bytes.data(), view.bytes.size());
  }
  return tensor;
}

}  // namespace

absl::StatusOr<Digest> StoreTensors(const TensorList& tensors, Store& store) {
  const std::vector<TensorView> views = ViewsOf(tensors);
  ASSIGN_OR_RETURN(const std::int64_t size, SafetensorsBytes(views, {}));
  ASSIGN_OR_RETURN(const std::unique_ptr<BlobWriter> blob, store.NewBlob(size));
  RETURN_IF_ERROR(WriteSafetensors(
      views, {}, [&blob](absl::Span<const std::uint8_t> bytes) {
        return blob->Write(bytes);
      }));
  blob->Digested();
  return blob->Commit();
}

absl::StatusOr<TensorList> ReadTensors(const Digest& digest,
                                       std::int64_t max_bytes, Store& store) {
  ASSIGN_OR_RETURN(std::vector<std::uint8_t> bytes,
                   store.ReadBlob(digest, max_bytes));
  const absl::StatusOr<SafetensorsFile> file =
      SafetensorsFile::Parse(std::move(bytes));
  if (!file.ok()) {
    return Corrupt(file.status().message());
  }
  TensorList tensors;
  tensors.reserve(file->tensors().size());
  for (const TensorView& view : file->tensors()) {
    ASSIGN_OR_RETURN(Tensor tensor, Copy(view));
    tensors.emplace_back(view.name, std::move(tensor));
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return tensors;
}

absl::StatusOr<std::vector<std::uint8_t>> WeightsFileOf(
    const TensorList& tensors) {
  const std::vector<TensorView> views = ViewsOf(tensors);
  // What readers of weights ask for before they read a file.
  const SafetensorsMetadata metadata = {{"format", "pt"}};
  ASSIGN_OR_RETURN(const std::int64_t size, SafetensorsBytes(views, metadata));
  std::vector<std::uint8_t> file;
  file.reserve(static_cast<std::size_t>(size));
  RETURN_IF_ERROR(WriteSafetensors(
      views, metadata, [&file](absl::Span<const std::uint8_t> bytes) {
        file.insert(file.end(), bytes.begin(), bytes.end());
        return absl::OkStatus();
      }));
  return file;
}

}  // namespace resnetd
