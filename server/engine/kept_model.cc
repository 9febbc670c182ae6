#include "server/engine/kept_model.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/engine/kept_logits.h"
#include "server/engine/precision.h"
#include "server/models/fallbacks.h"
#include "server/models/golden.h"

namespace resnetd {

absl::StatusOr<std::unique_ptr<CpuModel>> MakeKeptModel(
    const dnnl::engine& engine, const PrecisionRecord& record,
    CpuNetwork network, std::size_t max_batch, int threads) {
  network.precision = record.precision;
  if (record.calibration) {
    network.calibration = *record.calibration;
  }
  ASSIGN_OR_RETURN(
      std::unique_ptr<CpuModel> model,
      CpuModel::Load(engine, std::move(network), max_batch, threads));
  RETURN_IF_ERROR(model->PrepareAll());
  ASSIGN_OR_RETURN(const std::vector<float> golden,
                   GoldenLogits(*model, model->crop(), max_batch));
  RETURN_IF_ERROR(CheckKeptLogits(record.logits, golden));
  model->SetKeptLogits(record.logits);
  return model;
}

void DropKept(const PrecisionRecords& records, const PrecisionRecord& record,
              const ModelName& model, const absl::Status& why) {
  Log(LogLevel::kWarning,
      "the kept choice of a precision does not hold any more, it is made again",
      {{"model", model.text()},
       {"precision", std::string(PrecisionName(record.precision))},
       {"error", std::string(why.message())}});
  CountFallback(Fallback::kKeptChoiceDropped);
  records.Drop(record.key);
}

}  // namespace resnetd
