#include "client/cli/image_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "client/error_info.h"
#include "server/base/thread.h"
#include "tests/support/temp_dir.h"

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;

class ImageFileTest : public testing::Test {
 protected:
  std::string ReasonOf(const std::string& name) {
    const absl::Status error = InspectImageFile(name, input_).status();
    EXPECT_TRUE(absl::IsInvalidArgument(error)) << error;
    return client::ErrorInfoOf(error).reason;
  }

  TempDir folder_;
  std::istringstream input_;
};

TEST_F(ImageFileTest, ReadsAFile) {
  auto file = InspectImageFile(folder_.Write("a.jpg", "pixels"), input_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->bytes, 6U);
  EXPECT_FALSE(file->is_stream);
  EXPECT_EQ(*ReadImageFile(*file), "pixels");
}

TEST_F(ImageFileTest, ReadsStandardInputAndPipesWhole) {
  input_.str("piped");
  auto file = InspectImageFile("-", input_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->bytes, 5U);
  EXPECT_EQ(*ReadImageFile(*file), "piped");

  const std::string pipe = folder_.File("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const Thread writer("writer", [&pipe] {
    std::ofstream(pipe, std::ios::binary) << "through a pipe";
  });
  file = InspectImageFile(pipe, input_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*ReadImageFile(*file), "through a pipe");
}

TEST_F(ImageFileTest, TellsWhyAFileCannotBeSent) {
  EXPECT_EQ(ReasonOf(folder_.File("none.jpg")), "FILE_NOT_FOUND");
  EXPECT_EQ(ReasonOf(folder_.Write("a", "x") + "/b"), "FILE_NOT_FOUND");
  EXPECT_EQ(ReasonOf(""), "FILE_NOT_FOUND");
  EXPECT_EQ(ReasonOf(folder_.path()), "FILE_IS_DIRECTORY");
  EXPECT_EQ(ReasonOf(folder_.Write("empty", "")), "FILE_EMPTY");
  EXPECT_EQ(ReasonOf("-"), "FILE_EMPTY");
  EXPECT_EQ(ReasonOf(folder_.File(std::string(300, 'x'))), "FILE_UNREADABLE");
  EXPECT_EQ(ReasonOf("/proc/self/mem"), "FILE_EMPTY");
}

TEST_F(ImageFileTest, TakesExactlyTheLimit) {
  const std::string file = folder_.Write("large", "");
  std::filesystem::resize_file(file, kMaxImageBytes - 1);
  EXPECT_TRUE(InspectImageFile(file, input_).ok());
  std::filesystem::resize_file(file, kMaxImageBytes);
  EXPECT_TRUE(InspectImageFile(file, input_).ok());
  std::filesystem::resize_file(file, kMaxImageBytes + 1);
  EXPECT_EQ(ReasonOf(file), "FILE_TOO_LARGE");
  const absl::Status error = InspectImageFile(file, input_).status();
  EXPECT_THAT(
      std::string(error.message()),
      HasSubstr("has 20,971,521 bytes, at most 20.0 MiB (20,971,520 bytes)"));

  input_.str(std::string(kMaxImageBytes, 'x'));
  EXPECT_TRUE(InspectImageFile("-", input_).ok());
  input_.clear();
  input_.str(std::string(kMaxImageBytes + 1, 'x'));
  EXPECT_EQ(ReasonOf("-"), "FILE_TOO_LARGE");
}

TEST_F(ImageFileTest, NoticesThatAFileHasChangedOrGone) {
  const std::string path = folder_.Write("a", "pixels");
  auto file = InspectImageFile(path, input_);
  for (const char* content : {"pixels and more", "pix", ""}) {
    folder_.Write("a", content);
    EXPECT_EQ(client::ErrorInfoOf(ReadImageFile(*file).status()).reason,
              "FILE_UNREADABLE");
  }
  std::filesystem::remove(path);
  EXPECT_FALSE(ReadImageFile(*file).ok());
}

}  // namespace
}  // namespace resnetd::cli
