#pragma once

#include <cstddef>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/models/pickle_value.h"

namespace resnetd {

// What the few globals of a pickle of tensors mean. Part of ReadPickle.

// For error texts: how to come to a file that can be read.
inline constexpr char kSaveStateDict[] =
    "save the weights alone: torch.save(model.state_dict(), \"model.pth\")";

// The value that names the Python object `module`.`name`. INVALID_ARGUMENT
// (MODEL_INVALID) when it is not one of PickleGlobal.
absl::StatusOr<PickleValue> FindPickleGlobal(absl::string_view module,
                                             absl::string_view name);

// The storage that a persistent id ("storage", type, key, device, elements)
// means; absent when `id` is no such tuple.
std::optional<PickledStorage> RebuildStorage(const PickleDocument& document,
                                             PickleId id);

// What calling `callable` with the tuple `arguments` would make; a tensor is
// added to the document. DATA_LOSS (WEIGHTS_CORRUPT) when the arguments are not
// those that torch.save writes; INVALID_ARGUMENT (LIMIT_EXCEEDED) over
// `max_rank` dimensions.
absl::StatusOr<PickleValue> RebuildObject(PickleDocument& document,
                                          PickleId callable, PickleId arguments,
                                          std::size_t max_rank);

}  // namespace resnetd
