#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/finetune/recipe.h"

namespace resnetd {

// Most optimiser steps of a job.
inline constexpr std::int64_t kMostSteps = 100'000'000;
// Most phases of a recipe.
inline constexpr std::size_t kMostPhases = 16;

// {member, what is wrong with it}, in the order of the members; several of one
// member may be there.
using RecipeViolations = std::vector<std::pair<std::string, std::string>>;

// What Validate() finds.
RecipeViolations FindViolations(const RecipeRequest& request);

// What is out of its range in a recipe that was read.
RecipeViolations FindViolations(const Recipe& recipe);

// What is wrong with the request for a training of these facts alone.
RecipeViolations FindMisfits(const RecipeRequest& request,
                             const RecipeFacts& facts);

// OK without violations, else INVALID_ARGUMENT (RECIPE_INVALID) with all of
// them.
absl::Status ToStatus(const RecipeViolations& violations);

}  // namespace resnetd
