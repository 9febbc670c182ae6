#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/models/tensor_view.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/zip_writer.h"

namespace resnetd {

// Parts of a pickle of protocol 2, to be put one behind the other.
namespace pickle {

inline const std::string kProto = "\x80\x02";

inline std::string Text(absl::string_view text) {
  return absl::StrCat("X", LittleEndian(text.size(), 4), text);
}

// An integer in 8 bytes at most, as LONG1.
inline std::string Int(std::int64_t number) {
  return absl::StrCat("\x8A\x08",
                      LittleEndian(static_cast<std::uint64_t>(number), 8));
}

inline std::string Tuple(absl::string_view items) {
  return absl::StrCat("(", items, "t");
}

inline std::string Global(absl::string_view module, absl::string_view name) {
  return absl::StrCat("c", module, "\n", name, "\n");
}

inline std::string Ints(absl::Span<const std::int64_t> numbers) {
  std::string items;
  for (const std::int64_t number : numbers) {
    items += Int(number);
  }
  return Tuple(items);
}

// "R": an empty OrderedDict.
inline std::string OrderedDict() {
  return Global("collections", "OrderedDict") + ")R";
}

inline std::string Dict(absl::string_view items) {
  return absl::StrCat("}(", items, "u");
}

}  // namespace pickle

// A tensor of a .pth file to be written: a view of storage `key`.
struct PickledView {
  std::string name;
  std::string type = "FloatStorage";
  std::string key = "0";
  std::int64_t elements = 0;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
};

inline std::string StorageText(const PickledView& view) {
  return pickle::Tuple(absl::StrCat(pickle::Text("storage"),
                                    pickle::Global("torch", view.type),
                                    pickle::Text(view.key), pickle::Text("cpu"),
                                    pickle::Int(view.elements))) +
         "Q";
}

// What makes the tensor, as a pickle spells it.
inline std::string TensorText(const PickledView& view) {
  return absl::StrCat(
      pickle::Global("torch._utils", "_rebuild_tensor_v2"),
      pickle::Tuple(absl::StrCat(
          StorageText(view), pickle::Int(view.offset), pickle::Ints(view.shape),
          pickle::Ints(view.strides), "\x89", pickle::OrderedDict())),
      "R");
}

inline std::string ItemsText(const std::vector<PickledView>& views) {
  std::string items;
  for (const PickledView& view : views) {
    absl::StrAppend(&items, pickle::Text(view.name), TensorText(view));
  }
  return items;
}

// The pickle of a dict of `views`.
inline std::string PickleOf(const std::vector<PickledView>& views) {
  return absl::StrCat(pickle::kProto, pickle::Dict(ItemsText(views)), ".");
}

// The entries of a .pth file of this pickle and these storages, which are
// called "0", "1", ...
inline std::vector<WrittenEntry> PthEntries(
    absl::string_view pickle, const std::vector<std::string>& storages) {
  std::vector<WrittenEntry> entries = {
      {"archive/data.pkl", std::string(pickle)},
      {"archive/byteorder", "little"}};
  for (std::size_t i = 0; i < storages.size(); ++i) {
    entries.push_back({absl::StrCat("archive/data/", i), storages[i]});
  }
  entries.push_back({"archive/version", "3\n"});
  return entries;
}

inline std::string PackPth(absl::string_view pickle,
                           const std::vector<std::string>& storages) {
  return PackZip(PthEntries(pickle, storages));
}

inline std::string StorageName(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return "DoubleStorage";
    case DType::kF32:
      return "FloatStorage";
    case DType::kF16:
      return "HalfStorage";
    case DType::kBF16:
      return "BFloat16Storage";
    case DType::kI64:
      return "LongStorage";
    case DType::kI32:
      return "IntStorage";
    case DType::kU8:
      return "ByteStorage";
    case DType::kBool:
      return "BoolStorage";
  }
  return "";
}

inline std::vector<std::int64_t> ContiguousStrides(
    absl::Span<const std::int64_t> shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i > 1; --i) {
    strides[i - 2] = strides[i - 1] * shape[i - 1];
  }
  return strides;
}

// Each of `tensors` as a view of a storage of its own.
inline std::vector<PickledView> ViewsOf(
    const std::vector<WrittenTensor>& tensors) {
  std::vector<PickledView> views;
  for (const WrittenTensor& tensor : tensors) {
    const std::size_t elements = tensor.bytes.size() / DTypeBytes(tensor.dtype);
    views.push_back({.name = tensor.name,
                     .type = StorageName(tensor.dtype),
                     .key = absl::StrCat(views.size()),
                     .elements = static_cast<std::int64_t>(elements),
                     .shape = tensor.shape,
                     .strides = ContiguousStrides(tensor.shape)});
  }
  return views;
}

inline std::vector<std::string> StoragesOf(
    const std::vector<WrittenTensor>& tensors) {
  std::vector<std::string> storages;
  for (const WrittenTensor& tensor : tensors) {
    storages.push_back(tensor.bytes);
  }
  return storages;
}

// A .pth file of `tensors`, in their order.
inline std::string PackPthTensors(const std::vector<WrittenTensor>& tensors) {
  return PackPth(PickleOf(ViewsOf(tensors)), StoragesOf(tensors));
}

}  // namespace resnetd
