#pragma once

#include "absl/strings/string_view.h"
#include "resnetd/v1/recipe.pb.h"
#include "server/base/violations.h"
#include "server/finetune/recipe.h"

namespace resnetd {

// What a caller says about the training. Enum values that there are not become
// violations of "<parent>.<field>"; the rest is checked by Validate().
RecipeRequest ToRecipeRequest(const v1::RecipeOptions& message,
                              absl::string_view parent, Violations& violations);

v1::RecipeOptions ToProto(const RecipeRequest& request);
v1::Recipe ToProto(const Recipe& recipe);

}  // namespace resnetd
