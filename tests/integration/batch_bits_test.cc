// Whether an answer depends on what runs beside it: over the wire, with the
// real engine, the demo model, and batches as they come.

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/base/thread.h"
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

// Requests of 2 to 8 pictures of every kind, some of them bad, over one stream
// that has up to 64 of them in flight: who shares a batch with whom is chance.
class MixedBatchesTest : public BatchBitsTest {
 protected:
  static std::size_t Requests() {
    return std::getenv("RESNETD_TEST_LONG") != nullptr ? 10'000 : 300;
  }

  // One of kPictures that can be computed.
  static v1::Image GoodImage(int number) {
    v1::Image image = RawImageOf(NoiseRgb(number));
    switch (number % 4) {
      case 0: {
        // To be resized, by a decoder.
        image.mutable_raw()->set_at_network_size(false);
        image.mutable_raw()->set_width(kNoiseSide / 2);
        image.mutable_raw()->set_height(kNoiseSide * 2);
        return image;
      }
      case 1: {
        v1::Image tensor;
        std::string values;
        for (const char byte : NoiseRgb(number)) {
          const float value = static_cast<float>(byte) / 64;
          std::array<char, sizeof(value)> bytes{};
          std::memcpy(bytes.data(), &value, sizeof(value));
          values.append(bytes.data(), bytes.size());
        }
        tensor.mutable_tensor()->set_data(values);
        tensor.mutable_tensor()->set_height(kNoiseSide);
        tensor.mutable_tensor()->set_width(kNoiseSide);
        tensor.mutable_tensor()->set_type(v1::TensorImage::TYPE_FP32);
        return tensor;
      }
      case 2:
        if (number == 2) {
          v1::Image encoded;
          encoded.set_encoded(DemoPicture());
          return encoded;
        }
        return image;
      default:
        return image;
    }
  }

  // Refused by the rules of the API, by a decoder, or for what the model takes.
  static v1::Image WrongImage(unsigned kind) {
    v1::Image image;
    switch (kind % 5) {
      case 0:
      case 1:
        return BadImage(static_cast<int>(kind % 5));
      case 2:
        image.set_encoded("neither JPEG nor PNG nor WebP");
        return image;
      case 3:
        image = GoodImage(1);
        // The first value is no number.
        image.mutable_tensor()->mutable_data()->replace(0, 4, 4, '\xff');
        return image;
      default:
        image = GoodImage(1);
        image.mutable_tensor()->set_height(kNoiseSide - 1);
        image.mutable_tensor()->mutable_data()->resize(
            sizeof(float) * 3 * kNoiseSide * (kNoiseSide - 1));
        return image;
    }
  }

  // The numbers of the pictures of a request; -1: a bad one. At least one is
  // good and one is bad, wherever.
  static std::vector<int> PicturesOf(std::mt19937& random) {
    std::vector<int> pictures(2 + random() % 7);
    const auto good = [&random] {
      return static_cast<int>(random() % kPictures);
    };
    for (int& picture : pictures) {
      picture = random() % 4 == 0 ? -1 : good();
    }
    const std::size_t size = pictures.size();
    const std::size_t bad = random() % size;
    pictures[bad] = -1;
    pictures[(bad + 1 + random() % (size - 1)) % size] = good();
    return pictures;
  }

  static v1::ClassifyStreamRequest MessageOf(std::size_t id) {
    std::mt19937 random(static_cast<unsigned>(id));
    v1::ClassifyStreamRequest message;
    v1::ClassifyRequest& request = *message.mutable_request();
    request = RequestOf(0);
    request.set_request_id(absl::StrCat(id));
    // Waits as long as its deadline lets it, also on a busy machine.
    request.set_priority(v1::PRIORITY_BATCH);
    message.mutable_timeout()->set_seconds(60);
    for (const int picture : PicturesOf(random)) {
      *request.add_images() = picture < 0
                                  ? WrongImage(static_cast<unsigned>(random()))
                                  : GoodImage(picture);
    }
    return message;
  }

  // Of the good pictures without bad ones beside them.
  std::vector<Logits> WantedLogits() {
    v1::ClassifyRequest request = RequestOf(0);
    for (int i = 0; i < kPictures; ++i) {
      *request.add_images() = GoodImage(i);
    }
    v1::ClassifyResponse response;
    const grpc::Status status = Classify(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<Logits> found;
    for (const v1::ClassifyResult& result : response.results()) {
      found.push_back(LogitsOf(result));
    }
    return found;
  }

  static void Check(const v1::ClassifyStreamResponse& answer,
                    const std::vector<Logits>& wanted) {
    unsigned id = 0;
    ASSERT_TRUE(absl::SimpleAtoi(answer.request_id(), &id));
    std::mt19937 random(id);
    const std::vector<int> pictures = PicturesOf(random);
    ASSERT_TRUE(answer.has_response()) << answer.error().message();
    const auto& results = answer.response().results();
    ASSERT_EQ(results.size(), static_cast<int>(pictures.size()));
    for (int i = 0; i < results.size(); ++i) {
      const int picture = pictures[static_cast<std::size_t>(i)];
      if (picture < 0) {
        ASSERT_EQ(results[i].error().code(), StatusCode::INVALID_ARGUMENT)
            << "image " << i << " of request " << answer.request_id();
      } else {
        ASSERT_EQ(LogitsOf(results[i]),
                  wanted[static_cast<std::size_t>(picture)])
            << "image " << i << " of request " << answer.request_id();
      }
    }
  }
};

TEST_F(MixedBatchesTest, BadPicturesAnywhereChangeNoBitOfTheGoodOnes) {
  StartServer();
  const std::vector<Logits> wanted = WantedLogits();
  ASSERT_EQ(wanted.size(), static_cast<std::size_t>(kPictures));
  const std::size_t requests = Requests();
  grpc::ClientContext context;
  const auto call = classification_->ClassifyStream(&context);
  const Thread writer("writer", [&] {
    for (std::size_t id = 0; id < requests && call->Write(MessageOf(id));
         ++id) {
    }
    call->WritesDone();
  });
  std::set<std::string> answered;
  std::size_t shared = 0;
  v1::ClassifyStreamResponse answer;
  while (call->Read(&answer)) {
    Check(answer, wanted);
    EXPECT_TRUE(answered.insert(answer.request_id()).second);
    shared += answer.response().timing().batch_size() > 1 ? 1 : 0;
    if (HasFailure()) {
      context.TryCancel();
    }
  }
  EXPECT_TRUE(call->Finish().ok());
  EXPECT_EQ(answered.size(), requests);
  // What is compared did run side by side.
  EXPECT_GT(shared, requests / 2);
}

}  // namespace
}  // namespace resnetd
