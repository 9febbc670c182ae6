#include "server/finetune/job_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

DatasetContent Content(const std::string& name,
                       const std::vector<std::string>& labels, int per_class,
                       std::int64_t rejected = 0) {
  DatasetContent content{.dataset = {.name = DatasetName::Parse(name).value(),
                                     .state = DatasetState::kSealed,
                                     .labels = labels,
                                     .rejected = rejected},
                         .examples = {}};
  for (std::size_t label = 0; label < labels.size(); ++label) {
    for (int i = 0; i < per_class; ++i) {
      ExampleRow row;
      row.sequence = static_cast<std::int64_t>(content.examples.size()) + 1;
      row.image = Sha256Hex(AsBytes(absl::StrCat(name, "/", label, "/", i)));
      row.label = static_cast<int>(label);
      content.examples.push_back(row);
    }
  }
  content.dataset.examples = static_cast<std::int64_t>(content.examples.size());
  return content;
}

JobSpec Spec() {
  return {.model = ModelName::Parse("fake").value(),
          .base = VersionNumber{1},
          .dataset = DatasetName::Parse("data").value()};
}

// A base that knows label-0, label-1 and label-2.
std::shared_ptr<const VersionFacts> Base() {
  return std::make_shared<const VersionFacts>(FakeFacts("fake", 3));
}

const std::vector<std::string> kOld = {"label-0", "label-1", "label-2"};

std::string ReasonOf(const absl::Status& status) {
  return DetailsOf(status).reason;
}

std::size_t CountLabel(const std::vector<PlannedExample>& examples, int label) {
  return static_cast<std::size_t>(std::count_if(
      examples.begin(), examples.end(), [label](const PlannedExample& example) {
        return example.label == label;
      }));
}

TEST(JobPlanTest, TheBasesOwnClassesKeepItsHead) {
  const auto plan =
      PlanJob(Spec(), {.data = Content("data", kOld, 40), .base = Base()});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->head->policy, HeadPolicy::kKeep);
  EXPECT_EQ(plan->labels, kOld);
  EXPECT_THAT(plan->unseen_classes, IsEmpty());
  EXPECT_THAT(plan->replay, IsEmpty());
  EXPECT_EQ(plan->train.size() + plan->validation.size(), 120U);
  EXPECT_GT(plan->validation.size(), 10U);
  EXPECT_EQ(plan->preprocess, Base()->preprocess);
  EXPECT_FALSE(plan->recipe.phases.empty());
}

TEST(JobPlanTest, LabelsGoByTheirNamesNotByTheirPlaces) {
  const auto plan = PlanJob(
      Spec(), {.data = Content("data", {"label-2", "label-0", "label-1"}, 20),
               .base = Base()});
  ASSERT_TRUE(plan.ok()) << plan.status();
  for (const PlannedExample& example : plan->train) {
    const int sent[] = {2, 0, 1};
    EXPECT_EQ(example.label, sent[example.row.label]);
  }
}

TEST(JobPlanTest, NewClassesAreAddedAndOldOnesReplayed) {
  const auto plan =
      PlanJob(Spec(), {.data = Content("data", {"new-a", "new-b"}, 40),
                       .base = Base(),
                       .kept = Content("kept", kOld, 50)});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->head->policy, HeadPolicy::kGrow);
  EXPECT_THAT(plan->labels,
              ElementsAre("label-0", "label-1", "label-2", "new-a", "new-b"));
  EXPECT_THAT(plan->unseen_classes, ElementsAre(0, 1, 2));
  EXPECT_EQ(plan->replay.size(), 60U) << "20 of each";
  const std::vector<int> labels = LabelsOf(TrainingExamples(*plan));
  EXPECT_EQ(labels.size(), plan->train.size() + plan->replay.size());
  EXPECT_EQ(std::count(labels.begin(), labels.end(), 0), 20);
  EXPECT_GT(CountLabel(plan->validation, 0), 0U);
  EXPECT_GT(plan->recipe.replay_share, 0);
  // What is replayed is never validated on.
  for (const PlannedExample& example : plan->replay) {
    EXPECT_TRUE(example.is_replayed);
    for (const PlannedExample& other : plan->validation) {
      EXPECT_NE(example.row.image, other.row.image);
    }
  }
}

TEST(JobPlanTest, ForgettingIsRefusedUnlessItIsAllowed) {
  const PlanInputs inputs{.data = Content("data", {"new-a", "new-b"}, 40),
                          .base = Base()};
  JobSpec spec = Spec();
  spec.head = HeadPolicy::kGrow;
  const absl::Status refused = PlanJob(spec, inputs).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(refused), "FORGETTING_NOT_ALLOWED");
  EXPECT_THAT(DetailsOf(refused).metadata,
              ElementsAre(testing::Pair("classes", "label-0,label-1,label-2")));
  spec.replay.allow_forgetting = true;
  EXPECT_TRUE(PlanJob(spec, inputs).ok());
  // A replaced head knows no old classes to forget. It is what is chosen when
  // nothing is shared and nothing is kept.
  spec = Spec();
  spec.head = HeadPolicy::kReplace;
  EXPECT_TRUE(PlanJob(spec, inputs).ok());
  EXPECT_EQ(PlanJob(Spec(), inputs)->head->policy, HeadPolicy::kReplace);
}

TEST(JobPlanTest, OneUnseenClassIsEnoughToForget) {
  PlanInputs inputs{.data = Content("data", {"label-0", "label-1"}, 40),
                    .base = Base()};
  EXPECT_EQ(ReasonOf(PlanJob(Spec(), inputs).status()),
            "FORGETTING_NOT_ALLOWED");
  inputs.kept = Content("kept", {"label-2"}, 10);
  const auto plan = PlanJob(Spec(), inputs);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->replay.size(), CountLabel(plan->replay, 2));
}

TEST(JobPlanTest, FromScratchTheLabelsAreTheDatasets) {
  JobSpec spec = Spec();
  spec.base.reset();
  spec.architecture = "cifar_resnet8";
  spec.input_size = 32;
  const PlanInputs inputs{.data = Content("data", {"a", "b"}, 40)};
  const auto plan = PlanJob(spec, inputs);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_FALSE(plan->head.has_value());
  EXPECT_THAT(plan->labels, ElementsAre("a", "b"));
  EXPECT_EQ(plan->preprocess.crop, 32);
  spec.head = HeadPolicy::kGrow;
  EXPECT_EQ(DetailsOf(PlanJob(spec, inputs).status()).violations[0].first,
            "head");
  spec.head = HeadPolicy::kAuto;
  spec.architecture = "resnet19";
  EXPECT_EQ(PlanJob(spec, inputs).status().code(),
            absl::StatusCode::kInvalidArgument);
  spec.architecture = "cifar_resnet8";
  spec.input_size = 7;
  EXPECT_EQ(PlanJob(spec, inputs).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(JobPlanTest, AClassNeedsTwoExamplesToTrainOn) {
  for (const int examples : {0, 1, 2}) {
    DatasetContent data = Content("data", kOld, 40);
    int left = examples;
    std::vector<ExampleRow> rows;
    for (ExampleRow row : data.examples) {
      row.split = ExampleSplit::kTrain;
      if (row.label == 1 && left-- <= 0) {
        row.split = ExampleSplit::kValidation;
      }
      rows.push_back(row);
    }
    data.examples = rows;
    const auto plan = PlanJob(Spec(), {.data = data, .base = Base()});
    EXPECT_EQ(plan.ok(), examples == 2) << examples;
    if (!plan.ok()) {
      EXPECT_EQ(ReasonOf(plan.status()), "TOO_FEW_EXAMPLES");
      EXPECT_EQ(DetailsOf(plan.status()).metadata[0].second, "label-1");
    }
  }
}

TEST(JobPlanTest, OneClassIsNothingToTellApart) {
  EXPECT_EQ(ReasonOf(PlanJob(Spec(), {.data = Content("data", {"label-0"}, 40),
                                      .base = Base()})
                         .status()),
            "TOO_FEW_EXAMPLES");
}

TEST(JobPlanTest, FivePercentMayHaveBeenRejected) {
  // 95 examples: 5 rejected are 5.0 %, 6 are more.
  const auto with = [](std::int64_t rejected) {
    DatasetContent data = Content("data", kOld, 40, rejected);
    data.dataset.examples = 95;
    return PlanJob(Spec(), {.data = data, .base = Base()}).status();
  };
  EXPECT_TRUE(with(4).ok());
  EXPECT_TRUE(with(5).ok());
  EXPECT_EQ(ReasonOf(with(6)), "TOO_MANY_BAD_EXAMPLES");
}

TEST(JobPlanTest, AnOpenDatasetIsRefused) {
  DatasetContent data = Content("data", kOld, 40);
  data.dataset.state = DatasetState::kOpen;
  EXPECT_EQ(ReasonOf(PlanJob(Spec(), {.data = data, .base = Base()}).status()),
            "DATASET_NOT_SEALED");
}

TEST(JobPlanTest, SomethingMustBeLeftToValidateWith) {
  JobSpec spec = Spec();
  spec.split.validation = 0;
  const absl::Status status =
      PlanJob(spec, {.data = Content("data", kOld, 40), .base = Base()})
          .status();
  EXPECT_EQ(DetailsOf(status).violations[0].first, "split.validation");
}

TEST(JobPlanTest, ABadRecipeIsToldWhole) {
  JobSpec spec = Spec();
  spec.recipe.batch_size = 0;
  spec.recipe.momentum = 2;
  const absl::Status status =
      PlanJob(spec, {.data = Content("data", kOld, 40), .base = Base()})
          .status();
  EXPECT_EQ(ReasonOf(status), "RECIPE_INVALID");
  EXPECT_EQ(DetailsOf(status).violations.size(), 2U);
}

TEST(JobPlanTest, KeepingTheHeadWithANewLabelIsRefused) {
  JobSpec spec = Spec();
  spec.head = HeadPolicy::kKeep;
  EXPECT_EQ(PlanJob(spec, {.data = Content("data", {"label-0", "new"}, 40),
                           .base = Base()})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace resnetd
