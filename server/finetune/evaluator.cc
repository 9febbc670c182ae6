#include "server/finetune/evaluator.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/base/thread.h"
#include "server/base/thread_priority.h"
#include "server/finetune/job_inputs.h"
#include "server/finetune/one_at_a_time.h"
#include "server/image/preprocess.h"
#include "server/models/picture_split.h"

namespace resnetd {
namespace {

// One of the networks that see the pictures.
struct Contestant {
  std::shared_ptr<const VersionFacts> facts;
  std::unique_ptr<VersionLoan> loan;
  std::vector<float> logits = {};
  // Of whole batches.
  std::vector<Duration> times = {};
};

absl::Status Recalled(const VersionFacts& facts) {
  return Error(absl::StatusCode::kResourceExhausted, Reason::kMemoryAdmission,
               absl::StrCat("the memory of ",
                            ResourceName(facts.name, facts.version),
                            " is needed for something else: load it first, or "
                            "try again"))
      .RetryAfter(kRetryWhenBusy);
}

absl::Status Cancelled(absl::string_view what) {
  return Error(absl::StatusCode::kCancelled, Reason::kCancelled,
               absl::StrCat("the ", what, " was cancelled"));
}

// Waits for `work`, in a thread of its own.
absl::Status AtLowestPriority(const std::function<absl::Status()>& work) {
  absl::Status status;
  Thread thread("evaluation-0", [&work, &status] {
    if (!RunOnlyWhenIdle()) {
      Log(LogLevel::kWarning,
          "the system does not let evaluations run at the lowest priority: "
          "they will slow serving down");
    }
    status = work();
  });
  thread.Join();
  return status;
}

// Takes pictures through the networks.
class Run {
 public:
  Run(std::size_t size, DatasetManager& datasets, const Clock& clock,
      absl::Span<const PlannedExample> examples,
      absl::Span<Contestant> contestants, const Evaluator::GoOn& go_on)
      : size_(size),
        datasets_(datasets),
        clock_(clock),
        examples_(examples),
        contestants_(contestants),
        go_on_(go_on) {}

  // All of it, in a thread of lowest priority.
  absl::Status Finish() {
    return AtLowestPriority([this] { return Work(); });
  }

 private:
  absl::Status Work() {
    for (std::size_t at = 0; at < examples_.size(); at += size_) {
      if (!go_on_()) {
        return Cancelled("evaluation");
      }
      const absl::Span<const PlannedExample> batch =
          examples_.subspan(at, size_);
      ASSIGN_OR_RETURN(const std::vector<Pixels> pictures, Read(batch));
      for (Contestant& contestant : contestants_) {
        RETURN_IF_ERROR(Compute(pictures, contestant));
      }
    }
    return absl::OkStatus();
  }

  // One by one: the threads that would help have no low priority.
  absl::StatusOr<std::vector<Pixels>> Read(
      absl::Span<const PlannedExample> batch) {
    std::vector<Pixels> pictures;
    for (const PlannedExample& example : batch) {
      ASSIGN_OR_RETURN(
          std::vector<Pixels> read,
          datasets_.ReadPictures(absl::MakeConstSpan(&example.row, 1)));
      pictures.push_back(std::move(read.front()));
    }
    return pictures;
  }

  absl::Status Compute(const std::vector<Pixels>& pictures,
                       Contestant& contestant) {
    if (contestant.loan->is_recalled()) {
      return Recalled(*contestant.facts);
    }
    const ServedVersion& version = contestant.loan->version();
    std::vector<Pixels> cropped;
    cropped.reserve(pictures.size());
    std::vector<const Pixels*> batch;
    for (const Pixels& picture : pictures) {
      cropped.push_back(ResizeAndCrop(picture, version.facts.preprocess));
      batch.push_back(&cropped.back());
    }
    const SteadyTime started = clock_.Now();
    ASSIGN_OR_RETURN(const std::vector<float> logits,
                     version.model->Logits(batch));
    if (batch.size() == size_) {
      contestant.times.push_back(clock_.Now() - started);
    }
    contestant.logits.insert(contestant.logits.end(), logits.begin(),
                             logits.end());
    return absl::OkStatus();
  }

  const std::size_t size_;
  DatasetManager& datasets_;
  const Clock& clock_;
  const absl::Span<const PlannedExample> examples_;
  const absl::Span<Contestant> contestants_;
  const Evaluator::GoOn& go_on_;
};

class Impl final : public Evaluator {
 public:
  Impl(const EvaluatorOptions& options, Store& store, DatasetManager& datasets,
       ModelManager& models, const Clock& clock)
      : options_(options),
        store_(store),
        datasets_(datasets),
        models_(models),
        clock_(clock),
        pictures_(store, datasets) {}

  absl::StatusOr<VersionEvaluation> Evaluate(const ModelName& model,
                                             VersionNumber version,
                                             const Measurement& what,
                                             const GoOn& go_on) override {
    const OneAtATime turn(busy_);
    RETURN_IF_ERROR(turn.status("evaluation"));
    return MeasureOne(model, version, what, 1, go_on);
  }
  absl::StatusOr<VersionComparison> Compare(const ModelName& champion_model,
                                            VersionNumber champion,
                                            const ModelName& candidate_model,
                                            VersionNumber candidate,
                                            const Measurement& what,
                                            const GoOn& go_on) override;
  absl::StatusOr<TemperatureFit> Calibrate(
      const ModelName& model, VersionNumber version, const Measurement& what,
      bool validate_only, const Mutation& mutation, const GoOn& go_on) override;
  absl::StatusOr<Quantization> Quantize(const ModelName& model,
                                        VersionNumber version,
                                        const Measurement& what,
                                        bool validate_only,
                                        const GoOn& go_on) override;

 private:
  struct Examples {
    std::vector<std::string> labels;
    Digest digest;
    std::vector<PlannedExample> chosen = {};
  };

  absl::StatusOr<Examples> Choose(const Measurement& what);
  absl::StatusOr<std::shared_ptr<const VersionFacts>> FactsOf(
      const ModelName& model, VersionNumber version);
  absl::StatusOr<VersionEvaluation> MeasureOne(const ModelName& model,
                                               VersionNumber version,
                                               const Measurement& what,
                                               std::int64_t least,
                                               const GoOn& go_on);
  // What the pictures make of `facts`, beside one another.
  absl::StatusOr<std::vector<Contestant>> Compete(
      const std::vector<std::shared_ptr<const VersionFacts>>& facts,
      const Examples& examples, const GoOn& go_on);
  VersionEvaluation Summary(const Contestant& contestant,
                            const Examples& examples,
                            absl::Span<const int> labels) const;
  absl::StatusOr<PrecisionReport> MeasurePrecisions(const VersionFacts& facts,
                                                    const Measurement& what,
                                                    bool validate_only,
                                                    const VersionLoan& loan,
                                                    const GoOn& go_on);

  const EvaluatorOptions options_;
  Store& store_;
  DatasetManager& datasets_;
  ModelManager& models_;
  const Clock& clock_;
  VersionPictures pictures_;
  std::atomic<bool> busy_{false};
};

absl::StatusOr<Impl::Examples> Impl::Choose(const Measurement& what) {
  ASSIGN_OR_RETURN(const DatasetContent data,
                   ReadDataset(store_.datasets(), what.dataset));
  Examples examples{.labels = data.dataset.labels,
                    .digest = data.dataset.digest};
  ASSIGN_OR_RETURN(examples.chosen, ChooseExamples(data, what));
  return examples;
}

absl::StatusOr<std::shared_ptr<const VersionFacts>> Impl::FactsOf(
    const ModelName& model, VersionNumber version) {
  ASSIGN_OR_RETURN(VersionView view, models_.GetVersion(model, version));
  // Without its manifest there are no labels.
  RETURN_IF_ERROR(view.failure.code() == absl::StatusCode::kDataLoss
                      ? view.failure
                      : absl::OkStatus());
  return std::move(view.facts);
}

absl::StatusOr<std::vector<Contestant>> Impl::Compete(
    const std::vector<std::shared_ptr<const VersionFacts>>& facts,
    const Examples& examples, const GoOn& go_on) {
  std::int64_t classes = 0;
  for (const auto& one : facts) {
    classes += static_cast<std::int64_t>(one->labels.size());
  }
  RETURN_IF_ERROR(
      CheckSize(static_cast<std::int64_t>(examples.chosen.size()), classes));
  std::vector<Contestant> contestants;
  for (const auto& one : facts) {
    // In this thread: a load at the lowest priority would hold up others that
    // change the model.
    ASSIGN_OR_RETURN(std::unique_ptr<VersionLoan> loan,
                     models_.Borrow(one->name, one->version));
    contestants.push_back({.facts = one, .loan = std::move(loan)});
    contestants.back().logits.reserve(examples.chosen.size() *
                                      one->labels.size());
  }
  Run run(options_.batch, datasets_, clock_, examples.chosen,
          absl::MakeSpan(contestants), go_on);
  RETURN_IF_ERROR(run.Finish());
  return contestants;
}

VersionEvaluation Impl::Summary(const Contestant& contestant,
                                const Examples& examples,
                                absl::Span<const int> labels) const {
  VersionEvaluation evaluation =
      Measure(contestant.facts, contestant.logits, labels);
  const Model& model = *contestant.loan->version().model;
  evaluation.precision = model.precision();
  evaluation.backend = model.backend();
  evaluation.dataset_digest = examples.digest;
  evaluation.latency = PictureTime(contestant.times, options_.batch);
  return evaluation;
}

absl::StatusOr<VersionEvaluation> Impl::MeasureOne(const ModelName& model,
                                                   VersionNumber version,
                                                   const Measurement& what,
                                                   std::int64_t least,
                                                   const GoOn& go_on) {
  ASSIGN_OR_RETURN(const auto facts, FactsOf(model, version));
  ASSIGN_OR_RETURN(Examples examples, Choose(what));
  const auto count = static_cast<std::int64_t>(examples.chosen.size());
  if (count < least) {
    return Error(absl::StatusCode::kFailedPrecondition, Reason::kTooFewExamples,
                 absl::StrCat(count, " pictures for ",
                              DatasetPartName(what.part), ", at least ", least,
                              " are needed to tell a temperature"))
        .Metadata("examples", absl::StrCat(count))
        .Metadata("needed", absl::StrCat(least));
  }
  RETURN_IF_ERROR(UseClassesOf(*facts, examples.labels, examples.chosen));
  ASSIGN_OR_RETURN(const std::vector<Contestant> contestants,
                   Compete({facts}, examples, go_on));
  return Summary(contestants.front(), examples, LabelsOf(examples.chosen));
}

absl::StatusOr<VersionComparison> Impl::Compare(
    const ModelName& champion_model, VersionNumber champion,
    const ModelName& candidate_model, VersionNumber candidate,
    const Measurement& what, const GoOn& go_on) {
  const OneAtATime turn(busy_);
  RETURN_IF_ERROR(turn.status("evaluation"));
  ASSIGN_OR_RETURN(const auto old_facts, FactsOf(champion_model, champion));
  ASSIGN_OR_RETURN(const auto new_facts, FactsOf(candidate_model, candidate));
  ASSIGN_OR_RETURN(Examples examples, Choose(what));
  RETURN_IF_ERROR(UseClassesOf(*new_facts, examples.labels, examples.chosen));
  const std::vector<int> labels = LabelsOf(examples.chosen);
  ASSIGN_OR_RETURN(const std::vector<Contestant> contestants,
                   Compete({old_facts, new_facts}, examples, go_on));
  // In classes of the champion, which may lack some.
  std::vector<int> old_classes(new_facts->labels.size(), kNoLabel);
  const std::vector<int> map = ClassMap(old_facts->labels, new_facts->labels);
  for (std::size_t i = 0; i < map.size(); ++i) {
    if (map[i] >= 0) {
      old_classes[static_cast<std::size_t>(map[i])] = static_cast<int>(i);
    }
  }
  std::vector<int> old_labels;
  old_labels.reserve(labels.size());
  for (const int label : labels) {
    old_labels.push_back(old_classes[static_cast<std::size_t>(label)]);
  }
  return Judge(Summary(contestants[0], examples, old_labels),
               Summary(contestants[1], examples, labels), contestants[0].logits,
               contestants[1].logits, labels);
}

absl::StatusOr<TemperatureFit> Impl::Calibrate(
    const ModelName& model, VersionNumber version, const Measurement& what,
    bool validate_only, const Mutation& mutation, const GoOn& go_on) {
  const OneAtATime turn(busy_);
  RETURN_IF_ERROR(turn.status("evaluation"));
  ASSIGN_OR_RETURN(VersionEvaluation evaluation,
                   MeasureOne(model, version, what, kLeastCalibration, go_on));
  if (validate_only) {
    ASSIGN_OR_RETURN(VersionView view, models_.GetVersion(model, version));
    return TemperatureFit{.evaluation = std::move(evaluation),
                          .calibrated = {.version = std::move(view)}};
  }
  ASSIGN_OR_RETURN(
      Imported calibrated,
      models_.Recalibrate(model, version, evaluation.fitted_temperature,
                          mutation));
  return TemperatureFit{.evaluation = std::move(evaluation),
                        .calibrated = std::move(calibrated)};
}

absl::StatusOr<PrecisionReport> Impl::MeasurePrecisions(
    const VersionFacts& facts, const Measurement& what, bool validate_only,
    const VersionLoan& loan, const GoOn& go_on) {
  ASSIGN_OR_RETURN(const RealPictures pictures,
                   pictures_.ReadFor(facts, what, kLeastToQuantise, go_on));
  absl::StatusOr<PrecisionReport> report =
      loan.version().model->MeasurePrecisions(pictures, !validate_only, [&] {
        return !go_on() || loan.is_recalled();
      });
  if (absl::IsCancelled(report.status())) {
    return go_on() ? Recalled(facts) : Cancelled("measurement");
  }
  if (report.ok() && !validate_only) {
    RETURN_IF_ERROR(pictures_.Remember(facts, what, pictures.identity));
  }
  return report;
}

absl::StatusOr<Quantization> Impl::Quantize(const ModelName& model,
                                            VersionNumber version,
                                            const Measurement& what,
                                            bool validate_only,
                                            const GoOn& go_on) {
  const OneAtATime turn(busy_);
  RETURN_IF_ERROR(turn.status("evaluation"));
  ASSIGN_OR_RETURN(const auto facts, FactsOf(model, version));
  ASSIGN_OR_RETURN(const DatasetRow dataset,
                   store_.datasets().GetDataset(what.dataset));
  // In this thread, as for an evaluation.
  ASSIGN_OR_RETURN(const std::unique_ptr<VersionLoan> loan,
                   models_.Borrow(model, version));
  PrecisionReport report;
  RETURN_IF_ERROR(AtLowestPriority([&]() -> absl::Status {
    ASSIGN_OR_RETURN(
        report, MeasurePrecisions(*facts, what, validate_only, *loan, go_on));
    return absl::OkStatus();
  }));
  ASSIGN_OR_RETURN(VersionView view, models_.GetVersion(model, version));
  return Quantization{.version = std::move(view),
                      .dataset_digest = dataset.digest,
                      .report = std::move(report)};
}

}  // namespace

absl::Status CheckSize(std::int64_t examples, std::int64_t classes) {
  if (examples * classes <= kMostLogits) {
    return absl::OkStatus();
  }
  const std::int64_t most = kMostLogits / classes;
  const std::string text = absl::StrCat(
      examples, " pictures of ", classes, " classes are more than the ", most,
      " that can be measured at once: take a smaller part of the dataset");
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded, text)
      .Metadata("limit_name", "evaluation-pictures")
      .Metadata("limit", absl::StrCat(most))
      .Metadata("value", absl::StrCat(examples))
      .Violation("dataset", text);
}

std::unique_ptr<Evaluator> Evaluator::Create(const EvaluatorOptions& options,
                                             Store& store,
                                             DatasetManager& datasets,
                                             ModelManager& models,
                                             const Clock& clock) {
  return std::make_unique<Impl>(options, store, datasets, models, clock);
}

}  // namespace resnetd
