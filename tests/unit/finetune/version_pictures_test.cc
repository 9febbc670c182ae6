#include "server/finetune/version_pictures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/finetune/job_inputs.h"
#include "tests/support/fake_model.h"
#include "tests/unit/image/picture_factory.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;

class VersionPicturesTest : public ::testing::Test {
 protected:
  VersionPicturesTest() { facts_.preprocess = {.resize = 8, .crop = 8}; }

  // Two classes of `per_class` pictures, one after the other.
  void MakeDataset(const DatasetName& name, int per_class,
                   const std::string& second = "label-1") {
    const std::vector<std::string> labels = {"label-0", second};
    std::vector<std::string> files;
    for (int i = 0; i < 2 * per_class; ++i) {
      const Pixels pixels = FakePixels(static_cast<std::uint8_t>(i), 16);
      const testing::Encoded png = testing::EncodePng(pixels);
      files.emplace_back(png.begin(), png.end());
    }
    std::vector<UploadedExample> examples;
    for (std::size_t i = 0; i < files.size(); ++i) {
      examples.push_back(
          {.name = "x",
           .label = labels[i / static_cast<std::size_t>(per_class)],
           .bytes = BytesOf(files[i])});
    }
    Must(datasets_->CreateDataset(name, labels, {}));
    Must(datasets_->Add(name, "u", 0, examples));
    Must(datasets_->SealDataset(name, "", {}));
  }
  DatasetName Exemplars() const {
    return ExemplarDataset(facts_.name, facts_.version);
  }

  TempDir folder_;
  std::unique_ptr<Store> store_ =
      Must(Store::Open({.folder = folder_.File("data")}, RealClock()));
  std::unique_ptr<DatasetManager> datasets_ =
      DatasetManager::Create({}, *store_);
  VersionPictures pictures_{*store_, *datasets_};
  VersionFacts facts_ = FakeFacts("m", 2, 3);
};

TEST_F(VersionPicturesTest, AVersionWithoutAnyHasNone) {
  EXPECT_EQ(pictures_.Identity(facts_), "");
  EXPECT_TRUE(pictures_.Read(facts_).pictures.empty());
}

TEST_F(VersionPicturesTest, ReadsThemCutForTheVersionWithItsClasses) {
  MakeDataset(Exemplars(), 4, "another");
  const RealPictures real = pictures_.Read(facts_);
  ASSERT_EQ(real.pictures.size(), 8U);
  EXPECT_EQ(real.pictures.front().width, 8);
  EXPECT_EQ(real.classes,
            (std::vector<int>{0, 0, 0, 0, RealPictures::kNoClass,
                              RealPictures::kNoClass, RealPictures::kNoClass,
                              RealPictures::kNoClass}));
  EXPECT_THAT(real.identity, HasSubstr("dataset "));
  EXPECT_EQ(real.identity, pictures_.Identity(facts_));
  VersionFacts other = facts_;
  other.version.value = 4;
  EXPECT_EQ(pictures_.Identity(other), "");
}

class ManyPicturesTest : public VersionPicturesTest,
                         public ::testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(AtTheLimit, ManyPicturesTest,
                         ::testing::Values(127, 128, 129));

TEST_P(ManyPicturesTest, OfManyTheyLieEvenly) {
  const int per_class = GetParam();
  MakeDataset(Exemplars(), per_class);
  const RealPictures real = pictures_.Read(facts_);
  EXPECT_EQ(real.pictures.size(),
            std::min<std::size_t>(2 * static_cast<std::size_t>(per_class),
                                  kMostRealPictures));
  EXPECT_THAT(real.classes, Each(Ge(0)));
  EXPECT_NEAR(static_cast<double>(
                  std::count(real.classes.begin(), real.classes.end(), 1)),
              static_cast<double>(real.classes.size()) / 2, 1);
}

TEST_F(VersionPicturesTest, ExemplarsThatAreNotWholeYetAreNone) {
  Must(datasets_->CreateDataset(Exemplars(), {"label-0"}, {}));
  EXPECT_EQ(pictures_.Identity(facts_), "");
  EXPECT_TRUE(pictures_.Read(facts_).pictures.empty());
}

TEST_F(VersionPicturesTest, ExemplarsThatWereDeletedAreNone) {
  MakeDataset(Exemplars(), 4);
  Must(datasets_->DeleteDataset(Exemplars(), "", {}));
  EXPECT_EQ(pictures_.Identity(facts_), "");
  EXPECT_TRUE(pictures_.Read(facts_).pictures.empty());
}

}  // namespace
}  // namespace resnetd
