#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/noise_pictures.h"
#include "tests/integration/wire_fixture.h"

namespace resnetd {
namespace {

using grpc::StatusCode;
using testing::Key;
using testing::UnorderedElementsAre;

// Streams, embeddings and tensors, with the real engine and the demo model.
class StreamTest : public WireTest {
 protected:
  void SetUp() override { StartServer(); }

  // The same picture as a tensor, normalised as the manifest of the demo model
  // says, with each step rounded to float as torchvision rounds it.
  static v1::Image Tensor(const std::string& rgb) {
    constexpr std::array<float, 3> kMean = {0.485F, 0.456F, 0.406F};
    constexpr std::array<float, 3> kStd = {0.229F, 0.224F, 0.225F};
    std::vector<float> values(kNoisePixels * 3);
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t i = 0; i < kNoisePixels; ++i) {
        const auto value = static_cast<unsigned char>(rgb[3 * i + c]);
        const float scaled = static_cast<float>(value) / 255.0F;
        const float centred = scaled - kMean.at(c);
        values[c * kNoisePixels + i] = centred / kStd.at(c);
      }
    }
    v1::Image image;
    std::string data(values.size() * sizeof(float), '\0');
    std::memcpy(data.data(), values.data(), data.size());
    image.mutable_tensor()->set_data(data);
    image.mutable_tensor()->set_height(kNoiseSide);
    image.mutable_tensor()->set_width(kNoiseSide);
    image.mutable_tensor()->set_type(v1::TensorImage::TYPE_FP32);
    return image;
  }

  grpc::Status Embed(const v1::EmbedRequest& request,
                     v1::EmbedResponse& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(60));
    return classification_->Embed(&context, request, &response);
  }
};

TEST_F(StreamTest, ATensorGetsTheBitsOfTheSamePixels) {
  v1::ClassifyRequest pixels;
  *pixels.add_images() = RawImageOf(NoiseRgb(1));
  pixels.mutable_options()->set_logits(true);
  v1::ClassifyRequest tensor = pixels;
  *tensor.mutable_images(0) = Tensor(NoiseRgb(1));
  v1::ClassifyResponse of_pixels;
  v1::ClassifyResponse of_tensor;
  ASSERT_TRUE(Classify(pixels, of_pixels).ok());
  const grpc::Status status = Classify(tensor, of_tensor);
  ASSERT_TRUE(status.ok()) << status.error_message();
  for (int c = 0; c < 10; ++c) {
    EXPECT_EQ(of_tensor.results(0).classification().logits(c),
              of_pixels.results(0).classification().logits(c))
        << c;
  }
}

TEST_F(StreamTest, ATensorOfHalvesGetsTheBitsOfTheSameFloats) {
  v1::ClassifyRequest request;
  request.mutable_options()->set_logits(true);
  // Values that a half holds exactly: 0.5, 1 and -2 by turns.
  const std::array<std::uint16_t, 3> halves = {0x3800, 0x3C00, 0xC000};
  const std::array<float, 3> floats = {0.5F, 1.0F, -2.0F};
  std::string half_bytes;
  std::string float_bytes;
  for (std::size_t i = 0; i < 3 * kNoisePixels; ++i) {
    half_bytes.append(reinterpret_cast<const char*>(&halves.at(i % 3)), 2);
    float_bytes.append(reinterpret_cast<const char*>(&floats.at(i % 3)), 4);
  }
  v1::TensorImage& half = *request.add_images()->mutable_tensor();
  half.set_data(half_bytes);
  half.set_height(kNoiseSide);
  half.set_width(kNoiseSide);
  half.set_type(v1::TensorImage::TYPE_FP16);
  v1::TensorImage& single = *request.add_images()->mutable_tensor();
  single = half;
  single.set_data(float_bytes);
  single.set_type(v1::TensorImage::TYPE_FP32);
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(request, response).ok());
  for (int c = 0; c < 10; ++c) {
    EXPECT_EQ(response.results(0).classification().logits(c),
              response.results(1).classification().logits(c));
  }
}

TEST_F(StreamTest, ABadTensorFailsAloneAndSaysWhy) {
  v1::ClassifyRequest request;
  *request.add_images() = Tensor(NoiseRgb(2));
  const auto add_with = [&request](float value) {
    v1::Image image = Tensor(NoiseRgb(2));
    std::memcpy(image.mutable_tensor()->mutable_data()->data() + 4 * 40, &value,
                sizeof(value));
    *request.add_images() = image;
  };
  add_with(std::numeric_limits<float>::quiet_NaN());
  add_with(std::numeric_limits<float>::infinity());
  add_with(1e30F);
  v1::Image wide = Tensor(NoiseRgb(2));
  wide.mutable_tensor()->set_width(kNoiseSide / 2);
  wide.mutable_tensor()->mutable_data()->resize(kNoisePixels * 3 * 2);
  *request.add_images() = wide;
  v1::Image cut = Tensor(NoiseRgb(2));
  cut.mutable_tensor()->mutable_data()->pop_back();
  *request.add_images() = cut;
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(request, response).ok());
  EXPECT_TRUE(response.results(0).has_classification());
  const std::vector<std::string> texts = {"row 1, column 8 is nan", "is inf",
                                          "further from 0", "takes 3x32x32",
                                          "need 12288"};
  for (int i = 1; i < response.results_size(); ++i) {
    const WireError error = Decode(response.results(i).error());
    EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(error.reason, "REQUEST_INVALID");
    EXPECT_NE(error.message.find(texts.at(static_cast<std::size_t>(i - 1))),
              std::string::npos)
        << error.message;
  }
}

TEST_F(StreamTest, EmbeddingsAreThoseOfClassify) {
  v1::ClassifyRequest classify;
  v1::EmbedRequest embed;
  for (int i = 0; i < 5; ++i) {
    *classify.add_images() = RawImageOf(NoiseRgb(i));
    *embed.add_images() = RawImageOf(NoiseRgb(i));
  }
  embed.add_images()->set_encoded("no picture");
  embed.mutable_options()->set_timing(true);
  classify.mutable_options()->set_embedding(true);
  v1::ClassifyResponse classes;
  v1::EmbedResponse embeddings;
  ASSERT_TRUE(Classify(classify, classes).ok());
  const grpc::Status status = Embed(embed, embeddings);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(embeddings.results_size(), 6);
  for (int i = 0; i < 5; ++i) {
    const auto& values = embeddings.results(i).embedding().values();
    const auto& beside = classes.results(i).classification().embedding();
    ASSERT_EQ(values.size(), 64);  // channels of a cifar_resnet8's last stage
    ASSERT_EQ(beside.size(), 64);
    bool some = false;
    for (int c = 0; c < 64; ++c) {
      EXPECT_EQ(values.Get(c), beside.Get(c));
      some |= values.Get(c) > 0;
    }
    EXPECT_TRUE(some);
  }
  EXPECT_EQ(Decode(embeddings.results(5).error()).reason,
            "IMAGE_DECODE_FAILED");
  EXPECT_EQ(embeddings.served_by().model(), "models/digits");
  EXPECT_TRUE(embeddings.has_timing());
  EXPECT_FALSE(embeddings.request_id().empty());
}

TEST_F(StreamTest, AStreamAnswersWhatClassifyAnswers) {
  constexpr int kRequests = 100;
  std::map<std::string, v1::ClassifyResponse> wanted;
  std::vector<v1::ClassifyStreamRequest> messages;
  for (int i = 0; i < kRequests; ++i) {
    v1::ClassifyStreamRequest message;
    *message.mutable_request()->add_images() = RawImageOf(NoiseRgb(i));
    message.mutable_request()->set_request_id(absl::StrCat("r", i));
    message.mutable_request()->set_top_k(1 + i % 10);
    ASSERT_TRUE(Classify(message.request(), wanted[absl::StrCat("r", i)]).ok());
    messages.push_back(std::move(message));
  }
  // Two bad ones between the others.
  messages[10].mutable_request()->set_model("models/nothing");
  messages[20].mutable_request()->mutable_images(0)->set_encoded("x");
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(60));
  const auto call = classification_->ClassifyStream(&context);
  std::map<std::string, v1::ClassifyStreamResponse> found;
  const auto read = [&] {
    v1::ClassifyStreamResponse response;
    ASSERT_TRUE(call->Read(&response));
    EXPECT_TRUE(found.emplace(response.request_id(), response).second);
  };
  // No more in flight than the stream takes: a client that only writes would
  // wait for itself.
  for (int i = 0; i < kRequests; ++i) {
    if (i >= 32) {
      read();
    }
    ASSERT_TRUE(call->Write(messages[static_cast<std::size_t>(i)]));
  }
  call->WritesDone();
  for (int i = 0; i < 32; ++i) {
    read();
  }
  v1::ClassifyStreamResponse none;
  EXPECT_FALSE(call->Read(&none));
  EXPECT_TRUE(call->Finish().ok());
  ASSERT_EQ(found.size(), static_cast<std::size_t>(kRequests));
  EXPECT_EQ(Decode(found.at("r10").error()).reason, "MODEL_NOT_FOUND");
  EXPECT_EQ(Decode(found.at("r20").error()).reason, "IMAGE_DECODE_FAILED");
  found.erase("r10");
  found.erase("r20");
  for (const auto& [id, response] : found) {
    const auto& classes = response.response().results(0).classification();
    const auto& expected = wanted.at(id).results(0).classification();
    ASSERT_EQ(classes.predictions_size(), expected.predictions_size()) << id;
    EXPECT_EQ(classes.predictions(0).index(), expected.predictions(0).index());
    EXPECT_EQ(classes.predictions(0).logit(), expected.predictions(0).logit());
  }
}

TEST_F(StreamTest, DeadlinesOfEveryKindGetTheRightAnswer) {
  v1::ClassifyRequest request;
  *request.add_images() = RawImageOf(NoiseRgb(3));
  const auto classify_within = [&](std::chrono::system_clock::time_point at) {
    grpc::ClientContext context;
    context.set_deadline(at);
    v1::ClassifyResponse response;
    return classification_->Classify(&context, request, &response).error_code();
  };
  const auto now = std::chrono::system_clock::now();
  EXPECT_EQ(classify_within(now - std::chrono::hours(1)),
            StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(classify_within(now), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(classify_within(now + std::chrono::hours(24 * 365 * 50)),
            StatusCode::OK);
  EXPECT_EQ(classify_within(std::chrono::system_clock::time_point::max()),
            StatusCode::OK);
  grpc::ClientContext context;
  const auto call = classification_->ClassifyStream(&context);
  const auto answer_with = [&](std::int64_t seconds, int nanos) {
    v1::ClassifyStreamRequest message;
    *message.mutable_request() = request;
    message.mutable_request()->set_request_id("a");
    message.mutable_timeout()->set_seconds(seconds);
    message.mutable_timeout()->set_nanos(nanos);
    v1::ClassifyStreamResponse response;
    EXPECT_TRUE(call->Write(message));
    EXPECT_TRUE(call->Read(&response));
    return static_cast<StatusCode>(response.error().code());
  };
  EXPECT_EQ(answer_with(0, 0), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(answer_with(0, 1), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(answer_with(-1, 0), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(answer_with(0, -1), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(answer_with(1'000'000'000'000, 0), StatusCode::OK);
  EXPECT_EQ(answer_with(10, 0), StatusCode::OK);
  call->WritesDone();
  v1::ClassifyStreamResponse none;
  EXPECT_FALSE(call->Read(&none));
  EXPECT_TRUE(call->Finish().ok());
}

TEST_F(StreamTest, MixedSourcesOfOneRequestEachGetTheirOwnAnswer) {
  v1::ClassifyRequest request;
  request.add_images()->set_encoded(DemoPicture());
  *request.add_images() = RawImageOf(NoiseRgb(5));
  *request.add_images() = Tensor(NoiseRgb(5));
  v1::Image gray = RawImageOf(NoiseRgb(5));
  gray.mutable_raw()->set_format(v1::RawImage::FORMAT_GRAY8);  // a third
  *request.add_images() = gray;
  v1::Image large = RawImageOf(NoiseRgb(5));
  large.mutable_raw()->set_width(std::numeric_limits<int>::max());
  large.mutable_raw()->set_height(std::numeric_limits<int>::max());
  *request.add_images() = large;
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(request, response).ok());
  EXPECT_EQ(response.results(0).classification().predictions(0).label(), "3");
  EXPECT_EQ(response.results(1).classification().predictions(0).index(),
            response.results(2).classification().predictions(0).index());
  EXPECT_THAT(Decode(response.results(3).error()).violations,
              UnorderedElementsAre(Key("images[3].raw.data")));
  EXPECT_EQ(Decode(response.results(4).error()).reason, "LIMIT_EXCEEDED");
}

}  // namespace
}  // namespace resnetd
