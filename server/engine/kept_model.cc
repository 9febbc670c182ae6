#include "server/engine/kept_model.h"

#include <string>
#include <utility>

#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/engine/kept_logits.h"
#include "server/engine/precision.h"
#include "server/models/golden.h"

namespace resnetd {

absl::StatusOr<KeptModel> MakeKeptModel(const dnnl::engine& engine,
                                        const PrecisionRecord& record,
                                        CpuNetwork network,
                                        absl::Span<const float> golden,
                                        std::size_t max_batch, int threads) {
  network.precision = record.precision;
  if (record.calibration) {
    network.calibration = *record.calibration;
  }
  KeptModel kept;
  ASSIGN_OR_RETURN(kept.model, CpuModel::Load(engine, std::move(network),
                                              max_batch, threads));
  RETURN_IF_ERROR(kept.model->PrepareAll());
  ASSIGN_OR_RETURN(kept.golden,
                   GoldenLogits(*kept.model, kept.model->crop(), max_batch));
  RETURN_IF_ERROR(CheckKeptLogits(record.logits, kept.golden));
  RETURN_IF_ERROR(CompareGolden(golden, kept.golden,
                                golden.size() / kGoldenPictures,
                                GoldenTolerance(kept.model->precision())));
  return kept;
}

void DropKept(const PrecisionRecords& records, const PrecisionRecord& record,
              const ModelName& model, const absl::Status& why) {
  Log(LogLevel::kWarning,
      "the kept choice of a precision does not hold any more, it is made again",
      {{"model", model.text()},
       {"precision", std::string(PrecisionName(record.precision))},
       {"error", std::string(why.message())}});
  records.Drop(record.key);
}

}  // namespace resnetd
