#include "client/cli/bench_pictures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "client/error_info.h"
#include "tests/support/temp_dir.h"

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;

std::string BytesOf(const client::Image& image) {
  return std::get<client::EncodedImage>(image).bytes;
}

TEST(ReadPicturesTest, FilesAndWhatLiesBelowFoldersInTheOrderOfNames) {
  const TempDir folder;
  folder.MakeFolder("b");
  folder.Write("b/2.png", "second");
  folder.Write("b/1.jpg", "first");
  folder.Write("b/readme.txt", "no picture");
  const std::string alone = folder.Write("z.webp", "alone");
  const auto pictures = ReadPictures({alone, folder.path() + "/b"});
  ASSERT_TRUE(pictures.ok()) << pictures.status();
  ASSERT_EQ(pictures->size(), 3U);
  EXPECT_EQ(BytesOf((*pictures)[0]), "alone");
  EXPECT_EQ(BytesOf((*pictures)[1]), "first");
  EXPECT_EQ(BytesOf((*pictures)[2]), "second");
}

TEST(ReadPicturesTest, MoreThanTheLimitAreLeftOut) {
  const TempDir folder;
  for (std::size_t i = 0; i <= kMostBenchPictures; ++i) {
    folder.Write(std::to_string(i) + ".png", "x");
  }
  const auto pictures = ReadPictures({folder.path()});
  ASSERT_TRUE(pictures.ok());
  EXPECT_EQ(pictures->size(), kMostBenchPictures);
}

TEST(ReadPicturesTest, AnErrorNamesTheFile) {
  const TempDir folder;
  const auto missing = ReadPictures({folder.path() + "/none.jpg"});
  EXPECT_EQ(client::ErrorInfoOf(missing.status()).reason, "FILE_NOT_FOUND");
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("none.jpg"));
  const auto empty = ReadPictures({folder.Write("empty.png", "")});
  EXPECT_EQ(client::ErrorInfoOf(empty.status()).reason, "FILE_EMPTY");
  const TempDir bare;
  EXPECT_EQ(client::ErrorInfoOf(ReadPictures({bare.path()}).status()).reason,
            "DATA_EMPTY");
}

TEST(NoisePicturesTest, TheyHaveTheSizeAndFollowFromTheSeed) {
  const auto pictures = NoisePictures(5, true, 1);
  ASSERT_FALSE(pictures.empty());
  const auto& first = std::get<client::RawImage>(pictures[0]);
  EXPECT_EQ(first.bytes.size(), 75U);
  EXPECT_EQ(first.height, 5);
  EXPECT_EQ(first.width, 5);
  EXPECT_TRUE(first.at_network_size);
  EXPECT_NE(first.bytes, std::get<client::RawImage>(pictures[1]).bytes);
  EXPECT_EQ(first.bytes,
            std::get<client::RawImage>(NoisePictures(5, false, 1)[0]).bytes);
  EXPECT_NE(first.bytes,
            std::get<client::RawImage>(NoisePictures(5, true, 2)[0]).bytes);
}

}  // namespace
}  // namespace resnetd::cli
