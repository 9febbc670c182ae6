#include "server/models/pickle_rebuild.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

struct StorageType {
  absl::string_view name;
  std::optional<DType> dtype;
};

constexpr std::array<StorageType, 17> kStorageTypes = {{
    {"DoubleStorage", DType::kF64},
    {"FloatStorage", DType::kF32},
    {"HalfStorage", DType::kF16},
    {"BFloat16Storage", DType::kBF16},
    {"LongStorage", DType::kI64},
    {"IntStorage", DType::kI32},
    {"ByteStorage", DType::kU8},
    {"BoolStorage", DType::kBool},
    // No network of ours has them; a checkpoint may hold them beside it.
    {"ShortStorage", std::nullopt},
    {"CharStorage", std::nullopt},
    {"ComplexFloatStorage", std::nullopt},
    {"ComplexDoubleStorage", std::nullopt},
    {"QUInt8Storage", std::nullopt},
    {"QInt8Storage", std::nullopt},
    {"QInt32Storage", std::nullopt},
    {"QUInt4x2Storage", std::nullopt},
    {"QUInt2x4Storage", std::nullopt},
}};

absl::Status Corrupt(absl::string_view text) {
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt, text);
}

PickleValue Global(PickleGlobal global, std::int64_t number = 0) {
  return {.kind = PickleKind::kGlobal, .global = global, .number = number};
}

// Whether `value` is a tuple whose items are of these kinds.
bool IsTuple(const PickleDocument& document, const PickleValue& value,
             absl::Span<const PickleKind> kinds) {
  if (value.kind != PickleKind::kTuple || value.items.size() != kinds.size()) {
    return false;
  }
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (document.at(value.items[i]).kind != kinds[i]) {
      return false;
    }
  }
  return true;
}

// The integers >= 0 of a tuple; absent when it has something else.
std::optional<std::vector<std::int64_t>> Counts(const PickleDocument& document,
                                                const PickleValue& tuple) {
  std::vector<std::int64_t> counts;
  counts.reserve(tuple.items.size());
  for (const PickleId id : tuple.items) {
    const PickleValue& value = document.at(id);
    if (value.kind != PickleKind::kInt || value.number < 0) {
      return std::nullopt;
    }
    counts.push_back(value.number);
  }
  return counts;
}

absl::StatusOr<PickleValue> RebuildTensor(PickleDocument& document,
                                          const PickleValue& arguments,
                                          std::size_t max_rank) {
  if (!IsTuple(document, arguments,
               {PickleKind::kStorage, PickleKind::kInt, PickleKind::kTuple,
                PickleKind::kTuple, PickleKind::kBool, PickleKind::kDict})) {
    return Corrupt(
        "a tensor is not made of storage, offset, shape, strides, flag and "
        "hooks");
  }
  const PickleValue& shape = document.at(arguments.items[2]);
  const PickleValue& strides = document.at(arguments.items[3]);
  if (shape.items.size() > max_rank) {
    return Error(
               absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
               absl::StrCat("a tensor has ", shape.items.size(),
                            " dimensions, at most ", max_rank, " are accepted"))
        .Metadata("limit", absl::StrCat(max_rank));
  }
  const std::int64_t offset = document.at(arguments.items[1]).number;
  auto sizes = Counts(document, shape);
  auto steps = Counts(document, strides);
  if (!sizes || !steps || sizes->size() != steps->size() || offset < 0) {
    return Corrupt("shape, strides or offset of a tensor are damaged");
  }
  const std::int64_t storage = document.at(arguments.items[0]).number;
  const auto place = static_cast<std::int64_t>(document.tensors.size());
  document.tensors.push_back(
      {.storage = document.storages[static_cast<std::size_t>(storage)],
       .offset = offset,
       .shape = *std::move(sizes),
       .strides = *std::move(steps)});
  return PickleValue{.kind = PickleKind::kTensor, .number = place};
}

// Objects of these modules come with the pickle of a whole network.
bool IsOfNetwork(absl::string_view module) {
  return absl::StartsWith(module, "torch.nn.") ||
         absl::StartsWith(module, "torchvision.models.") ||
         absl::StartsWith(module, "timm.models.");
}

}  // namespace

absl::StatusOr<PickleValue> FindPickleGlobal(absl::string_view module,
                                             absl::string_view name) {
  if (module == "collections" && name == "OrderedDict") {
    return Global(PickleGlobal::kOrderedDict);
  }
  if (module == "torch._utils" && name == "_rebuild_tensor_v2") {
    return Global(PickleGlobal::kRebuildTensor);
  }
  if (module == "torch._utils" && name == "_rebuild_parameter") {
    return Global(PickleGlobal::kRebuildParameter);
  }
  for (std::size_t i = 0; module == "torch" && i < kStorageTypes.size(); ++i) {
    if (kStorageTypes[i].name == name) {
      return Global(PickleGlobal::kStorageType, static_cast<std::int64_t>(i));
    }
  }
  return Error(
      absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
      absl::StrCat(IsOfNetwork(module) ? "holds a whole pickled network, " : "",
                   "asks for the Python object ",
                   Quoted(absl::StrCat(module, ".", name)),
                   "; only tensors and plain containers are read, nothing is "
                   "ever executed; ",
                   kSaveStateDict));
}

std::optional<PickledStorage> RebuildStorage(const PickleDocument& document,
                                             PickleId id) {
  const PickleValue& tuple = document.at(id);
  if (!IsTuple(document, tuple,
               {PickleKind::kText, PickleKind::kGlobal, PickleKind::kText,
                PickleKind::kText, PickleKind::kInt})) {
    return std::nullopt;
  }
  const PickleValue& type = document.at(tuple.items[1]);
  const std::int64_t elements = document.at(tuple.items[4]).number;
  if (document.at(tuple.items[0]).text != "storage" ||
      type.global != PickleGlobal::kStorageType || elements < 0) {
    return std::nullopt;
  }
  const StorageType& row = kStorageTypes[static_cast<std::size_t>(type.number)];
  return PickledStorage{.key = document.at(tuple.items[2]).text,
                        .type = row.name,
                        .dtype = row.dtype,
                        .elements = elements};
}

absl::StatusOr<PickleValue> RebuildObject(PickleDocument& document,
                                          PickleId callable, PickleId arguments,
                                          std::size_t max_rank) {
  const PickleValue& function = document.at(callable);
  const PickleValue& tuple = document.at(arguments);
  if (function.kind != PickleKind::kGlobal) {
    return Corrupt("something is called that is no function");
  }
  switch (function.global) {
    case PickleGlobal::kOrderedDict:
      if (!IsTuple(document, tuple, {})) {
        break;
      }
      return PickleValue{.kind = PickleKind::kDict, .is_ordered = true};
    case PickleGlobal::kRebuildTensor:
      return RebuildTensor(document, tuple, max_rank);
    case PickleGlobal::kRebuildParameter:
      if (!IsTuple(
              document, tuple,
              {PickleKind::kTensor, PickleKind::kBool, PickleKind::kDict})) {
        break;
      }
      return PickleValue{.kind = PickleKind::kTensor,
                         .number = document.at(tuple.items[0]).number};
    case PickleGlobal::kStorageType:
      break;
  }
  return Corrupt(
      "a function is called with other values than torch.save "
      "writes");
}

}  // namespace resnetd
