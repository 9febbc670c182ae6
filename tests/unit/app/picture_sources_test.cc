#include "server/app/picture_sources.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

// Pictures of model `model` alone, called `identity`.
CalibrationPictures Only(const std::string& model,
                         const std::string& identity) {
  return {.read =
              [model, identity](const VersionFacts& version) {
                RealPictures real;
                if (version.name.text() == model) {
                  real.identity = identity;
                }
                return real;
              },
          .identity =
              [model, identity](const VersionFacts& version) {
                return version.name.text() == model ? identity : std::string();
              }};
}

TEST(PictureSourcesTest, TheFirstThatHasPicturesGivesThem) {
  const CalibrationPictures both =
      FirstOf(Only("a", "first"), Only("a", "second"));
  EXPECT_EQ(both.identity(FakeFacts("a")), "first");
  EXPECT_EQ(both.read(FakeFacts("a")).identity, "first");
  const CalibrationPictures other =
      FirstOf(Only("b", "first"), Only("a", "second"));
  EXPECT_EQ(other.identity(FakeFacts("a")), "second");
  EXPECT_EQ(other.read(FakeFacts("a")).identity, "second");
  EXPECT_EQ(other.identity(FakeFacts("c")), "");
}

TEST(PictureSourcesTest, ASourceThatIsNoneIsLeftOut) {
  EXPECT_EQ(FirstOf({}, Only("a", "x")).identity(FakeFacts("a")), "x");
  EXPECT_EQ(FirstOf(Only("a", "x"), {}).identity(FakeFacts("a")), "x");
  EXPECT_FALSE(FirstOf({}, {}).read);
}

}  // namespace
}  // namespace resnetd
