#include "client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>

#include "google/rpc/error_details.pb.h"
#include "tests/support/silent_listener.h"
#include "tests/unit/client/client_fixture.h"
#include "tests/unit/client/fake_server.h"

namespace resnetd::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class ClientTest : public ClientFixture<> {
 protected:
  // Fails the first `failures` tries of Classify with `status`.
  std::shared_ptr<std::atomic<int>> FailFirst(int failures,
                                              const grpc::Status& status) {
    auto tries = std::make_shared<std::atomic<int>>(0);
    fake_.hooks().classify = [tries, failures, status](
                                 grpc::ServerContext& /*context*/,
                                 const v1::ClassifyRequest& request,
                                 v1::ClassifyResponse& response) {
      if (++*tries <= failures) {
        return status;
      }
      test::FillAnswer(request, response);
      return grpc::Status::OK;
    };
    return tries;
  }
};

TEST_F(ClientTest, ClassifiesAndCarriesEveryFieldBothWays) {
  ClassifyRequest request = Pictures(1);
  request.images.emplace_back(RawImage{.bytes = "123456",
                                       .height = 1,
                                       .width = 2,
                                       .format = RawImage::Format::kBgr8,
                                       .at_network_size = true});
  request.model = "digits";
  request.top_k = 2;
  request.min_probability = 0.25F;
  request.request_id = "id-1";
  request.priority = Priority::kCritical;
  request.logits = true;
  request.timing = true;
  request.fail_fast = true;
  const auto answer = Connect().Classify(std::move(request));
  ASSERT_TRUE(answer.ok()) << answer.status();

  const v1::ClassifyRequest sent = fake_.classify_requests().at(0);
  EXPECT_EQ(sent.model(), "digits");
  ASSERT_EQ(sent.images_size(), 2);
  EXPECT_EQ(sent.images(0).encoded(), "aaaaaaaaaa");
  EXPECT_EQ(sent.images(1).raw().data(), "123456");
  EXPECT_EQ(sent.images(1).raw().height(), 1);
  EXPECT_EQ(sent.images(1).raw().width(), 2);
  EXPECT_EQ(sent.images(1).raw().format(), v1::RawImage::FORMAT_BGR8);
  EXPECT_TRUE(sent.images(1).raw().at_network_size());
  EXPECT_EQ(sent.top_k(), 2);
  EXPECT_FLOAT_EQ(sent.min_probability(), 0.25F);
  EXPECT_EQ(sent.request_id(), "id-1");
  EXPECT_EQ(sent.priority(), v1::PRIORITY_CRITICAL);
  EXPECT_TRUE(sent.options().logits());
  EXPECT_TRUE(sent.options().timing());
  EXPECT_TRUE(sent.fail_fast());

  ASSERT_EQ(answer->results.size(), 2U);
  ASSERT_TRUE(answer->results[0].ok());
  const Classification& first = *answer->results[0];
  ASSERT_EQ(first.predictions.size(), 2U);
  EXPECT_EQ(first.predictions[0].index, 281);
  EXPECT_EQ(first.predictions[0].label, "tabby cat");
  EXPECT_FLOAT_EQ(first.predictions[0].probability, 0.75F);
  EXPECT_FLOAT_EQ(first.predictions[0].logit, 9.5F);
  EXPECT_THAT(first.logits, ElementsAre(9.5F, 0.1F));
  EXPECT_EQ(answer->served_by.model, "models/digits");
  EXPECT_EQ(answer->served_by.version, 3);
  EXPECT_EQ(answer->served_by.weights_sha256, "abc123");
  EXPECT_EQ(answer->served_by.precision, "fp32");
  EXPECT_EQ(answer->served_by.backend, "engine");
  ASSERT_TRUE(answer->timing);
  EXPECT_EQ(answer->timing->queue, std::chrono::microseconds(100));
  EXPECT_EQ(answer->timing->compute, std::chrono::milliseconds(20));
  EXPECT_EQ(answer->timing->total, std::chrono::milliseconds(25));
  EXPECT_EQ(answer->timing->batch_size, 2);
  EXPECT_EQ(answer->request_id, "id-1");
}

TEST_F(ClientTest, GivesEachImageItsOwnError) {
  fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                              const v1::ClassifyRequest& request,
                              v1::ClassifyResponse& response) {
    test::FillAnswer(request, response);
    *response.mutable_results(1)->mutable_error() = test::RichError(
        grpc::StatusCode::INVALID_ARGUMENT, "truncated", "IMAGE_DECODE_FAILED");
    return grpc::Status::OK;
  };
  const auto answer = Connect().Classify(Pictures(3));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(answer->results[0].ok());
  EXPECT_TRUE(absl::IsInvalidArgument(answer->results[1].status()));
  EXPECT_EQ(ErrorInfoOf(answer->results[1].status()).reason,
            "IMAGE_DECODE_FAILED");
  EXPECT_TRUE(answer->results[2].ok());
}

TEST_F(ClientTest, DecodesEveryDetailOfAnError) {
  google::rpc::Status rich = test::RichError(
      grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "QUEUE_FULL");
  google::rpc::ErrorInfo info;
  rich.details(0).UnpackTo(&info);
  (*info.mutable_metadata())["limit"] = "4096";
  rich.mutable_details(0)->PackFrom(info);
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_nanos(250'000'000);
  rich.add_details()->PackFrom(retry);
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field("images[3]");
  violation->set_description("too many");
  rich.add_details()->PackFrom(bad);
  google::rpc::ResourceInfo resource;
  resource.set_resource_type("model");
  resource.set_resource_name("models/digits");
  rich.add_details()->PackFrom(resource);
  google::rpc::RequestInfo request;
  request.set_request_id("r-7");
  rich.add_details()->PackFrom(request);
  FailFirst(100, test::ToGrpc(rich));

  const absl::Status error = Connect().Classify(Pictures(1)).status();
  EXPECT_TRUE(absl::IsResourceExhausted(error));
  EXPECT_EQ(error.message(), "full");
  const ErrorInfo details = ErrorInfoOf(error);
  EXPECT_EQ(details.reason, "QUEUE_FULL");
  EXPECT_EQ(details.domain, "resnetd");
  EXPECT_EQ(details.Metadata("limit"), "4096");
  EXPECT_EQ(details.Metadata("absent"), "");
  EXPECT_THAT(details.violations, ElementsAre(Pair("images[3]", "too many")));
  ASSERT_TRUE(details.resource);
  EXPECT_THAT(*details.resource, Pair("model", "models/digits"));
  EXPECT_EQ(details.retry_after, std::chrono::milliseconds(250));
  EXPECT_EQ(details.request_id, "r-7");
}

TEST_F(ClientTest, TakesAnAnswerThatDoesNotFitAsAnError) {
  fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                              const v1::ClassifyRequest& /*request*/,
                              v1::ClassifyResponse& response) {
    response.add_results();
    return grpc::Status::OK;
  };
  const absl::Status error = Connect().Classify(Pictures(2)).status();
  EXPECT_EQ(ErrorInfoOf(error).reason, kReasonBadAnswer);
  EXPECT_THAT(std::string(error.message()), HasSubstr("1 results for 2"));

  const auto empty = Connect().Classify(Pictures(1));
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(ErrorInfoOf(empty->results[0].status()).reason, kReasonBadAnswer);
}

TEST_F(ClientTest, RepeatsWhatIsUnavailableAlsoWithALargePicture) {
  const auto tries =
      FailFirst(2, test::ToGrpc(test::RichError(grpc::StatusCode::UNAVAILABLE,
                                                "draining", "DRAINING")));
  // Larger than what gRPC keeps for a repetition by default (256 KiB).
  const auto answer = Connect().Classify(Pictures(2, 1 << 20));
  EXPECT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*tries, 3);
}

TEST_F(ClientTest, RepeatsWhatWasCancelledByAServerThatGoesAway) {
  const auto tries =
      FailFirst(1, grpc::Status(grpc::StatusCode::CANCELLED, "CANCELLED"));
  EXPECT_TRUE(Connect().Classify(Pictures(1)).ok());
  EXPECT_EQ(*tries, 2);
}

TEST_F(ClientTest, GivesUpAfterFourTries) {
  const auto tries =
      FailFirst(100, test::ToGrpc(test::RichError(grpc::StatusCode::UNAVAILABLE,
                                                  "draining", "DRAINING")));
  const absl::Status error = Connect().Classify(Pictures(1)).status();
  EXPECT_TRUE(absl::IsUnavailable(error));
  EXPECT_EQ(ErrorInfoOf(error).reason, "DRAINING");
  EXPECT_EQ(*tries, 4);
}

TEST_F(ClientTest, DoesNotRepeatAnOverloadUnlessTheServerSaysWhen) {
  const grpc::Status overload = test::ToGrpc(test::RichError(
      grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "QUEUE_FULL"));
  const auto tries = FailFirst(1, overload);
  EXPECT_TRUE(
      absl::IsResourceExhausted(Connect().Classify(Pictures(1)).status()));
  EXPECT_EQ(*tries, 1);
}

TEST_F(ClientTest, RepeatsAnOverloadWhenTheServerSaysWhen) {
  std::atomic<int> tries = 0;
  fake_.hooks().classify = [&tries](grpc::ServerContext& context,
                                    const v1::ClassifyRequest& request,
                                    v1::ClassifyResponse& response) {
    if (++tries <= 2) {
      context.AddTrailingMetadata("grpc-retry-pushback-ms", "1");
      return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full");
    }
    test::FillAnswer(request, response);
    return grpc::Status::OK;
  };
  EXPECT_TRUE(Connect().Classify(Pictures(1)).ok());
  EXPECT_EQ(tries, 3);
}

TEST_F(ClientTest, DoesNotRepeatAnOverloadWhenTheServerSaysNeverOrTooLate) {
  for (const char* pushback : {"-1", "3600000", "soon"}) {
    std::atomic<int> tries = 0;
    fake_.hooks().classify = [&](grpc::ServerContext& context,
                                 const v1::ClassifyRequest& /*request*/,
                                 v1::ClassifyResponse& /*response*/) {
      ++tries;
      context.AddTrailingMetadata("grpc-retry-pushback-ms", pushback);
      return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full");
    };
    EXPECT_TRUE(
        absl::IsResourceExhausted(Connect().Classify(Pictures(1)).status()));
    EXPECT_EQ(tries, 1) << pushback;
  }
}

TEST_F(ClientTest, RepetitionsAreATenthOfTheCallsHoweverManyAreRefused) {
  fake_.hooks().classify = [](grpc::ServerContext& context,
                              const v1::ClassifyRequest& /*request*/,
                              v1::ClassifyResponse& /*response*/) {
    context.AddTrailingMetadata("grpc-retry-pushback-ms", "0");
    return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full");
  };
  Client client = Connect();
  constexpr int kCalls = 400;
  for (int i = 0; i < kCalls; ++i) {
    EXPECT_FALSE(client.Classify(Pictures(1)).ok());
  }
  const CallCounts counts = client.counts();
  EXPECT_EQ(counts.calls, kCalls);
  EXPECT_EQ(counts.tries, fake_.calls());
  // 20 from the beginning and one of ten.
  EXPECT_GE(counts.tries, kCalls + 20 + kCalls / 10 - 1);
  EXPECT_LE(counts.tries, kCalls + 20 + kCalls / 10);
  EXPECT_GT(counts.unaffordable, 0U);
}

TEST_F(ClientTest, RepeatsNothingWhereToldSo) {
  const auto tries =
      FailFirst(1, grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone"));
  Client client = ConnectWith({.most_tries = 1});
  EXPECT_TRUE(absl::IsUnavailable(client.Classify(Pictures(1)).status()));
  EXPECT_EQ(*tries, 1);
}

TEST_F(ClientTest, SpreadsCallsOverAListAndLeavesOutWhoIsNotWell) {
  test::FakeServer other;
  Client client =
      ConnectWith({.server = fake_.address() + "," + other.address()});
  const auto both_are_called = [&] {
    return fake_.calls() > 0 && other.calls() > 0;
  };
  // The second connection may take longer than the first.
  for (int i = 0; i < 10'000 && !both_are_called(); ++i) {
    ASSERT_TRUE(client.Classify(Pictures(1)).ok());
  }
  EXPECT_TRUE(both_are_called());

  other.SetServing(false);
  // Until the client has heard of it.
  int quiet = 0;
  for (int i = 0; i < 10'000 && quiet < 50; ++i) {
    const int before = other.calls();
    ASSERT_TRUE(client.Classify(Pictures(1)).ok());
    quiet = other.calls() == before ? quiet + 1 : 0;
  }
  EXPECT_EQ(quiet, 50);
}

TEST_F(ClientTest, LooksAtTheHealthOfTheNameItIsTold) {
  fake_.SetServing("models/digits", false);
  Client client = ConnectWith({.health = "models/digits"});
  EXPECT_TRUE(absl::IsUnavailable(client.Classify(Pictures(1)).status()));
  EXPECT_EQ(fake_.calls(), 0);
  EXPECT_TRUE(Connect().Classify(Pictures(1)).ok());
}

TEST_F(ClientTest, DoesNotRepeatABadRequest) {
  const auto tries =
      FailFirst(1, grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no"));
  EXPECT_TRUE(absl::IsInvalidArgument(Connect().Classify({}).status()));
  EXPECT_EQ(*tries, 1);
}

TEST_F(ClientTest, StopsAtTheDeadline) {
  fake_.hooks().classify = [](grpc::ServerContext& context,
                              const v1::ClassifyRequest& /*request*/,
                              v1::ClassifyResponse& /*response*/) {
    while (!context.IsCancelled()) {
      std::this_thread::yield();
    }
    return grpc::Status::CANCELLED;
  };
  const absl::Status error =
      Connect(std::chrono::milliseconds(200)).Classify(Pictures(1)).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(error)) << error;
  EXPECT_EQ(error.message(),
            "no answer from " + fake_.address() + " within 200ms");
}

TEST_F(ClientTest, SaysThatAServerTakesNoCallsNow) {
  fake_.SetServing(false);
  const absl::Status error = Connect().Classify(Pictures(1)).status();
  EXPECT_TRUE(absl::IsUnavailable(error));
  EXPECT_EQ(ErrorInfoOf(error).reason, kReasonNotServing);
  EXPECT_THAT(std::string(error.message()), HasSubstr(fake_.address()));
  EXPECT_EQ(fake_.calls(), 0);
}

TEST_F(ClientTest, AsksAnUnhealthyServerAboutItself) {
  fake_.SetServing(false);
  Client client = Connect();
  EXPECT_TRUE(client.GetServerInfo().ok());
  EXPECT_TRUE(client.ListModels().ok());
  EXPECT_EQ(*client.Health(), Serving::kNotServing);
}

TEST_F(ClientTest, ReadsTheHealthOfServerAndServices) {
  Client client = Connect();
  EXPECT_EQ(*client.Health(), Serving::kServing);
  fake_.SetServing("models/digits", false);
  EXPECT_EQ(*client.Health("models/digits"), Serving::kNotServing);
  EXPECT_TRUE(absl::IsNotFound(client.Health("models/cats").status()));
}

TEST_F(ClientTest, ReadsAllPagesOfModels) {
  fake_.models().list_models = [](const v1::ListModelsRequest& request,
                                  v1::ListModelsResponse& response) {
    const std::string& page = request.page_token();
    response.add_models()->set_name("models/" + (page.empty() ? "a" : page));
    response.set_next_page_token(page.empty() ? "b" : page == "b" ? "c" : "");
    return grpc::Status::OK;
  };
  const auto models = Connect().ListModels();
  ASSERT_TRUE(models.ok());
  ASSERT_EQ(models->models.size(), 3U);
  EXPECT_EQ(models->models.at(2).name, "models/c");
}

TEST_F(ClientTest, DoesNotReadTheSamePageForever) {
  fake_.models().list_models = [](const v1::ListModelsRequest& /*request*/,
                                  v1::ListModelsResponse& response) {
    response.set_next_page_token("again");
    return grpc::Status::OK;
  };
  EXPECT_EQ(ErrorInfoOf(Connect().ListModels().status()).reason,
            kReasonBadAnswer);
}

TEST_F(ClientTest, ReadsModelVersionAndServer) {
  Client client = Connect();
  const auto model = client.GetModel("digits");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->residency, Residency::kReady);
  EXPECT_TRUE(model->is_default);
  const auto version = client.GetVersion("models/digits/versions/3");
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->labels.size(), 12U);
  EXPECT_EQ(version->preprocess.crop, 28);
  EXPECT_EQ(version->load_time, std::chrono::milliseconds(12));
  EXPECT_EQ(version->evaluations.at(0).examples, 360);
  EXPECT_TRUE(version->failure.ok());
  const auto info = client.GetServerInfo();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->uptime, std::chrono::seconds(60));
  EXPECT_EQ(info->limits.at(0).value, 256);
  EXPECT_FALSE(info->backends.at(1).usable);
  EXPECT_TRUE(absl::IsNotFound(client.GetModel("cats").status()));
}

TEST(ClientConnectionTest, SaysThatNothingAnswersAtTheAddress) {
  std::string address;
  {
    test::FakeServer gone;
    address = gone.address();
  }
  Client client = *Client::Create({.server = address});
  const absl::Status error = client.Classify({}).status();
  EXPECT_TRUE(absl::IsUnavailable(error));
  EXPECT_EQ(ErrorInfoOf(error).reason, kReasonNoConnection);
  EXPECT_EQ(error.message(), "no server at " + address);
  EXPECT_EQ(ErrorInfoOf(client.Health().status()).reason, kReasonNoConnection);
}

TEST(ClientConnectionTest, TellsAServerThatNeverSpeaksFromASlowOne) {
  const test::SilentListener silent;
  Client client = *Client::Create(
      {.server = silent.address(), .timeout = std::chrono::milliseconds(200)});
  const absl::Status error = client.GetServerInfo().status();
  EXPECT_TRUE(absl::IsUnavailable(error)) << error;
  EXPECT_EQ(ErrorInfoOf(error).reason, kReasonNoConnection);
  EXPECT_EQ(error.message(),
            "no connection to " + silent.address() + " within 200ms");
}

TEST(ClientConnectionTest, RefusesWhatIsNoAddress) {
  const absl::Status error =
      Client::Create({.server = "localhost:http"}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(error));
  EXPECT_EQ(ErrorInfoOf(error).reason, kReasonBadAddress);
}

TEST(ErrorInfoTest, IsEmptyForAnErrorFromElsewhere) {
  const ErrorInfo info = ErrorInfoOf(absl::InternalError("x"));
  EXPECT_EQ(info.reason, "");
  EXPECT_TRUE(info.metadata.empty());
}

}  // namespace
}  // namespace resnetd::client
