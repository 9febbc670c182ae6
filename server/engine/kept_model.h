#pragma once

#include <cstddef>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/ids.h"
#include "server/engine/cpu_model.h"
#include "server/engine/precision_record.h"

namespace resnetd {

// A plan that an earlier start decided for.
struct KeptModel {
  std::unique_ptr<CpuModel> model;
  // What it answers for the golden pictures.
  std::vector<float> golden;
};

// Makes the plan of `record`, whose precision is not float32, from `network` in
// float32, with everything that a batch of 1 to `max_batch` pictures needs.
// `golden`: what float32 answers for the golden pictures.
//
// DATA_LOSS (GOLDEN_MISMATCH): the plan does not answer the golden pictures as
// it did when it was chosen (kept_logits.h), or not within the tolerance of its
// precision beside `golden`; the errors of CpuModel::Load() and
// CheckCalibration().
absl::StatusOr<KeptModel> MakeKeptModel(const dnnl::engine& engine,
                                        const PrecisionRecord& record,
                                        CpuNetwork network,
                                        absl::Span<const float> golden,
                                        std::size_t max_batch, int threads);

// Forgets `record`, which `why` speaks against, so that the choice is made
// again, and says so in the log.
void DropKept(const PrecisionRecords& records, const PrecisionRecord& record,
              const ModelName& model, const absl::Status& why);

}  // namespace resnetd
