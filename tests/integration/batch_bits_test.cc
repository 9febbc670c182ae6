// Whether an answer depends on what runs beside it: over the wire, with the
// real engine, the demo model, and batches as they come.

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/noise_pictures.h"
#include "tests/integration/wire_fixture.h"

namespace resnetd {
namespace {

using grpc::StatusCode;

constexpr int kPictures = 32;
// The first one, one in between, the last one.
constexpr int kBadPlaces[] = {0, 13, kPictures - 1};

class BatchBitsTest : public WireTest {
 protected:
  using Logits = std::vector<float>;

  static v1::ClassifyRequest RequestOf(int pictures) {
    v1::ClassifyRequest request;
    request.mutable_options()->set_logits(true);
    request.mutable_options()->set_timing(true);
    for (int i = 0; i < pictures; ++i) {
      *request.add_images() = RawImageOf(NoiseRgb(i));
    }
    return request;
  }

  // Pictures that are bad each in a way of their own.
  static v1::Image BadImage(int place) {
    v1::Image image = RawImageOf(NoiseRgb(place));
    if (place % 2 == 1) {
      image.mutable_raw()->mutable_data()->pop_back();
      return image;
    }
    std::string cut = DemoPicture();
    cut.resize(cut.size() / 2);
    image.set_encoded(cut);
    return image;
  }

  static Logits LogitsOf(const v1::ClassifyResult& result) {
    EXPECT_TRUE(result.has_classification()) << result.ShortDebugString();
    const auto& logits = result.classification().logits();
    return {logits.begin(), logits.end()};
  }

  // The answers to one call with so many pictures.
  std::vector<Logits> Clean(int pictures = kPictures) {
    v1::ClassifyResponse response;
    const grpc::Status status = Classify(RequestOf(pictures), response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    largest_batch_ = response.timing().batch_size();
    std::vector<Logits> found;
    for (const v1::ClassifyResult& result : response.results()) {
      found.push_back(LogitsOf(result));
      EXPECT_EQ(found.back().size(), 10U);
    }
    return found;
  }

  // The answers to one picture a message, each in the place of its picture;
  // `bad`: this one is bad, -1: none.
  std::map<std::string, v1::ClassifyStreamResponse> Stream(int bad) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(60));
    const auto call = classification_->ClassifyStream(&context);
    for (int i = 0; i < kPictures; ++i) {
      v1::ClassifyStreamRequest message;
      *message.mutable_request() = RequestOf(0);
      message.mutable_request()->set_request_id(absl::StrCat(i));
      *message.mutable_request()->add_images() =
          i == bad ? BadImage(i) : RawImageOf(NoiseRgb(i));
      EXPECT_TRUE(call->Write(message));
    }
    call->WritesDone();
    std::map<std::string, v1::ClassifyStreamResponse> found;
    v1::ClassifyStreamResponse response;
    while (call->Read(&response)) {
      EXPECT_TRUE(found.emplace(response.request_id(), response).second);
    }
    EXPECT_TRUE(call->Finish().ok());
    EXPECT_EQ(found.size(), static_cast<std::size_t>(kPictures));
    return found;
  }

  // Of the last call of Clean().
  int largest_batch_ = 0;
};

TEST_F(BatchBitsTest, ABadImageOfThirtyTwoChangesNoBitOfTheOthers) {
  StartServer();
  const std::vector<Logits> wanted = Clean();
  // What is compared did run side by side.
  EXPECT_GT(largest_batch_, 1);
  for (const int bad : kBadPlaces) {
    v1::ClassifyRequest request = RequestOf(kPictures);
    *request.mutable_images(bad) = BadImage(bad);
    v1::ClassifyResponse response;
    ASSERT_TRUE(Classify(request, response).ok());
    ASSERT_EQ(response.results_size(), kPictures);
    for (int i = 0; i < kPictures; ++i) {
      if (i == bad) {
        EXPECT_EQ(response.results(i).error().code(),
                  StatusCode::INVALID_ARGUMENT);
        continue;
      }
      EXPECT_EQ(LogitsOf(response.results(i)),
                wanted[static_cast<std::size_t>(i)])
          << "image " << i << " beside bad image " << bad;
    }
  }
}

TEST_F(BatchBitsTest, ABadRequestOfThirtyTwoOnAStreamChangesNoBitOfTheOthers) {
  StartServer();
  const std::vector<Logits> wanted = Clean();
  for (const int bad : {-1, 0, 13, kPictures - 1}) {
    const auto found = Stream(bad);
    for (int i = 0; i < kPictures; ++i) {
      const v1::ClassifyStreamResponse& answer = found.at(absl::StrCat(i));
      if (i == bad) {
        EXPECT_EQ(answer.error().code(), StatusCode::INVALID_ARGUMENT);
        continue;
      }
      ASSERT_EQ(answer.response().results_size(), 1);
      EXPECT_EQ(LogitsOf(answer.response().results(0)),
                wanted[static_cast<std::size_t>(i)])
          << "request " << i << " beside bad request " << bad;
    }
  }
}

TEST_F(BatchBitsTest, PicturesThatRunAloneHaveTheSameBits) {
  StartServer();
  const std::vector<Logits> wanted = Clean();
  Config alone = TestConfig();
  alone.max_batch = 1;
  server_.reset();
  StartServer(alone);
  EXPECT_EQ(Clean(), wanted);
  EXPECT_EQ(largest_batch_, 1);
}

// As one row of three, or of four, whatever came with them.
TEST_F(BatchBitsTest, FillingBatchesUpChangesNoBit) {
  StartServer();
  const std::vector<Logits> wanted = Clean();
  const std::vector<std::string> table[] = {{"4"}, {"3", "4"}, {"2", "4"}};
  for (const std::vector<std::string>& sizes : table) {
    Config filled = TestConfig();
    filled.max_batch = 4;
    filled.allowed_batch_sizes = sizes;
    server_.reset();
    StartServer(filled);
    for (const int pictures : {1, 2, 3, 5, kPictures}) {
      EXPECT_EQ(Clean(pictures),
                std::vector<Logits>(wanted.begin(), wanted.begin() + pictures))
          << pictures << " pictures, sizes from " << sizes[0];
    }
  }
}

}  // namespace
}  // namespace resnetd
