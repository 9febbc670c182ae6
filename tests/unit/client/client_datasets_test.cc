#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "resnetd/v1/dataset_service.grpc.pb.h"
#include "server/base/mutex.h"
#include "tests/unit/client/client_fixture.h"
#include "tests/unit/client/fake_models.h"

namespace resnetd::client {
namespace {

using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// DatasetService in memory with the dataset "pets". Pictures of the bytes "bad"
// are rejected. Thread-safe; the hooks are changed before the first call.
class FakeDatasets final : public v1::DatasetService::Service {
 public:
  FakeDatasets() {
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(-1);
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~FakeDatasets() override { server_->Shutdown(); }

  const std::string& address() const { return address_; }
  // Called before the batch number `batch` (from 1 on, over all streams) is
  // added, and after that before it is answered: an error ends the stream.
  std::function<grpc::Status(int batch)> before_batch;
  std::function<grpc::Status(int batch)> after_batch;

  std::vector<std::string> images() {
    MutexLock lock(mutex_);
    return images_;
  }
  std::vector<int> batch_sizes() {
    MutexLock lock(mutex_);
    return batch_sizes_;
  }
  int streams() {
    MutexLock lock(mutex_);
    return streams_;
  }
  v1::UploadExample last() {
    MutexLock lock(mutex_);
    return last_;
  }
  v1::CreateDatasetRequest created() {
    MutexLock lock(mutex_);
    return created_;
  }
  // Forgets what was uploaded.
  void Forget() {
    MutexLock lock(mutex_);
    next_.clear();
  }

 private:
  using Stream = grpc::ServerReaderWriter<v1::UploadExamplesResponse,
                                          v1::UploadExamplesRequest>;

  grpc::Status CreateDataset(grpc::ServerContext* /*context*/,
                             const v1::CreateDatasetRequest* request,
                             v1::CreateDatasetResponse* response) override {
    MutexLock lock(mutex_);
    created_ = *request;
    response->mutable_dataset()->set_name(request->name());
    return grpc::Status::OK;
  }

  grpc::Status UploadExamples(grpc::ServerContext* /*context*/,
                              Stream* stream) override {
    v1::UploadExamplesRequest request;
    if (!stream->Read(&request)) {
      return grpc::Status::OK;
    }
    const std::string upload = request.header().upload();
    v1::UploadExamplesResponse answer;
    {
      MutexLock lock(mutex_);
      ++streams_;
      if (request.header().dataset() != "datasets/pets") {
        return test::ToGrpc(test::RichError(grpc::StatusCode::NOT_FOUND, "none",
                                            "DATASET_NOT_FOUND"));
      }
      answer.set_next_index(next_[upload]);
    }
    stream->Write(answer);
    while (stream->Read(&request)) {
      const grpc::Status status = Add(upload, request.batch(), answer);
      if (!status.ok()) {
        return status;
      }
      stream->Write(answer);
    }
    return grpc::Status::OK;
  }

  grpc::Status Add(const std::string& upload, const v1::UploadBatch& batch,
                   v1::UploadExamplesResponse& answer) {
    MutexLock lock(mutex_);
    batch_sizes_.push_back(batch.examples_size());
    const int number = static_cast<int>(batch_sizes_.size());
    if (before_batch) {
      if (const grpc::Status status = before_batch(number); !status.ok()) {
        return status;
      }
    }
    answer.Clear();
    std::int64_t index = batch.first_index();
    for (const v1::UploadExample& example : batch.examples()) {
      if (example.image() == "bad") {
        v1::UploadRejection& rejection = *answer.add_rejected();
        rejection.set_index(index);
        rejection.set_code("TRUNCATED");
      } else {
        answer.set_accepted(answer.accepted() + 1);
        images_.push_back(example.image());
      }
      last_ = example;
      ++index;
    }
    next_[upload] = index;
    answer.set_next_index(index);
    return after_batch ? after_batch(number) : grpc::Status::OK;
  }

  grpc::Status ListRejectedExamples(
      grpc::ServerContext* /*context*/,
      const v1::ListRejectedExamplesRequest* request,
      v1::ListRejectedExamplesResponse* response) override {
    // A list of 2,500 rows.
    const int from =
        request->page_token().empty() ? 0 : std::stoi(request->page_token());
    const int to = std::min(2500, from + request->page_size());
    for (int i = from; i < to; ++i) {
      response->add_examples()->set_sequence(i + 1);
    }
    if (to < 2500) {
      response->set_next_page_token(absl::StrCat(to));
    }
    return grpc::Status::OK;
  }

  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  Mutex mutex_;
  std::map<std::string, std::int64_t> next_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> images_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> batch_sizes_ ABSL_GUARDED_BY(mutex_);
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
  v1::UploadExample last_ ABSL_GUARDED_BY(mutex_);
  v1::CreateDatasetRequest created_ ABSL_GUARDED_BY(mutex_);
};

// Examples "0", "1", ... of one label; `edit` changes each.
class Numbers final : public ExampleSource {
 public:
  explicit Numbers(std::int64_t count,
                   std::function<void(std::int64_t, LocalExample&)> edit = {})
      : count_(count), edit_(std::move(edit)) {}

  absl::Status Skip(std::int64_t count) override {
    next_ += count;
    skipped_ += count;
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<LocalExample>> Next() override {
    if (next_ >= count_) {
      return std::nullopt;
    }
    if (next_ == fails_at) {
      return ClientError(absl::StatusCode::kDataLoss, kReasonSourceChanged,
                         "gone");
    }
    LocalExample example{.name = absl::StrCat("n", next_),
                         .label = "cat",
                         .image = absl::StrCat(next_)};
    if (edit_) {
      edit_(next_, example);
    }
    ++next_;
    return example;
  }
  std::int64_t skipped() const { return skipped_; }
  std::int64_t fails_at = -1;

 private:
  const std::int64_t count_;
  const std::function<void(std::int64_t, LocalExample&)> edit_;
  std::int64_t next_ = 0;
  std::int64_t skipped_ = 0;
};

class ClientDatasetsTest : public ClientFixture<FakeDatasets> {
 protected:
  static std::vector<std::string> NumbersTo(int count) {
    std::vector<std::string> numbers;
    for (int i = 0; i < count; ++i) {
      numbers.push_back(absl::StrCat(i));
    }
    return numbers;
  }

  const UploadRequest pets_ = {.dataset = "pets", .upload = "up"};
};

TEST_F(ClientDatasetsTest, SendsEverythingOnceAndInOrder) {
  Numbers numbers(600);
  std::vector<std::int64_t> seen;
  const auto summary = Connect().UploadExamples(
      pets_, numbers, {.on_progress = [&seen](const UploadSummary& so_far) {
        seen.push_back(so_far.next_index);
      }});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->next_index, 600);
  EXPECT_EQ(summary->accepted, 600);
  EXPECT_EQ(summary->resumed_at, 0);
  EXPECT_EQ(fake_.images(), NumbersTo(600));
  EXPECT_THAT(fake_.batch_sizes(), ElementsAre(256, 256, 88));
  EXPECT_THAT(seen, ElementsAre(0, 256, 512, 600));
}

TEST_F(ClientDatasetsTest, ABatchOfLargePicturesIsSmaller) {
  Numbers numbers(5, [](std::int64_t, LocalExample& example) {
    example.image.assign(3 << 20, 'x');
  });
  ASSERT_TRUE(Connect().UploadExamples(pets_, numbers).ok());
  EXPECT_THAT(fake_.batch_sizes(), ElementsAre(2, 2, 1));
}

TEST_F(ClientDatasetsTest, APictureLargerThanAMessageIsCut) {
  Numbers numbers(1, [](std::int64_t, LocalExample& example) {
    example.image.assign(kMaxSentBytes + 7, 'x');
  });
  ASSERT_TRUE(Connect().UploadExamples(pets_, numbers).ok());
  EXPECT_EQ(fake_.last().image().size(), kMaxSentBytes);
}

TEST_F(ClientDatasetsTest, TheEndOfALongNameIsSent) {
  Numbers numbers(1, [](std::int64_t, LocalExample& example) {
    // The cut is in the middle of a character.
    example.name = "\xc3\xa4" + std::string(511, 'b');
    example.split = ExampleSplit::kValidation;
  });
  ASSERT_TRUE(Connect().UploadExamples(pets_, numbers).ok());
  EXPECT_EQ(fake_.last().name(), std::string(511, 'b'));
  EXPECT_EQ(fake_.last().split(), v1::EXAMPLE_SPLIT_VALIDATION);
}

TEST_F(ClientDatasetsTest, GoesOnWhereAnEarlierUploadWas) {
  Numbers first(300);
  ASSERT_TRUE(Connect().UploadExamples(pets_, first).ok());
  Numbers more(310);
  const auto summary = Connect().UploadExamples(pets_, more);
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(more.skipped(), 300);
  EXPECT_EQ(summary->resumed_at, 300);
  EXPECT_EQ(summary->accepted, 10);
  EXPECT_EQ(fake_.images(), NumbersTo(310));
}

TEST_F(ClientDatasetsTest, ABrokenStreamIsTakenUpAgain) {
  fake_.before_batch = [](int batch) {
    return batch == 2 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone")
                      : grpc::Status::OK;
  };
  Numbers numbers(600);
  const auto summary = Connect().UploadExamples(pets_, numbers);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 600);
  EXPECT_EQ(summary->unanswered, 0);
  EXPECT_EQ(fake_.images(), NumbersTo(600));
  EXPECT_EQ(fake_.streams(), 2);
}

TEST_F(ClientDatasetsTest, ALostAnswerAddsNothingTwice) {
  fake_.after_batch = [](int batch) {
    return batch == 2 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone")
                      : grpc::Status::OK;
  };
  Numbers numbers(600);
  const auto summary = Connect().UploadExamples(pets_, numbers);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->next_index, 600);
  EXPECT_EQ(summary->accepted, 344);
  EXPECT_EQ(summary->unanswered, 256);
  EXPECT_EQ(fake_.images(), NumbersTo(600));
}

TEST_F(ClientDatasetsTest, KeepsOnAsLongAsSomethingGetsThrough) {
  // Every second batch breaks the stream: more often than one call is tried.
  fake_.before_batch = [](int batch) {
    return batch % 2 == 0 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone")
                          : grpc::Status::OK;
  };
  Numbers numbers(256 * 8);
  const auto summary = Connect().UploadExamples(pets_, numbers);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(fake_.images(), NumbersTo(256 * 8));
  EXPECT_THAT(fake_.streams(), Gt(4));
}

TEST_F(ClientDatasetsTest, GivesUpWhenNothingGetsThrough) {
  fake_.before_batch = [](int) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone");
  };
  Numbers numbers(10);
  const auto summary = Connect().UploadExamples(pets_, numbers);
  EXPECT_TRUE(absl::IsUnavailable(summary.status()));
  EXPECT_THAT(fake_.images(), IsEmpty());
  EXPECT_EQ(fake_.streams(), 4);
}

TEST_F(ClientDatasetsTest, AServerThatForgotIsNoticed) {
  fake_.before_batch = [this, forgot = false](int batch) mutable {
    return batch == 2 && !std::exchange(forgot, true)
               ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone")
               : grpc::Status::OK;
  };
  Numbers numbers(600);
  const auto summary = Connect().UploadExamples(
      pets_, numbers, {.on_progress = [this](const UploadSummary& so_far) {
        if (so_far.next_index == 256) {
          fake_.Forget();
        }
      }});
  EXPECT_TRUE(absl::IsAborted(summary.status()));
  EXPECT_EQ(ErrorInfoOf(summary.status()).reason, kReasonOtherStore);
}

TEST_F(ClientDatasetsTest, RejectedPicturesAreToldByName) {
  Numbers numbers(4, [](std::int64_t index, LocalExample& example) {
    if (index % 2 == 1) {
      example.image = "bad";
    }
  });
  std::vector<std::string> rejected;
  const auto summary = Connect().UploadExamples(
      pets_, numbers,
      {.on_rejected = [&rejected](const UploadRejection& rejection) {
        rejected.push_back(
            absl::StrCat(rejection.index, rejection.name, rejection.code));
      }});
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->accepted, 2);
  EXPECT_EQ(summary->rejected, 2);
  EXPECT_THAT(rejected, ElementsAre("1n1TRUNCATED", "3n3TRUNCATED"));
}

TEST_F(ClientDatasetsTest, AnErrorOfTheSourceEndsTheUploadWithIt) {
  Numbers numbers(600);
  numbers.fails_at = 300;
  const auto summary = Connect().UploadExamples(pets_, numbers);
  EXPECT_EQ(ErrorInfoOf(summary.status()).reason, kReasonSourceChanged);
  EXPECT_EQ(fake_.images(), NumbersTo(256));
}

TEST_F(ClientDatasetsTest, AnErrorOfTheServerIsNotRepeated) {
  Numbers numbers(6);
  const auto summary =
      Connect().UploadExamples({.dataset = "none", .upload = "up"}, numbers);
  EXPECT_TRUE(absl::IsNotFound(summary.status()));
  EXPECT_EQ(ErrorInfoOf(summary.status()).reason, "DATASET_NOT_FOUND");
  EXPECT_EQ(fake_.streams(), 1);
}

TEST_F(ClientDatasetsTest, ADatasetIsMadeUnderARequestId) {
  ASSERT_TRUE(
      Connect().CreateDataset({.name = "pets", .labels = {"a", "b"}}).ok());
  EXPECT_EQ(fake_.created().name(), "datasets/pets");
  EXPECT_THAT(fake_.created().labels(), ElementsAre("a", "b"));
  EXPECT_EQ(fake_.created().request_id().size(), 32U);
  ASSERT_TRUE(Connect()
                  .CreateDataset({.name = "datasets/x", .request_id = "key"})
                  .ok());
  EXPECT_EQ(fake_.created().name(), "datasets/x");
  EXPECT_EQ(fake_.created().request_id(), "key");
}

TEST_F(ClientDatasetsTest, AListEndsAtItsLimit) {
  EXPECT_THAT(Connect().ListRejectedExamples("pets", 7).value(), SizeIs(7));
  EXPECT_THAT(Connect().ListRejectedExamples("pets", 1500).value(),
              SizeIs(1500));
  EXPECT_THAT(Connect().ListRejectedExamples("pets", 9999).value(),
              SizeIs(2500));
}

}  // namespace
}  // namespace resnetd::client
