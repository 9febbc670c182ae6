#include "server/finetune/job_plan.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/finetune/dataset_split.h"
#include "server/finetune/exemplars.h"
#include "server/finetune/network_parts.h"

namespace resnetd {
namespace {

Error Refused(Reason reason, absl::string_view text) {
  return Error(absl::StatusCode::kFailedPrecondition, reason, text);
}

Error Invalid(absl::string_view field, absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               text)
      .Violation(field, text);
}

absl::Status CheckDataset(const DatasetRow& dataset) {
  const std::string name = Quoted(dataset.name.text());
  RETURN_IF_ERROR(CheckSealed(dataset));
  const std::int64_t sent = dataset.examples + dataset.rejected;
  if (static_cast<double>(dataset.rejected) >
      kMostRejected * static_cast<double>(sent)) {
    return Refused(Reason::kTooManyBadExamples,
                   absl::StrCat(
                       dataset.rejected, " of ", sent, " examples of dataset ",
                       name, " were rejected, at most ", kMostRejected * 100,
                       " % are accepted: list them, mend them and upload "
                       "a new dataset"))
        .Metadata("rejected", absl::StrCat(dataset.rejected))
        .Metadata("examples", absl::StrCat(sent))
        .Metadata("limit", absl::StrCat(kMostRejected));
  }
  if (dataset.labels.size() < 2) {
    return Refused(
               Reason::kTooFewExamples,
               absl::StrCat("dataset ", name, " has ", dataset.labels.size(),
                            " class: there is nothing to tell apart"))
        .Metadata("class", dataset.labels.empty() ? "" : dataset.labels[0])
        .Metadata("examples", absl::StrCat(dataset.examples))
        .Metadata("needed", "2 classes");
  }
  return absl::OkStatus();
}

std::map<std::string, int> IndexOf(const std::vector<std::string>& labels) {
  std::map<std::string, int> index;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    // Labels may repeat; the first one counts.
    index.emplace(labels[i], static_cast<int>(i));
  }
  return index;
}

absl::Status CheckUnique(const std::vector<std::string>& labels) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (std::find(labels.begin(),
                  labels.begin() + static_cast<std::ptrdiff_t>(i), labels[i]) !=
        labels.begin() + static_cast<std::ptrdiff_t>(i)) {
      return Invalid("base",
                     absl::StrCat("the base has the label ", Quoted(labels[i]),
                                  " twice: import it with labels that "
                                  "differ"));
    }
  }
  return absl::OkStatus();
}

// Those of `labels` that `known` does not have.
std::vector<std::string> MissingIn(const std::vector<std::string>& known,
                                   const std::vector<std::string>& labels) {
  std::vector<std::string> missing;
  std::copy_if(labels.begin(), labels.end(), std::back_inserter(missing),
               [&known](const std::string& label) {
                 return std::find(known.begin(), known.end(), label) ==
                        known.end();
               });
  return missing;
}

// Labels and head of the result.
absl::Status ChooseHead(const JobSpec& spec, const PlanInputs& inputs,
                        JobPlan& plan) {
  const std::vector<std::string>& own = inputs.data.dataset.labels;
  if (inputs.base == nullptr) {
    if (spec.head != HeadPolicy::kAuto && spec.head != HeadPolicy::kReplace) {
      return Invalid("head",
                     absl::StrCat("head ", HeadPolicyName(spec.head),
                                  " needs a base; there is none in a training "
                                  "from scratch"));
    }
    plan.labels = own;
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(CheckUnique(inputs.base->labels));
  HeadPolicy policy = spec.head;
  if (policy == HeadPolicy::kAuto && inputs.kept) {
    // What was kept of the old classes is there to learn new ones beside them.
    policy = MissingIn(inputs.base->labels, own).empty() ? HeadPolicy::kKeep
                                                         : HeadPolicy::kGrow;
  }
  ASSIGN_OR_RETURN(plan.head, PlanHead(policy, inputs.base->labels, own));
  plan.labels = plan.head->labels;
  return absl::OkStatus();
}

absl::Status PlanNetwork(const JobSpec& spec, const PlanInputs& inputs,
                         JobPlan& plan) {
  const int classes = static_cast<int>(plan.labels.size());
  if (inputs.base != nullptr) {
    plan.architecture = inputs.base->architecture;
    plan.architecture.num_classes = classes;
    plan.preprocess = inputs.base->preprocess;
    return absl::OkStatus();
  }
  absl::StatusOr<Architecture> architecture =
      FindArchitecture(spec.architecture, classes);
  if (!architecture.ok()) {
    return Annotate(architecture.status(), "", "architecture");
  }
  plan.architecture = *std::move(architecture);
  plan.preprocess.resize = spec.input_size;
  plan.preprocess.crop = spec.input_size;
  if (const absl::Status valid = Validate(plan.preprocess); !valid.ok()) {
    return Annotate(valid, "input_size: ", "input_size");
  }
  return absl::OkStatus();
}

// The examples of `content` with their classes and splits; labels that the
// result does not have are left out.
void Divide(const DatasetContent& content, const SplitSpec& split,
            bool is_replayed, const JobPlan& plan,
            std::vector<PlannedExample>& train,
            std::vector<PlannedExample>& validation) {
  const std::map<std::string, int> index = IndexOf(plan.labels);
  const std::vector<ExampleSplit> splits =
      AssignSplits(content.examples, split);
  for (std::size_t i = 0; i < content.examples.size(); ++i) {
    const ExampleRow& row = content.examples[i];
    const auto found =
        index.find(content.dataset.labels[static_cast<std::size_t>(row.label)]);
    if (found == index.end()) {
      continue;
    }
    PlannedExample example{
        .row = row, .label = found->second, .is_replayed = is_replayed};
    if (splits[i] == ExampleSplit::kTrain) {
      train.push_back(std::move(example));
    } else if (splits[i] == ExampleSplit::kValidation) {
      validation.push_back(std::move(example));
    }
  }
}

std::vector<std::int64_t> CountByClass(
    std::size_t classes, const std::vector<PlannedExample>& examples) {
  std::vector<std::int64_t> counts(classes, 0);
  for (const PlannedExample& example : examples) {
    ++counts[static_cast<std::size_t>(example.label)];
  }
  return counts;
}

absl::Status CheckClasses(const PlanInputs& inputs, const JobPlan& plan) {
  const std::vector<std::int64_t> counts =
      CountByClass(plan.labels.size(), plan.train);
  const std::map<std::string, int> index = IndexOf(plan.labels);
  for (const std::string& label : inputs.data.dataset.labels) {
    const std::int64_t count =
        counts[static_cast<std::size_t>(index.at(label))];
    if (count < kLeastExamples) {
      return Refused(Reason::kTooFewExamples,
                     absl::StrCat("class ", Quoted(label), " has ", count,
                                  count == 1 ? " example" : " examples",
                                  " to train on, at least ", kLeastExamples,
                                  " are needed"))
          .Metadata("class", label)
          .Metadata("examples", absl::StrCat(count))
          .Metadata("needed", absl::StrCat(kLeastExamples));
    }
  }
  if (plan.validation.empty()) {
    return Invalid("split.validation",
                   "the split leaves no example to validate with: raise "
                   "split.validation, or send examples for validation");
  }
  return absl::OkStatus();
}

// At most `most` of each unseen class.
std::vector<PlannedExample> ChooseKept(const std::vector<PlannedExample>& kept,
                                       const std::vector<int>& unseen, int most,
                                       std::int64_t seed) {
  std::vector<PlannedExample> candidates;
  std::copy_if(kept.begin(), kept.end(), std::back_inserter(candidates),
               [&unseen](const PlannedExample& example) {
                 return std::count(unseen.begin(), unseen.end(),
                                   example.label) > 0;
               });
  std::vector<PlannedExample> chosen;
  for (const std::size_t index : ChooseExemplars(candidates, most, seed)) {
    chosen.push_back(candidates[index]);
  }
  return chosen;
}

absl::Status PlanReplay(const JobSpec& spec, const PlanInputs& inputs,
                        JobPlan& plan) {
  if (!plan.head) {
    return absl::OkStatus();
  }
  const std::vector<std::int64_t> counts =
      CountByClass(plan.labels.size(), plan.train);
  for (const int label : plan.head->class_map) {
    if (label >= 0 && counts[static_cast<std::size_t>(label)] == 0) {
      plan.unseen_classes.push_back(label);
    }
  }
  if (plan.unseen_classes.empty()) {
    return absl::OkStatus();
  }
  if (inputs.kept) {
    std::vector<PlannedExample> train;
    std::vector<PlannedExample> validation;
    Divide(*inputs.kept, spec.split, true, plan, train, validation);
    plan.replay =
        ChooseKept(train, plan.unseen_classes, spec.replay.exemplars_per_class,
                   spec.recipe.seed.value_or(0));
    std::copy_if(validation.begin(), validation.end(),
                 std::back_inserter(plan.validation),
                 [&plan](const PlannedExample& example) {
                   return std::count(plan.unseen_classes.begin(),
                                     plan.unseen_classes.end(),
                                     example.label) > 0;
                 });
  }
  const std::vector<std::int64_t> kept =
      CountByClass(plan.labels.size(), plan.replay);
  std::vector<std::string> forgotten;
  for (const int label : plan.unseen_classes) {
    if (kept[static_cast<std::size_t>(label)] == 0) {
      forgotten.push_back(plan.labels[static_cast<std::size_t>(label)]);
    }
  }
  if (forgotten.empty() || spec.replay.allow_forgetting) {
    return absl::OkStatus();
  }
  return Refused(
             Reason::kForgettingNotAllowed,
             absl::StrCat(
                 "the base knows ", forgotten.size(),
                 forgotten.size() == 1 ? " class" : " classes",
                 " that the dataset shows nothing of and no example is kept "
                 "of, e.g. ",
                 Quoted(forgotten.front()),
                 ": it would forget them. Name a dataset that has them in "
                 "replay.dataset, or set allow_forgetting"))
      .Metadata("classes", absl::StrJoin(forgotten, ","));
}

RecipeFacts FactsOf(const PlanInputs& inputs, const JobPlan& plan) {
  std::int64_t smallest = -1;
  for (const std::int64_t count :
       CountByClass(plan.labels.size(), plan.train)) {
    if (count > 0 && (smallest < 0 || count < smallest)) {
      smallest = count;
    }
  }
  return {.training_images = static_cast<std::int64_t>(plan.train.size()),
          .smallest_class = smallest,
          .classes = static_cast<int>(plan.labels.size()),
          .parts = PartNames(BuildNetwork(plan.architecture)).size(),
          .input_side = plan.preprocess.crop,
          .is_incremental = !plan.replay.empty(),
          .from_scratch = inputs.base == nullptr};
}

}  // namespace

std::vector<PlannedExample> TrainingExamples(const JobPlan& plan) {
  std::vector<PlannedExample> examples = plan.train;
  examples.insert(examples.end(), plan.replay.begin(), plan.replay.end());
  return examples;
}

std::vector<int> LabelsOf(const std::vector<PlannedExample>& examples) {
  std::vector<int> labels;
  labels.reserve(examples.size());
  for (const PlannedExample& example : examples) {
    labels.push_back(example.label);
  }
  return labels;
}

std::vector<std::size_t> ChooseExemplars(
    const std::vector<PlannedExample>& examples, int per_class,
    std::int64_t seed) {
  std::vector<std::string> digests;
  digests.reserve(examples.size());
  for (const PlannedExample& example : examples) {
    digests.push_back(example.row.image);
  }
  return ChooseByHash(digests, LabelsOf(examples),
                      static_cast<std::size_t>(per_class), seed);
}

absl::Status CheckSealed(const DatasetRow& dataset) {
  if (dataset.state == DatasetState::kSealed) {
    return absl::OkStatus();
  }
  return Refused(Reason::kDatasetNotSealed,
                 absl::StrCat("dataset ", Quoted(dataset.name.text()),
                              " still takes examples: seal it first"));
}

absl::StatusOr<JobPlan> PlanJob(const JobSpec& spec, const PlanInputs& inputs) {
  RETURN_IF_ERROR(CheckSplit(spec.split));
  RETURN_IF_ERROR(Validate(spec.recipe));
  RETURN_IF_ERROR(CheckDataset(inputs.data.dataset));
  JobPlan plan;
  RETURN_IF_ERROR(ChooseHead(spec, inputs, plan));
  RETURN_IF_ERROR(PlanNetwork(spec, inputs, plan));
  Divide(inputs.data, spec.split, false, plan, plan.train, plan.validation);
  RETURN_IF_ERROR(CheckClasses(inputs, plan));
  RETURN_IF_ERROR(PlanReplay(spec, inputs, plan));
  ASSIGN_OR_RETURN(plan.recipe,
                   ResolveRecipe(spec.recipe, FactsOf(inputs, plan)));
  return plan;
}

}  // namespace resnetd
