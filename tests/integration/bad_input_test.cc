// Bad input through the wire, against the whole server: the right code, a text
// that says what, which, how much and what to do, and the server stays up.

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "tests/integration/wire_fixture.h"

namespace resnetd {
namespace {

using grpc::StatusCode;

class BadInputTest : public WireTest {
 protected:
  void SetUp() override { StartServer(); }
  void TearDown() override { ExpectStillServing(); }

  static v1::ClassifyRequest Request(int images) {
    v1::ClassifyRequest request;
    for (int i = 0; i < images; ++i) {
      request.add_images()->set_encoded(DemoPicture());
    }
    return request;
  }
};

TEST_F(BadInputTest, AnEmptyRequestIsRefused) {
  const WireError error = ClassifyError({});
  EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(error.reason, "REQUEST_INVALID");
  EXPECT_EQ(error.violations.count("images"), 1U);
}

TEST_F(BadInputTest, TwoHundredFiftySixImagesAreTakenAndOneMoreIsRefused) {
  v1::ClassifyResponse response;
  EXPECT_TRUE(Classify(Request(255), response).ok());
  EXPECT_TRUE(Classify(Request(256), response).ok());
  EXPECT_EQ(response.results_size(), 256);
  const WireError error = ClassifyError(Request(257));
  EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(error.reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(error.metadata.at("limit"), "256");
  EXPECT_EQ(error.metadata.at("value"), "257");
  EXPECT_EQ(error.metadata.at("limit_name"), "max-images-per-request");
}

TEST_F(BadInputTest, AnImageOfOneByteOverTwentyMebibytesIsRefused) {
  constexpr std::size_t kLimit = 20U << 20U;
  // A PNG may be followed by anything, so its size alone is what is refused.
  std::string picture = DemoPicture();
  picture.resize(kLimit + 1);
  v1::ClassifyRequest request;
  request.add_images()->set_encoded(picture);
  const WireError error = ClassifyError(request);
  EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(error.reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(error.metadata.at("limit_name"), "max-image-bytes");
  EXPECT_EQ(error.metadata.at("limit"), std::to_string(kLimit));
  EXPECT_EQ(error.metadata.at("value"), std::to_string(kLimit + 1));
  EXPECT_EQ(error.violations.count("images[0].encoded"), 1U);
  for (const std::size_t bytes : {kLimit, kLimit - 1}) {
    picture.resize(bytes);
    request.mutable_images(0)->set_encoded(picture);
    v1::ClassifyResponse response;
    const grpc::Status status = Classify(request, response);
    EXPECT_TRUE(status.ok()) << bytes << ": " << status.error_message();
  }
}

TEST_F(BadInputTest, AnUnknownModelIsNotFoundAndTheOthersAreNamed) {
  v1::ClassifyRequest request = Request(1);
  request.set_model("models/nothing");
  const WireError error = ClassifyError(request);
  EXPECT_EQ(error.code, StatusCode::NOT_FOUND);
  EXPECT_EQ(error.reason, "MODEL_NOT_FOUND");
  EXPECT_EQ(error.metadata.at("available"), "digits");
}

TEST_F(BadInputTest, AnUnknownVersionIsNotFound) {
  v1::ClassifyRequest request = Request(1);
  request.set_model("models/digits/versions/99");
  const WireError error = ClassifyError(request);
  EXPECT_EQ(error.code, StatusCode::NOT_FOUND);
  EXPECT_EQ(error.reason, "VERSION_NOT_FOUND");
}

TEST_F(BadInputTest, AMalformedModelNameIsInvalid) {
  for (const char* name : {"models/", "models/../etc", "DIGITS", "a b",
                           "models/digits/versions/x", "models/digits/x/1"}) {
    v1::ClassifyRequest request = Request(1);
    request.set_model(name);
    const WireError error = ClassifyError(request);
    EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_EQ(error.reason, "REQUEST_INVALID") << name;
  }
}

TEST_F(BadInputTest, TopKIsTakenUpToTheNumberOfClasses) {
  v1::ClassifyResponse response;
  v1::ClassifyRequest request = Request(1);
  for (const int top_k : {1, 9, 10}) {
    request.set_top_k(top_k);
    EXPECT_TRUE(Classify(request, response).ok());
    EXPECT_EQ(response.results(0).classification().predictions_size(), top_k);
  }
  for (const int top_k : {-1, 11, std::numeric_limits<int>::max()}) {
    request.set_top_k(top_k);
    const WireError error = ClassifyError(request);
    EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(error.violations.count("top_k"), 1U) << error.message;
  }
}

TEST_F(BadInputTest, AProbabilityOutsideZeroToOneIsInvalid) {
  for (const float p :
       {-0.01F, 1.01F, std::numeric_limits<float>::quiet_NaN()}) {
    v1::ClassifyRequest request = Request(1);
    request.set_min_probability(p);
    const WireError error = ClassifyError(request);
    EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(error.violations.count("min_probability"), 1U);
  }
}

TEST_F(BadInputTest, GarbageAndTextAreNoPictures) {
  for (const std::string& bytes :
       {std::string("\x01\x02\x03\x04garbage", 11),
        std::string("This is a text file.\n"), std::string("GIF89a....")}) {
    v1::ClassifyRequest request;
    request.add_images()->set_encoded(bytes);
    const WireError error = ClassifyError(request);
    EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(error.reason, "IMAGE_DECODE_FAILED");
    EXPECT_EQ(error.metadata.at("cause"), "UNSUPPORTED_FORMAT");
    EXPECT_NE(error.message.find("JPEG, PNG"), std::string::npos)
        << error.message;
  }
}

TEST_F(BadInputTest, AnImageWithoutASourceIsRefused) {
  v1::ClassifyRequest request;
  request.add_images();
  const WireError error = ClassifyError(request);
  EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(error.violations.count("images[0]"), 1U) << error.message;
}

TEST_F(BadInputTest, OneBadImageOfThirtyTwoLeavesThirtyOneAnswers) {
  v1::ClassifyRequest request = Request(32);
  std::string cut = DemoPicture();
  cut.resize(cut.size() / 2);
  request.mutable_images(20)->set_encoded(cut);
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(request, response).ok());
  ASSERT_EQ(response.results_size(), 32);
  for (int i = 0; i < 32; ++i) {
    if (i == 20) {
      const WireError error = Decode(response.results(i).error());
      EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
      EXPECT_EQ(error.reason, "IMAGE_DECODE_FAILED");
      EXPECT_EQ(error.metadata.at("cause"), "TRUNCATED");
    } else {
      EXPECT_EQ(response.results(i).classification().predictions(0).label(),
                "3");
    }
  }
}

TEST_F(BadInputTest, FailFastFailsTheCallWithTheBadImage) {
  v1::ClassifyRequest request = Request(3);
  request.mutable_images(1)->set_encoded("no picture");
  request.set_fail_fast(true);
  const WireError error = ClassifyError(request);
  EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(error.violations.count("images[1]"), 1U);
}

TEST_F(BadInputTest, AMessageOverTheLimitIsRefusedByTheTransport) {
  v1::ClassifyRequest request;
  request.set_request_id(std::string(65U << 20U, 'x'));
  v1::ClassifyResponse response;
  EXPECT_EQ(Classify(request, response).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(BadInputTest, ADeadlineThatHasPassedIsDeadlineExceeded) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() -
                       std::chrono::seconds(1));
  v1::ClassifyResponse response;
  EXPECT_EQ(
      classification_->Classify(&context, Request(1), &response).error_code(),
      StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(BadInputTest, NoErrorShowsAPathOrAnAddress) {
  v1::ClassifyRequest unknown = Request(1);
  unknown.set_model("models/nothing");
  v1::ClassifyRequest garbage;
  garbage.add_images()->set_encoded("\xff\xd8\xff garbage");
  for (const v1::ClassifyRequest& request : {unknown, garbage}) {
    const WireError error = ClassifyError(request);
    EXPECT_EQ(error.message.find("0x"), std::string::npos) << error.message;
    EXPECT_EQ(error.message.find(RESNETD_SOURCE_DIR), std::string::npos);
    EXPECT_EQ(error.message.find(".cc"), std::string::npos) << error.message;
  }
}

}  // namespace
}  // namespace resnetd
