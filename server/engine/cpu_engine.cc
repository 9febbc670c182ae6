#include "server/engine/cpu_engine.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"
#include "server/engine/adaptive_model.h"
#include "server/engine/cpu_model.h"
#include "server/engine/engine_checks.h"
#include "server/engine/onednn_api.h"
#include "server/engine/onednn_status.h"
#include "server/engine/precision_choice.h"
#include "server/engine/precision_record.h"
#include "server/engine/program.h"
#include "server/models/model.h"
#include "server/models/model_package.h"

namespace resnetd {
namespace {

// Work of one picture that makes a thread worth its while: half a millisecond
// at 100 GFLOP/s. The members of a team meet after every step; with less to do
// between two meetings they mostly wait, by spinning, and next to other busy
// threads one that is not running keeps all waiting for milliseconds.
constexpr double kFlopsPerThread = 50e6;

}  // namespace

int UsefulThreads(double flops_per_picture, int threads) {
  const double useful = std::floor(flops_per_picture / kFlopsPerThread);
  return static_cast<int>(
      std::clamp(useful, 1.0, static_cast<double>(threads)));
}

namespace {

class CpuEngine final : public ModelLoader {
 public:
  // `chooser`: null for float32 alone.
  CpuEngine(dnnl::engine engine, int threads,
            std::shared_ptr<PrecisionChooser> chooser)
      : engine_(std::move(engine)),
        threads_(threads),
        chooser_(std::move(chooser)) {}

  absl::StatusOr<std::unique_ptr<Model>> Load(const ModelPackage& package,
                                              std::size_t max_batch) override {
    RETURN_IF_ERROR(CheckMaxBatch(max_batch));
    const double flops = FlopsPerPicture(
        BuildProgram(package.network, package.facts.preprocess.crop));
    ASSIGN_OR_RETURN(std::unique_ptr<CpuModel> model,
                     CpuModel::Load(engine_, package, max_batch,
                                    UsefulThreads(flops, threads_)));
    if (!chooser_) {
      return model;
    }
    return std::make_unique<AdaptiveModel>(engine_, package.facts,
                                           std::move(model), chooser_);
  }

  std::string description() const override {
    return absl::StrCat(LibraryVersion(), ", ", EffectiveIsa().name, ", up to ",
                        threads_, threads_ == 1 ? " thread" : " threads",
                        " a batch, precision ",
                        chooser_ ? chooser_->policy_name : "fp32");
  }

 private:
  const dnnl::engine engine_;
  const int threads_;
  const std::shared_ptr<PrecisionChooser> chooser_;
};

std::shared_ptr<PrecisionChooser> ChooserOf(const CpuEngineOptions& options,
                                            PrecisionPolicy policy) {
  if (policy.candidates.empty()) {
    return nullptr;
  }
  return std::shared_ptr<PrecisionChooser>(
      new PrecisionChooser{.policy = std::move(policy),
                           .policy_name = options.precision,
                           .pictures = options.pictures,
                           .records = PrecisionRecords(options.record_folder),
                           .jobs = {}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelLoader>> CreateCpuEngine(
    const CpuEngineOptions& options) {
  RETURN_IF_ERROR(CheckThreads(options.threads));
  ASSIGN_OR_RETURN(PrecisionPolicy policy, CheckPolicy(options.precision));
  ASSIGN_OR_RETURN(dnnl::engine engine, CallOneDnn("starting", [] {
                     return dnnl::engine(dnnl::engine::kind::cpu, 0);
                   }));
  return std::unique_ptr<ModelLoader>(
      std::make_unique<CpuEngine>(std::move(engine), options.threads,
                                  ChooserOf(options, std::move(policy))));
}

}  // namespace resnetd
