#pragma once

#include <string>

#include "client/recipe_types.h"

namespace resnetd::cli {

// Sets one member of `recipe` by its name in proto/resnetd/v1/recipe.proto:
// "flip=0.5", "optimizer=adamw", "nesterov=false". Returns what is wrong with
// the text, for the end of "--set: ", or nothing; ranges are the server's to
// check.
std::string ParseSetting(const std::string& text,
                         client::RecipeOptions& recipe);

}  // namespace resnetd::cli
