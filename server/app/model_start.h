#pragma once

#include <cstddef>
#include <string>

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

}  // namespace resnetd
