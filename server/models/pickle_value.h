#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/models/tensor_view.h"

namespace resnetd {

// What a pickle of torch.save says, as plain values. Texts point into the
// pickle. Values name each other by number and lie in one list, so that
// neither cycles nor depth can hurt whoever walks or frees them.

using PickleId = std::uint32_t;

enum class PickleKind : std::uint8_t {
  kNone,
  kBool,
  kInt,
  kFloat,  // its value is not kept
  kText,
  kTuple,
  kList,
  kDict,
  kGlobal,
  kStorage,
  kTensor,
};

// The Python objects that a pickle may name.
enum class PickleGlobal : std::uint8_t {
  kOrderedDict,
  kRebuildTensor,
  kRebuildParameter,
  kStorageType,
};

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  PickleGlobal global = PickleGlobal::kOrderedDict;  // kGlobal
  bool is_ordered = false;                           // kDict: an OrderedDict
  // kBool, kInt; kStorage and kTensor: place in the document's list; kGlobal of
  // a storage type: place in the reader's table.
  std::int64_t number = 0;
  absl::string_view text{};       // kText
  std::vector<PickleId> items{};  // kTuple, kList; kDict: key, value, key, ...
};

// Numbers in a file of their own, `key` names it.
struct PickledStorage {
  absl::string_view key;
  absl::string_view type;      // e.g. "FloatStorage"
  std::optional<DType> dtype;  // absent: a type that no network of ours has
  std::int64_t elements = 0;   // >= 0
};

// A view of a storage; offset, sizes and strides are >= 0 and count elements,
// and nothing says yet that they lie inside the storage.
struct PickledTensor {
  PickledStorage storage;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // one for each size
};

struct PickleDocument {
  std::vector<PickleValue> values;
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;
  PickleId root = 0;

  const PickleValue& at(PickleId id) const { return values[id]; }
};

}  // namespace resnetd
