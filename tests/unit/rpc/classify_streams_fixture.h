#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {

// One stream of ClassifyStream() of a real server, call_ once it is open.
class ClassifyStreamsTest : public RpcTest {
 protected:
  using Call = grpc::ClientReaderWriter<v1::ClassifyStreamRequest,
                                        v1::ClassifyStreamResponse>;

  void Open(const GrpcServerOptions& options = LoopbackOptions()) {
    ListenReady(options);
    call_ = NewCall(context_);
  }

  std::unique_ptr<Call> NewCall(grpc::ClientContext& context) {
    LimitTime(context);
    return classification_->ClassifyStream(&context);
  }

  // A request of one picture of `bytes` bytes, which is the class of its
  // answer.
  static v1::ClassifyStreamRequest Message(const std::string& id,
                                           std::size_t bytes = 3) {
    v1::ClassifyStreamRequest message;
    *message.mutable_request() = OneImage(bytes);
    message.mutable_request()->set_request_id(id);
    return message;
  }

  v1::ClassifyStreamResponse Read() {
    v1::ClassifyStreamResponse response;
    EXPECT_TRUE(call_->Read(&response));
    return response;
  }

  static int ClassOf(const v1::ClassifyStreamResponse& response) {
    EXPECT_TRUE(response.has_response()) << response.ShortDebugString();
    return response.response()
        .results(0)
        .classification()
        .predictions(0)
        .index();
  }

  grpc::Status Finish() {
    call_->WritesDone();
    v1::ClassifyStreamResponse left;
    EXPECT_FALSE(call_->Read(&left)) << left.ShortDebugString();
    return call_->Finish();
  }

  grpc::ClientContext context_;
  std::unique_ptr<Call> call_;
};

}  // namespace resnetd
