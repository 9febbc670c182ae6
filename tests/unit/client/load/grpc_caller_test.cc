#include "client/load/grpc_caller.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/client/fake_server.h"
#include "tests/unit/client/load/call_ends.h"

namespace resnetd::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::RichError;
using test::ToGrpc;

class GrpcCallerTest : public testing::Test {
 protected:
  std::unique_ptr<Caller> MakeCaller(
      Duration timeout = seconds(10), std::size_t connections = 1,
      LoadMethod method = LoadMethod::kClassify) {
    const absl::StatusOr<Target> target = ParseTarget(fake_.address());
    EXPECT_TRUE(target.ok());
    std::vector<ClassifyRequest> requests(2);
    requests[0].model = "first";
    requests[1].model = "second";
    for (ClassifyRequest& request : requests) {
      request.images = {EncodedImage{.bytes = "pixels"},
                        EncodedImage{.bytes = "broken"}};
    }
    return MakeGrpcCaller({.target = *target,
                           .method = method,
                           .requests = std::move(requests),
                           .timeout = timeout,
                           .connections = connections});
  }
  // How the first two calls end: one of each request.
  std::vector<CallOutcome> CallTwice(Duration timeout = seconds(10)) {
    return MakeCalls(*MakeCaller(timeout), 2);
  }
  struct Failure {
    grpc::StatusCode code = grpc::StatusCode::OK;
    std::string reason;
  };
  void FailWith(const Failure& first, const Failure& second) {
    fake_.hooks().classify = [=](grpc::ServerContext& /*context*/,
                                 const v1::ClassifyRequest& request,
                                 v1::ClassifyResponse& /*response*/) {
      const Failure& failure = request.model() == "first" ? first : second;
      return ToGrpc(RichError(failure.code, "text", failure.reason));
    };
  }

  test::FakeServer fake_;
};

TEST_F(GrpcCallerTest, RequestsAreTakenInTurnsOverAllConnections) {
  const auto caller = MakeCaller(seconds(10), 3);
  const std::vector<CallOutcome> outcomes = MakeCalls(*caller, 6);
  std::map<std::string, int> models;
  for (const v1::ClassifyRequest& request : fake_.classify_requests()) {
    ++models[request.model()];
    EXPECT_EQ(request.images_size(), 2);
  }
  EXPECT_EQ(models["first"], 3);
  EXPECT_EQ(models["second"], 3);
  for (const CallOutcome& outcome : outcomes) {
    EXPECT_EQ(outcome.end, CallEnd::kAnswered) << outcome.error;
  }
}

TEST_F(GrpcCallerTest, EmbedIsCalledAndABrokenPictureFailsIt) {
  const auto caller = MakeCaller(seconds(10), 1, LoadMethod::kEmbed);
  for (const CallOutcome& outcome : MakeCalls(*caller, 2)) {
    EXPECT_EQ(outcome.end, CallEnd::kFailed);
    EXPECT_EQ(outcome.error, "INVALID_ARGUMENT IMAGE_DECODE_FAILED");
  }
  fake_.hooks().embed = [](const v1::EmbedRequest& request,
                           v1::EmbedResponse& response) {
    for (int i = 0; i < request.images_size(); ++i) {
      response.add_results()->mutable_embedding()->add_values(1);
    }
    return grpc::Status::OK;
  };
  for (const CallOutcome& outcome : MakeCalls(*caller, 2)) {
    EXPECT_EQ(outcome.end, CallEnd::kAnswered) << outcome.error;
  }
  EXPECT_EQ(fake_.embed_requests().size(), 4U);
  EXPECT_TRUE(fake_.classify_requests().empty());
}

TEST_F(GrpcCallerTest, AServerThatIsFullOrDrainsRefuses) {
  FailWith({grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_FULL"},
           {grpc::StatusCode::UNAVAILABLE, "DRAINING"});
  const auto outcomes = CallTwice();
  EXPECT_EQ(outcomes[0].end, CallEnd::kRefused);
  EXPECT_EQ(outcomes[0].error, "RESOURCE_EXHAUSTED QUEUE_FULL");
  EXPECT_EQ(outcomes[1].end, CallEnd::kRefused);
  EXPECT_EQ(outcomes[1].error, "UNAVAILABLE DRAINING");
}

TEST_F(GrpcCallerTest, ADeadlineOutOfReachIsARefusalAndOneThatPassedIsLate) {
  FailWith({grpc::StatusCode::DEADLINE_EXCEEDED, "DEADLINE_UNREACHABLE"},
           {grpc::StatusCode::DEADLINE_EXCEEDED, "EXPIRED_IN_QUEUE"});
  const auto outcomes = CallTwice();
  EXPECT_EQ(outcomes[0].end, CallEnd::kRefused);
  EXPECT_EQ(outcomes[1].end, CallEnd::kLate);
}

TEST_F(GrpcCallerTest, OtherErrorsAreFailuresAndNothingIsRepeated) {
  FailWith({grpc::StatusCode::UNAVAILABLE, ""},
           {grpc::StatusCode::NOT_FOUND, "MODEL_NOT_FOUND"});
  const auto outcomes = CallTwice();
  EXPECT_EQ(outcomes[0].end, CallEnd::kFailed);
  EXPECT_EQ(outcomes[0].error, "UNAVAILABLE");
  EXPECT_EQ(outcomes[1].end, CallEnd::kFailed);
  EXPECT_EQ(outcomes[1].error, "NOT_FOUND MODEL_NOT_FOUND");
  EXPECT_EQ(fake_.calls(), 2);
}

TEST_F(GrpcCallerTest, NoAnswerWithinTheDeadlineIsLate) {
  fake_.hooks().classify = [](grpc::ServerContext& context,
                              const v1::ClassifyRequest& /*request*/,
                              v1::ClassifyResponse& /*response*/) {
    while (!context.IsCancelled()) {
      std::this_thread::yield();
    }
    return grpc::Status::CANCELLED;
  };
  for (const CallOutcome& outcome : CallTwice(milliseconds(50))) {
    EXPECT_EQ(outcome.end, CallEnd::kLate);
    EXPECT_EQ(outcome.error, "DEADLINE_EXCEEDED");
  }
}

TEST_F(GrpcCallerTest, AnAnswerWithABrokenPictureHasFailed) {
  fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                              const v1::ClassifyRequest& request,
                              v1::ClassifyResponse& response) {
    test::FillAnswer(request, response);
    *response.mutable_results(1)->mutable_error() = RichError(
        grpc::StatusCode::INVALID_ARGUMENT, "text", "IMAGE_DECODE_FAILED");
    return grpc::Status::OK;
  };
  for (const CallOutcome& outcome : CallTwice()) {
    EXPECT_EQ(outcome.end, CallEnd::kFailed);
    EXPECT_EQ(outcome.error, "INVALID_ARGUMENT IMAGE_DECODE_FAILED");
  }
}

}  // namespace
}  // namespace resnetd::client
