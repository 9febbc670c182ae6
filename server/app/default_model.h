#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/app/declared_models.h"
#include "server/base/clock.h"
#include "server/base/ids.h"

namespace resnetd {

// A model of the store.
struct StoredModel {
  ModelName name;
  // When the oldest of its versions was committed.
  WallTime since;
};

// Which model answers calls that name none: the one called `wanted`; when that
// is empty, the first that is declared; when none is, the oldest in the store.
// nullopt: there is no model yet.
// INVALID_ARGUMENT: `wanted` is not among `stored`.
absl::StatusOr<std::optional<ModelName>> ChooseDefaultModel(
    const std::string& wanted, absl::Span<const DeclaredModel> declared,
    absl::Span<const StoredModel> stored);

}  // namespace resnetd
