#include "server/finetune/job_inputs.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/finetune/exemplars.h"
#include "server/finetune/job_rules.h"
#include "server/models/precision_report.h"

namespace resnetd {
namespace {

// Rows read or written at once.
constexpr std::size_t kPage = 256;
constexpr char kUpload[] = "exemplars";

// The exemplars among `examples`, sent for `split`.
void Choose(const std::vector<PlannedExample>& examples, int per_class,
            std::int64_t seed, ExampleSplit split,
            std::vector<ExampleRow>& chosen) {
  for (const std::size_t index : ChooseExemplars(examples, per_class, seed)) {
    ExampleRow row = examples[index].row;
    row.label = examples[index].label;
    row.split = split;
    row.sequence = 0;
    chosen.push_back(std::move(row));
  }
}

absl::Status Append(const DatasetName& name,
                    const std::vector<ExampleRow>& rows,
                    DatasetCatalog& catalog) {
  // After a crash in the middle: on from where it was.
  ASSIGN_OR_RETURN(const std::int64_t done, catalog.UploadIndex(name, kUpload));
  for (auto at = static_cast<std::size_t>(done); at < rows.size();
       at += kPage) {
    const std::size_t end = std::min(at + kPage, rows.size());
    ExampleBatch batch{.dataset = name,
                       .upload = kUpload,
                       .next_index = static_cast<std::int64_t>(end),
                       .expected_index = static_cast<std::int64_t>(at)};
    batch.examples.assign(rows.begin() + static_cast<std::ptrdiff_t>(at),
                          rows.begin() + static_cast<std::ptrdiff_t>(end));
    RETURN_IF_ERROR(catalog.AppendExamples(batch).status());
  }
  return absl::OkStatus();
}

}  // namespace

DatasetName ExemplarDataset(const ModelName& model, VersionNumber version) {
  // A digest, as a model's name and a number may be too long together.
  const std::string digest =
      Sha256Hex(AsBytes(absl::StrCat(model.text(), "/", version.value)));
  return DatasetName::Parse(absl::StrCat("exemplars-", digest.substr(0, 24)))
      .value();
}

absl::StatusOr<DatasetContent> ReadDataset(DatasetCatalog& catalog,
                                           const DatasetName& name) {
  ASSIGN_OR_RETURN(DatasetRow row, catalog.GetDataset(name));
  RETURN_IF_ERROR(CheckSealed(row));
  DatasetContent content{.dataset = std::move(row), .examples = {}};
  content.examples.reserve(static_cast<std::size_t>(content.dataset.examples));
  while (true) {
    const std::int64_t after =
        content.examples.empty() ? 0 : content.examples.back().sequence;
    ASSIGN_OR_RETURN(std::vector<ExampleRow> page,
                     catalog.ListExamples(name, after, kPage));
    if (page.empty()) {
      return content;
    }
    std::move(page.begin(), page.end(), std::back_inserter(content.examples));
  }
}

absl::StatusOr<PlanInputs> ReadInputs(const JobSpec& spec, Store& store,
                                      ModelManager& models) {
  ASSIGN_OR_RETURN(DatasetContent data,
                   ReadDataset(store.datasets(), spec.dataset));
  PlanInputs inputs{
      .data = std::move(data), .base = nullptr, .kept = std::nullopt};
  if (!spec.base) {
    return inputs;
  }
  ASSIGN_OR_RETURN(const VersionView base,
                   models.GetVersion(spec.model, *spec.base));
  RETURN_IF_ERROR(base.failure.code() == absl::StatusCode::kDataLoss
                      ? base.failure
                      : absl::OkStatus());
  inputs.base = base.facts;
  const DatasetName kept = spec.replay.dataset
                               ? *spec.replay.dataset
                               : ExemplarDataset(spec.model, *spec.base);
  absl::StatusOr<DatasetContent> content = ReadDataset(store.datasets(), kept);
  if (content.ok()) {
    inputs.kept = *std::move(content);
  } else if (spec.replay.dataset || !absl::IsNotFound(content.status())) {
    return Annotate(content.status(), "replay.dataset: ", "replay.dataset");
  }
  return inputs;
}

absl::Status KeepExemplars(const Job& job, const JobPlan& plan,
                           VersionNumber version, DatasetCatalog& catalog) {
  const int per_class = job.spec.replay.exemplars_per_class;
  const DatasetName name = ExemplarDataset(job.spec.model, version);
  if (per_class <= 0) {
    return absl::OkStatus();
  }
  const absl::StatusOr<DatasetRow> there = catalog.GetDataset(name);
  if (there.ok() && there->state == DatasetState::kSealed) {
    return absl::OkStatus();
  }
  if (!there.ok()) {
    RETURN_IF_ERROR(catalog
                        .CreateDataset(name, plan.labels,
                                       OfJob(job.number, "KeepExemplars"))
                        .status());
  }
  std::vector<ExampleRow> rows;
  Choose(TrainingExamples(plan), per_class, plan.recipe.seed,
         ExampleSplit::kTrain, rows);
  // int8 is judged by them, which needs some however few classes there are.
  const std::size_t to_judge = PerClassForAtLeast(
      LabelsOf(plan.validation), static_cast<std::size_t>(per_class),
      kLeastRealPictures);
  Choose(plan.validation, static_cast<int>(to_judge), plan.recipe.seed,
         ExampleSplit::kValidation, rows);
  // Of one picture in both the dataset and the replayed ones, the first.
  std::set<Digest> seen;
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [&seen](const ExampleRow& row) {
                              return !seen.insert(row.image).second;
                            }),
             rows.end());
  RETURN_IF_ERROR(Append(name, rows, catalog));
  return catalog.SealDataset(name, "", OfJob(job.number, "KeepExemplars"))
      .status();
}

}  // namespace resnetd
