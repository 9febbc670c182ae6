#include "server/rpc/import_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "server/rpc/download_call.h"
#include "tests/unit/rpc/upload.h"

namespace resnetd {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Pair;
using testing::UnorderedElementsAre;

class ImportCallTest : public RpcTest {
 protected:
  void SetUp() override { ListenReady(); }

  // After every kind of failure: nothing stays, and the next upload works.
  void ExpectNothingStays() {
    manager_.AwaitNoSessions();
    EXPECT_FALSE(Call(&v1::ModelService::Stub::GetModel, GetNet()).ok());
    Upload upload(*models_);
    EXPECT_TRUE(upload.Send(HeaderOf("next"), "next").ok());
  }
  static v1::GetModelRequest GetNet() {
    v1::GetModelRequest request;
    request.set_name("models/net");
    return request;
  }

  const std::string file_ = "the bytes of a file";
};

TEST_F(ImportCallTest, AnUploadBecomesAVersion) {
  Upload upload(*models_);
  v1::ImportVersionHeader header = HeaderOf(file_);
  header.add_labels("cat");
  header.set_description("a net");
  header.set_request_id("key-1");
  header.set_parent_version(3);
  ASSERT_TRUE(upload.Send(header, file_, 5).ok());
  EXPECT_TRUE(upload.response().created());
  const v1::Version& version = upload.response().version();
  EXPECT_EQ(version.name(), "models/net/versions/1");
  EXPECT_EQ(version.weights_sha256(), header.sha256());
  EXPECT_EQ(version.weights_bytes(), header.size_bytes());
  EXPECT_THAT(version.labels(), testing::ElementsAre("cat"));
  EXPECT_THAT(version.aliases(), testing::ElementsAre("stable"));
  EXPECT_EQ(version.state(), v1::VERSION_STATE_COMMITTED);
  EXPECT_EQ(manager_.last_header().parent, VersionNumber{3});
  EXPECT_EQ(manager_.last_mutation().method, "ImportVersion");
  EXPECT_EQ(manager_.last_mutation().request_id, "key-1");
  EXPECT_EQ(manager_.last_mutation().actor, "anonymous");
  EXPECT_EQ(manager_.sessions(), 0U);
}

TEST_F(ImportCallTest, TheSameBytesAreTheSameVersion) {
  Upload first(*models_);
  ASSERT_TRUE(first.Send(HeaderOf(file_), file_).ok());
  Upload second(*models_);
  ASSERT_TRUE(second.Send(HeaderOf(file_), file_).ok());
  EXPECT_FALSE(second.response().created());
  EXPECT_EQ(second.response().version().version(), 1);
}

TEST_F(ImportCallTest, ACheckedUploadHasNoNumber) {
  v1::ImportVersionHeader header = HeaderOf(file_);
  header.set_validate_only(true);
  Upload upload(*models_);
  ASSERT_TRUE(upload.Send(header, file_).ok());
  EXPECT_EQ(upload.response().version().version(), 0);
  EXPECT_EQ(upload.response().version().name(), "");
  EXPECT_FALSE(upload.response().version().has_create_time());
  EXPECT_FALSE(Call(&v1::ModelService::Stub::GetModel, GetNet()).ok());
}

TEST_F(ImportCallTest, AChunkHasOneByteToOneMebibyte) {
  for (const std::size_t bytes :
       {std::size_t{1}, kMaxChunkBytes - 1, kMaxChunkBytes}) {
    const std::string file(bytes, 'x');
    Upload upload(*models_);
    EXPECT_TRUE(upload.Send(HeaderOf(file), file).ok()) << bytes;
  }
  // Over the limit by one, just over what is parsed at all, and by far.
  for (const std::size_t bytes :
       {kMaxChunkBytes + 1, kMaxChunkBytes + 12, 3 * kMaxChunkBytes}) {
    const std::string file(bytes, 'x');
    Upload upload(*models_);
    const grpc::Status status = upload.Send(HeaderOf(file), file, file.size());
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED") << bytes;
    EXPECT_EQ(MetadataOf(status)["limit"], "1048576");
    EXPECT_THAT(ViolationsOf(status), UnorderedElementsAre(Key("chunk")));
  }
}

TEST_F(ImportCallTest, RefusesAnEmptyChunk) {
  Upload upload(*models_);
  upload.Header(HeaderOf(file_));
  upload.Chunk("");
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(ViolationsOf(status), UnorderedElementsAre(Key("chunk")));
  ExpectNothingStays();
}

TEST_F(ImportCallTest, RefusesAChunkBeforeTheHeader) {
  Upload upload(*models_);
  upload.Chunk("x");
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "a chunk before the header");
  ExpectNothingStays();
}

TEST_F(ImportCallTest, RefusesASecondHeader) {
  Upload upload(*models_);
  upload.Header(HeaderOf(file_));
  upload.Chunk("x");
  upload.Header(HeaderOf(file_));
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("second header"));
  ExpectNothingStays();
}

TEST_F(ImportCallTest, RefusesAMessageWithNeither) {
  Upload upload(*models_);
  upload.Nothing();
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("neither header nor chunk"));
  ExpectNothingStays();
}

TEST_F(ImportCallTest, RefusesAStreamWithoutAnything) {
  Upload upload(*models_);
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("without a header"));
}

TEST_F(ImportCallTest, RefusesAHeaderWithEveryWrongFieldNamed) {
  Upload upload(*models_);
  v1::ImportVersionHeader header;
  header.set_model("net");
  header.set_sha256("xyz");
  header.set_parent_version(-1);
  upload.Header(header);
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(ViolationsOf(status),
              UnorderedElementsAre(Key("header.model"), Key("header.sha256"),
                                   Key("header.size_bytes"),
                                   Key("header.parent_version")));
  EXPECT_EQ(manager_.calls("Import"), 0U);
}

TEST_F(ImportCallTest, TooManyTooFewOrOtherBytesAreRefused) {
  const struct {
    std::string announced;
    std::string sent;
  } kCases[] = {{"abc", "abcd"}, {"abc", "ab"}, {"abc", "abd"}, {"abc", ""}};
  for (const auto& [announced, sent] : kCases) {
    Upload upload(*models_);
    const grpc::Status status = upload.Send(HeaderOf(announced), sent);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << sent;
    EXPECT_EQ(ReasonOf(status), "DIGEST_MISMATCH") << sent;
    manager_.AwaitNoSessions();
  }
  ExpectNothingStays();
}

TEST_F(ImportCallTest, TheManagersErrorsArriveFromEachStep) {
  for (const char* step : {"Import", "Write", "Finish"}) {
    manager_.Fail(step, Error(absl::StatusCode::kResourceExhausted,
                              Reason::kStorageFull, "the disk is full")
                            .Metadata("needed", "9")
                            .Metadata("free", "1"));
    Upload upload(*models_);
    const grpc::Status status = upload.Send(HeaderOf(file_), file_);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(ReasonOf(status), "STORAGE_FULL") << step;
    EXPECT_EQ(MetadataOf(status)["free"], "1");
    manager_.Fail(step, absl::OkStatus());
    manager_.AwaitNoSessions();
  }
  // What is not an error of ours says nothing of what it is.
  manager_.Fail("Write", absl::UnknownError("/secret/path: EIO"));
  Upload upload(*models_);
  const grpc::Status status = upload.Send(HeaderOf(file_), file_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message(), testing::Not(HasSubstr("secret")));
  manager_.Fail("Write", absl::OkStatus());
  ExpectNothingStays();
}

TEST_F(ImportCallTest, ADisconnectBeforeTheHeaderLeavesNothing) {
  Upload upload(*models_);
  upload.Cancel();
  EXPECT_EQ(upload.Finish().error_code(), grpc::StatusCode::CANCELLED);
  ExpectNothingStays();
}

TEST_F(ImportCallTest, ADisconnectAfterTheHeaderLeavesNothing) {
  Upload upload(*models_);
  upload.Header(HeaderOf(file_));
  manager_.AwaitCalls("Import", 1);
  upload.Cancel();
  EXPECT_EQ(upload.Finish().error_code(), grpc::StatusCode::CANCELLED);
  ExpectNothingStays();
}

TEST_F(ImportCallTest, ADisconnectAmongTheChunksLeavesNothing) {
  Upload upload(*models_);
  upload.Header(HeaderOf(file_));
  upload.Chunk(file_.substr(0, 4));
  manager_.AwaitCalls("Write", 1);
  upload.Cancel();
  EXPECT_EQ(upload.Finish().error_code(), grpc::StatusCode::CANCELLED);
  ExpectNothingStays();
}

TEST_F(ImportCallTest, ADisconnectDuringAWriteLeavesNothing) {
  manager_.Hold("Write");
  Upload upload(*models_);
  upload.Header(HeaderOf(file_));
  // Not the last byte: with it the upload may be taken for a whole one.
  upload.Chunk(file_.substr(1));
  manager_.AwaitCalls("Write", 1);
  upload.Cancel();
  EXPECT_EQ(upload.Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(manager_.sessions(), 1U);
  manager_.Release("Write");
  ExpectNothingStays();
}

TEST_F(ImportCallTest, AnUploadThatIsBeingPublishedIsFinished) {
  manager_.Hold("Finish");
  Upload upload(*models_);
  upload.Header(HeaderOf(file_));
  upload.Chunk(file_);
  upload.HalfClose();
  manager_.AwaitCalls("Finish", 1);
  upload.Cancel();
  EXPECT_EQ(upload.Finish().error_code(), grpc::StatusCode::CANCELLED);
  manager_.Release("Finish");
  manager_.AwaitNoSessions();
  EXPECT_TRUE(Call(&v1::ModelService::Stub::GetModel, GetNet()).ok());
}

TEST_F(ImportCallTest, TheDeadlineEndsAnUploadThatStalls) {
  Upload upload(*models_, std::chrono::milliseconds(150));
  upload.Header(HeaderOf(file_));
  manager_.AwaitCalls("Import", 1);
  manager_.AwaitNoSessions();
  EXPECT_EQ(upload.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  ExpectNothingStays();
}

TEST_F(ImportCallTest, ReadsNoFurtherWhileAChunkIsWritten) {
  manager_.Hold("Write");
  const std::string file(64 * kMaxChunkBytes, 'x');
  Upload upload(*models_);
  auto sent = std::async(std::launch::async,
                         [&] { return upload.Send(HeaderOf(file), file); });
  manager_.AwaitCalls("Write", 1);
  // Were the next chunk read before this one is written, it would be on its
  // way by the time that another whole upload has gone through its header.
  Upload other(*models_);
  other.Header(HeaderOf(file_, "other"));
  manager_.AwaitCalls("Import", 2);
  EXPECT_EQ(manager_.calls("Write"), 1U);
  manager_.Release("Write");
  EXPECT_TRUE(sent.get().ok());
  other.Cancel();
  EXPECT_FALSE(other.Finish().ok());
}

TEST_F(ImportCallTest, CountsAndNamesTheCall) {
  Upload upload(*models_, std::chrono::seconds(20), "id-9");
  ASSERT_TRUE(upload.Send(HeaderOf(file_), file_).ok());
  const auto& metadata = upload.context().GetServerInitialMetadata();
  const auto id = metadata.find("x-request-id");
  ASSERT_NE(id, metadata.end());
  EXPECT_EQ(std::string(id->second.data(), id->second.size()), "id-9");
  Upload failed(*models_);
  v1::ImportVersionHeader header = HeaderOf("abc");
  header.set_request_id("key-8");
  const grpc::Status status = failed.Send(header, "abd");
  EXPECT_EQ(DetailOf<google::rpc::RequestInfo>(status)->request_id(), "key-8");
  EXPECT_THAT(telemetry_.ended(),
              testing::IsSupersetOf(
                  {Pair("ImportVersion", absl::StatusCode::kOk),
                   Pair("ImportVersion", absl::StatusCode::kInvalidArgument)}));
  EXPECT_EQ(telemetry_.in_flight(), 0);
}

TEST_F(ImportCallTest, TellsTheHealthOfANewModel) {
  registry_.Serve(FakeVersion(FakeFacts("net")));
  EXPECT_EQ(Health("models/net"),
            grpc::health::v1::HealthCheckResponse::SERVICE_UNKNOWN);
  Upload upload(*models_);
  ASSERT_TRUE(upload.Send(HeaderOf(file_), file_).ok());
  EXPECT_EQ(Health("models/net"),
            grpc::health::v1::HealthCheckResponse::SERVING);
}

using ImportLimitsTest = RpcTest;

TEST_F(ImportLimitsTest, UploadsNeedAServerThatServes) {
  Listen();
  Upload early(*models_);
  const grpc::Status starting = early.Send(HeaderOf("x"), "x");
  EXPECT_EQ(starting.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(starting), "STARTING");
  EXPECT_EQ(manager_.calls("Import"), 0U);
}

TEST_F(ImportLimitsTest, AFileIsUpToTheLimitLarge) {
  GrpcServerOptions options = LoopbackOptions();
  options.requests.max_import_bytes = 10;
  ListenReady(options);
  for (const std::size_t bytes : {std::size_t{9}, std::size_t{10}}) {
    const std::string file(bytes, 'x');
    Upload upload(*models_);
    EXPECT_TRUE(upload.Send(HeaderOf(file), file).ok()) << bytes;
  }
  const std::string file(11, 'x');
  Upload upload(*models_);
  const grpc::Status status = upload.Send(HeaderOf(file), file);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  EXPECT_EQ(MetadataOf(status)["limit_name"], "max-import-bytes");
  EXPECT_EQ(MetadataOf(status)["limit"], "10");
  EXPECT_EQ(MetadataOf(status)["value"], "11");
}

TEST_F(ImportLimitsTest, UploadsCountAmongTheCallsOfAConnection) {
  GrpcServerOptions options = LoopbackOptions();
  options.calls.max_calls_per_connection = 1;
  ListenReady(options);
  Upload first(*models_);
  first.Header(HeaderOf("x"));
  manager_.AwaitCalls("Import", 1);
  Upload second(*models_);
  const grpc::Status status = second.Send(HeaderOf("x"), "x");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "OVERLOADED");
  first.Chunk("x");
  EXPECT_TRUE(first.Finish().ok());
}

TEST_F(ImportLimitsTest, UploadsCountAmongTheBytesHeld) {
  GrpcServerOptions options = LoopbackOptions();
  options.calls.max_bytes_held = 2 * kMaxChunkBytes + 1000;
  ListenReady(options);
  v1::ImportVersionHeader header = HeaderOf("x");
  for (int i = 0; i < 10; ++i) {
    header.add_labels(std::string(200, 'l'));
  }
  Upload upload(*models_);
  const grpc::Status status = upload.Send(header, "x");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(MetadataOf(status)["limit_name"], "max-bytes-held");
}

TEST_F(ImportLimitsTest, ADrainLetsAnUploadFinish) {
  ListenReady();
  Upload upload(*models_);
  upload.Header(HeaderOf("xy"));
  upload.Chunk("x");
  manager_.AwaitCalls("Write", 1);
  auto drained = std::async(std::launch::async, [this] {
    server_->Drain(Duration::zero(), std::chrono::seconds(20));
  });
  // New uploads are refused once the drain has begun.
  while (true) {
    Upload refused(*models_);
    const grpc::Status status = refused.Send(HeaderOf("z"), "z");
    if (!status.ok()) {
      EXPECT_EQ(ReasonOf(status), "DRAINING");
      break;
    }
  }
  upload.Chunk("y");
  EXPECT_TRUE(upload.Finish().ok());
  drained.get();
}

TEST_F(ImportLimitsTest, ADrainCancelsAnUploadThatDoesNotFinish) {
  ListenReady();
  Upload upload(*models_);
  upload.Header(HeaderOf("xy"));
  upload.Chunk("x");
  manager_.AwaitCalls("Write", 1);
  server_->Drain(Duration::zero(), std::chrono::milliseconds(20));
  EXPECT_FALSE(upload.Finish().ok());
  EXPECT_EQ(manager_.sessions(), 0U);
  EXPECT_EQ(telemetry_.in_flight(), 0);
}

}  // namespace
}  // namespace resnetd
