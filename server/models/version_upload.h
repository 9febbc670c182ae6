#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/models/model_life.h"
#include "server/models/model_manager.h"
#include "server/models/version_import.h"
#include "server/store/store.h"

namespace resnetd {

// Begins an import: see ModelManager::Import(). `life` outlives the session.
absl::StatusOr<std::unique_ptr<ImportSession>> BeginUpload(
    ModelLife& life, const ImportHeader& header, const Mutation& mutation);

}  // namespace resnetd
