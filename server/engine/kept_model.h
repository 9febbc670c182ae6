#pragma once

#include <cstddef>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/ids.h"
#include "server/engine/cpu_model.h"
#include "server/engine/precision_record.h"

namespace resnetd {

// Makes the plan that an earlier start decided for: that of `record`, whose
// precision is not float32, from `network` in float32, with everything that a
// batch of 1 to `max_batch` pictures needs. It is not compared with what
// float32 answers for the golden pictures: when it was chosen, it was compared
// with float32 on real ones, and what it answered then it has to answer now.
//
// DATA_LOSS (GOLDEN_MISMATCH): it does not (kept_logits.h); the errors of
// CpuModel::Load() and CheckCalibration().
absl::StatusOr<std::unique_ptr<CpuModel>> MakeKeptModel(
    const dnnl::engine& engine, const PrecisionRecord& record,
    CpuNetwork network, std::size_t max_batch, int threads);

// Forgets `record`, which `why` speaks against, so that the choice is made
// again, says so in the log and counts it (Fallback::kKeptChoiceDropped).
void DropKept(const PrecisionRecords& records, const PrecisionRecord& record,
              const ModelName& model, const absl::Status& why);

}  // namespace resnetd
