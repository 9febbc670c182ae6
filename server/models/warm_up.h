#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/models/model.h"

namespace resnetd {

// Runs one batch of each size from 1 to `max_batch`, of black pictures of
// side x side, so that no caller waits for what a first batch of a size has to
// prepare. Answers how many ran. The errors of Model::Logits().
absl::StatusOr<int> RunEveryBatchSize(const Model& model, int side,
                                      std::size_t max_batch);
// The same; what each took, in seconds.
absl::StatusOr<std::vector<double>> TimeEveryBatchSize(const Model& model,
                                                       int side,
                                                       std::size_t max_batch,
                                                       const Clock& clock);

}  // namespace resnetd
