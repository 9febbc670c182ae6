#pragma once

#include "client/cli/table.h"
#include "client/recipe_types.h"

namespace resnetd::cli {

// Adds the settings of a training to a table of two columns; those that are
// off are left out.
void AddRecipe(const client::Recipe& recipe, Table& table);

}  // namespace resnetd::cli
