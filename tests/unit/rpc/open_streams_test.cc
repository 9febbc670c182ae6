#include "server/rpc/open_streams.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

class OpenStreamsTest : public RpcTest {
 protected:
  // A call that stays open until it is finished.
  struct Stream {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<v1::ClassifyStreamRequest,
                                             v1::ClassifyStreamResponse>>
        call;
  };

  std::unique_ptr<Stream> Open(v1::ClassificationService::Stub& stub) {
    auto stream = std::make_unique<Stream>();
    LimitTime(stream->context);
    stream->call = stub.ClassifyStream(&stream->context);
    stream->call->WaitForInitialMetadata();
    return stream;
  }

  static void Finish(Stream& stream) {
    stream.call->WritesDone();
    v1::ClassifyStreamResponse none;
    EXPECT_FALSE(stream.call->Read(&none));
    EXPECT_TRUE(stream.call->Finish().ok());
  }
};

TEST_F(OpenStreamsTest, AreThoseThatHaveBegunAndNotEnded) {
  ListenReady();
  OpenStreamsReader reader;
  EXPECT_TRUE(reader.Next().empty());
  std::vector<std::unique_ptr<Stream>> streams;
  for (std::int64_t count = 1; count <= 3; ++count) {
    streams.push_back(Open(*classification_));
    const std::vector<OpenStreams> found = reader.Next();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].streams, count);
    EXPECT_EQ(found[0].peer.rfind("ipv4:127.0.0.1:", 0), 0U) << found[0].peer;
  }
  // The server lets go of one a moment after its end.
  Finish(*streams[1]);
  while (reader.Next().at(0).streams > 2) {
  }
  Finish(*streams[0]);
  Finish(*streams[2]);
  while (!reader.Next().empty()) {
  }
}

TEST_F(OpenStreamsTest, OfManyConnectionsAreReadInTurns) {
  ListenReady();
  constexpr std::size_t kConnections = 5;
  std::vector<std::unique_ptr<v1::ClassificationService::Stub>> stubs;
  std::vector<std::unique_ptr<Stream>> streams;
  for (std::size_t i = 0; i < kConnections; ++i) {
    stubs.push_back(v1::ClassificationService::NewStub(NewChannel()));
    streams.push_back(Open(*stubs.back()));
  }
  // Two at once: two, two, one, and again from the first.
  OpenStreamsReader reader(2);
  for (int round = 0; round < 2; ++round) {
    std::set<std::string> peers;
    for (const std::size_t wanted : {2U, 2U, 1U}) {
      const std::vector<OpenStreams> found = reader.Next();
      EXPECT_EQ(found.size(), wanted) << round;
      for (const OpenStreams& connection : found) {
        EXPECT_EQ(connection.streams, 1);
        peers.insert(connection.peer);
      }
    }
    EXPECT_EQ(peers.size(), kConnections);
  }
}

}  // namespace
}  // namespace resnetd
