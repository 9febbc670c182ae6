#include "server/serving/top_k.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace resnetd {
namespace {

const std::vector<std::string> kLabels = {"a", "b", "c", "d"};

std::vector<int> Indices(const std::vector<Prediction>& predictions) {
  std::vector<int> indices;
  for (const Prediction& prediction : predictions) {
    indices.push_back(prediction.index);
  }
  return indices;
}

TEST(SoftmaxTest, EqualsTheClosedForm) {
  // exp(0), exp(ln 2), exp(ln 5): shares 1/8, 2/8, 5/8.
  const std::vector<float> logits = {0.0F, std::log(2.0F), std::log(5.0F)};
  const std::vector<float> probabilities = Softmax(logits);
  EXPECT_NEAR(probabilities[0], 0.125, 1e-7);
  EXPECT_NEAR(probabilities[1], 0.25, 1e-7);
  EXPECT_NEAR(probabilities[2], 0.625, 1e-7);
}

TEST(SoftmaxTest, DividesByTheTemperature) {
  // exp(ln 4 / 2) = 2, exp(ln 25 / 2) = 5.
  const std::vector<float> logits = {0.0F, std::log(4.0F), std::log(25.0F)};
  const std::vector<float> probabilities = Softmax(logits, 2);
  EXPECT_NEAR(probabilities[0], 0.125, 1e-7);
  EXPECT_NEAR(probabilities[1], 0.25, 1e-7);
  EXPECT_NEAR(probabilities[2], 0.625, 1e-7);
  // Whatever the temperature: they add up to 1, in the same order.
  for (const double temperature : {0.01, 100.0}) {
    const std::vector<float> other = Softmax(logits, temperature);
    EXPECT_NEAR(other[0] + other[1] + other[2], 1, 1e-6);
    EXPECT_LE(other[0], other[1]);
    EXPECT_LT(other[1], other[2]);
  }
}

TEST(SoftmaxTest, ATemperatureOfOneChangesNoBit) {
  const std::vector<float> logits = {0.3F, -1.7F, 12.25F, 12.2F};
  EXPECT_EQ(Softmax(logits, 1.0), Softmax(logits));
}

TEST(SoftmaxTest, DoesNotOverflowOnLargeLogits) {
  const std::vector<float> logits = {1000.0F, 1000.0F,
                                     -std::numeric_limits<float>::max()};
  const std::vector<float> probabilities = Softmax(logits);
  EXPECT_FLOAT_EQ(probabilities[0], 0.5F);
  EXPECT_FLOAT_EQ(probabilities[2], 0.0F);
}

TEST(SoftmaxTest, SumsToOneOverManyClasses) {
  std::vector<float> logits(100'000);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>(i % 97) / 10.0F;
  }
  const std::vector<float> probabilities = Softmax(logits);
  const double sum =
      std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
  EXPECT_NEAR(sum, 1.0, 1e-5);
}

TEST(TopKTest, ReturnsTheBestFirst) {
  const std::vector<float> logits = {1.0F, 3.0F, 0.0F, 2.0F};
  const std::vector<Prediction> best = TopK(logits, kLabels, 3, 0);
  EXPECT_EQ(Indices(best), (std::vector<int>{1, 3, 0}));
  EXPECT_EQ(best[0].label, "b");
  EXPECT_FLOAT_EQ(best[0].logit, 3.0F);
  EXPECT_FLOAT_EQ(best[0].probability, Softmax(logits)[1]);
}

TEST(TopKTest, TheTemperatureChangesProbabilitiesAlone) {
  const std::vector<float> logits = {1.0F, 3.0F, 0.0F, 2.0F};
  const std::vector<Prediction> best = TopK(logits, kLabels, 4, 0, 2.5);
  EXPECT_EQ(Indices(best), (std::vector<int>{1, 3, 0, 2}));
  EXPECT_FLOAT_EQ(best[0].logit, 3.0F);
  EXPECT_FLOAT_EQ(best[0].probability, Softmax(logits, 2.5)[1]);
  EXPECT_LT(best[0].probability, Softmax(logits)[1]);
}

TEST(TopKTest, KeepsEqualLogitsInClassOrder) {
  const std::vector<float> logits = {2.0F, 5.0F, 5.0F, 2.0F};
  EXPECT_EQ(Indices(TopK(logits, kLabels, 4, 0)),
            (std::vector<int>{1, 2, 0, 3}));
}

TEST(TopKTest, LeavesOutImprobableClasses) {
  const std::vector<float> logits = {0.0F, std::log(2.0F), std::log(5.0F),
                                     -100.0F};
  EXPECT_EQ(Indices(TopK(logits, kLabels, 4, 0.2F)), (std::vector<int>{2, 1}));
  EXPECT_TRUE(TopK(logits, kLabels, 4, 1.0F).empty());
}

TEST(TopKTest, TellsLogitsApartThatRoundToOneProbability) {
  const std::vector<float> logits = {-200.0F, -150.0F, 0.0F, -300.0F};
  EXPECT_EQ(Indices(TopK(logits, kLabels, 4, 0)),
            (std::vector<int>{2, 1, 0, 3}));
}

}  // namespace
}  // namespace resnetd
