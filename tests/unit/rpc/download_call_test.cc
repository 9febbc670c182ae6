#include "server/rpc/download_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::HasSubstr;
using testing::Key;
using testing::Pair;
using testing::UnorderedElementsAre;

// Bytes of which no chunk equals another.
std::string SomeBytes(std::size_t count) {
  std::string bytes(count, '\0');
  std::uint32_t state = 12345;
  for (char& c : bytes) {
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>(state >> 24U);
  }
  return bytes;
}

// What came of one download.
struct Received {
  grpc::Status status;
  v1::ExportVersionHeader header;
  std::string bytes;
  std::size_t chunks = 0;
  std::size_t largest = 0;
};

class DownloadCallTest : public RpcTest {
 protected:
  Received Export(const std::string& name) {
    grpc::ClientContext context;
    LimitTime(context);
    v1::ExportVersionRequest request;
    request.set_name(name);
    const auto reader = models_->ExportVersion(&context, request);
    Received received;
    v1::ExportVersionResponse message;
    if (reader->Read(&message)) {
      EXPECT_TRUE(message.has_header());
      received.header = message.header();
    }
    while (reader->Read(&message)) {
      Take(message.chunk(), received);
    }
    received.status = reader->Finish();
    return received;
  }

  Received Get(const Digest& digest) {
    grpc::ClientContext context;
    LimitTime(context);
    v1::GetBlobRequest request;
    request.set_digest(digest);
    const auto reader = models_->GetBlob(&context, request);
    Received received;
    v1::GetBlobResponse message;
    if (reader->Read(&message)) {
      EXPECT_EQ(message.part_case(), v1::GetBlobResponse::kSizeBytes);
      received.header.set_size_bytes(message.size_bytes());
    }
    while (reader->Read(&message)) {
      Take(message.chunk(), received);
    }
    received.status = reader->Finish();
    return received;
  }

  // A blob of the store.
  Digest Put(const std::string& bytes) {
    const Digest digest = FakeModelManager::DigestOf(bytes);
    manager_.SetBlob(digest, bytes);
    return digest;
  }

 private:
  static void Take(const std::string& chunk, Received& received) {
    EXPECT_FALSE(chunk.empty());
    received.bytes += chunk;
    received.largest = std::max(received.largest, chunk.size());
    ++received.chunks;
  }
};

TEST_F(DownloadCallTest, ExportsTheBytesOfAVersion) {
  ListenReady();
  const std::string file = SomeBytes(3 * kMaxChunkBytes + 7);
  manager_.Add("net", file);
  const Received received = Export("models/net/versions/1");
  ASSERT_TRUE(received.status.ok()) << received.status.error_message();
  EXPECT_EQ(received.header.size_bytes(),
            static_cast<std::int64_t>(file.size()));
  EXPECT_EQ(received.header.sha256(), FakeModelManager::DigestOf(file));
  EXPECT_EQ(received.header.version().name(), "models/net/versions/1");
  EXPECT_EQ(received.header.version().labels_size(), 10);
  EXPECT_TRUE(received.bytes == file);
  EXPECT_EQ(received.chunks, 4U);
  EXPECT_EQ(received.largest, kMaxChunkBytes);
  EXPECT_EQ(manager_.readers(), 0U);
}

TEST_F(DownloadCallTest, BlobsOfEverySizeArriveWhole) {
  ListenReady();
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, kMaxChunkBytes - 1, kMaxChunkBytes,
        kMaxChunkBytes + 1, 2 * kMaxChunkBytes}) {
    const std::string file = SomeBytes(bytes);
    const Received received = Get(Put(file));
    EXPECT_TRUE(received.status.ok()) << received.status.error_message();
    EXPECT_TRUE(received.bytes == file) << bytes;
    EXPECT_EQ(received.header.size_bytes(), static_cast<std::int64_t>(bytes));
    EXPECT_EQ(received.chunks, (bytes + kMaxChunkBytes - 1) / kMaxChunkBytes);
  }
}

TEST_F(DownloadCallTest, ADamagedBlobDoesNotArriveWhole) {
  ListenReady();
  const std::string file = SomeBytes(2 * kMaxChunkBytes + 9);
  for (const std::size_t at : {std::size_t{0}, file.size() - 1}) {
    std::string damaged = file;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    const Digest digest = FakeModelManager::DigestOf(file);
    manager_.SetBlob(digest, damaged);
    const Received received = Get(digest);
    EXPECT_EQ(received.status.error_code(), grpc::StatusCode::DATA_LOSS);
    EXPECT_EQ(ReasonOf(received.status), "STORE_CORRUPT");
    EXPECT_EQ(received.chunks, 2U) << at;
  }
  const Digest empty = FakeModelManager::DigestOf("not empty");
  manager_.SetBlob(empty, "");
  EXPECT_EQ(ReasonOf(Get(empty).status), "STORE_CORRUPT");
}

TEST_F(DownloadCallTest, RefusesWhatIsNoDigest) {
  ListenReady();
  for (const std::string& digest :
       {std::string(), std::string(63, 'a'), std::string(65, 'a'),
        std::string(64, 'A'), std::string(64, 'g'),
        "../../" + std::string(58, 'a')}) {
    const Received received = Get(digest);
    EXPECT_EQ(received.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(ViolationsOf(received.status),
                UnorderedElementsAre(Key("digest")));
  }
  EXPECT_EQ(manager_.calls("OpenBlob"), 0U);
}

TEST_F(DownloadCallTest, RefusesWhatIsNoVersionName) {
  ListenReady();
  for (const char* name : {"", "models/net", "net/versions/1",
                           "models/net/versions/0", "models/net/aliases/a"}) {
    const Received received = Export(name);
    EXPECT_EQ(received.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(ViolationsOf(received.status),
                UnorderedElementsAre(Key("name")));
  }
}

TEST_F(DownloadCallTest, DoesNotFindWhatIsNotThere) {
  ListenReady();
  const Received blob = Get(std::string(64, 'a'));
  EXPECT_EQ(blob.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(blob.status), "BLOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Export("models/net/versions/1").status),
            "MODEL_NOT_FOUND");
  manager_.Add("net", "abc");
  EXPECT_EQ(ReasonOf(Export("models/net/versions/2").status),
            "VERSION_NOT_FOUND");
}

TEST_F(DownloadCallTest, AReadThatFailsEndsTheStream) {
  ListenReady();
  const Digest digest = Put("abc");
  manager_.Fail("ReadAt", Error(absl::StatusCode::kUnavailable,
                                Reason::kStoreFailed, "the disk failed"));
  const Received received = Get(digest);
  EXPECT_EQ(received.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(received.status), "STORE_FAILED");
  EXPECT_EQ(manager_.readers(), 0U);
}

TEST_F(DownloadCallTest, NeedsAServerThatServes) {
  Listen();
  manager_.Add("net", "abc");
  EXPECT_EQ(ReasonOf(Export("models/net/versions/1").status), "STARTING");
  EXPECT_EQ(ReasonOf(Get(std::string(64, 'a')).status), "STARTING");
}

TEST_F(DownloadCallTest, ASlowClientHoldsBackTheReadingAndNothingElse) {
  ListenReady();
  // gRPC lets some megabytes travel ahead of a client that does not read.
  constexpr std::size_t kAhead = 24;
  constexpr std::size_t kChunks = 64;
  const std::string file = SomeBytes(kChunks * kMaxChunkBytes);
  const Digest digest = Put(file);
  grpc::ClientContext context;
  LimitTime(context);
  v1::GetBlobRequest request;
  request.set_digest(digest);
  const auto stalled = models_->GetBlob(&context, request);
  manager_.AwaitCalls("ReadAt", 1);
  // A whole other download takes longer than the rest of this one would.
  EXPECT_EQ(Get(digest).chunks, kChunks);
  EXPECT_LE(manager_.calls("ReadAt"), kChunks + kAhead);
  EXPECT_EQ(manager_.readers(), 1U);
  std::string bytes;
  v1::GetBlobResponse message;
  while (stalled->Read(&message)) {
    bytes += message.chunk();
  }
  EXPECT_TRUE(stalled->Finish().ok());
  EXPECT_TRUE(bytes == file);
}

TEST_F(DownloadCallTest, AClientThatGoesAwayFreesTheBlob) {
  ListenReady();
  const std::string file = SomeBytes(64 * kMaxChunkBytes);
  const Digest digest = Put(file);
  {
    grpc::ClientContext context;
    v1::GetBlobRequest request;
    request.set_digest(digest);
    const auto reader = models_->GetBlob(&context, request);
    v1::GetBlobResponse message;
    ASSERT_TRUE(reader->Read(&message));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  while (telemetry_.in_flight() > 0) {
  }
  EXPECT_EQ(manager_.readers(), 0U);
  EXPECT_THAT(telemetry_.ended(),
              testing::Contains(Pair("GetBlob", absl::StatusCode::kCancelled)));
}

TEST_F(DownloadCallTest, CountsAmongTheBytesHeld) {
  GrpcServerOptions options = LoopbackOptions();
  options.calls.max_bytes_held = 2 * kMaxChunkBytes;
  ListenReady(options);
  const Received received = Get(Put("abc"));
  EXPECT_EQ(received.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(MetadataOf(received.status)["limit_name"], "max-bytes-held");
}

TEST_F(DownloadCallTest, ADrainLetsADownloadFinish) {
  ListenReady();
  const std::string file = SomeBytes(64 * kMaxChunkBytes);
  const Digest digest = Put(file);
  grpc::ClientContext context;
  LimitTime(context);
  v1::GetBlobRequest request;
  request.set_digest(digest);
  const auto reader = models_->GetBlob(&context, request);
  manager_.AwaitCalls("ReadAt", 1);
  auto drained = std::async(std::launch::async, [this] {
    server_->Drain(Duration::zero(), std::chrono::seconds(20));
  });
  while (ReasonOf(Get(std::string(64, 'a')).status) != "DRAINING") {
  }
  std::string bytes;
  v1::GetBlobResponse message;
  while (reader->Read(&message)) {
    bytes += message.chunk();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(bytes == file);
  drained.get();
}

}  // namespace
}  // namespace resnetd
