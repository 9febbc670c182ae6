#include "server/finetune/version_pictures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/finetune/job_inputs.h"
#include "tests/support/fake_model.h"
#include "tests/unit/image/picture_factory.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;

bool Always() { return true; }

class VersionPicturesTest : public ::testing::Test {
 protected:
  VersionPicturesTest() { facts_.preprocess = {.resize = 8, .crop = 8}; }

  // Two classes of `per_class` pictures, one after the other. Of each class the
  // first `trained` are to train on and the others to validate with; negative:
  // that is not said.
  void MakeDataset(const DatasetName& name, int per_class,
                   const std::string& second = "label-1", int trained = -1) {
    const std::vector<std::string> labels = {"label-0", second};
    std::vector<std::string> files;
    for (int i = 0; i < 2 * per_class; ++i) {
      Pixels pixels = FakePixels(static_cast<std::uint8_t>(i), 16);
      pixels.rgb[1] = static_cast<std::uint8_t>(i / 256);
      const testing::Encoded png = testing::EncodePng(pixels);
      files.emplace_back(png.begin(), png.end());
    }
    std::vector<UploadedExample> examples;
    for (std::size_t i = 0; i < files.size(); ++i) {
      examples.push_back(
          {.name = "x",
           .label = labels[i / static_cast<std::size_t>(per_class)],
           .split = SplitOf(static_cast<int>(i) % per_class, trained),
           .bytes = BytesOf(files[i])});
    }
    Must(datasets_->CreateDataset(name, labels, {}));
    Must(datasets_->Add(name, "u", 0, examples));
    Must(datasets_->SealDataset(name, "", {}));
  }
  static ExampleSplit SplitOf(int place, int trained) {
    if (trained < 0) {
      return ExampleSplit::kAuto;
    }
    return place < trained ? ExampleSplit::kTrain : ExampleSplit::kValidation;
  }
  void KeepExemplarsOf(const VersionFacts& version, int trained, int held_out) {
    MakeDataset(ExemplarDataset(version.name, version.version),
                trained + held_out, "label-1", trained);
  }
  static Measurement On(const std::string& name,
                        DatasetPart part = DatasetPart::kAll) {
    return {.dataset = DatasetName::Parse(name).value(), .part = part};
  }
  static DatasetName Called(const std::string& name) {
    return DatasetName::Parse(name).value();
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
  MakeDataset(Called("d"), 4, "another");
  const RealPictures real = Must(pictures_.ReadFor(facts_, On("d"), 1, Always));
  ASSERT_EQ(real.pictures.size(), 8U);
  EXPECT_EQ(real.pictures.front().width, 8);
  EXPECT_EQ(real.classes,
            (std::vector<int>{0, 0, 0, 0, RealPictures::kNoClass,
                              RealPictures::kNoClass, RealPictures::kNoClass,
                              RealPictures::kNoClass}));
  EXPECT_NE(real.identity, "");
}

TEST_F(VersionPicturesTest, OfManyTheyLieEvenlyInThePart) {
  for (const int per_class : {127, 128, 129}) {
    const std::string name = absl::StrCat("d", per_class);
    MakeDataset(Called(name), per_class);
    const RealPictures real =
        Must(pictures_.ReadFor(facts_, On(name), 1, Always));
    EXPECT_EQ(real.pictures.size(),
              std::min<std::size_t>(2 * static_cast<std::size_t>(per_class),
                                    kMostRealPictures));
    EXPECT_THAT(real.classes, Each(Ge(0)));
    EXPECT_NEAR(static_cast<double>(
                    std::count(real.classes.begin(), real.classes.end(), 1)),
                static_cast<double>(real.classes.size()) / 2, 1);
  }
}

TEST_F(VersionPicturesTest, TooFewAndAnUnknownDatasetAreRefused) {
  MakeDataset(Called("d"), 4);
  EXPECT_EQ(pictures_.ReadFor(facts_, On("d"), 8, Always).status(),
            absl::OkStatus());
  EXPECT_EQ(ReasonOf(pictures_.ReadFor(facts_, On("d"), 9, Always).status()),
            "TOO_FEW_EXAMPLES");
  EXPECT_EQ(ReasonOf(pictures_.ReadFor(facts_, On("x"), 1, Always).status()),
            "DATASET_NOT_FOUND");
  EXPECT_EQ(pictures_.ReadFor(facts_, On("d"), 1, [] { return false; })
                .status()
                .code(),
            absl::StatusCode::kCancelled);
}

TEST_F(VersionPicturesTest, ExemplarsOfTheVersionAreTakenByThemselves) {
  KeepExemplarsOf(facts_, 3, 1);
  EXPECT_THAT(pictures_.Identity(facts_), HasSubstr("exemplars "));
  const RealPictures real = pictures_.Read(facts_);
  EXPECT_EQ(real.pictures.size(), 8U);
  EXPECT_EQ(real.trained, 6U);
  EXPECT_EQ(real.classes, (std::vector<int>{0, 0, 0, 1, 1, 1, 0, 1}));
  EXPECT_EQ(real.identity, pictures_.Identity(facts_));
  VersionFacts other = facts_;
  other.version.value = 4;
  EXPECT_EQ(pictures_.Identity(other), "");
}

TEST_F(VersionPicturesTest, OfManyExemplarsThoseThatJudgeAreTheMost) {
  struct Case {
    int trained;
    int held_out;
    std::size_t calibrating;
    std::size_t judging;
  };
  VersionFacts version = facts_;
  for (const Case& one :
       {Case{32, 64, 64, 128}, Case{33, 95, 64, 190}, Case{33, 96, 64, 192},
        Case{33, 97, 64, 192}, Case{20, 97, 40, 194}, Case{10, 119, 20, 236},
        Case{0, 129, 0, 256}, Case{40, 0, 64, 0}}) {
    ++version.version.value;
    KeepExemplarsOf(version, one.trained, one.held_out);
    const RealPictures real = pictures_.Read(version);
    EXPECT_EQ(real.trained, one.calibrating) << one.trained;
    EXPECT_EQ(real.pictures.size(), one.calibrating + one.judging);
    EXPECT_THAT(real.classes, Each(Ge(0)));
  }
}

TEST_F(VersionPicturesTest, ExemplarsThatAreNotWholeYetAreNone) {
  Must(datasets_->CreateDataset(ExemplarDataset(facts_.name, facts_.version),
                                {"label-0"}, {}));
  EXPECT_EQ(pictures_.Identity(facts_), "");
  EXPECT_TRUE(pictures_.Read(facts_).pictures.empty());
}

TEST_F(VersionPicturesTest, ExemplarsThatWereDeletedAreNone) {
  const DatasetName exemplars = ExemplarDataset(facts_.name, facts_.version);
  MakeDataset(exemplars, 4);
  Must(datasets_->DeleteDataset(exemplars, "", {}));
  EXPECT_EQ(pictures_.Identity(facts_), "");
  EXPECT_TRUE(pictures_.Read(facts_).pictures.empty());
}

TEST_F(VersionPicturesTest,
       WhatWasNamedGoesBeforeExemplarsAndOutlivesARestart) {
  MakeDataset(ExemplarDataset(facts_.name, facts_.version), 4);
  MakeDataset(Called("d"), 30);
  const Measurement what = On("d", DatasetPart::kTrain);
  const RealPictures read = Must(pictures_.ReadFor(facts_, what, 1, Always));
  ASSERT_TRUE(pictures_.Remember(facts_, what, read.identity).ok());
  const VersionPictures again(*store_, *datasets_);
  EXPECT_EQ(again.Identity(facts_), read.identity);
  EXPECT_EQ(again.Read(facts_).pictures.size(), read.pictures.size());
  EXPECT_LT(read.pictures.size(), 60U) << "20 % are to validate with";
  // Its identity stays when the dataset goes: a choice that was made holds.
  Must(datasets_->DeleteDataset(Called("d"), "", {}));
  EXPECT_EQ(again.Identity(facts_), read.identity);
  EXPECT_TRUE(again.Read(facts_).pictures.empty());
}

TEST(PictureNoteTest, IsReadBackAsItWas) {
  const Measurement what = {
      .dataset = DatasetName::Parse("photos").value(),
      .part = DatasetPart::kTest,
      .split = {.validation = 0.25, .test = 0.125, .seed = ~std::uint64_t{0}}};
  const std::string text =
      FormatPictureNote({.what = what, .identity = "these"});
  const PictureNote note = Must(ParsePictureNote(text));
  EXPECT_EQ(note.identity, "these");
  EXPECT_EQ(note.what.dataset, what.dataset);
  EXPECT_EQ(note.what.part, what.part);
  EXPECT_EQ(note.what.split.validation, 0.25);
  EXPECT_EQ(note.what.split.test, 0.125);
  EXPECT_EQ(note.what.split.seed, ~std::uint64_t{0});
}

TEST(PictureNoteTest, WhatIsNoNoteIsRefused) {
  const std::string good = FormatPictureNote(
      {.what = {.dataset = DatasetName::Parse("photos").value()},
       .identity = "these"});
  const std::pair<std::string, std::string> rows[] = {
      {"photos", "No Name"},
      {"validation\",\"v", "half\",\"v"},
      {"\"seed\":\"0\"", "\"seed\":\"-1\""},
      {"identity", "identities"},
      {"}", ""}};
  for (const auto& [from, to] : rows) {
    const std::string text = absl::StrReplaceAll(good, {{from, to}});
    ASSERT_NE(text, good) << from;
    EXPECT_FALSE(ParsePictureNote(text).ok()) << text;
  }
}

}  // namespace
}  // namespace resnetd
