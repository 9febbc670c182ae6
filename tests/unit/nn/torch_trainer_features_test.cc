// Training on what frozen parts make of the pictures.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/models/feature_extractor.h"
#include "server/models/model_package.h"
#include "server/nn/torch_trainer.h"
#include "tests/support/naive_network.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

struct Case {
  BlockVersion version = BlockVersion::kV1;
  // The parts before it are frozen.
  std::size_t first = 1;
};

TrainerOptions OptionsOf(const Case& what) {
  TrainerOptions options = PlainOptions();
  for (std::size_t part = 0; part < what.first; ++part) {
    options.trained_parts[part] = false;
  }
  options.optimizer.weight_decay = 1e-3;
  options.ema = 0.9;
  options.stochastic_depth = 0.3;
  return options;
}

// The features of the pictures of a batch, by the plainest computation.
class FeaturesOf {
 public:
  FeaturesOf(const Case& what, const std::vector<const Pixels*>& pictures)
      : package_{.facts = {.name = ModelName::Parse("x").value(),
                           .version = {},
                           .architecture = {},
                           .preprocess = SmallPictures(),
                           .labels = {},
                           .weights_sha256 = "",
                           .description = "",
                           .evaluations = {}},
                 .network = SmallNetwork(what.version),
                 .weights = FillWeights(SmallNetwork(what.version))} {
    const NaiveNetwork naive(package_);
    for (const Pixels* picture : pictures) {
      const std::vector<double> row =
          naive.Features(*picture, static_cast<int>(what.first) - 1);
      rows_.emplace_back(row.begin(), row.end());
    }
    for (const std::vector<float>& row : rows_) {
      views_.emplace_back(row);
    }
  }
  const std::vector<Features>& views() const { return views_; }

 private:
  const ModelPackage package_;
  std::vector<std::vector<float>> rows_;
  std::vector<Features> views_;
};

double LargestDifference(const TensorList& left, const TensorList& right) {
  double largest = 0;
  EXPECT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    for (std::size_t j = 0; j < left[i].second.values.size(); ++j) {
      largest =
          std::fmax(largest, std::fabs(double{left[i].second.values[j]} -
                                       double{right[i].second.values[j]}));
    }
  }
  return largest;
}

class TorchTrainerFeaturesTest : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(
    Parts, TorchTrainerFeaturesTest,
    testing::Values(Case{BlockVersion::kV1, 1}, Case{BlockVersion::kV1, 2},
                    Case{BlockVersion::kV1, 3}, Case{BlockVersion::kV2, 1},
                    Case{BlockVersion::kV2, 2}, Case{BlockVersion::kV2, 3}),
    [](const auto& test) {
      return absl::StrCat(test.param.version == BlockVersion::kV1 ? "v1" : "v2",
                          "_from_part_", test.param.first);
    });

TEST_P(TorchTrainerFeaturesTest, IsTheTrainingOnPictures) {
  const Network network = SmallNetwork(GetParam().version);
  const TrainerOptions options = OptionsOf(GetParam());
  const auto on_pictures = MakeTrainer(options, at::kFloat, network);
  const auto on_features = MakeTrainer(options, at::kFloat, network);
  for (int step = 0; step < 5; ++step) {
    FilledBatch filled(100 * step, 6);
    const TrainingBatch& pictures = filled.batch();
    const FeaturesOf features(GetParam(), pictures.pictures);
    const TrainingBatch batch{.features = features.views(),
                              .labels = pictures.labels,
                              .seed = pictures.seed};
    const auto expected = on_pictures->Step({&pictures, 1}, Rate(0.05));
    const auto actual = on_features->Step({&batch, 1}, Rate(0.05));
    ASSERT_TRUE(actual.ok()) << actual.status();
    EXPECT_NEAR(actual->loss, expected->loss, 1e-5 * expected->loss);
    EXPECT_EQ(actual->correct, expected->correct);
    EXPECT_EQ(actual->examples, 6);
  }
  FilledBatch held_out(7, 6);
  const std::vector<const Pixels*> pictures = held_out.batch().pictures;
  const FeaturesOf features(GetParam(), pictures);
  ASSERT_TRUE(on_pictures->EstimateNorms({&pictures, 1}).ok());
  ASSERT_TRUE(
      on_features->EstimateNormsOfFeatures({&features.views(), 1}).ok());
  EXPECT_LE(LargestDifference(SavedState(*on_features).weights,
                              SavedState(*on_pictures).weights),
            1e-5);
  EXPECT_LE(LargestDifference(Exported(*on_features), Exported(*on_pictures)),
            1e-5);
  const std::vector<float> expected = *on_pictures->Logits(pictures);
  const auto actual = on_features->LogitsOfFeatures(features.views());
  ASSERT_TRUE(actual.ok()) << actual.status();
  ASSERT_EQ(actual->size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR((*actual)[i], expected[i], 1e-4);
  }
}

TEST(TorchTrainerFeaturesRulesTest, RefusesFeaturesThatCannotBe) {
  const Case what{BlockVersion::kV1, 2};
  const auto trainer = MakeTrainer(OptionsOf(what));
  FilledBatch filled(0, 2);
  const FeaturesOf features(what, filled.batch().pictures);
  const TrainingBatch good{.features = features.views(), .labels = {0, 1}};
  const auto reason = [](Trainer& of, const TrainingBatch& batch) {
    return DetailsOf(of.Step({&batch, 1}, Rate(0.1)).status()).reason;
  };
  EXPECT_EQ(reason(*trainer, good), "");
  TrainingBatch with_pictures = good;
  with_pictures.pictures = filled.batch().pictures;
  EXPECT_EQ(reason(*trainer, with_pictures), "RECIPE_INVALID");
  TrainingBatch mixed = good;
  mixed.partners = {1, 0};
  EXPECT_EQ(reason(*trainer, mixed), "RECIPE_INVALID");
  TrainingBatch cut = good;
  cut.features[1] = cut.features[1].subspan(1);
  EXPECT_EQ(reason(*trainer, cut), "REQUEST_INVALID");
  EXPECT_EQ(DetailsOf(trainer->LogitsOfFeatures(cut.features).status()).reason,
            "REQUEST_INVALID");
  EXPECT_EQ(
      DetailsOf(trainer->EstimateNormsOfFeatures({&cut.features, 1})).reason,
      "REQUEST_INVALID");
  const std::vector<Features> single = {features.views()[0]};
  EXPECT_EQ(DetailsOf(trainer->EstimateNormsOfFeatures({&single, 1})).reason,
            "RECIPE_INVALID");
  EXPECT_TRUE(trainer->LogitsOfFeatures(single).ok());
  EXPECT_TRUE(trainer->LogitsOfFeatures({})->empty());
  // Nothing is frozen before the first trained part.
  const auto whole = MakeTrainer(PlainOptions());
  EXPECT_EQ(reason(*whole, good), "RECIPE_INVALID");
  EXPECT_EQ(DetailsOf(whole->LogitsOfFeatures(single).status()).reason,
            "RECIPE_INVALID");
}

}  // namespace
}  // namespace resnetd
