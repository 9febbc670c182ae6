#include "server/rpc/server_stream.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr char kTraceParent[] =
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

class ServerStreamTest : public RpcTest {
 protected:
  void SetUp() override { ListenReady(); }

  // Reads the blob to its end.
  grpc::Status Download(grpc::ClientContext& context, const Digest& digest) {
    v1::GetBlobRequest request;
    request.set_digest(digest);
    const auto reader = models_->GetBlob(&context, request);
    v1::GetBlobResponse message;
    while (reader->Read(&message)) {
    }
    return reader->Finish();
  }

  Digest Put(const std::string& bytes) {
    const Digest digest = FakeModelManager::DigestOf(bytes);
    manager_.SetBlob(digest, bytes);
    return digest;
  }

  static std::string ValueOf(
      const std::multimap<grpc::string_ref, grpc::string_ref>& metadata,
      const char* key) {
    const auto at = metadata.find(key);
    return at == metadata.end()
               ? "(none)"
               : std::string(at->second.data(), at->second.size());
  }
};

TEST_F(ServerStreamTest, SaysItsRequestIdBeforeTheFirstMessage) {
  for (const char* sent : {"my-id", ""}) {
    grpc::ClientContext context;
    if (*sent != '\0') {
      context.AddMetadata("x-request-id", sent);
    }
    v1::GetBlobRequest request;
    request.set_digest(Put("abc"));
    const auto reader = models_->GetBlob(&context, request);
    reader->WaitForInitialMetadata();
    const std::string id =
        ValueOf(context.GetServerInitialMetadata(), "x-request-id");
    EXPECT_EQ(*sent != '\0' ? "my-id" : id, id);
    EXPECT_NE(id, "(none)");
    v1::GetBlobResponse message;
    while (reader->Read(&message)) {
    }
    EXPECT_TRUE(reader->Finish().ok());
  }
}

TEST_F(ServerStreamTest, AStreamThatFailsBeforeTheFirstMessageHasItToo) {
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "my-id");
  const grpc::Status status = Download(context, "no digest");
  EXPECT_EQ(ValueOf(context.GetServerInitialMetadata(), "x-request-id"),
            "my-id");
  EXPECT_EQ(DetailOf<google::rpc::RequestInfo>(status)->request_id(), "my-id");
}

TEST_F(ServerStreamTest, EchoesTheTraceParent) {
  grpc::ClientContext context;
  context.AddMetadata("traceparent", kTraceParent);
  ASSERT_TRUE(Download(context, Put("abc")).ok());
  EXPECT_EQ(ValueOf(context.GetServerTrailingMetadata(), "traceparent"),
            kTraceParent);
}

TEST_F(ServerStreamTest, CountsEachCallOnceWithItsCode) {
  grpc::ClientContext whole;
  ASSERT_TRUE(Download(whole, Put("abc")).ok());
  grpc::ClientContext missing;
  ASSERT_FALSE(Download(missing, std::string(64, 'a')).ok());
  EXPECT_THAT(telemetry_.ended(),
              ElementsAre(Pair("GetBlob", absl::StatusCode::kOk),
                          Pair("GetBlob", absl::StatusCode::kNotFound)));
  EXPECT_EQ(telemetry_.in_flight(), 0);
}

TEST_F(ServerStreamTest, RefusesBytesThatAreNoMessage) {
  grpc::GenericStub stub(channel_);
  for (const char* method : {"WatchModels", "ExportVersion", "GetBlob"}) {
    grpc::CompletionQueue queue;
    grpc::ClientContext context;
    const auto await = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      ASSERT_TRUE(queue.Next(&tag, &ok));
    };
    auto call = stub.PrepareCall(
        &context, absl::StrCat("/resnetd.v1.ModelService/", method), &queue);
    call->StartCall(nullptr);
    await();
    const grpc::Slice slice("\xff\xff\xff");
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    await();
    grpc::Status status;
    call->Finish(&status, nullptr);
    await();
    queue.Shutdown();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID") << method;
  }
}

}  // namespace
}  // namespace resnetd
