#include "server/finetune/job_result.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/base/utf8.h"
#include "server/finetune/comparison.h"
#include "server/finetune/evaluation.h"
#include "server/finetune/evaluator.h"
#include "server/finetune/job_inputs.h"
#include "server/finetune/job_rules.h"
#include "server/finetune/model_evaluation.h"
#include "server/finetune/tensor_blob.h"

namespace resnetd {
namespace {

// Bigger batches are no faster on a CPU, and need more memory.
constexpr std::size_t kBatch = 16;
// The sizes that a worker's plans are made for end with 4.
constexpr std::size_t kServingBatch = 4;
// What ParseManifest() takes of a criterion.
constexpr std::size_t kMaxCriterionBytes = 1024;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20U;

template <typename Compute>
absl::StatusOr<std::vector<float>> InBatches(
    const std::vector<Pixels>& pictures, std::size_t size,
    const Compute& compute) {
  std::vector<float> logits;
  for (std::size_t at = 0; at < pictures.size(); at += size) {
    std::vector<const Pixels*> batch;
    for (std::size_t i = at; i < std::min(at + size, pictures.size()); ++i) {
      batch.push_back(&pictures[i]);
    }
    ASSIGN_OR_RETURN(const std::vector<float> part, compute(batch));
    logits.insert(logits.end(), part.begin(), part.end());
  }
  return logits;
}

std::string DescriptionOf(const Job& job, std::int64_t step) {
  const std::string base =
      job.spec.base ? absl::StrCat("version ", job.spec.base->value)
                    : absl::StrCat("random weights of ", job.spec.architecture);
  return absl::StrCat("Trained by jobs/", job.number.value, " to step ", step,
                      " of ", job.status.total_steps, " from ", base,
                      " on datasets/", job.spec.dataset.text(), " (",
                      job.status.dataset_digest.substr(0, 12), "), recipe ",
                      job.status.config_hash.substr(0, 12), ".");
}

absl::StatusOr<VersionView> ImportResult(const Job& job, const JobPlan& plan,
                                         const TensorList& weights,
                                         const JobResult& result,
                                         ModelManager& models,
                                         const Mutation& mutation) {
  ASSIGN_OR_RETURN(const std::vector<std::uint8_t> file,
                   WeightsFileOf(weights));
  ImportHeader header{
      .model = job.spec.model,
      .sha256 = Sha256Hex(file),
      .size_bytes = static_cast<std::int64_t>(file.size()),
      .labels = plan.labels,
      .preprocess = plan.preprocess,
      .architecture = plan.architecture.name,
      .description = DescriptionOf(job, result.best.step),
      .evaluations = {{.dataset = absl::StrCat(job.spec.dataset.text(),
                                               " (validation)"),
                       .examples = result.best.examples,
                       .accuracy = result.best.accuracy}},
      .temperature = result.temperature,
      .gate = RecordOf(result.verdict),
      .parent = job.spec.base};
  ASSIGN_OR_RETURN(const std::unique_ptr<ImportSession> session,
                   models.Import(header, mutation));
  for (std::size_t at = 0; at < file.size(); at += kPieceBytes) {
    RETURN_IF_ERROR(
        session->Write(absl::MakeConstSpan(file).subspan(at, kPieceBytes)));
  }
  ASSIGN_OR_RETURN(Imported imported, session->Finish());
  return std::move(imported.version);
}

// A version is loaded from when it is imported, and its exemplars are kept
// after that. Nothing where none are kept, or where it is not loaded any more.
void ChooseWithExemplars(const Job& job, const VersionView& version,
                         ModelManager& models) {
  if (job.spec.replay.exemplars_per_class <= 0 ||
      version.residency != Residency::kReady) {
    return;
  }
  const absl::StatusOr<std::unique_ptr<VersionLoan>> loan =
      models.Borrow(version.row.model, version.row.version);
  if (!loan.ok()) {
    Log(LogLevel::kWarning,
        "a version does not choose its precision with its exemplars before it "
        "is loaded again",
        {{"version", ResourceName(version.row.model, version.row.version)},
         {"error", std::string(loan.status().message())}});
    return;
  }
  (*loan)->version().model->ChoosePrecisionAgain();
}

}  // namespace

absl::StatusOr<std::vector<float>> LogitsOf(
    Trainer& trainer, const std::vector<Pixels>& pictures) {
  return InBatches(pictures, kBatch,
                   [&trainer](absl::Span<const Pixels* const> batch) {
                     return trainer.Logits(batch);
                   });
}

absl::StatusOr<std::vector<float>> LogitsOf(
    const Model& model, const std::vector<Pixels>& pictures) {
  return InBatches(pictures, kServingBatch,
                   [&model](absl::Span<const Pixels* const> batch) {
                     return model.Logits(batch);
                   });
}

EvaluationMetrics MeasureLogits(const std::vector<float>& logits,
                                const std::vector<int>& labels,
                                const JobPlan& plan, std::int64_t step) {
  LogitsView view{.values = logits,
                  .classes = static_cast<int>(plan.labels.size())};
  const EvaluationReport plain = Evaluate(view, labels);
  view.temperature = FitTemperature(view, labels);
  EvaluationMetrics metrics{
      .step = step,
      .examples = plain.examples,
      .loss = plain.loss,
      .accuracy = plain.accuracy,
      .calibration_error = Evaluate(view, labels).calibration_error};
  if (!plan.head) {
    return metrics;
  }
  ClassResult old_classes;
  ClassResult new_classes;
  for (std::size_t label = 0; label < plain.per_class.size(); ++label) {
    const bool is_old =
        std::count(plan.head->class_map.begin(), plan.head->class_map.end(),
                   static_cast<int>(label)) > 0;
    ClassResult& sum = is_old ? old_classes : new_classes;
    sum.examples += plain.per_class[label].examples;
    sum.correct += plain.per_class[label].correct;
  }
  if (old_classes.examples > 0 && new_classes.examples > 0) {
    metrics.old_class_accuracy = static_cast<double>(old_classes.correct) /
                                 static_cast<double>(old_classes.examples);
    metrics.new_class_accuracy = static_cast<double>(new_classes.correct) /
                                 static_cast<double>(new_classes.examples);
  }
  return metrics;
}

double ChooseTemperature(const std::vector<float>& logits, int classes,
                         const std::vector<int>& labels) {
  if (static_cast<std::int64_t>(labels.size()) < kLeastCalibration) {
    return 1;
  }
  return TellTemperature({.values = logits, .classes = classes}, labels)
      .value_or(1);
}

GateRecord RecordOf(const GateVerdict& verdict) {
  GateRecord record;
  for (const GateCriterion& criterion : verdict.criteria) {
    if (!criterion.passed) {
      // A manifest that could not be read again would be no version.
      std::string text = criterion.text.substr(0, kMaxCriterionBytes);
      while (!IsUtf8(text)) {
        text.pop_back();
      }
      record.failed.push_back(
          {.name = criterion.name, .text = std::move(text)});
    }
  }
  return record;
}

absl::StatusOr<VersionView> PublishResult(const Job& job, const JobPlan& plan,
                                          const TensorList& weights,
                                          const JobResult& result,
                                          ModelManager& models,
                                          DatasetCatalog& catalog,
                                          const Mutation& mutation) {
  ASSIGN_OR_RETURN(VersionView version,
                   ImportResult(job, plan, weights, result, models, mutation));
  RETURN_IF_ERROR(KeepExemplars(job, plan, version.row.version, catalog));
  ChooseWithExemplars(job, version, models);
  return version;
}

absl::StatusOr<std::unique_ptr<VersionLoan>> FindChampion(
    const JobSpec& spec, ModelManager& models) {
  std::optional<VersionNumber> version = spec.base;
  if (spec.promotion.kind == PromotionKind::kAlias) {
    const absl::StatusOr<ModelView> model = models.GetModel(spec.model);
    if (!model.ok() && !absl::IsNotFound(model.status())) {
      return model.status();
    }
    if (model.ok()) {
      for (const AliasRow& alias : model->aliases) {
        if (alias.alias == spec.promotion.alias) {
          version = alias.version;
        }
      }
    }
  }
  if (!version) {
    return std::unique_ptr<VersionLoan>();
  }
  return models.Borrow(spec.model, *version);
}

std::vector<std::string> GateAlarms(const std::vector<ActiveAlarm>& active) {
  std::vector<std::string> names;
  for (const ActiveAlarm& alarm : active) {
    if (IsGateAlarm(alarm.kind)) {
      names.emplace_back(AlarmName(alarm.kind));
    }
  }
  return names;
}

absl::StatusOr<GateVerdict> JudgeResult(const GateRules& rules,
                                        const JobPlan& plan,
                                        const LabelledPictures& for_candidate,
                                        const std::vector<float>& candidate,
                                        const LabelledPictures& for_champion,
                                        const ServedVersion* champion,
                                        std::vector<std::string> alarms) {
  LogitsView view{.values = candidate,
                  .classes = static_cast<int>(plan.labels.size())};
  view.temperature = FitTemperature(view, for_candidate.labels);
  const EvaluationReport report = Evaluate(view, for_candidate.labels);
  GateFacts facts{.alarms = std::move(alarms),
                  .is_finite = report.nonfinite_examples == 0};
  if (champion == nullptr) {
    return DecidePromotion(rules, report, std::nullopt, facts);
  }
  ASSIGN_OR_RETURN(const std::vector<float> logits,
                   LogitsOf(*champion->model, for_champion.pictures));
  const std::vector<std::string>& labels = champion->facts.labels;
  facts.labels_changed = labels != plan.labels;
  const LogitsView champion_view{.values = logits,
                                 .classes = static_cast<int>(labels.size()),
                                 .temperature = champion->facts.temperature};
  const PairedReport paired = Compare(champion_view, view, for_candidate.labels,
                                      ClassMap(labels, plan.labels));
  return DecidePromotion(rules, report, paired, facts);
}

absl::StatusOr<AliasRow> PromoteResult(const Job& job, VersionNumber version,
                                       ModelManager& models) {
  const JobSpec& spec = job.spec;
  const AliasMove move{.model = spec.model,
                       .alias = spec.promotion.kind == PromotionKind::kCandidate
                                    ? "candidate"
                                    : spec.promotion.alias,
                       .to = version,
                       .expected_version = std::nullopt,
                       .etag = ""};
  // A new alias answers nobody who did not ask for it.
  const bool allow = spec.gate.allow_label_change ||
                     spec.promotion.kind == PromotionKind::kCandidate;
  return models.Promote(move, {.allow_label_change = allow, .is_judged = true},
                        /*validate_only=*/false,
                        OfJob(job.number, "PromoteVersion"));
}

}  // namespace resnetd
