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
  std::unique_ptr<Caller> MakeCaller(std::size_t threads) {
    std::vector<ClassifyRequest> requests(2);
    requests[0].model = "first";
    requests[1].model = "second";
    for (ClassifyRequest& request : requests) {
      request.images = {EncodedImage{.bytes = "pixels"},
                        EncodedImage{.bytes = "broken"}};
    }
    return MakeClientCaller(
        client_, {.requests = std::move(requests), .threads = threads});
  }
  // Of 19 calls in an open loop.
  LoadFigures Run(std::size_t threads = 2) {
    const auto caller = MakeCaller(threads);
    return RunLoad({.phases = {{.rate = 1000, .length = milliseconds(20)}},
                    .spacing = Spacing::kConstant},
                   *caller, RealClock())
        .at(0);
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

}  // namespace
}  // namespace resnetd::client
