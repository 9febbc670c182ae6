#include "server/engine/adaptive_model.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/log.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/engine/calibrator.h"
#include "server/engine/cpu_model.h"
#include "server/engine/onednn_api.h"
#include "server/engine/precision_record.h"
#include "server/engine/precision_trial.h"
#include "server/image/preprocess.h"
#include "server/models/golden.h"
#include "server/models/warm_up.h"

namespace resnetd {
namespace {

DecisionKey KeyOf(const VersionFacts& facts, const CpuModel& model,
                  const PrecisionChooser& chooser) {
  return {.weights_sha256 = facts.weights_sha256,
          .cpu = CpuName(),
          .library = absl::StrCat(LibraryVersion(), " ", EffectiveIsa().name),
          .policy = chooser.policy_name,
          .pictures = chooser.pictures.identity
                          ? chooser.pictures.identity(facts.name)
                          : "",
          .threads = model.threads(),
          .batch = static_cast<int>(model.max_batch())};
}

}  // namespace

AdaptiveModel::AdaptiveModel(const dnnl::engine& engine,
                             const VersionFacts& facts,
                             std::unique_ptr<CpuModel> model,
                             std::shared_ptr<PrecisionChooser> chooser)
    : engine_(engine),
      name_(facts.name),
      preprocess_(facts.preprocess),
      key_(KeyOf(facts, *model, *chooser)),
      chooser_(std::move(chooser)),
      current_(std::move(model)) {}

AdaptiveModel::~AdaptiveModel() { chooser_->jobs.Remove(this); }

AdaptiveModel::Current AdaptiveModel::Now() const {
  const MutexLock lock(mutex_);
  return current_;
}

absl::StatusOr<std::vector<float>> AdaptiveModel::Logits(
    absl::Span<const Pixels* const> batch) const {
  return Now()->Logits(batch);
}

absl::StatusOr<ModelOutput> AdaptiveModel::Compute(
    absl::Span<const ModelInput> batch, bool want_features) const {
  return Now()->Compute(batch, want_features);
}

std::string AdaptiveModel::precision() const { return Now()->precision(); }

std::string AdaptiveModel::precision_choice() const {
  const MutexLock lock(mutex_);
  return choice_;
}

std::int64_t AdaptiveModel::resident_bytes() const {
  return Now()->resident_bytes();
}

void AdaptiveModel::MayChoosePrecision(const std::function<void()>& chosen) {
  chosen_ = chosen;
  chooser_->jobs.Add(this, [this](const BackgroundJobs::Stopped& stopped) {
    Choose(stopped);
  });
}

void AdaptiveModel::Switch(std::unique_ptr<CpuModel> winner,
                           const std::string& text) {
  Current before;  // freed after the lock, and after the calls that use it
  {
    const MutexLock lock(mutex_);
    choice_ = text;
    if (winner) {
      before = std::exchange(current_, std::move(winner));
    }
  }
  Log(LogLevel::kInfo, "precision chosen",
      {{"model", name_.text()}, {"choice", text}});
  chosen_();
}

bool AdaptiveModel::TakeKept(const PrecisionRecord& record) {
  if (record.precision == Precision::kFloat32) {
    Switch(nullptr, record.text);
    return true;
  }
  const Current reference = Now();
  CpuNetwork network = reference->Network();
  network.precision = record.precision;
  if (record.calibration) {
    network.calibration = *record.calibration;
  }
  absl::StatusOr<std::unique_ptr<CpuModel>> model =
      CpuModel::Load(engine_, std::move(network), reference->max_batch(),
                     reference->threads());
  if (!model.ok() ||
      !RunEveryBatchSize(**model, reference->crop(), reference->max_batch())
           .ok()) {
    return false;
  }
  Switch(*std::move(model), record.text);
  return true;
}

void AdaptiveModel::Choose(const BackgroundJobs::Stopped& stopped) {
  if (const auto record = chooser_->records.Find(key_)) {
    if (TakeKept(*record)) {
      return;
    }
  }
  std::vector<Pixels> pictures;
  if (chooser_->pictures.read) {
    pictures = chooser_->pictures.read(name_, preprocess_);
  }
  std::vector<const Pixels*> pointers;
  pointers.reserve(pictures.size());
  for (const Pixels& picture : pictures) {
    pointers.push_back(&picture);
  }
  absl::StatusOr<PrecisionRun> run =
      TryPrecisions(engine_, *Now(), chooser_->policy, pointers, stopped);
  if (absl::IsCancelled(run.status())) {
    return;
  }
  if (!run.ok()) {
    Log(LogLevel::kWarning, "no precision could be chosen, fp32 it is",
        {{"model", name_.text()},
         {"error", std::string(run.status().message())}});
    return;
  }
  PrecisionRecord record = {.key = key_,
                            .precision = run->decision.precision,
                            .text = run->decision.text,
                            .calibration = std::nullopt};
  if (record.precision == Precision::kInt8) {
    record.calibration = std::move(run->calibration);
  }
  chooser_->records.Keep(record);
  Switch(std::move(run->winner), record.text);
}

}  // namespace resnetd
