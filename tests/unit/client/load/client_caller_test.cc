#include "client/load/client_caller.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "tests/unit/client/client_fixture.h"
#include "tests/unit/client/fake_server.h"

namespace resnetd::client {
namespace {

using std::chrono::milliseconds;

class ClientCallerTest : public ClientFixture<> {
 protected:
  static std::vector<ClassifyRequest> TwoRequests() {
    std::vector<ClassifyRequest> requests(2);
    requests[0].model = "first";
    requests[1].model = "second";
    for (ClassifyRequest& request : requests) {
      request.images = {EncodedImage{.bytes = "pixels"},
                        EncodedImage{.bytes = "broken"}};
    }
    return requests;
  }
  // Of 19 calls in an open loop.
  static LoadFigures RunWith(Caller& caller) {
    return RunLoad({.phases = {{.rate = 1000, .length = milliseconds(20)}},
                    .spacing = Spacing::kConstant},
                   caller, RealClock())
        .at(0);
  }
  LoadFigures Run(LoadMethod method = LoadMethod::kClassify) {
    return RunWith(*MakeClientCaller(
        client_, {.requests = TwoRequests(), .threads = 2, .method = method}));
  }
  std::unique_ptr<Caller> MakeStreams(
      std::size_t streams, Duration timeout = std::chrono::seconds(10)) {
    return MakeClientStreamCaller(
        client_,
        {.requests = TwoRequests(), .streams = streams, .timeout = timeout});
  }

  Client client_ = Connect();
};

TEST_F(ClientCallerTest, RequestsAreTakenInTurns) {
  EXPECT_EQ(Run().Count(CallEnd::kAnswered), 19U);
  int first = 0;
  for (const v1::ClassifyRequest& request : fake_.classify_requests()) {
    first += request.model() == "first" ? 1 : 0;
    EXPECT_EQ(request.images_size(), 2);
  }
  EXPECT_EQ(first, 10);
}

TEST_F(ClientCallerTest, WhatTheClientRepeatsIsOneCall) {
  std::atomic<int> tries = 0;
  fake_.hooks().classify = [&tries](grpc::ServerContext& /*context*/,
                                    const v1::ClassifyRequest& request,
                                    v1::ClassifyResponse& response) {
    if (++tries % 5 == 1) {
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "away");
    }
    test::FillAnswer(request, response);
    return grpc::Status::OK;
  };
  const LoadFigures figures = Run();
  EXPECT_EQ(figures.calls, 19U);
  EXPECT_EQ(figures.Count(CallEnd::kAnswered), 19U);
  EXPECT_EQ(client_.counts().calls, 19U);
  EXPECT_EQ(client_.counts().tries, static_cast<std::uint64_t>(tries));
  EXPECT_GT(tries, 19);
}

TEST_F(ClientCallerTest, ErrorsOfCallsAndOfPicturesAreTold) {
  fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                              const v1::ClassifyRequest& request,
                              v1::ClassifyResponse& response) {
    if (request.model() == "first") {
      return test::ToGrpc(test::RichError(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                          "full", "QUEUE_FULL"));
    }
    test::FillAnswer(request, response);
    *response.mutable_results(1)->mutable_error() = test::RichError(
        grpc::StatusCode::INVALID_ARGUMENT, "text", "IMAGE_DECODE_FAILED");
    return grpc::Status::OK;
  };
  const LoadFigures figures = Run();
  EXPECT_EQ(figures.Count(CallEnd::kRefused), 10U);
  EXPECT_EQ(figures.errors.at("RESOURCE_EXHAUSTED QUEUE_FULL"), 10U);
  EXPECT_EQ(figures.errors.at("INVALID_ARGUMENT IMAGE_DECODE_FAILED"), 9U);
}

TEST_F(ClientCallerTest, EmbedIsCalledWhereItIsWanted) {
  const LoadFigures figures = Run(LoadMethod::kEmbed);
  // Of each request one picture is broken.
  EXPECT_EQ(figures.errors.at("INVALID_ARGUMENT IMAGE_DECODE_FAILED"), 19U);
  EXPECT_EQ(fake_.embed_requests().size(), 19U);
  EXPECT_TRUE(fake_.classify_requests().empty());
}

TEST_F(ClientCallerTest, EveryStreamHasItsShareOfTheCalls) {
  const LoadFigures figures = RunWith(*MakeStreams(2));
  EXPECT_EQ(figures.Count(CallEnd::kAnswered), 19U);
  EXPECT_EQ(fake_.streams(), 2);
  EXPECT_EQ(client_.counts().calls, 19U);
  EXPECT_EQ(client_.counts().tries, 19U);
}

TEST_F(ClientCallerTest, RequestsOfAStreamFailByThemselves) {
  fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                              const v1::ClassifyRequest& request,
                              v1::ClassifyResponse& response) {
    if (request.model() == "first") {
      return test::ToGrpc(test::RichError(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                          "full", "QUEUE_FULL"));
    }
    test::FillAnswer(request, response);
    return grpc::Status::OK;
  };
  const LoadFigures figures = RunWith(*MakeStreams(1));
  EXPECT_EQ(figures.Count(CallEnd::kRefused), 10U);
  EXPECT_EQ(figures.Count(CallEnd::kAnswered), 9U);
}

// Of one client that calls again when it is answered.
TEST_F(ClientCallerTest, AStreamThatBreaksLosesNoCall) {
  fake_.hooks().classify_stream =
      [this](grpc::ServerReaderWriter<v1::ClassifyStreamResponse,
                                      v1::ClassifyStreamRequest>& stream) {
        v1::ClassifyStreamRequest message;
        while (stream.Read(&message)) {
          if (fake_.streams() == 1) {
            return grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken off");
          }
          v1::ClassifyStreamResponse answer;
          answer.set_request_id(message.request().request_id());
          test::FillAnswer(message.request(), *answer.mutable_response());
          stream.Write(answer);
        }
        return grpc::Status::OK;
      };
  const LoadFigures figures =
      RunLoad({.length = milliseconds(200)}, *MakeStreams(1), RealClock())
          .at(0);
  EXPECT_GT(figures.calls, 1U);
  EXPECT_EQ(figures.Count(CallEnd::kAnswered), figures.calls);
  EXPECT_EQ(fake_.streams(), 2);
  EXPECT_EQ(client_.counts().tries, figures.calls + 1);
}

TEST_F(ClientCallerTest, WhatEndsAStreamForGoodEndsTheCallsThatAreOnIt) {
  fake_.hooks().classify_stream =
      [](grpc::ServerReaderWriter<v1::ClassifyStreamResponse,
                                  v1::ClassifyStreamRequest>& stream) {
        v1::ClassifyStreamRequest message;
        stream.Read(&message);
        return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not you");
      };
  const LoadFigures figures = RunWith(*MakeStreams(1));
  EXPECT_EQ(figures.errors.at("PERMISSION_DENIED"), 19U);
  EXPECT_GE(fake_.streams(), 1);
}

TEST_F(ClientCallerTest, AnAnswerBehindTheDeadlineIsLate) {
  fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                              const v1::ClassifyRequest& request,
                              v1::ClassifyResponse& response) {
    const SteadyTime due = RealClock().Now() + milliseconds(3);
    while (RealClock().Now() < due) {
    }
    test::FillAnswer(request, response);
    return grpc::Status::OK;
  };
  const LoadFigures figures = RunWith(*MakeStreams(1, milliseconds(2)));
  EXPECT_EQ(figures.Count(CallEnd::kLate), 19U);
  EXPECT_EQ(figures.errors.at("DEADLINE_EXCEEDED"), 19U);
}

}  // namespace
}  // namespace resnetd::client
