#include "server/engine/precision_trial.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <limits>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/status_macros.h"
#include "server/engine/agreement.h"
#include "server/engine/calibrator.h"
#include "server/engine/cpu_model.h"
#include "server/engine/kept_logits.h"
#include "server/engine/precision.h"
#include "server/engine/precision_choice.h"
#include "server/image/pixels.h"
#include "server/models/golden.h"
#include "server/models/picture_split.h"
#include "server/models/precision_report.h"
#include "server/models/warm_up.h"

namespace resnetd {
namespace {

constexpr int kRounds = 7;
// Of one round: many runs of a small network, at least one of a large.
constexpr double kRoundSeconds = 0.005;

// Each has millions of activations: enough to tell a share of 1 %, for a run of
// the network in float32 each.
constexpr std::size_t kClippingPictures = 16;

double ThreadSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         1e-9 * static_cast<double>(time.tv_nsec);
}

absl::StatusOr<double> SecondsOfOneRound(const CpuModel& model,
                                         const Pixels* picture) {
  const double start = ThreadSeconds();
  int runs = 0;
  double taken = 0;
  while (runs == 0 || taken < kRoundSeconds) {
    RETURN_IF_ERROR(model.Results({picture}).status());
    ++runs;
    taken = ThreadSeconds() - start;
  }
  return taken / runs;
}

PrecisionObjection KindOf(const absl::Status& why) {
  if (absl::IsResourceExhausted(why)) {
    return PrecisionObjection::kNoMemory;
  }
  return absl::IsFailedPrecondition(why) ? PrecisionObjection::kUnsupported
                                         : PrecisionObjection::kFailed;
}

class Trials {
 public:
  Trials(const dnnl::engine& engine, const CpuModel& reference,
         const RealPictures& real, const std::function<bool()>& stopped)
      : engine_(engine),
        reference_(reference),
        real_(real.pictures.size()),
        trained_(real.trained),
        golden_(GoldenPictures(reference.crop())),
        stopped_(stopped) {
    Take(real);
    run_.trials.push_back({.precision = Precision::kFloat32,
                           .seconds = 0,
                           .agreement = {},
                           .golden = golden_count_,
                           .obstacle = ""});
    models_.push_back(nullptr);
  }

  absl::StatusOr<PrecisionRun> Run(const PrecisionPolicy& policy, bool all) {
    ASSIGN_OR_RETURN(expected_, Logits(reference_));
    run_.trials.front().agreement = Compared(expected_);
    run_.trials.front().bytes = reference_.resident_bytes();
    const PrecisionPolicy tried = all ? *ParsePrecisionPolicy("auto") : policy;
    for (const Precision precision : tried.candidates) {
      RETURN_IF_ERROR(Try(precision));
      if (!all && policy.forced == precision &&
          ObjectionTo(run_.trials.back(), run_.trials.front(), false)
              .text.empty()) {
        break;
      }
    }
    RETURN_IF_ERROR(Time());
    run_.decision = DecidePrecision(run_.trials, policy);
    for (std::size_t i = 0; i < models_.size(); ++i) {
      if (run_.trials[i].precision == run_.decision.precision) {
        run_.winner = std::move(models_[i]);
      }
    }
    if (run_.winner) {
      RETURN_IF_ERROR(MakeReady(*run_.winner));
    }
    return std::move(run_);
  }

 private:
  // Golden pictures judge, too, where real ones are few: one alone would be
  // less than none.
  void Take(const RealPictures& real) {
    const PictureSplit split = SplitPictures(real_, trained_);
    for (const std::size_t i : split.calibrating) {
      calibrating_.push_back(&real.pictures[i]);
    }
    for (const std::size_t i : split.judging) {
      pictures_.push_back(&real.pictures[i]);
      classes_.push_back(real.classes.empty() ? RealPictures::kNoClass
                                              : real.classes[i]);
    }
    if (split.judging.size() < kLeastRealPictures) {
      for (const Pixels& picture : golden_) {
        pictures_.push_back(&picture);
        classes_.push_back(RealPictures::kNoClass);
        ++golden_count_;
      }
    }
  }

  absl::Status MakeReady(CpuModel& winner) const {
    const int side = reference_.crop();
    const std::size_t max_batch = reference_.max_batch();
    RETURN_IF_ERROR(RunEveryBatchSize(winner, side, max_batch).status());
    ASSIGN_OR_RETURN(const std::vector<float> golden,
                     GoldenLogits(winner, side, max_batch));
    winner.SetKeptLogits(KeptLogits(golden));
    return absl::OkStatus();
  }

  absl::Status CheckStopped() const {
    return stopped_() ? absl::CancelledError("the version is going away")
                      : absl::OkStatus();
  }

  absl::StatusOr<std::vector<float>> Logits(const CpuModel& model) const {
    return LogitsOfAll(model, pictures_, stopped_);
  }

  Agreement Compared(const std::vector<float>& actual) const {
    return Compare(expected_, actual, expected_.size() / pictures_.size(),
                   classes_);
  }

  // Values that are not finite among them: they are compared, too.
  absl::StatusOr<std::vector<float>> Results(const CpuModel& model) const {
    std::vector<float> all;
    for (const Pixels* const picture : pictures_) {
      RETURN_IF_ERROR(CheckStopped());
      ASSIGN_OR_RETURN(const std::vector<float> row, model.Results({picture}));
      all.insert(all.end(), row.begin(), row.end());
    }
    return all;
  }

  absl::StatusOr<std::unique_ptr<CpuModel>> Make(Precision precision) {
    CpuNetwork network = reference_.Network();
    network.precision = precision;
    if (precision == Precision::kInt8) {
      ASSIGN_OR_RETURN(CalibrationTrial calibrated,
                       Calibrate(engine_, reference_, calibrating_, stopped_));
      network.calibration = calibrated.calibration;
      run_.calibration = std::move(calibrated.calibration);
    }
    return CpuModel::Load(engine_, std::move(network), reference_.max_batch(),
                          reference_.threads());
  }

  std::string TooFew() const {
    const std::string uses =
        absl::StrCat(kLeastCalibrationPictures, " to calibrate with, ",
                     kLeastRealPictures, " to judge by");
    return trained_ == 0
               ? absl::StrCat(real_, " real pictures, at least ",
                              kLeastToQuantise, " are needed: ", uses)
               : absl::StrCat(real_ - trained_,
                              " real pictures that training has not seen and ",
                              trained_, " that it has; needed are ", uses,
                              ", which those it has not seen may alone");
  }

  // What `precision` lacks to be tried at all.
  TrialObjection LackFor(Precision precision) const {
    if (precision != Precision::kInt8) {
      return {};
    }
    if (!CanQuantise(reference_.Network().program)) {
      return {PrecisionObjection::kUnsupported,
              "not for pre-activation networks"};
    }
    if (real_ == 0) {
      return {PrecisionObjection::kNoPictures, "no pictures to calibrate with"};
    }
    if (calibrating_.empty()) {
      return {PrecisionObjection::kTooFewPictures, TooFew()};
    }
    return {};
  }

  // A candidate that cannot be made is a trial with an obstacle.
  absl::Status Try(Precision precision) {
    RETURN_IF_ERROR(CheckStopped());
    const TrialObjection lack = LackFor(precision);
    PrecisionTrial trial = {.precision = precision,
                            .seconds = 0,
                            .agreement = {},
                            .golden = golden_count_,
                            .obstacle = lack.text,
                            .kind = lack.kind};
    std::unique_ptr<CpuModel> made;
    if (lack.kind == PrecisionObjection::kNone) {
      ASSIGN_OR_RETURN(made, TryToMake(precision, trial));
    }
    run_.trials.push_back(std::move(trial));
    models_.push_back(std::move(made));
    return absl::OkStatus();
  }

  // Null, and `trial` says why, where it cannot be made.
  absl::StatusOr<std::unique_ptr<CpuModel>> TryToMake(Precision precision,
                                                      PrecisionTrial& trial) {
    absl::StatusOr<std::unique_ptr<CpuModel>> model = Make(precision);
    if (absl::IsCancelled(model.status())) {
      return model.status();
    }
    if (!model.ok()) {
      trial.obstacle = std::string(model.status().message());
      trial.kind = KindOf(model.status());
      return std::unique_ptr<CpuModel>();
    }
    ASSIGN_OR_RETURN(const std::vector<float> actual, Results(**model));
    trial.agreement = Compared(actual);
    trial.bytes = (*model)->resident_bytes();
    if (precision == Precision::kInt8) {
      ASSIGN_OR_RETURN(
          const Clipping clipping,
          ClippingOf(reference_, *run_.calibration, ToClip(), stopped_));
      trial.clipped = clipping.share();
    }
    return model;
  }

  // Some of those that judge, evenly.
  std::vector<const Pixels*> ToClip() const {
    const std::size_t wanted = std::min(kClippingPictures, pictures_.size());
    std::vector<const Pixels*> some;
    for (std::size_t i = 0; i < wanted; ++i) {
      some.push_back(pictures_[i * pictures_.size() / wanted]);
    }
    return some;
  }

  absl::Status Time() {
    std::vector<double> least(run_.trials.size(),
                              std::numeric_limits<double>::infinity());
    for (int round = 0; round < kRounds; ++round) {
      for (std::size_t i = 0; i < models_.size(); ++i) {
        RETURN_IF_ERROR(CheckStopped());
        const CpuModel* const model = i == 0 ? &reference_ : models_[i].get();
        if (model == nullptr) {
          continue;
        }
        ASSIGN_OR_RETURN(const double seconds,
                         SecondsOfOneRound(*model, pictures_.front()));
        least[i] = std::min(least[i], seconds);
      }
    }
    for (std::size_t i = 0; i < least.size(); ++i) {
      run_.trials[i].seconds = least[i];
    }
    return absl::OkStatus();
  }

  const dnnl::engine& engine_;
  const CpuModel& reference_;
  const std::size_t real_;
  // Of them.
  const std::size_t trained_;
  const std::vector<Pixels> golden_;
  // Int8 is calibrated with these, and no precision is judged by them.
  std::vector<const Pixels*> calibrating_;
  // That judge, and the class of each.
  std::vector<const Pixels*> pictures_;
  std::vector<int> classes_;
  // Of pictures_.
  int golden_count_ = 0;
  const std::function<bool()>& stopped_;
  std::vector<float> expected_;
  PrecisionRun run_;
  // By trial; null: the reference, or one that cannot be made.
  std::vector<std::unique_ptr<CpuModel>> models_;
};

}  // namespace

PrecisionReport ReportOf(const PrecisionRun& run) {
  return {.trials = run.decision.figures,
          .policy = "",
          .chosen = std::string(PrecisionName(run.decision.precision)),
          .fastest = std::string(PrecisionName(
              DecidePrecision(run.trials, *ParsePrecisionPolicy("auto"))
                  .precision)),
          .method = run.calibration ? run.calibration->method : "",
          .text = run.decision.text};
}

std::int64_t TrialBytes(const PrecisionPolicy& policy,
                        std::int64_t float_bytes) {
  // Both are 0.6.
  return static_cast<std::int64_t>(policy.candidates.size()) * float_bytes * 3 /
         5;
}

absl::StatusOr<PrecisionRun> TryPrecisions(
    const dnnl::engine& engine, const CpuModel& reference,
    const PrecisionPolicy& policy, const RealPictures& pictures, bool all,
    const std::function<bool()>& stopped) {
  return Trials(engine, reference, pictures, stopped).Run(policy, all);
}

}  // namespace resnetd
