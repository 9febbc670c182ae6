#include "server/app/calibration_folder.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/image/pixels.h"
#include "tests/support/fake_model.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

namespace fs = std::filesystem;

constexpr char kDemo[] = RESNETD_SOURCE_DIR "/demo";

VersionFacts Facts(const std::string& name) {
  VersionFacts facts = FakeFacts(name);
  facts.preprocess = {.resize = 32, .crop = 32};
  return facts;
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
};

TEST_F(CalibrationFolderTest, ReadsEveryPictureAndLeavesOutTheRest) {
  const CalibrationPictures pictures = CalibrationFolder(kDemo, {});
  const RealPictures real = pictures.read(Facts("digits"));
  EXPECT_EQ(real.identity, pictures.identity(Facts("digits")));
  EXPECT_TRUE(real.classes.empty());
  const std::vector<Pixels>& read = real.pictures;
  ASSERT_EQ(read.size(), 10U) << "JPEG, PNG and WebP, but not README.md";
  for (const Pixels& picture : read) {
    EXPECT_EQ(picture.width, 32);
    EXPECT_EQ(picture.height, 32);
  }
  EXPECT_NE(pictures.identity(Facts("digits")), "");
}

TEST_F(CalibrationFolderTest, AFolderOfTheModelGoesBeforeTheOther) {
  Put("a.png");
  Put("b.png");
  Put("c.png", "digits");
  EXPECT_EQ(Folder().read(Facts("digits")).pictures.size(), 1U);
  EXPECT_EQ(Folder().read(Facts("cats")).pictures.size(), 3U);
  EXPECT_NE(Folder().identity(Facts("digits")),
            Folder().identity(Facts("cats")));
}

TEST_F(CalibrationFolderTest, OtherPicturesHaveAnotherIdentity) {
  Put("a.png");
  const std::string before = Folder().identity(Facts("m"));
  EXPECT_EQ(Folder().identity(Facts("m")), before);
  Put("b.png");
  EXPECT_NE(Folder().identity(Facts("m")), before);
}

TEST_F(CalibrationFolderTest, OfManyItTakesTheMostThatAreWanted) {
  for (std::size_t i = 0; i < kMostRealPictures + 1; ++i) {
    Put(absl::StrCat(i, ".png"));
  }
  EXPECT_EQ(Folder().read(Facts("m")).pictures.size(), kMostRealPictures);
}

TEST_F(CalibrationFolderTest, PicturesBeyondTheLimitsAreLeftOut) {
  Put("a.png");
  EXPECT_TRUE(CalibrationFolder(dir_.path(), {.max_encoded_bytes = 10})
                  .read(Facts("m"))
                  .pictures.empty());
}

TEST_F(CalibrationFolderTest, WithoutAFolderThereAreNoPictures) {
  EXPECT_FALSE(CalibrationFolder("", {}).read);
  const CalibrationPictures missing =
      CalibrationFolder(dir_.path() + "/missing", {});
  EXPECT_TRUE(missing.read(Facts("m")).pictures.empty());
  EXPECT_EQ(missing.identity(Facts("m")), "");
}

}  // namespace
}  // namespace resnetd
