#include "client/load/stream_caller.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
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
using ServerStream = grpc::ServerReaderWriter<v1::ClassifyStreamResponse,
                                              v1::ClassifyStreamRequest>;

std::vector<ClassifyRequest> TwoRequests() {
  std::vector<ClassifyRequest> requests(2);
  requests[0].model = "first";
  requests[1].model = "second";
  for (ClassifyRequest& request : requests) {
    request.images = {EncodedImage{.bytes = "pixels"},
                      EncodedImage{.bytes = "broken"}};
  }
  return requests;
}

std::unique_ptr<Caller> CallerOf(const std::string& address,
                                 std::size_t streams = 1,
                                 Duration timeout = seconds(10)) {
  const absl::StatusOr<Target> target = ParseTarget(address);
  EXPECT_TRUE(target.ok());
  return MakeStreamCaller({.target = *target,
                           .requests = TwoRequests(),
                           .timeout = timeout,
                           .streams = streams,
                           .connections = 2});
}

class StreamCallerTest : public testing::Test {
 protected:
  std::unique_ptr<Caller> MakeCaller(std::size_t streams = 1,
                                     Duration timeout = seconds(10)) {
    return CallerOf(fake_.address(), streams, timeout);
  }

  test::FakeServer fake_;
};

TEST_F(StreamCallerTest, RequestsAreTakenInTurnsOverAllStreams) {
  const auto caller = MakeCaller(3);
  // Two rounds, so that streams are there already.
  for (const std::size_t first : {0U, 6U}) {
    for (const CallOutcome& outcome : MakeCalls(*caller, 6, first)) {
      EXPECT_EQ(outcome.end, CallEnd::kAnswered) << outcome.error;
    }
  }
  std::map<std::string, int> models;
  for (const v1::ClassifyRequest& request : fake_.classify_requests()) {
    ++models[request.model()];
    EXPECT_EQ(request.images_size(), 2);
  }
  EXPECT_EQ(models["first"], 6);
  EXPECT_EQ(models["second"], 6);
  EXPECT_EQ(fake_.streams(), 3);
}

TEST_F(StreamCallerTest, ManyAtOnceAreAllAnswered) {
  for (const CallOutcome& outcome : MakeCalls(*MakeCaller(2), 500)) {
    EXPECT_EQ(outcome.end, CallEnd::kAnswered) << outcome.error;
  }
}

TEST_F(StreamCallerTest, ARequestFailsByItself) {
  fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                              const v1::ClassifyRequest& request,
                              v1::ClassifyResponse& response) {
    if (request.model() == "first") {
      return ToGrpc(RichError(grpc::StatusCode::RESOURCE_EXHAUSTED, "full",
                              "QUEUE_FULL"));
    }
    test::FillAnswer(request, response);
    *response.mutable_results(1)->mutable_error() = RichError(
        grpc::StatusCode::INVALID_ARGUMENT, "text", "IMAGE_DECODE_FAILED");
    return grpc::Status::OK;
  };
  const auto outcomes = MakeCalls(*MakeCaller(), 2);
  EXPECT_EQ(outcomes[0].end, CallEnd::kRefused);
  EXPECT_EQ(outcomes[0].error, "RESOURCE_EXHAUSTED QUEUE_FULL");
  EXPECT_EQ(outcomes[1].end, CallEnd::kFailed);
  EXPECT_EQ(outcomes[1].error, "INVALID_ARGUMENT IMAGE_DECODE_FAILED");
}

TEST_F(StreamCallerTest, WhatIsOnAStreamThatEndsHasFailedAndTheNextHasAnother) {
  fake_.hooks().classify_stream = [this](ServerStream& stream) {
    v1::ClassifyStreamRequest message;
    while (stream.Read(&message)) {
      if (fake_.streams() == 1) {
        return ToGrpc(RichError(grpc::StatusCode::UNAVAILABLE, "shutting down",
                                "DRAINING"));
      }
      v1::ClassifyStreamResponse answer;
      answer.set_request_id(message.request().request_id());
      test::FillAnswer(message.request(), *answer.mutable_response());
      stream.Write(answer);
    }
    return grpc::Status::OK;
  };
  const auto caller = MakeCaller();
  const auto first = MakeCalls(*caller, 1);
  EXPECT_EQ(first[0].end, CallEnd::kRefused);
  EXPECT_EQ(first[0].error, "UNAVAILABLE DRAINING");
  const auto second = MakeCalls(*caller, 1, 1);
  EXPECT_EQ(second[0].end, CallEnd::kAnswered) << second[0].error;
  EXPECT_EQ(fake_.streams(), 2);
}

TEST_F(StreamCallerTest, AStreamThatEndsWellWithoutAnAnswerIsAFailure) {
  fake_.hooks().classify_stream = [](ServerStream& stream) {
    v1::ClassifyStreamRequest message;
    stream.Read(&message);
    return grpc::Status::OK;
  };
  const auto outcomes = MakeCalls(*MakeCaller(), 1);
  EXPECT_EQ(outcomes[0].end, CallEnd::kFailed);
  EXPECT_EQ(outcomes[0].error, "INTERNAL");
}

TEST_F(StreamCallerTest, NoAnswerWithinTheDeadlineIsLate) {
  fake_.hooks().classify_stream = [](ServerStream& stream) {
    v1::ClassifyStreamRequest message;
    while (stream.Read(&message)) {
    }
    return grpc::Status::OK;
  };
  for (const CallOutcome& outcome :
       MakeCalls(*MakeCaller(2, milliseconds(50)), 4)) {
    EXPECT_EQ(outcome.end, CallEnd::kLate);
    EXPECT_EQ(outcome.error, "DEADLINE_EXCEEDED");
  }
}

TEST(StreamCallerUnreachableTest, EveryCallFailsWhereNobodyIs) {
  std::string address;
  {
    const test::FakeServer gone;
    address = gone.address();
  }
  for (const CallOutcome& outcome : MakeCalls(*CallerOf(address), 3)) {
    EXPECT_EQ(outcome.end, CallEnd::kFailed);
    EXPECT_EQ(outcome.error, "UNAVAILABLE");
  }
}

}  // namespace
}  // namespace resnetd::client
