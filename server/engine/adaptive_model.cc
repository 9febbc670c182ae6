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
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/engine/cpu_model.h"
#include "server/engine/kept_model.h"
#include "server/engine/precision_record.h"
#include "server/engine/precision_trial.h"
#include "server/models/fallbacks.h"

namespace resnetd {
namespace {

absl::Status CheckPictures(const RealPictures& real, int side) {
  if (real.pictures.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                 "there are no pictures to measure precisions on");
  }
  for (const Pixels& picture : real.pictures) {
    if (picture.width != side || picture.height != side) {
      return Error(
          absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
          absl::StrCat("a picture is ", picture.width, "x", picture.height,
                       ", the network reads ", side, "x", side));
    }
  }
  return absl::OkStatus();
}

// What the policy wanted and could not be tried: `stays` is what it was.
PrecisionDecision NotTried(const PrecisionPolicy& policy,
                           const std::string& stays, const absl::Status& why) {
  const std::string text(why.message());
  const bool no_memory = absl::IsResourceExhausted(why);
  PrecisionDecision decision;
  decision.text = absl::StrCat(
      stays, " chosen; ",
      no_memory ? "no memory to try others: " : "others could not be tried: ",
      text);
  for (const Precision precision : policy.candidates) {
    decision.figures.push_back(
        {.precision = std::string(PrecisionName(precision)),
         .objection = no_memory ? PrecisionObjection::kNoMemory
                                : PrecisionObjection::kFailed,
         .obstacle = text});
  }
  return decision;
}

PrecisionDecision DecisionOf(const PrecisionRecord& record) {
  return {.precision = record.precision,
          .text = record.text,
          .figures = record.refused,
          .clipped = record.clipped};
}

// Of the precision that the model goes over to.
void TellClipping(const ModelName& model, const PrecisionDecision& decision) {
  if (decision.clipped.value_or(0) <= kMostClipped) {
    return;
  }
  CountFallback(Fallback::kInt8Clips);
  Log(LogLevel::kWarning,
      "int8 agrees and is used, but cuts off many activations: calibrate it "
      "with pictures like those that are asked for",
      {{"model", model.text()}, {"share", absl::StrCat(*decision.clipped)}});
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
      float_bytes_(model->resident_bytes()),
      current_(std::move(model)) {}

AdaptiveModel::AdaptiveModel(const dnnl::engine& engine,
                             std::unique_ptr<CpuModel> model,
                             NamedPolicy policy,
                             std::shared_ptr<PrecisionChooser> chooser,
                             const PrecisionRecord& kept,
                             std::int64_t float_bytes)
    : engine_(engine),
      policy_(std::move(policy)),
      chooser_(std::move(chooser)),
      crop_(model->crop()),
      max_batch_(model->max_batch()),
      threads_(model->threads()),
      float_bytes_(float_bytes),
      kept_(DecisionOf(kept)),
      current_(std::move(model)),
      choice_(kept.text) {}

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

absl::Status AdaptiveModel::CheckGolden(const Golden& golden, int side,
                                        std::size_t max_batch) const {
  return Now()->CheckGolden(golden, side, max_batch);
}

void AdaptiveModel::MayChoosePrecision(const VersionFacts& facts,
                                       std::unique_ptr<PrecisionHost> host) {
  facts_ = facts;
  host_ = std::move(host);
  if (kept_) {
    Switch(nullptr, *std::exchange(kept_, std::nullopt));
    return;
  }
  StartChoice();
}

void AdaptiveModel::ChoosePrecisionAgain() {
  chooser_->jobs.Remove(this);
  {
    const MutexLock lock(mutex_);
    has_other_pictures_ = true;
  }
  StartChoice();
}

void AdaptiveModel::StartChoice() {
  if (policy_.policy.candidates.empty()) {
    return;
  }
  {
    const MutexLock lock(mutex_);
    is_wanted_ = true;
  }
  chooser_->jobs.Add(this, [this](const BackgroundJobs::Stopped& stopped) {
    Choose(stopped);
  });
}

DecisionKey AdaptiveModel::KeyOf(const std::string& pictures) const {
  return KeyHere(facts_->weights_sha256, policy_.name, pictures, threads_,
                 max_batch_);
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
  // First, so that who reads the log finds it counted.
  TellClipping(facts_->name, decision);
  host_->Chosen(refused);
  Log(LogLevel::kInfo, "precision chosen",
      {{"model", facts_->name.text()}, {"choice", decision.text}});
  LogRefused(facts_->name, refused);
}

absl::StatusOr<AdaptiveModel::Start> AdaptiveModel::Begin(
    const PrecisionPolicy& tried) const {
  Start start = {.room = nullptr, .floats = Now()};
  const bool must_load =
      start.floats->precision() != PrecisionName(Precision::kFloat32);
  ASSIGN_OR_RETURN(start.room, host_->Book(TrialBytes(tried, float_bytes_) +
                                           (must_load ? float_bytes_ : 0)));
  if (must_load) {
    ASSIGN_OR_RETURN(const ModelPackage package, host_->Read());
    ASSIGN_OR_RETURN(start.floats,
                     CpuModel::Load(engine_, package, max_batch_, threads_));
    // It may be what is served from then on.
    RETURN_IF_ERROR(start.floats->PrepareAll());
  }
  return start;
}

absl::StatusOr<AdaptiveModel::Current> AdaptiveModel::MakeKept(
    const PrecisionRecord& record, const CpuModel& floats) const {
  ASSIGN_OR_RETURN(
      std::unique_ptr<CpuModel> kept,
      MakeKeptModel(engine_, record, floats.Network(), max_batch_, threads_));
  return Current(std::move(kept));
}

bool AdaptiveModel::TakeKept(const PrecisionRecord& record,
                             const Current& floats) {
  const PrecisionDecision decision = DecisionOf(record);
  if (record.precision == Precision::kFloat32) {
    Switch(floats, decision);
    return true;
  }
  absl::StatusOr<Current> model = MakeKept(record, *floats);
  if (!model.ok()) {
    DropKept(chooser_->records, record, facts_->name, model.status());
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
      .refused = RefusedOf(run.decision.figures, policy_.policy),
      .clipped = run.decision.clipped};
  if (record.precision == Precision::kInt8) {
    record.calibration = run.calibration;
  }
  if (run.winner) {
    record.logits = run.winner->kept_logits();
  }
  chooser_->records.Keep(record);
}

void AdaptiveModel::Choose(const BackgroundJobs::Stopped& stopped) {
  {
    const MutexLock lock(mutex_);
    if (is_measuring_) {
      return;  // Whoever measures starts it again.
    }
    is_wanted_ = false;
    has_other_pictures_ = false;
  }
  // Here, as it may take a while.
  const CalibrationPictures& pictures = chooser_->pictures;
  const DecisionKey key =
      KeyOf(pictures.identity ? pictures.identity(*facts_) : "");
  const auto record = chooser_->records.Find(key);
  if (record && record->precision == Precision::kFloat32 &&
      precision() == PrecisionName(Precision::kFloat32)) {
    Switch(nullptr, DecisionOf(*record));  // Takes no memory.
    return;
  }
  const absl::StatusOr<Start> start = Begin(policy_.policy);
  if (!start.ok()) {
    Switch(nullptr, NotTried(policy_.policy, precision(), start.status()));
    return;
  }
  if (!record || !TakeKept(*record, start->floats)) {
    ChooseAnew(key, start->floats, stopped);
  }
}

void AdaptiveModel::ChooseAnew(const DecisionKey& key, const Current& floats,
                               const BackgroundJobs::Stopped& stopped) {
  RealPictures pictures;
  if (chooser_->pictures.read) {
    pictures = chooser_->pictures.read(*facts_);
  }
  absl::StatusOr<PrecisionRun> run = TryPrecisions(
      engine_, *floats, policy_.policy, pictures, /*all=*/false, stopped);
  if (absl::IsCancelled(run.status())) {
    const MutexLock lock(mutex_);
    is_wanted_ = true;
    return;
  }
  if (!run.ok()) {
    Switch(nullptr, NotTried(policy_.policy, precision(), run.status()));
    return;
  }
  Keep(key, *run);
  Switch(run->winner ? Current(std::move(run->winner)) : floats, run->decision);
}

absl::StatusOr<PrecisionReport> AdaptiveModel::Measure(
    const RealPictures& pictures, bool use,
    const std::function<bool()>& stopped) {
  ASSIGN_OR_RETURN(const Start start, Begin(*ParsePrecisionPolicy("auto")));
  ASSIGN_OR_RETURN(PrecisionRun run,
                   TryPrecisions(engine_, *start.floats, policy_.policy,
                                 pictures, /*all=*/true, stopped));
  PrecisionReport report = ReportOf(run);
  report.policy = policy_.name;
  if (use && !policy_.policy.candidates.empty()) {
    Keep(KeyOf(pictures.identity), run);
    Switch(run.winner ? Current(std::move(run.winner)) : start.floats,
           run.decision);
    const MutexLock lock(mutex_);
    is_wanted_ = false;
  }
  return report;
}

absl::StatusOr<PrecisionReport> AdaptiveModel::MeasurePrecisions(
    const RealPictures& pictures, bool use,
    const std::function<bool()>& stopped) {
  RETURN_IF_ERROR(CheckPictures(pictures, crop_));
  {
    const MutexLock lock(mutex_);
    is_measuring_ = true;
  }
  chooser_->jobs.Remove(this);
  absl::StatusOr<PrecisionReport> report = Measure(pictures, use, stopped);
  bool is_wanted = false;
  {
    const MutexLock lock(mutex_);
    is_measuring_ = false;
    is_wanted = is_wanted_ || has_other_pictures_;
  }
  if (is_wanted) {
    StartChoice();
  }
  return report;
}

}  // namespace resnetd
