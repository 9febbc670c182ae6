#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "tests/integration/wire_fixture.h"

namespace resnetd {
namespace {

using client::ClassifyAnswer;
using client::EncodedImage;
using client::RawImage;
using client::TensorImage;

constexpr int kSide = 32;
constexpr std::size_t kPixels = std::size_t{kSide} * kSide;
constexpr std::size_t kValues = 3 * kPixels;

// Everything that a picture may be made of, from the client library to the
// real engine and back.
class ClientInputsTest : public WireTest {
 protected:
  void SetUp() override {
    StartServer();
    absl::StatusOr<Client> client = Client::Create(
        {.server = absl::StrCat("127.0.0.1:", server_->grpc_port()),
         .timeout = std::chrono::seconds(60)});
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = std::make_unique<Client>(*std::move(client));
  }

  static std::string Rgb() {
    std::string rgb(kValues, '\0');
    unsigned state = 12'345U;
    for (char& value : rgb) {
      state = state * 1'664'525U + 1'013'904'223U;
      value = static_cast<char>(state >> 24U);
    }
    return rgb;
  }

  static RawImage Raw() {
    return {.bytes = Rgb(),
            .height = kSide,
            .width = kSide,
            .at_network_size = true};
  }

  // The same picture, normalised as the manifest of the demo model says.
  static std::vector<float> Normalised() {
    constexpr std::array<float, 3> kMean = {0.485F, 0.456F, 0.406F};
    constexpr std::array<float, 3> kStd = {0.229F, 0.224F, 0.225F};
    const std::string rgb = Rgb();
    std::vector<float> values(kValues);
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t i = 0; i < kPixels; ++i) {
        const auto value = static_cast<unsigned char>(rgb[3 * i + c]);
        const float scaled = static_cast<float>(value) / 255.0F;
        const float centred = scaled - kMean.at(c);
        values[c * kPixels + i] = centred / kStd.at(c);
      }
    }
    return values;
  }

  template <typename Value>
  static std::string BytesOf(const std::vector<Value>& values) {
    std::string bytes(values.size() * sizeof(Value), '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  }

  static TensorImage Tensor(const std::vector<float>& values) {
    return {.bytes = BytesOf(values), .height = kSide, .width = kSide};
  }

  absl::StatusOr<ClassifyAnswer> Ask(std::vector<client::Image> images) {
    client::ClassifyRequest request;
    request.images = std::move(images);
    request.logits = true;
    request.embedding = true;
    return client_->Classify(std::move(request));
  }

  std::unique_ptr<Client> client_;
};

TEST_F(ClientInputsTest, ATensorGetsTheBitsOfTheSamePixels) {
  const auto answer = Ask({Raw(), Tensor(Normalised())});
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_TRUE(answer->results[1].ok()) << answer->results[1].status();
  EXPECT_EQ(answer->results[0]->logits.size(), 10U);
  EXPECT_EQ(answer->results[0]->logits, answer->results[1]->logits);
  EXPECT_EQ(answer->results[0]->embedding, answer->results[1]->embedding);
}

TEST_F(ClientInputsTest, HalvesAreTakenAsTheNumbersThatTheyAre) {
  // 0.5, 1 and -2 by turns, which both forms hold exactly.
  constexpr std::array<std::uint16_t, 3> kHalves = {0x3800, 0x3C00, 0xC000};
  constexpr std::array<float, 3> kSingles = {0.5F, 1.0F, -2.0F};
  std::vector<std::uint16_t> halves(kValues);
  std::vector<float> singles(kValues);
  for (std::size_t i = 0; i < kValues; ++i) {
    halves[i] = kHalves.at(i % 3);
    singles[i] = kSingles.at(i % 3);
  }
  const auto answer =
      Ask({Tensor(singles), TensorImage{.bytes = BytesOf(halves),
                                        .height = kSide,
                                        .width = kSide,
                                        .type = TensorImage::Type::kFp16}});
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_TRUE(answer->results[1].ok()) << answer->results[1].status();
  for (std::size_t c = 0; c < 10; ++c) {
    EXPECT_NEAR(answer->results[0]->logits[c], answer->results[1]->logits[c],
                1e-5);
  }
}

TEST_F(ClientInputsTest, ABadTensorFailsBesideAnEncodedPicture) {
  std::vector<float> values = Normalised();
  values[7] = std::numeric_limits<float>::infinity();
  const auto answer = Ask({EncodedImage{.bytes = DemoPicture()}, Tensor(values),
                           Tensor(Normalised())});
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_TRUE(answer->results[0].ok());
  EXPECT_EQ(answer->results[0]->predictions[0].label, "3");
  EXPECT_EQ(answer->results[1].status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(answer->results[2].ok());
}

TEST_F(ClientInputsTest, AByteTooFewOrTooManyFailsTheTensorByName) {
  for (const std::size_t bytes : {4 * kValues - 1, 4 * kValues + 1}) {
    TensorImage tensor = Tensor(Normalised());
    tensor.bytes.resize(bytes);
    const auto answer = Ask({Raw(), std::move(tensor)});
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_TRUE(answer->results[0].ok());
    const absl::Status& error = answer->results[1].status();
    EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
    const client::ErrorInfo info = client::ErrorInfoOf(error);
    ASSERT_EQ(info.violations.size(), 1U) << error;
    EXPECT_EQ(info.violations[0].first, "images[1].tensor.data");
  }
}

TEST_F(ClientInputsTest, ATensorOfAnotherSizeFailsAlone) {
  const TensorImage small{.bytes = std::string(3 * 31 * 32 * sizeof(float), 0),
                          .height = 31,
                          .width = 32};
  const auto answer = Ask({small, Raw()});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->results[0].status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(answer->results[1].ok());
}

TEST_F(ClientInputsTest, TheEmbeddingBesidePredictionsIsThatOfEmbed) {
  const auto classified = Ask({Raw(), EncodedImage{.bytes = DemoPicture()}});
  ASSERT_TRUE(classified.ok()) << classified.status();
  client::EmbedRequest request;
  request.images = {Raw(), EncodedImage{.bytes = DemoPicture()}};
  const auto embedded = client_->Embed(std::move(request));
  ASSERT_TRUE(embedded.ok()) << embedded.status();
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(embedded->embeddings[i].ok());
    EXPECT_FALSE(embedded->embeddings[i]->empty());
    EXPECT_EQ(classified->results[i]->embedding, *embedded->embeddings[i]);
  }
}

}  // namespace
}  // namespace resnetd
