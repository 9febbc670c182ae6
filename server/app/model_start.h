#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/models/model.h"

namespace resnetd {

// Reads the model in `folder`, loads it and runs one batch of each size that is
// prepared, so that the first caller waits for nothing.
// The errors of ReadModelFolder() and ModelLoader::Load(), led by the folder's
// name; INTERNAL when the first batch fails.
absl::StatusOr<ModelHandle> LoadModelFolder(const std::string& folder,
                                            ModelLoader& loader,
                                            std::size_t max_batch,
                                            const Clock& clock);

// Puts the default model first, which is what makes it the default: the one
// called `default_model`, or the first when that is empty.
// INVALID_ARGUMENT: two of one name, or no model of the name asked for.
absl::Status OrderForServing(const std::string& default_model,
                             std::vector<ModelHandle>& versions);

}  // namespace resnetd
