// `resnetctl bench` as a process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "tests/unit/client/resnetctl_fixture.h"

namespace resnetd::test {
namespace {

using ::testing::HasSubstr;

using nlohmann::json;

using BenchCommandTest = ResnetctlTest;

TEST_F(BenchCommandTest, MeasuresPicturesOfThisMachine) {
  const json document =
      RunJson({"bench", Picture("a.jpg"), Picture("b.jpg"), "--rate", "1000",
               "--arrivals", "constant", "--for", "100ms", "--warm-up", "1ms"});
  const json& phase = document["sides"][0]["phases"][0];
  EXPECT_EQ(phase["calls"], 99);
  EXPECT_EQ(phase["answered"], 99);
  EXPECT_EQ(phase["failed"], 0);
  EXPECT_GT(phase["latency_ms"]["p50"], 0);
  const v1::ClassifyRequest request = fake_.classify_requests().at(0);
  EXPECT_EQ(request.images(0).encoded(), "pixels");
}

TEST_F(BenchCommandTest, WithoutPicturesNoiseOfTheNetworksSizeIsSent) {
  const ProcessResult result = Run({"bench", "-m", "digits", "--batch", "3",
                                    "--for", "50ms", "--warm-up", "1ms"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("digits on "));
  const v1::ClassifyRequest request = fake_.classify_requests().at(0);
  EXPECT_EQ(request.model(), "models/digits");
  ASSERT_EQ(request.images_size(), 3);
  EXPECT_TRUE(request.images(0).raw().at_network_size());
  EXPECT_GT(request.images(0).raw().width(), 0);
}

TEST_F(BenchCommandTest, ComparesTwoModelsInTurns) {
  const json document = RunJson({"bench", Picture("a.jpg"), "-m", "digits",
                                 "--compare-model", "digits@3", "--rounds", "2",
                                 "--for", "30ms", "--warm-up", "1ms"});
  ASSERT_EQ(document["sides"].size(), 2U);
  EXPECT_EQ(document["sides"][1]["models"][0], "models/digits/versions/3");
  EXPECT_EQ(document["sides"][0]["rounds"], 2);
  EXPECT_GT(document["ratios"]["p50"]["median"], 0);
}

TEST_F(BenchCommandTest, SeveralModelsAreCalledInTurnsAndToldApart) {
  fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                              const v1::ClassifyRequest& request,
                              v1::ClassifyResponse& response) {
    FillAnswer(request, response);
    return request.model() == "models/cats"
               ? ToGrpc(RichError(grpc::StatusCode::RESOURCE_EXHAUSTED, "full",
                                  "QUEUE_FULL"))
               : grpc::Status::OK;
  };
  // The first call of each decides whether there is a load at all.
  EXPECT_EQ(Run({"bench", Picture("a.jpg"), "-m", "digits", "-m", "cats"}).code,
            6);
  fake_.hooks().classify = FakeHooks::Default().classify;
  const json document = RunJson(
      {"bench", Picture("a.jpg"), "-m", "digits", "-m", "cats", "--rate",
       "1000", "--arrivals", "constant", "--for", "100ms", "--warm-up", "1ms"});
  const json& phase = document["sides"][0]["phases"][0];
  EXPECT_EQ(phase["answered"], 99);
  ASSERT_EQ(phase["models"].size(), 2U);
  EXPECT_EQ(phase["models"][0]["model"], "models/digits");
  EXPECT_EQ(phase["models"][0]["answered"], 50);
  EXPECT_EQ(phase["models"][1]["answered"], 49);
  EXPECT_EQ(phase["models"][1]["rate"], 500);
  int of_digits = 0;
  for (const v1::ClassifyRequest& request : fake_.classify_requests()) {
    of_digits += request.model() == "models/digits" ? 1 : 0;
  }
  EXPECT_GE(of_digits, 50);
}

TEST_F(BenchCommandTest, RefusalsAreCountedAndNoFailure) {
  std::atomic<int> calls = 0;
  fake_.hooks().classify = [&calls](grpc::ServerContext& /*context*/,
                                    const v1::ClassifyRequest& request,
                                    v1::ClassifyResponse& response) {
    if (calls.fetch_add(1) % 2 == 1) {
      return ToGrpc(RichError(grpc::StatusCode::RESOURCE_EXHAUSTED, "full",
                              "QUEUE_FULL"));
    }
    FillAnswer(request, response);
    return grpc::Status::OK;
  };
  const json document =
      RunJson({"bench", Picture("a.jpg"), "--for", "50ms", "--warm-up", "1ms"});
  const json& phase = document["sides"][0]["phases"][0];
  EXPECT_GT(phase["refused"], 0);
  EXPECT_GT(phase["errors"]["RESOURCE_EXHAUSTED QUEUE_FULL"], 0);
}

TEST_F(BenchCommandTest, WithRetriesItCallsAsTheClientLibraryDoes) {
  std::atomic<int> calls = 0;
  fake_.hooks().classify = [&calls](grpc::ServerContext& /*context*/,
                                    const v1::ClassifyRequest& request,
                                    v1::ClassifyResponse& response) {
    if (calls.fetch_add(1) % 8 == 1) {
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "away");
    }
    FillAnswer(request, response);
    return grpc::Status::OK;
  };
  const json document =
      RunJson({"bench", Picture("a.jpg"), "--retry", "--clients", "2", "--for",
               "300ms", "--warm-up", "1ms"});
  const json& side = document["sides"][0];
  EXPECT_EQ(side["phases"][0]["failed"], 0);
  EXPECT_GT(side["retries"]["tries"], side["phases"][0]["calls"]);
  EXPECT_GT(side["retries"]["tries_per_call"], 1);
  EXPECT_LT(side["retries"]["tries_per_call"], 1.5);
  const ProcessResult text = Run({"bench", Picture("a.jpg"), "--retry", "--for",
                                  "20ms", "--warm-up", "1ms"});
  EXPECT_THAT(text.out, HasSubstr("tries a call"));
}

// Without the client library, and with it.
class BenchMannerTest : public BenchCommandTest,
                        public testing::WithParamInterface<bool> {
 protected:
  json RunLoad(std::vector<std::string> words) {
    words.insert(words.begin(),
                 {"bench", Picture("a.jpg"), "--warm-up", "1ms", "--rate",
                  "1000", "--arrivals", "constant", "--for", "100ms"});
    if (GetParam()) {
      words.emplace_back("--retry");
    }
    return RunJson(words)["sides"][0]["phases"][0];
  }
};

INSTANTIATE_TEST_SUITE_P(WithRetries, BenchMannerTest, testing::Bool());

TEST_P(BenchMannerTest, CallsGoOverAsManyStreamsAsAreWanted) {
  const json phase = RunLoad({"--streams", "3"});
  EXPECT_EQ(phase["calls"], 99);
  EXPECT_EQ(phase["answered"], 99) << phase;
  EXPECT_EQ(fake_.streams(), 3);
}

TEST_P(BenchMannerTest, RequestsOfAStreamFailAsCallsDo) {
  std::atomic<int> calls = 0;
  // The first one, which is made by itself, is answered.
  fake_.hooks().classify = [&calls](grpc::ServerContext& /*context*/,
                                    const v1::ClassifyRequest& request,
                                    v1::ClassifyResponse& response) {
    if (calls.fetch_add(1) % 2 == 1) {
      return ToGrpc(RichError(grpc::StatusCode::RESOURCE_EXHAUSTED, "full",
                              "QUEUE_FULL"));
    }
    FillAnswer(request, response);
    return grpc::Status::OK;
  };
  const json phase = RunLoad({"--streams", "1"});
  EXPECT_EQ(phase["failed"], 0) << phase;
  EXPECT_GT(phase["answered"], 40);
  EXPECT_EQ(phase["refused"], phase["errors"]["RESOURCE_EXHAUSTED QUEUE_FULL"]);
  EXPECT_EQ(99 - phase["answered"].get<int>(), phase["refused"]);
}

TEST_P(BenchMannerTest, EmbedIsCalledWhereItIsWanted) {
  const json phase = RunLoad({"--method", "embed"});
  EXPECT_EQ(phase["answered"], 99) << phase;
  EXPECT_TRUE(fake_.classify_requests().empty());
  EXPECT_EQ(fake_.embed_requests().at(0).images(0).encoded(), "pixels");
}

TEST_F(BenchCommandTest, EachClientWithRetriesIsAThreadOfWhichThereAreFew) {
  const ProcessResult result =
      Run({"bench", Picture("a.jpg"), "--retry", "--clients", "1001"});
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.err, HasSubstr("at most 1000"));
  EXPECT_EQ(fake_.calls(), 0);
}

TEST_F(BenchCommandTest, ComparesTwoServersOverTheSamePictures) {
  const json document =
      RunJson({"bench", Picture("a.jpg"), "--compare-server", fake_.address(),
               "--rounds", "1", "--for", "20ms", "--warm-up", "1ms"});
  EXPECT_EQ(document["sides"].size(), 2U);
  EXPECT_FALSE(document["sides"][0].contains("retries"));
}

TEST_F(BenchCommandTest, ACallThatFailsOtherwiseEndsWithOne) {
  std::atomic<int> calls = 0;
  fake_.hooks().classify = [&calls](grpc::ServerContext& /*context*/,
                                    const v1::ClassifyRequest& request,
                                    v1::ClassifyResponse& response) {
    FillAnswer(request, response);
    return calls.fetch_add(1) > 2
               ? grpc::Status(grpc::StatusCode::INTERNAL, "broken")
               : grpc::Status::OK;
  };
  const ProcessResult result =
      Run({"bench", Picture("a.jpg"), "--for", "50ms", "--warm-up", "1ms"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, HasSubstr("INTERNAL"));
}

TEST_F(BenchCommandTest, AnErrorOfTheFirstCallEndsItBeforeAnyLoad) {
  FailClassify(grpc::StatusCode::NOT_FOUND, "no model", "MODEL_NOT_FOUND");
  const ProcessResult result = Run({"bench", Picture("a.jpg")});
  EXPECT_EQ(result.code, 4);
  EXPECT_EQ(fake_.calls(), 1);
  EXPECT_EQ(Run({"bench", "nowhere.jpg"}).code, 8);
}

}  // namespace
}  // namespace resnetd::test
