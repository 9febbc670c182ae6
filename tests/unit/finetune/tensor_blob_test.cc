#include "server/finetune/tensor_blob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/models/safetensors.h"
#include "server/store/store.h"

namespace resnetd {
namespace {

constexpr std::int64_t kPlenty = 1 << 20;

class TensorBlobTest : public testing::Test {
 protected:
  Digest Keep(const std::string& bytes) {
    auto blob =
        store_->NewBlob(static_cast<std::int64_t>(bytes.size())).value();
    EXPECT_TRUE(
        blob->Write({reinterpret_cast<const std::uint8_t*>(bytes.data()),
                     bytes.size()})
            .ok());
    blob->Digested();
    return blob->Commit().value();
  }

  const std::unique_ptr<Store> store_ = Store::Open({}, RealClock()).value();
};

TEST_F(TensorBlobTest, GivesBackEveryBitOfEveryValue) {
  const TensorList tensors = {
      {"b.weight",
       {.shape = {2, 2},
        .values = {1.5F, -0.0F, std::numeric_limits<float>::denorm_min(),
                   std::numeric_limits<float>::quiet_NaN()}}},
      {"a", {.shape = {}, .values = {7}}},
      {"empty", {.shape = {0, 3}, .values = {}}}};
  const auto digest = StoreTensors(tensors, *store_);
  ASSERT_TRUE(digest.ok()) << digest.status();
  const auto read = ReadTensors(*digest, kPlenty, *store_);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 3U);
  EXPECT_EQ((*read)[0].first, "a");
  EXPECT_EQ((*read)[1].first, "b.weight");
  EXPECT_EQ((*read)[2].first, "empty");
  EXPECT_THAT((*read)[1].second.shape, testing::ElementsAre(2, 2));
  EXPECT_EQ(std::memcmp((*read)[1].second.values.data(),
                        tensors[0].second.values.data(), 4 * sizeof(float)),
            0);
  EXPECT_TRUE((*read)[2].second.values.empty());
}

TEST_F(TensorBlobTest, TheSameTensorsInAnotherOrderAreTheSameBlob) {
  const Tensor one{.shape = {1}, .values = {1}};
  const Tensor two{.shape = {1}, .values = {2}};
  EXPECT_EQ(StoreTensors({{"a", one}, {"b", two}}, *store_).value(),
            StoreTensors({{"b", two}, {"a", one}}, *store_).value());
  EXPECT_NE(StoreTensors({{"a", one}, {"b", two}}, *store_).value(),
            StoreTensors({{"a", two}, {"b", one}}, *store_).value());
}

TEST_F(TensorBlobTest, RefusesWhatIsNoCheckpoint) {
  const auto text = ReadTensors(Keep("no tensors"), kPlenty, *store_);
  EXPECT_EQ(text.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DetailsOf(text.status()).reason, "CHECKPOINT_CORRUPT");

  std::string header =
      R"({"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  const auto integers =
      ReadTensors(Keep(file + header + std::string(8, '\0')), kPlenty, *store_);
  EXPECT_EQ(DetailsOf(integers.status()).reason, "CHECKPOINT_CORRUPT");
  EXPECT_THAT(std::string(integers.status().message()),
              testing::HasSubstr("I64"));

  EXPECT_EQ(
      DetailsOf(ReadTensors(Digest(64, '0'), kPlenty, *store_).status()).reason,
      "BLOB_NOT_FOUND");
}

TEST_F(TensorBlobTest, ReadsNoMoreThanItMay) {
  const TensorList tensors = {{"a", {.shape = {1}, .values = {1}}}};
  const Digest digest = StoreTensors(tensors, *store_).value();
  const auto size = store_->OpenBlob(digest).value()->size();
  EXPECT_TRUE(ReadTensors(digest, size, *store_).ok());
  EXPECT_EQ(DetailsOf(ReadTensors(digest, size - 1, *store_).status()).reason,
            "LIMIT_EXCEEDED");
}

TEST_F(TensorBlobTest, MakesAFileOfWeights) {
  const TensorList tensors = {{"fc.bias", {.shape = {2}, .values = {1, 2}}}};
  const auto file = SafetensorsFile::Parse(WeightsFileOf(tensors).value());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->tensors().at(0).name, "fc.bias");
  EXPECT_THAT(file->metadata(),
              testing::ElementsAre(testing::Pair("format", "pt")));
}

TEST_F(TensorBlobTest, RefusesTwoTensorsOfOneName) {
  const Tensor one{.shape = {1}, .values = {1}};
  EXPECT_EQ(StoreTensors({{"a", one}, {"a", one}}, *store_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace resnetd
