#include "server/app/calibration_folder.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/base/ids.h"
#include "server/image/pixels.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

namespace fs = std::filesystem;

constexpr char kDemo[] = RESNETD_SOURCE_DIR "/demo";

ModelName Name(const std::string& name) {
  return ModelName::Parse(name).value();
}

class CalibrationFolderTest : public testing::Test {
 protected:
  // Copies a digit of the demo into `folder` of the folder.
  void Put(const std::string& name, const std::string& folder = "") {
    fs::create_directories(dir_.path() + "/" + folder);
    fs::copy_file(std::string(kDemo) + "/digit-0.png",
                  absl::StrCat(dir_.path(), "/", folder, "/", name));
  }

  CalibrationPictures Folder() const {
    return CalibrationFolder(dir_.path(), {});
  }

  TempDir dir_;
  const PreprocessSpec preprocess_ = {.resize = 32, .crop = 32};
};

TEST_F(CalibrationFolderTest, ReadsEveryPictureAndLeavesOutTheRest) {
  const CalibrationPictures pictures = CalibrationFolder(kDemo, {});
  const std::vector<Pixels> read = pictures.read(Name("digits"), preprocess_);
  ASSERT_EQ(read.size(), 10U) << "JPEG, PNG and WebP, but not README.md";
  for (const Pixels& picture : read) {
    EXPECT_EQ(picture.width, 32);
    EXPECT_EQ(picture.height, 32);
  }
  EXPECT_NE(pictures.identity(Name("digits")), "");
}

TEST_F(CalibrationFolderTest, AFolderOfTheModelGoesBeforeTheOther) {
  Put("a.png");
  Put("b.png");
  Put("c.png", "digits");
  EXPECT_EQ(Folder().read(Name("digits"), preprocess_).size(), 1U);
  EXPECT_EQ(Folder().read(Name("cats"), preprocess_).size(), 3U);
  EXPECT_NE(Folder().identity(Name("digits")), Folder().identity(Name("cats")));
}

TEST_F(CalibrationFolderTest, OtherPicturesHaveAnotherIdentity) {
  Put("a.png");
  const std::string before = Folder().identity(Name("m"));
  EXPECT_EQ(Folder().identity(Name("m")), before);
  Put("b.png");
  EXPECT_NE(Folder().identity(Name("m")), before);
}

TEST_F(CalibrationFolderTest, OfManyItTakesTheMostThatAreWanted) {
  for (std::size_t i = 0; i < kMostCalibrationPictures + 1; ++i) {
    Put(absl::StrCat(i, ".png"));
  }
  EXPECT_EQ(Folder().read(Name("m"), preprocess_).size(),
            kMostCalibrationPictures);
}

TEST_F(CalibrationFolderTest, PicturesBeyondTheLimitsAreLeftOut) {
  Put("a.png");
  EXPECT_TRUE(CalibrationFolder(dir_.path(), {.max_encoded_bytes = 10})
                  .read(Name("m"), preprocess_)
                  .empty());
}

TEST_F(CalibrationFolderTest, WithoutAFolderThereAreNoPictures) {
  EXPECT_FALSE(CalibrationFolder("", {}).read);
  const CalibrationPictures missing =
      CalibrationFolder(dir_.path() + "/missing", {});
  EXPECT_TRUE(missing.read(Name("m"), preprocess_).empty());
  EXPECT_EQ(missing.identity(Name("m")), "");
}

}  // namespace
}  // namespace resnetd
