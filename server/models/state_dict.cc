#include "server/models/state_dict.h"

#include <array>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/models/pickle_rebuild.h"

namespace resnetd {
namespace {

constexpr std::array<absl::string_view, 3> kWrappers = {"state_dict", "model",
                                                        "model_state_dict"};

absl::Status Invalid(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
               absl::StrCat(text, "; ", kSaveStateDict));
}

bool IsKind(const PickleDocument& document, PickleId id, PickleKind kind) {
  return document.at(id).kind == kind;
}

// Whether `id` is a dict that has a tensor.
bool HoldsTensors(const PickleDocument& document, PickleId id) {
  const PickleValue& dict = document.at(id);
  if (dict.kind != PickleKind::kDict) {
    return false;
  }
  for (std::size_t i = 1; i < dict.items.size(); i += 2) {
    if (IsKind(document, dict.items[i], PickleKind::kTensor)) {
      return true;
    }
  }
  return false;
}

// The dict that wraps no other: `document`'s root, or the one in it.
absl::StatusOr<PickleId> FindDict(const PickleDocument& document) {
  const PickleValue& root = document.at(document.root);
  if (root.kind != PickleKind::kDict) {
    return Invalid("holds no dict of tensors");
  }
  const absl::string_view* found_name = nullptr;
  PickleId found = document.root;
  for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
    const PickleValue& key = document.at(root.items[i]);
    for (const absl::string_view& wrapper : kWrappers) {
      if (key.kind != PickleKind::kText || key.text != wrapper ||
          !HoldsTensors(document, root.items[i + 1])) {
        continue;
      }
      if (found_name != nullptr) {
        return Invalid(absl::StrCat("holds weights under both \"", *found_name,
                                    "\" and \"", wrapper, "\""));
      }
      found_name = &wrapper;
      found = root.items[i + 1];
    }
  }
  return found;
}

}  // namespace

absl::StatusOr<std::vector<StateDictEntry>> FindStateDict(
    const PickleDocument& document, const StateDictLimits& limits) {
  ASSIGN_OR_RETURN(const PickleId id, FindDict(document));
  const PickleValue& dict = document.at(id);
  if (!HoldsTensors(document, id)) {
    return Invalid(
        "holds no dict of tensors, neither itself nor under \"state_dict\", "
        "\"model\" or \"model_state_dict\"");
  }
  std::vector<StateDictEntry> entries;
  absl::flat_hash_set<absl::string_view> names;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue& key = document.at(dict.items[i]);
    const PickleValue& value = document.at(dict.items[i + 1]);
    if (key.kind != PickleKind::kText) {
      return Invalid("a name in the state dict is no text");
    }
    if (key.text.size() > limits.max_name_bytes) {
      return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
                   absl::StrCat("a tensor's name has ", key.text.size(),
                                " bytes, at most ", limits.max_name_bytes,
                                " are accepted"))
          .Metadata("limit", absl::StrCat(limits.max_name_bytes));
    }
    if (value.kind != PickleKind::kTensor) {
      return Invalid(
          absl::StrCat(Quoted(key.text), " in the state dict is no tensor"));
    }
    if (!names.insert(key.text).second) {
      return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt,
                   absl::StrCat("tensor ", Quoted(key.text), " occurs twice"));
    }
    entries.push_back(
        {.name = key.text,
         .tensor = &document.tensors[static_cast<std::size_t>(value.number)]});
  }
  return entries;
}

}  // namespace resnetd
