#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/base/ids.h"
#include "server/models/model.h"
#include "server/models/model_life.h"
#include "server/models/model_manager.h"

namespace resnetd {

// Begins a loan: see ModelManager::Borrow(). `life` outlives the loan.
absl::StatusOr<std::unique_ptr<VersionLoan>> Lend(ModelLife& life,
                                                  const ModelName& model,
                                                  VersionNumber version);

}  // namespace resnetd
