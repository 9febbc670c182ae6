#include "server/engine/adaptive_model.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
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
#include "server/engine/cpu_model.h"
#include "server/engine/kept_logits.h"
#include "server/engine/onednn_api.h"
#include "server/engine/precision_record.h"
#include "server/engine/precision_trial.h"
#include "server/models/golden.h"
#include "server/models/warm_up.h"

namespace resnetd {
namespace {

// What the policy wanted and there was no memory to try.
PrecisionDecision NoMemory(const PrecisionPolicy& policy,
                           const absl::Status& why) {
  const std::string text(why.message());
  PrecisionDecision decision;
  decision.text = absl::StrCat("fp32 chosen; no memory to try others: ", text);
  for (const Precision precision : policy.candidates) {
    decision.figures.push_back(
        {.precision = std::string(PrecisionName(precision)),
         .objection = PrecisionObjection::kNoMemory,
         .obstacle = text});
  }
  return decision;
}

void LogRefused(const ModelName& model,
                const std::vector<PrecisionFigures>& refused) {
  for (const PrecisionFigures& one : refused) {
    Log(LogLevel::kWarning, "a precision is not used",
        {{"model", model.text()},
         {"precision", one.precision},
         {"reason", PrecisionObjectionName(one.objection)},
         {"why", one.obstacle}});
  }
}

}  // namespace

AdaptiveModel::AdaptiveModel(const dnnl::engine& engine,
                             std::unique_ptr<CpuModel> model,
                             NamedPolicy policy,
                             std::shared_ptr<PrecisionChooser> chooser)
    : engine_(engine),
      policy_(std::move(policy)),
      chooser_(std::move(chooser)),
      crop_(model->crop()),
      max_batch_(model->max_batch()),
      threads_(model->threads()),
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

void AdaptiveModel::Attach(const VersionFacts& facts,
                           std::unique_ptr<PrecisionHost> host) {
  facts_ = facts;
  host_ = std::move(host);
}

void AdaptiveModel::MayChoosePrecision(const std::function<void()>& chosen) {
  if (policy_.policy.candidates.empty()) {
    return;
  }
  chosen_ = chosen;
  chooser_->jobs.Add(this, [this](const BackgroundJobs::Stopped& stopped) {
    Choose(stopped);
  });
}

DecisionKey AdaptiveModel::KeyOf(const std::string& pictures) const {
  return {.weights_sha256 = facts_->weights_sha256,
          .cpu = CpuName(),
          .library = absl::StrCat(LibraryVersion(), " ", EffectiveIsa().name),
          .policy = policy_.name,
          .pictures = pictures,
          .threads = threads_,
          .batch = static_cast<int>(max_batch_)};
}

void AdaptiveModel::Switch(Current model, const PrecisionDecision& decision) {
  const std::vector<PrecisionFigures> refused =
      RefusedOf(decision.figures, policy_.policy);
  Current before;  // freed after the lock, and after the calls that use it
  {
    const MutexLock lock(mutex_);
    choice_ = decision.text;
    if (model) {
      before = std::exchange(current_, std::move(model));
    }
  }
  Log(LogLevel::kInfo, "precision chosen",
      {{"model", facts_->name.text()}, {"choice", decision.text}});
  LogRefused(facts_->name, refused);
  host_->Chosen();
  chosen_();
}

absl::StatusOr<std::unique_ptr<CpuModel>> AdaptiveModel::MakeKept(
    const PrecisionRecord& record) const {
  const Current reference = Now();
  CpuNetwork network = reference->Network();
  network.precision = record.precision;
  if (record.calibration) {
    network.calibration = *record.calibration;
  }
  ASSIGN_OR_RETURN(
      std::unique_ptr<CpuModel> model,
      CpuModel::Load(engine_, std::move(network), max_batch_, threads_));
  RETURN_IF_ERROR(RunEveryBatchSize(*model, crop_, max_batch_).status());
  ASSIGN_OR_RETURN(const std::vector<float> floats,
                   GoldenLogits(*reference, crop_, max_batch_));
  ASSIGN_OR_RETURN(const std::vector<float> actual,
                   GoldenLogits(*model, crop_, max_batch_));
  RETURN_IF_ERROR(CheckKeptLogits(record.logits, actual));
  RETURN_IF_ERROR(CompareGolden(floats, actual, floats.size() / kGoldenPictures,
                                GoldenTolerance(model->precision())));
  return model;
}

bool AdaptiveModel::TakeKept(const PrecisionRecord& record) {
  PrecisionDecision decision{.precision = record.precision,
                             .text = record.text,
                             .figures = record.refused};
  if (record.precision == Precision::kFloat32) {
    Switch(nullptr, decision);
    return true;
  }
  absl::StatusOr<std::unique_ptr<CpuModel>> model = MakeKept(record);
  if (!model.ok()) {
    Log(LogLevel::kWarning,
        "the kept choice of a precision does not hold any more, it is made "
        "again",
        {{"model", facts_->name.text()},
         {"precision", std::string(PrecisionName(record.precision))},
         {"error", std::string(model.status().message())}});
    chooser_->records.Drop(record.key);
    return false;
  }
  Switch(*std::move(model), decision);
  return true;
}

void AdaptiveModel::Keep(const DecisionKey& key,
                         const PrecisionRun& run) const {
  PrecisionRecord record = {
      .key = key,
      .precision = run.decision.precision,
      .text = run.decision.text,
      .calibration = std::nullopt,
      .logits = {},
      .refused = RefusedOf(run.decision.figures, policy_.policy)};
  if (record.precision == Precision::kInt8) {
    record.calibration = run.calibration;
  }
  if (run.winner) {
    absl::StatusOr<std::vector<float>> logits =
        GoldenLogits(*run.winner, crop_, max_batch_);
    if (!logits.ok()) {
      return;
    }
    record.logits = KeptLogits(*logits);
  }
  chooser_->records.Keep(record);
}

void AdaptiveModel::Choose(const BackgroundJobs::Stopped& stopped) {
  // Here, as it may take a while.
  const CalibrationPictures& pictures = chooser_->pictures;
  const DecisionKey key =
      KeyOf(pictures.identity ? pictures.identity(*facts_) : "");
  const absl::StatusOr<std::unique_ptr<PrecisionRoom>> room =
      host_->Book(TrialBytes(policy_.policy, Now()->resident_bytes()));
  if (!room.ok()) {
    Switch(nullptr, NoMemory(policy_.policy, room.status()));
    return;
  }
  const auto record = chooser_->records.Find(key);
  if (!record || !TakeKept(*record)) {
    ChooseAnew(key, stopped);
  }
}

void AdaptiveModel::ChooseAnew(const DecisionKey& key,
                               const BackgroundJobs::Stopped& stopped) {
  RealPictures pictures;
  if (chooser_->pictures.read) {
    pictures = chooser_->pictures.read(*facts_);
  }
  absl::StatusOr<PrecisionRun> run =
      TryPrecisions(engine_, *Now(), policy_.policy, pictures, stopped);
  if (absl::IsCancelled(run.status())) {
    return;
  }
  if (!run.ok()) {
    Log(LogLevel::kWarning, "no precision could be chosen, fp32 it is",
        {{"model", facts_->name.text()},
         {"error", std::string(run.status().message())}});
    return;
  }
  Keep(key, *run);
  Switch(std::move(run->winner), run->decision);
}

}  // namespace resnetd
