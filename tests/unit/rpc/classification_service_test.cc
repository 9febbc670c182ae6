#include "server/rpc/classification_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr std::size_t kMaxImage = 20U << 20U;

class ClassificationServiceTest : public RpcTest {
 protected:
  void SetUp() override { ListenReady(); }
};

TEST_F(ClassificationServiceTest, AnswersImagesInTheirOrder) {
  v1::ClassifyRequest request;
  for (const std::size_t bytes : {5U, 1U, 9U}) {
    request.add_images()->set_encoded(std::string(bytes, 'x'));
  }
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(request, &response).ok());
  ASSERT_EQ(response.results_size(), 3);
  EXPECT_EQ(response.results(0).classification().predictions(0).index(), 5);
  EXPECT_EQ(response.results(1).classification().predictions(0).index(), 1);
  EXPECT_EQ(response.results(2).classification().predictions(0).index(), 9);
  EXPECT_EQ(response.served_by().model(), "models/fake");
  EXPECT_EQ(response.served_by().version(), 1);
  EXPECT_FALSE(response.has_timing());
}

TEST_F(ClassificationServiceTest, KeepsTheBytesOfAnImageUntilTheAnswer) {
  classifier_.Hold();
  std::string seen;
  classifier_.SetAnswer([this, &seen](const ClassifyRequest& request) {
    const auto& encoded = std::get<EncodedImage>(request.images[0]);
    seen.assign(encoded.bytes.begin(), encoded.bytes.end());
    return classifier_.DefaultAnswer(request);
  });
  v1::ClassifyRequest request;
  // Too long for the string's own storage.
  const std::string picture(100'000, 'p');
  request.add_images()->set_encoded(picture);
  auto status =
      std::async(std::launch::async, [&] { return Classify(request); });
  classifier_.AwaitHeld(1);
  classifier_.Release();
  EXPECT_TRUE(status.get().ok());
  EXPECT_EQ(seen, picture);
}

TEST_F(ClassificationServiceTest, SendsTimingOnlyWhenAsked) {
  classifier_.SetAnswer([this](const ClassifyRequest& request) {
    ClassifyResponse response = classifier_.DefaultAnswer(request);
    response.timings = {.queue = std::chrono::microseconds(1500),
                        .total = std::chrono::seconds(2),
                        .batch_size = 4};
    return response;
  });
  v1::ClassifyRequest request = OneImage();
  request.mutable_options()->set_timing(true);
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(request, &response).ok());
  EXPECT_EQ(response.timing().queue().nanos(), 1'500'000);
  EXPECT_EQ(response.timing().total().seconds(), 2);
  EXPECT_EQ(response.timing().batch_size(), 4);
}

TEST_F(ClassificationServiceTest, PassesEveryOptionOn) {
  ClassifyRequest seen;
  classifier_.SetAnswer([this, &seen](const ClassifyRequest& request) {
    seen.model = request.model;
    seen.top_k = request.top_k;
    seen.min_probability = request.min_probability;
    seen.priority = request.priority;
    seen.want_logits = request.want_logits;
    seen.fail_fast = request.fail_fast;
    seen.request_id = request.request_id;
    return classifier_.DefaultAnswer(request);
  });
  v1::ClassifyRequest request = OneImage();
  request.set_model("models/fake/versions/7");
  request.set_top_k(3);
  request.set_min_probability(0.25F);
  request.set_priority(v1::PRIORITY_CRITICAL);
  request.mutable_options()->set_logits(true);
  request.set_fail_fast(true);
  request.set_request_id("id-1");
  ASSERT_TRUE(Classify(request).ok());
  EXPECT_EQ(seen.model.name->text(), "fake");
  EXPECT_EQ(seen.model.version->value, 7);
  EXPECT_EQ(seen.top_k, 3);
  EXPECT_EQ(seen.min_probability, 0.25F);
  EXPECT_EQ(seen.priority, Priority::kCritical);
  EXPECT_TRUE(seen.want_logits);
  EXPECT_TRUE(seen.fail_fast);
  EXPECT_EQ(seen.request_id, "id-1");
}

// --- Bad input -------------------------------------------------------------

TEST_F(ClassificationServiceTest, RefusesARequestWithoutImages) {
  const grpc::Status status = Classify({});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  EXPECT_THAT(ViolationsOf(status), UnorderedElementsAre(Key("images")));
  EXPECT_EQ(status.error_message(),
            "request has no image, 1 to 256 are needed");
  EXPECT_EQ(classifier_.requests(), 0U);
}

TEST_F(ClassificationServiceTest, Takes255And256ImagesAndRefuses257) {
  for (const int images : {255, 256, 257}) {
    v1::ClassifyRequest request;
    for (int i = 0; i < images; ++i) {
      request.add_images()->set_encoded("x");
    }
    v1::ClassifyResponse response;
    const grpc::Status status = Classify(request, &response);
    if (images <= 256) {
      EXPECT_TRUE(status.ok());
      EXPECT_EQ(response.results_size(), images);
      continue;
    }
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
    EXPECT_THAT(
        MetadataOf(status),
        UnorderedElementsAre(Pair("limit_name", "max-images-per-request"),
                             Pair("limit", "256"), Pair("value", "257")));
    EXPECT_THAT(ViolationsOf(status), UnorderedElementsAre(Key("images")));
    EXPECT_EQ(status.error_message(),
              "request has 257 images, at most 256 are accepted "
              "(--max-images-per-request): send them in several requests");
  }
}

TEST_F(ClassificationServiceTest, TakesAnImageOf20MiBAndRefusesOneByteMore) {
  EXPECT_TRUE(Classify(OneImage(kMaxImage - 1)).ok());
  EXPECT_TRUE(Classify(OneImage(kMaxImage)).ok());
  const grpc::Status status = Classify(OneImage(kMaxImage + 1));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  EXPECT_THAT(MetadataOf(status),
              UnorderedElementsAre(Pair("limit_name", "max-image-bytes"),
                                   Pair("limit", "20971520"),
                                   Pair("value", "20971521")));
  EXPECT_THAT(ViolationsOf(status),
              UnorderedElementsAre(Key("images[0].encoded")));
  EXPECT_EQ(status.error_message(),
            "images[0]: 20971521 bytes exceed the limit of 20971520 bytes "
            "(--max-image-bytes)");
}

TEST_F(ClassificationServiceTest, OneImageThatIsTooBigFailsAlone) {
  v1::ClassifyRequest request = OneImage(1);
  request.add_images()->set_encoded(std::string(kMaxImage + 1, 'x'));
  request.add_images()->set_encoded("xx");
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(request, &response).ok());
  ASSERT_EQ(response.results_size(), 3);
  EXPECT_TRUE(response.results(0).has_classification());
  EXPECT_TRUE(response.results(2).has_classification());
  const google::rpc::Status& error = response.results(1).error();
  EXPECT_EQ(error.code(), static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
  EXPECT_EQ(ReasonOf(error), "LIMIT_EXCEEDED");
  EXPECT_EQ(MetadataOf(error)["value"], "20971521");
  EXPECT_THAT(ViolationsOf(error),
              UnorderedElementsAre(Key("images[1].encoded")));
  EXPECT_EQ(DetailOf<google::rpc::RequestInfo>(error)->request_id(),
            response.request_id());
}

TEST_F(ClassificationServiceTest,
       WithFailFastOneImageThatIsTooBigFailsTheCall) {
  v1::ClassifyRequest request = OneImage(1);
  request.add_images()->set_encoded(std::string(kMaxImage + 1, 'x'));
  request.set_fail_fast(true);
  const grpc::Status status = Classify(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  EXPECT_THAT(status.error_message(), HasSubstr("images[1]: "));
}

TEST_F(ClassificationServiceTest, NamesEveryViolationOfARequestAtOnce) {
  v1::ClassifyRequest request;
  request.set_model("models/../etc/passwd");
  request.set_top_k(-1);
  request.set_min_probability(std::numeric_limits<float>::quiet_NaN());
  request.set_request_id("tab\there");
  request.set_priority(static_cast<v1::Priority>(99));
  const grpc::Status status = Classify(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  EXPECT_THAT(ViolationsOf(status),
              UnorderedElementsAre(Key("images"), Key("model"), Key("top_k"),
                                   Key("min_probability"), Key("request_id"),
                                   Key("priority")));
}

TEST_F(ClassificationServiceTest, PassesAnErrorOfTheClassifierWithItsDetails) {
  classifier_.SetAnswer([](const ClassifyRequest&) -> absl::Status {
    return Error(absl::StatusCode::kNotFound, Reason::kModelNotFound,
                 "model \"nope\" is not served here")
        .Metadata("available", "fake")
        .Resource("model", "models/nope");
  });
  const grpc::Status status = Classify(OneImage());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND");
  EXPECT_THAT(MetadataOf(status), ElementsAre(Pair("available", "fake")));
  const auto resource = DetailOf<google::rpc::ResourceInfo>(status);
  ASSERT_TRUE(resource.has_value());
  EXPECT_EQ(resource->resource_type(), "model");
  EXPECT_EQ(resource->resource_name(), "models/nope");
}

TEST_F(ClassificationServiceTest, TellsAnOverloadedClientWhenToComeBack) {
  classifier_.SetAnswer([](const ClassifyRequest&) -> absl::Status {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kQueueFull,
                 "queue full")
        .RetryAfter(std::chrono::microseconds(250'400));
  });
  grpc::ClientContext context;
  const grpc::Status status = Classify(context, OneImage());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
  const auto retry = DetailOf<google::rpc::RetryInfo>(status);
  ASSERT_TRUE(retry.has_value());
  EXPECT_EQ(retry->retry_delay().nanos(), 250'400'000);
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto pushback = trailers.find("grpc-retry-pushback-ms");
  ASSERT_NE(pushback, trailers.end());
  EXPECT_EQ(pushback->second, "251");
}

TEST_F(ClassificationServiceTest, HidesAnErrorThatIsNotOurs) {
  classifier_.SetAnswer([](const ClassifyRequest&) -> absl::Status {
    return absl::InvalidArgumentError("/secret/path at 0x7fff: libfoo failed");
  });
  v1::ClassifyRequest request = OneImage();
  request.set_request_id("my-id");
  const grpc::Status status = Classify(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(ReasonOf(status), "INTERNAL");
  EXPECT_EQ(status.error_message(),
            "internal error; the server's log has more under request id my-id");
}

TEST_F(ClassificationServiceTest, ErrorsOfSingleImagesDecodeAsRpcStatus) {
  classifier_.SetAnswer([this](const ClassifyRequest& request) {
    ClassifyResponse response = classifier_.DefaultAnswer(request);
    response.results[1] = Error(absl::StatusCode::kInvalidArgument,
                                Reason::kImageDecodeFailed, "no image at all")
                              .Metadata("cause", "UNSUPPORTED_FORMAT");
    response.results[2] = absl::UnknownError("libfoo failed");
    return response;
  });
  v1::ClassifyRequest request = OneImage();
  request.add_images()->set_encoded("this is a text file");
  request.add_images()->set_encoded("x");
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(request, &response).ok());
  EXPECT_TRUE(response.results(0).has_classification());
  EXPECT_EQ(ReasonOf(response.results(1).error()), "IMAGE_DECODE_FAILED");
  EXPECT_THAT(MetadataOf(response.results(1).error()),
              ElementsAre(Pair("cause", "UNSUPPORTED_FORMAT")));
  EXPECT_EQ(ReasonOf(response.results(2).error()), "INTERNAL");
  EXPECT_THAT(response.results(2).error().message(), Not(HasSubstr("libfoo")));
}

// --- Deadlines and cancellation --------------------------------------------

TEST_F(ClassificationServiceTest, AnnouncesTheDefaultDeadline) {
  SteadyTime deadline;
  classifier_.SetAnswer([&](const ClassifyRequest& request) {
    deadline = request.deadline;
    EXPECT_EQ(request.deadline - request.arrived, std::chrono::seconds(10));
    return classifier_.DefaultAnswer(request);
  });
  grpc::ClientContext context;
  ASSERT_TRUE(Classify(context, OneImage()).ok());
  const auto& initial = context.GetServerInitialMetadata();
  const auto announced = initial.find("resnetd-default-deadline-ms");
  ASSERT_NE(announced, initial.end());
  EXPECT_EQ(announced->second, "10000");
}

TEST_F(ClassificationServiceTest, ARefusedCallHasTheDefaultDeadlineToo) {
  const auto announced = [this](const v1::ClassifyRequest& request) {
    grpc::ClientContext context;
    EXPECT_FALSE(Classify(context, request).ok());
    const auto& initial = context.GetServerInitialMetadata();
    const auto found = initial.find("resnetd-default-deadline-ms");
    return found == initial.end()
               ? std::string()
               : std::string(found->second.data(), found->second.size());
  };
  EXPECT_EQ(announced({}), "10000");
  classifier_.SetCheck([](const ClassifyOutline&) -> absl::Status {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kQueueFull,
                 "queue full");
  });
  EXPECT_EQ(announced(OneImage()), "10000");
  server_->SetReady(false);
  EXPECT_EQ(announced(OneImage()), "10000");
}

TEST_F(ClassificationServiceTest, TakesTheClientsDeadline) {
  Duration left{};
  classifier_.SetAnswer([&](const ClassifyRequest& request) {
    left = request.deadline - request.arrived;
    return classifier_.DefaultAnswer(request);
  });
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(30));
  ASSERT_TRUE(Classify(context, OneImage()).ok());
  EXPECT_GT(left, std::chrono::seconds(20));
  // The timeout travels in whole units, rounded up.
  EXPECT_LE(left, std::chrono::seconds(31));
  EXPECT_EQ(
      context.GetServerInitialMetadata().count("resnetd-default-deadline-ms"),
      0U);
}

TEST_F(ClassificationServiceTest, CapsDeadlinesAtTheMaximum) {
  Duration left{};
  classifier_.SetAnswer([&](const ClassifyRequest& request) {
    left = request.deadline - request.arrived;
    return classifier_.DefaultAnswer(request);
  });
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::hours(1));
  ASSERT_TRUE(Classify(context, OneImage()).ok());
  EXPECT_EQ(left, std::chrono::seconds(60));
}

TEST_F(ClassificationServiceTest, TellsTheClassifierThatTheClientCancelled) {
  classifier_.Hold();
  grpc::ClientContext context;
  auto status = std::async(std::launch::async,
                           [&] { return Classify(context, OneImage()); });
  classifier_.AwaitHeld(1);
  context.TryCancel();
  classifier_.AwaitCancelled();
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ClassificationServiceTest, CountsACallWhoseDeadlinePassedAsLate) {
  classifier_.Hold();
  classifier_.SetAnswer([](const ClassifyRequest&) -> absl::Status {
    return Error(absl::StatusCode::kCancelled, Reason::kCancelled, "gone");
  });
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(500));
  const grpc::Status status = Classify(context, OneImage());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  classifier_.AwaitCancelled();
  classifier_.AwaitDeadline();
  classifier_.Release();
  EXPECT_THAT(
      telemetry_.ended(),
      ElementsAre(Pair("Classify", absl::StatusCode::kDeadlineExceeded)));
}

TEST_F(ClassificationServiceTest, EmbedsImagesInTheirOrder) {
  v1::EmbedRequest request;
  for (const std::size_t bytes : {5U, 1U}) {
    request.add_images()->set_encoded(std::string(bytes, 'x'));
  }
  request.add_images();
  request.set_request_id("mine");
  request.mutable_options()->set_timing(true);
  v1::EmbedResponse response;
  grpc::ClientContext context;
  LimitTime(context);
  const grpc::Status status =
      classification_->Embed(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.results_size(), 3);
  EXPECT_THAT(response.results(0).embedding().values(), ElementsAre(5, 0.5F));
  EXPECT_THAT(response.results(1).embedding().values(), ElementsAre(1, 0.5F));
  EXPECT_EQ(response.results(2).error().code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(response.served_by().model(), "models/fake");
  EXPECT_EQ(response.request_id(), "mine");
  EXPECT_TRUE(response.has_timing());
}

TEST_F(ClassificationServiceTest, RefusesABadRequestForEmbeddings) {
  v1::EmbedRequest request;
  request.set_priority(static_cast<v1::Priority>(9));
  request.set_model("a b");
  v1::EmbedResponse response;
  grpc::ClientContext context;
  LimitTime(context);
  const grpc::Status status =
      classification_->Embed(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(
      ViolationsOf(status),
      UnorderedElementsAre(Key("images"), Key("model"), Key("priority")));
}

TEST_F(ClassificationServiceTest, ClassifyGivesEmbeddingsWhenAsked) {
  v1::ClassifyRequest request = OneImage(4);
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(request, &response).ok());
  EXPECT_EQ(response.results(0).classification().embedding_size(), 0);
  request.mutable_options()->set_embedding(true);
  ASSERT_TRUE(Classify(request, &response).ok());
  EXPECT_THAT(response.results(0).classification().embedding(),
              ElementsAre(4, 0.5F));
}

TEST_F(ClassificationServiceTest, TellsTheClassifierWhoAsks) {
  std::string identity;
  classifier_.SetAnswer([this, &identity](const ClassifyRequest& request) {
    identity = request.identity;
    return classifier_.DefaultAnswer(request);
  });
  ASSERT_TRUE(Classify(OneImage()).ok());
  EXPECT_EQ(identity, "ipv4:127.0.0.1");
}

}  // namespace
}  // namespace resnetd
