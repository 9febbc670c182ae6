#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/finetune/recipe.h"

namespace resnetd {

// Every member written out; enumerators by their upper-case names.
nlohmann::json RecipeToJson(const Recipe& recipe);

// Strict: a member that is missing, unknown, of another type or out of its
// range is INVALID_ARGUMENT (RECIPE_INVALID) naming it.
absl::StatusOr<Recipe> RecipeFromJson(const nlohmann::json& json);

// Only what the request says.
nlohmann::json RecipeRequestToJson(const RecipeRequest& request);
// Strict, but every member may be missing. Ranges and contradictions are
// Validate()'s.
absl::StatusOr<RecipeRequest> RecipeRequestFromJson(const nlohmann::json& json);

// SHA-256 of the canonical JSON of the recipe, as Sha256Hex() writes it: equal
// for equal recipes, on every machine and in every later version.
std::string ConfigHash(const Recipe& recipe);

}  // namespace resnetd
