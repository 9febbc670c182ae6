#include "client/cli/data_upload.h"

#include <gtest/gtest.h>

#include <string>

#include "server/base/ids.h"

namespace resnetd::cli {
namespace {

LocalData Pictures() {
  return {.pictures = {{.name = "a/1.png", .label = "a", .bytes = 5},
                       {.name = "b/2.png", .label = "b", .bytes = 7}},
          .labels = {"a", "b"}};
}

// Without the digits of the contents.
std::string Stem(const std::string& path) {
  const std::string name = DatasetNameOf(path, Pictures());
  EXPECT_TRUE(DatasetName::Parse(name).ok()) << name;
  return name.substr(0, name.size() - 9);
}

TEST(DataUploadTest, NamesADatasetAfterItsFolder) {
  EXPECT_EQ(Stem("photos"), "photos");
  EXPECT_EQ(Stem("/home/me/My Pets & more/"), "my-pets-more");
  EXPECT_EQ(Stem("../birds.tar.gz"), "birds");
  EXPECT_EQ(Stem("x/../photos/."), "photos");
  EXPECT_EQ(Stem("/"), "data");
  EXPECT_EQ(Stem("/ø/"), "data");
  EXPECT_EQ(Stem(std::string(200, 'a')), std::string(48, 'a'));
}

TEST(DataUploadTest, NamesChangedPicturesDifferently) {
  const std::string before = DatasetNameOf("photos", Pictures());
  EXPECT_EQ(DatasetNameOf("photos", Pictures()), before);
  LocalData changed = Pictures();
  ++changed.pictures[1].changed_ns;
  EXPECT_NE(DatasetNameOf("photos", changed), before);
}

}  // namespace
}  // namespace resnetd::cli
