#include "server/rpc/upload_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/rpc/example_upload.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::HasSubstr;
using testing::Key;
using testing::Pair;
using testing::UnorderedElementsAre;

class UploadCallTest : public RpcTest {
 protected:
  void SetUp() override {
    datasets_.Make("pets");
    ListenReady();
  }

  std::int64_t Examples() {
    return datasets_.GetDataset(DatasetName::Parse("pets").value())
        .value()
        .examples;
  }
  // After every kind of failure the next upload works.
  void ExpectStillWorks() {
    ExampleUpload upload(*dataset_calls_);
    ASSERT_TRUE(upload.Header("datasets/pets", "another"));
    EXPECT_TRUE(upload.Batch(BatchOf(0, {"still works"})));
    EXPECT_TRUE(upload.Finish().ok());
  }
};

TEST_F(UploadCallTest, EveryMessageIsAnswered) {
  ExampleUpload upload(*dataset_calls_);
  ASSERT_TRUE(upload.Header());
  EXPECT_EQ(upload.answer().next_index(), 0);
  ASSERT_TRUE(upload.Batch(BatchOf(0, {"a", "b"})));
  EXPECT_EQ(upload.answer().next_index(), 2);
  EXPECT_EQ(upload.answer().accepted(), 2);
  EXPECT_EQ(Examples(), 2);
  ASSERT_TRUE(upload.Batch(BatchOf(2, {"c"})));
  EXPECT_EQ(upload.answer().next_index(), 3);
  EXPECT_EQ(upload.answer().accepted(), 1);
  EXPECT_TRUE(upload.Finish().ok());
  EXPECT_EQ(Examples(), 3);
}

TEST_F(UploadCallTest, ABadPictureFailsAlone) {
  ExampleUpload upload(*dataset_calls_);
  ASSERT_TRUE(upload.Header());
  ASSERT_TRUE(upload.Batch(BatchOf(0, {"a", "bad", "a", "b"})));
  EXPECT_EQ(upload.answer().accepted(), 2);
  EXPECT_EQ(upload.answer().duplicates(), 1);
  ASSERT_EQ(upload.answer().rejected_size(), 1);
  EXPECT_EQ(upload.answer().rejected(0).index(), 1);
  EXPECT_EQ(upload.answer().rejected(0).code(), "TRUNCATED");
  EXPECT_EQ(upload.answer().rejected(0).message(), "ends too early");
  EXPECT_TRUE(upload.Finish().ok());
}

TEST_F(UploadCallTest, PassesNameLabelAndSplitOn) {
  v1::UploadBatch batch;
  *batch.add_examples() = ExampleMessage("a", "dog", "dogs/7.jpg");
  batch.mutable_examples(0)->set_split(v1::EXAMPLE_SPLIT_VALIDATION);
  ExampleUpload upload(*dataset_calls_);
  ASSERT_TRUE(upload.Header());
  ASSERT_TRUE(upload.Batch(batch));
  const std::vector<UploadedExample> examples = datasets_.last_examples();
  ASSERT_EQ(examples.size(), 1U);
  EXPECT_EQ(examples[0].name, "dogs/7.jpg");
  EXPECT_EQ(examples[0].label, "dog");
  EXPECT_EQ(examples[0].split, ExampleSplit::kValidation);
}

TEST_F(UploadCallTest, ANewStreamGoesOnWhereTheOldOneBroke) {
  {
    ExampleUpload upload(*dataset_calls_);
    ASSERT_TRUE(upload.Header());
    ASSERT_TRUE(upload.Batch(BatchOf(0, {"a", "b"})));
    upload.Cancel();
    EXPECT_EQ(upload.Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  ExampleUpload upload(*dataset_calls_);
  ASSERT_TRUE(upload.Header());
  EXPECT_EQ(upload.answer().next_index(), 2);
  ASSERT_TRUE(upload.Batch(BatchOf(1, {"b", "c"})));
  EXPECT_EQ(upload.answer().next_index(), 3);
  EXPECT_EQ(upload.answer().accepted(), 1);
  EXPECT_TRUE(upload.Finish().ok());
  ExampleUpload other(*dataset_calls_);
  ASSERT_TRUE(other.Header("datasets/pets", "another"));
  EXPECT_EQ(other.answer().next_index(), 0);
}

TEST_F(UploadCallTest, ABatchBeyondTheNextIndexIsRefused) {
  ExampleUpload upload(*dataset_calls_);
  ASSERT_TRUE(upload.Header());
  EXPECT_FALSE(upload.Batch(BatchOf(1, {"a"})));
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ReasonOf(status), "ETAG_MISMATCH");
  EXPECT_EQ(MetadataOf(status)["next_index"], "0");
}

TEST_F(UploadCallTest, ABatchHas1To256Examples) {
  for (const std::size_t count : {1U, 255U, 256U}) {
    ExampleUpload upload(*dataset_calls_);
    ASSERT_TRUE(upload.Header("datasets/pets", absl::StrCat("up", count)));
    EXPECT_TRUE(upload.Batch(BatchOf(0, std::vector<std::string>(count, "a"))));
    EXPECT_TRUE(upload.Finish().ok()) << count;
  }
  ExampleUpload upload(*dataset_calls_);
  ASSERT_TRUE(upload.Header());
  EXPECT_FALSE(upload.Batch(BatchOf(0, std::vector<std::string>(257, "a"))));
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  EXPECT_EQ(MetadataOf(status)["limit_name"], "max-upload-examples");
  EXPECT_EQ(MetadataOf(status)["limit"], "256");
  ExampleUpload empty(*dataset_calls_);
  ASSERT_TRUE(empty.Header());
  EXPECT_FALSE(empty.Batch(BatchOf(0, {})));
  EXPECT_THAT(ViolationsOf(empty.Finish()),
              UnorderedElementsAre(Key("batch.examples")));
}

TEST_F(UploadCallTest, TheHeaderComesFirstAndOnce) {
  ExampleUpload early(*dataset_calls_);
  EXPECT_FALSE(early.Batch(BatchOf(0, {"a"})));
  EXPECT_THAT(early.Finish().error_message(), HasSubstr("before the header"));
  ExampleUpload twice(*dataset_calls_);
  ASSERT_TRUE(twice.Header());
  EXPECT_FALSE(twice.Header());
  EXPECT_THAT(twice.Finish().error_message(), HasSubstr("second header"));
  ExampleUpload nothing(*dataset_calls_);
  nothing.SendNothing();
  EXPECT_THAT(nothing.Finish().error_message(),
              HasSubstr("neither header nor batch"));
  ExampleUpload silent(*dataset_calls_);
  const grpc::Status status = silent.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("without a header"));
}

TEST_F(UploadCallTest, NamesEveryWrongFieldOfTheHeader) {
  ExampleUpload upload(*dataset_calls_);
  EXPECT_FALSE(upload.Header("pets", "a\nb"));
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(ViolationsOf(status), UnorderedElementsAre(Key("header.dataset"),
                                                         Key("header.upload")));
  EXPECT_EQ(datasets_.calls("UploadIndex"), 0U);
}

TEST_F(UploadCallTest, AnUnknownDatasetIsSaidAtOnce) {
  ExampleUpload upload(*dataset_calls_);
  EXPECT_FALSE(upload.Header("datasets/none"));
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "DATASET_NOT_FOUND");
}

TEST_F(UploadCallTest, TheManagersErrorsArrive) {
  datasets_.Fail("Add", Error(absl::StatusCode::kResourceExhausted,
                              Reason::kStorageFull, "the disk is full")
                            .Metadata("free", "1"));
  ExampleUpload upload(*dataset_calls_);
  ASSERT_TRUE(upload.Header());
  EXPECT_FALSE(upload.Batch(BatchOf(0, {"a"})));
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "STORAGE_FULL");
  EXPECT_EQ(MetadataOf(status)["free"], "1");
  // What is not an error of ours says nothing of what it is.
  datasets_.Fail("Add", absl::UnknownError("/secret/path: EIO"));
  ExampleUpload broken(*dataset_calls_);
  ASSERT_TRUE(broken.Header());
  EXPECT_FALSE(broken.Batch(BatchOf(0, {"a"})));
  const grpc::Status internal = broken.Finish();
  EXPECT_EQ(internal.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(internal.error_message(), testing::Not(HasSubstr("secret")));
  datasets_.Fail("Add", absl::OkStatus());
  ExpectStillWorks();
}

TEST_F(UploadCallTest, ABatchThatIsBeingAddedIsFinished) {
  datasets_.Hold("Add");
  ExampleUpload upload(*dataset_calls_);
  ASSERT_TRUE(upload.Header());
  upload.SendBatch(BatchOf(0, {"a"}));
  datasets_.AwaitCalls("Add", 1);
  upload.Cancel();
  EXPECT_EQ(upload.Finish().error_code(), grpc::StatusCode::CANCELLED);
  datasets_.ReleaseAll();
  ExpectStillWorks();
  // The one that was held is added by a thread that nobody waits for.
  while (Examples() < 2) {
  }
  EXPECT_EQ(Examples(), 2);
}

TEST_F(UploadCallTest, TheDeadlineEndsAnUploadThatStalls) {
  ExampleUpload upload(*dataset_calls_, std::chrono::milliseconds(150));
  ASSERT_TRUE(upload.Header());
  EXPECT_FALSE(upload.Read());
  EXPECT_EQ(upload.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  ExpectStillWorks();
}

TEST_F(UploadCallTest, ReadsNoFurtherWhileABatchIsAdded) {
  datasets_.Hold("Add");
  ExampleUpload upload(*dataset_calls_);
  ASSERT_TRUE(upload.Header());
  upload.SendBatch(BatchOf(0, {"a"}));
  upload.SendBatch(BatchOf(1, {"b"}));
  datasets_.AwaitCalls("Add", 1);
  // Were the second batch read before the first is added, it would be in the
  // manager by the time that another upload has gone through its header.
  ExampleUpload other(*dataset_calls_);
  ASSERT_TRUE(other.Header("datasets/pets", "another"));
  EXPECT_EQ(datasets_.calls("Add"), 1U);
  datasets_.ReleaseAll();
  ASSERT_TRUE(upload.Read());
  ASSERT_TRUE(upload.Read());
  EXPECT_EQ(upload.answer().next_index(), 2);
}

TEST_F(UploadCallTest, AServerThatStopsServingEndsItAfterTheBatch) {
  ExampleUpload upload(*dataset_calls_);
  ASSERT_TRUE(upload.Header());
  ASSERT_TRUE(upload.Batch(BatchOf(0, {"a"})));
  server_->SetReady(false);
  EXPECT_FALSE(upload.Batch(BatchOf(1, {"b"})));
  EXPECT_EQ(upload.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Examples(), 1);
}

TEST_F(UploadCallTest, CountsAndNamesTheCall) {
  ExampleUpload upload(*dataset_calls_, std::chrono::seconds(20), "id-9");
  ASSERT_TRUE(upload.Header());
  const auto& metadata = upload.context().GetServerInitialMetadata();
  const auto id = metadata.find("x-request-id");
  ASSERT_NE(id, metadata.end());
  EXPECT_EQ(std::string(id->second.data(), id->second.size()), "id-9");
  EXPECT_TRUE(upload.Finish().ok());
  ExampleUpload failed(*dataset_calls_);
  EXPECT_FALSE(failed.Header("x"));
  EXPECT_FALSE(failed.Finish().ok());
  EXPECT_THAT(
      telemetry_.ended(),
      testing::IsSupersetOf(
          {Pair("UploadExamples", absl::StatusCode::kOk),
           Pair("UploadExamples", absl::StatusCode::kInvalidArgument)}));
  EXPECT_EQ(telemetry_.in_flight(), 0);
}

using UploadLimitsTest = RpcTest;

TEST_F(UploadLimitsTest, UploadsNeedAServerThatServes) {
  datasets_.Make("pets");
  Listen();
  ExampleUpload early(*dataset_calls_);
  EXPECT_FALSE(early.Header());
  const grpc::Status status = early.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "STARTING");
}

TEST_F(UploadLimitsTest, AMessageCountsAmongTheBytesHeld) {
  datasets_.Make("pets");
  GrpcServerOptions options = LoopbackOptions();
  options.calls.max_bytes_held = 100'000;
  ListenReady(options);
  ExampleUpload upload(*dataset_calls_);
  ASSERT_TRUE(upload.Header());
  // Twice: the second is no larger, and held after the first.
  ASSERT_TRUE(upload.Batch(BatchOf(0, {std::string(90'000, 'a')})));
  ASSERT_TRUE(upload.Batch(BatchOf(1, {std::string(90'000, 'b')})));
  EXPECT_FALSE(upload.Batch(BatchOf(2, {std::string(110'000, 'c')})));
  const grpc::Status status = upload.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
}

}  // namespace
}  // namespace resnetd
