#include "server/rpc/convert_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "server/base/error.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using testing::ElementsAre;

TEST(ConvertAnswerTest, CarriesPredictionsLogitsAndWhoAnswered) {
  ClassifyResponse response;
  response.results.emplace_back(Classification{
      .predictions =
          {{.index = 2, .label = "two", .probability = 0.5F, .logit = 3.5F},
           {.index = 0, .label = "zero", .probability = 0.25F, .logit = -1.0F}},
      .logits = {-1.0F, 0.0F, 3.5F}});
  response.served_by = FakeVersion(FakeFacts("net", 3, 7));
  response.alias = "canary";
  const v1::ClassifyResponse message = ToProto(response, "id", false);
  ASSERT_EQ(message.results_size(), 1);
  const v1::Classification& result = message.results(0).classification();
  ASSERT_EQ(result.predictions_size(), 2);
  EXPECT_EQ(result.predictions(0).index(), 2);
  EXPECT_EQ(result.predictions(0).label(), "two");
  EXPECT_EQ(result.predictions(0).probability(), 0.5F);
  EXPECT_EQ(result.predictions(0).logit(), 3.5F);
  EXPECT_EQ(result.predictions(1).label(), "zero");
  EXPECT_THAT(result.logits(), ElementsAre(-1.0F, 0.0F, 3.5F));
  EXPECT_EQ(message.served_by().model(), "models/net");
  EXPECT_EQ(message.served_by().version(), 7);
  EXPECT_EQ(message.served_by().alias(), "canary");
  EXPECT_EQ(message.served_by().weights_sha256(), std::string(64, 'a'));
  EXPECT_EQ(message.served_by().precision(), "fp32");
  EXPECT_EQ(message.served_by().backend(), "fake");
  EXPECT_EQ(message.request_id(), "id");
  EXPECT_FALSE(message.has_timing());
}

TEST(ConvertAnswerTest, CarriesEachStageOfTheTiming) {
  using std::chrono::microseconds;
  ClassifyResponse response;
  response.timings = {.queue = microseconds(1),
                      .decode = microseconds(2),
                      .preprocess = microseconds(3),
                      .compute = microseconds(4),
                      .postprocess = microseconds(5),
                      .total = microseconds(6),
                      .batch_size = 7,
                      .batch_close = BatchClose::kDeadline};
  const v1::Timing timing = ToProto(response, "", true).timing();
  EXPECT_EQ(timing.queue().nanos(), 1000);
  EXPECT_EQ(timing.decode().nanos(), 2000);
  EXPECT_EQ(timing.preprocess().nanos(), 3000);
  EXPECT_EQ(timing.compute().nanos(), 4000);
  EXPECT_EQ(timing.postprocess().nanos(), 5000);
  EXPECT_EQ(timing.total().nanos(), 6000);
  EXPECT_EQ(timing.batch_size(), 7);
  EXPECT_EQ(timing.batch_close_reason(), v1::BATCH_CLOSE_REASON_DEADLINE);
}

TEST(ConvertAnswerTest, CarriesTheErrorOfAnImage) {
  ClassifyResponse response;
  response.results.emplace_back(Error(absl::StatusCode::kInvalidArgument,
                                      Reason::kImageDecodeFailed, "damaged"));
  const v1::ClassifyResponse message = ToProto(response, "id", false);
  EXPECT_EQ(message.results(0).error().message(), "damaged");
  EXPECT_EQ(message.results(0).error().code(), 3);
  EXPECT_FALSE(message.has_served_by());
}

}  // namespace
}  // namespace resnetd
