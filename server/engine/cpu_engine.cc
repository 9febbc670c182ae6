#include "server/engine/cpu_engine.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"
#include "server/engine/adaptive_model.h"
#include "server/engine/cpu_model.h"
#include "server/engine/engine_checks.h"
#include "server/engine/kept_model.h"
#include "server/engine/onednn_api.h"
#include "server/engine/onednn_status.h"
#include "server/engine/precision.h"
#include "server/engine/precision_choice.h"
#include "server/engine/precision_record.h"
#include "server/engine/program.h"
#include "server/models/memory_estimate.h"
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

// By the name of a model; "" for all others.
using Policies = std::map<std::string, NamedPolicy>;

class CpuEngine final : public ModelLoader {
 public:
  CpuEngine(dnnl::engine engine, int threads, Policies policies,
            std::shared_ptr<PrecisionChooser> chooser)
      : engine_(std::move(engine)),
        threads_(threads),
        policies_(std::move(policies)),
        chooser_(std::move(chooser)) {}

  absl::StatusOr<std::unique_ptr<Model>> Load(const ModelPackage& package,
                                              std::size_t max_batch) override {
    RETURN_IF_ERROR(CheckMaxBatch(max_batch));
    ASSIGN_OR_RETURN(
        std::unique_ptr<CpuModel> model,
        CpuModel::Load(engine_, package, max_batch, ThreadsFor(package)));
    return std::make_unique<AdaptiveModel>(
        engine_, std::move(model), PolicyOf(package.facts.name), chooser_);
  }

  absl::StatusOr<std::unique_ptr<Model>> LoadStored(
      const ModelPackage& package, const Golden& golden, std::size_t max_batch,
      const std::function<void()>& loaded) override {
    RETURN_IF_ERROR(CheckMaxBatch(max_batch));
    if (const std::optional<PrecisionRecord> record =
            KeptChoice(package, max_batch)) {
      absl::StatusOr<std::unique_ptr<Model>> kept =
          LoadKept(*record, package, max_batch);
      if (kept.ok()) {
        loaded();
        return kept;
      }
      DropKept(chooser_->records, *record, package.facts.name, kept.status());
    }
    ASSIGN_OR_RETURN(
        std::unique_ptr<CpuModel> model,
        CpuModel::Load(engine_, package, max_batch, ThreadsFor(package)));
    loaded();
    RETURN_IF_ERROR(model->PrepareAll());
    RETURN_IF_ERROR(model->CheckGolden(golden, model->crop(), max_batch));
    return std::make_unique<AdaptiveModel>(
        engine_, std::move(model), PolicyOf(package.facts.name), chooser_);
  }

  std::string description() const override {
    std::string text =
        absl::StrCat(LibraryVersion(), ", ", EffectiveIsa().name, ", up to ",
                     threads_, threads_ == 1 ? " thread" : " threads",
                     " a batch, precision ", policies_.at("").name);
    for (const auto& [model, policy] : policies_) {
      if (!model.empty()) {
        absl::StrAppend(&text, ", ", model, " ", policy.name);
      }
    }
    return text;
  }

 private:
  int ThreadsFor(const ModelPackage& package) const {
    const double flops = FlopsPerPicture(
        BuildProgram(package.network, package.facts.preprocess.crop));
    return UsefulThreads(flops, threads_);
  }

  // What an earlier start chose instead of float32.
  std::optional<PrecisionRecord> KeptChoice(const ModelPackage& package,
                                            std::size_t max_batch) const {
    const VersionFacts& facts = package.facts;
    const NamedPolicy& policy = PolicyOf(facts.name);
    if (policy.policy.candidates.empty()) {
      return std::nullopt;
    }
    const CalibrationPictures& pictures = chooser_->pictures;
    std::optional<PrecisionRecord> record = chooser_->records.Find(
        KeyHere(facts.weights_sha256, policy.name,
                pictures.identity ? pictures.identity(facts) : std::string(),
                ThreadsFor(package), max_batch));
    if (record && record->precision == Precision::kFloat32) {
      return std::nullopt;
    }
    return record;
  }

  absl::StatusOr<std::unique_ptr<Model>> LoadKept(const PrecisionRecord& record,
                                                  const ModelPackage& package,
                                                  std::size_t max_batch) const {
    const int crop = package.facts.preprocess.crop;
    ASSIGN_OR_RETURN(
        std::unique_ptr<CpuModel> kept,
        MakeKeptModel(engine_, record,
                      NetworkOf(BuildProgram(package.network, crop),
                                package.weights, package.facts.preprocess),
                      max_batch, ThreadsFor(package)));
    const std::int64_t float_bytes =
        EstimateMemory(package.network, crop, max_batch).total();
    return std::make_unique<AdaptiveModel>(engine_, std::move(kept),
                                           PolicyOf(package.facts.name),
                                           chooser_, record, float_bytes);
  }

  const NamedPolicy& PolicyOf(const ModelName& model) const {
    const auto own = policies_.find(model.text());
    return own == policies_.end() ? policies_.at("") : own->second;
  }

  const dnnl::engine engine_;
  const int threads_;
  const Policies policies_;
  const std::shared_ptr<PrecisionChooser> chooser_;
};

absl::StatusOr<Policies> PoliciesOf(const CpuEngineOptions& options) {
  Policies policies;
  ASSIGN_OR_RETURN(PrecisionPolicy policy, CheckPolicy(options.precision));
  policies[""] = {options.precision, std::move(policy)};
  for (const auto& [model, name] : options.model_precisions) {
    ASSIGN_OR_RETURN(policy, CheckPolicy(name));
    policies[model] = {name, std::move(policy)};
  }
  return policies;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelLoader>> CreateCpuEngine(
    const CpuEngineOptions& options) {
  RETURN_IF_ERROR(CheckThreads(options.threads));
  ASSIGN_OR_RETURN(Policies policies, PoliciesOf(options));
  ASSIGN_OR_RETURN(dnnl::engine engine, CallOneDnn("starting", [] {
                     return dnnl::engine(dnnl::engine::kind::cpu, 0);
                   }));
  std::shared_ptr<PrecisionChooser> chooser(
      new PrecisionChooser{.pictures = options.pictures,
                           .records = PrecisionRecords(options.record_folder),
                           .jobs = {}});
  return std::unique_ptr<ModelLoader>(
      std::make_unique<CpuEngine>(std::move(engine), options.threads,
                                  std::move(policies), std::move(chooser)));
}

}  // namespace resnetd
