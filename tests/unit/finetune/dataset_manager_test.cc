#include "server/finetune/dataset_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/finetune/dataset_report.h"
#include "server/telemetry/serving_metrics.h"
#include "tests/unit/finetune/dataset_fixture.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

// A catalog of a store that says so many times that a picture is there.
class RacingCatalog final : public DatasetCatalog {
 public:
  RacingCatalog(DatasetCatalog& catalog, int refusals)
      : catalog_(catalog), refusals_(refusals) {}

  absl::StatusOr<DatasetRow> CreateDataset(
      const DatasetName& name, const std::vector<std::string>& labels,
      const Mutation& mutation) override {
    return catalog_.CreateDataset(name, labels, mutation);
  }
  // Called once, before the next examples are added.
  std::function<void()> before_append;

  absl::StatusOr<DatasetRow> AppendExamples(
      const ExampleBatch& batch) override {
    if (const auto before = std::exchange(before_append, nullptr)) {
      before();
    }
    if (refusals_-- > 0) {
      return absl::AlreadyExistsError("another upload was faster");
    }
    return catalog_.AppendExamples(batch);
  }
  absl::StatusOr<std::int64_t> UploadIndex(const DatasetName& dataset,
                                           absl::string_view upload) override {
    return catalog_.UploadIndex(dataset, upload);
  }
  absl::StatusOr<std::optional<ExampleRow>> FindExample(
      const DatasetName& dataset, const Digest& image) override {
    return catalog_.FindExample(dataset, image);
  }
  absl::StatusOr<DatasetRow> SealDataset(const DatasetName& name,
                                         absl::string_view etag,
                                         const Mutation& mutation) override {
    return catalog_.SealDataset(name, etag, mutation);
  }
  absl::StatusOr<DatasetRow> DeleteDataset(const DatasetName& name,
                                           absl::string_view etag,
                                           const Mutation& mutation) override {
    return catalog_.DeleteDataset(name, etag, mutation);
  }
  absl::StatusOr<std::vector<DatasetRow>> ListDatasets() override {
    return catalog_.ListDatasets();
  }
  absl::StatusOr<DatasetRow> GetDataset(const DatasetName& name) override {
    return catalog_.GetDataset(name);
  }
  absl::StatusOr<std::vector<ExampleRow>> ListExamples(
      const DatasetName& dataset, std::int64_t after,
      std::size_t limit) override {
    return catalog_.ListExamples(dataset, after, limit);
  }
  absl::StatusOr<std::vector<RejectedRow>> ListRejected(
      const DatasetName& dataset, std::int64_t after,
      std::size_t limit) override {
    return catalog_.ListRejected(dataset, after, limit);
  }

 private:
  DatasetCatalog& catalog_;
  int refusals_;
};

class DatasetManagerTest : public ::testing::Test {
 protected:
  void Open(const DatasetOptions& options = {}) {
    store_ = Must(Store::Open({}, clock_));
    telemetry_ = Telemetry::Create();
    DatasetOptions counted = options;
    counted.metrics = &telemetry_->training();
    manager_ = DatasetManager::Create(counted, *store_);
    Must(manager_->CreateDataset(pets_, {"cat", "dog"}, {}));
  }
  void SetUp() override { Open(); }

  DatasetRow Pets() { return Must(manager_->GetDataset(pets_)); }
  UploadProgress Add(std::int64_t first_index,
                     const std::vector<UploadedExample>& examples,
                     const std::string& upload = "up") {
    return Must(manager_->Add(pets_, upload, first_index, examples));
  }
  static std::vector<std::string> CodesOf(const UploadProgress& progress) {
    std::vector<std::string> codes;
    for (const RejectedExample& rejected : progress.rejected) {
      codes.push_back(absl::StrCat(rejected.index, " ", rejected.code));
    }
    return codes;
  }
  std::vector<ExampleRow> Examples() {
    return Must(manager_->ListExamples(pets_, 0, 1000));
  }

  const DatasetName pets_ = Must(DatasetName::Parse("pets"));
  const std::string a_ = PngOf(1);
  const std::string b_ = PngOf(2, 9, 5);
  const std::string c_ = PngOf(3);
  FakeClock clock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Telemetry> telemetry_;
  std::unique_ptr<DatasetManager> manager_;
};

TEST_F(DatasetManagerTest, TakesPicturesAndKnowsThemAgain) {
  const UploadProgress progress =
      Add(0, {ExampleOf(a_, "dog", ExampleSplit::kTest), ExampleOf(b_, "cat")});
  EXPECT_EQ(progress.next_index, 2);
  EXPECT_EQ(progress.accepted, 2);
  EXPECT_THAT(progress.rejected, IsEmpty());
  const std::vector<ExampleRow> rows = Examples();
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[0].image, DigestOfText(a_));
  EXPECT_EQ(rows[0].label, 1);
  EXPECT_EQ(rows[0].split, ExampleSplit::kTest);
  EXPECT_EQ(rows[1].width, 9);
  EXPECT_EQ(rows[1].height, 5);
  EXPECT_EQ(rows[0].pack, rows[1].pack);
  EXPECT_EQ(Pets().examples, 2);
  EXPECT_EQ(Pets().bytes, static_cast<std::int64_t>(a_.size() + b_.size()));
}

TEST_F(DatasetManagerTest, PicturesComeBackAsTheyWereDecoded) {
  Add(0, {ExampleOf(a_, "dog"), ExampleOf("bad", "cat"), ExampleOf(b_, "cat")});
  Add(3, {ExampleOf(c_, "cat")});
  std::vector<ExampleRow> rows = Examples();
  std::swap(rows[0], rows[2]);
  const std::vector<Pixels> pictures = Must(manager_->ReadPictures(rows));
  ASSERT_THAT(pictures, SizeIs(3));
  EXPECT_EQ(pictures[0].rgb, Must(DecodeImage(AsBytes(c_), {})).rgb);
  EXPECT_EQ(pictures[1].rgb, Must(DecodeImage(AsBytes(b_), {})).rgb);
  EXPECT_EQ(pictures[2].rgb, Must(DecodeImage(AsBytes(a_), {})).rgb);
}

TEST_F(DatasetManagerTest, APictureThatIsNotItselfIsDataLoss) {
  Add(0, {ExampleOf(a_, "dog"), ExampleOf(b_, "cat")});
  std::vector<ExampleRow> rows = Examples();
  rows[0].image = DigestOfText("something else");
  const absl::Status status = manager_->ReadPictures(rows).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_EQ(DetailsOf(status).reason, "STORE_CORRUPT");
  rows[0] = rows[1];
  rows[0].pack = DigestOfText("no such pack");
  EXPECT_FALSE(manager_->ReadPictures(rows).ok());
}

TEST_F(DatasetManagerTest, LimitsThatCameLaterDoNotLockPicturesOut) {
  Add(0, {ExampleOf(a_, "dog")});
  const std::unique_ptr<DatasetManager> strict =
      DatasetManager::Create({.decode = {.max_encoded_bytes = 1}}, *store_);
  EXPECT_TRUE(strict->ReadPictures(Examples()).ok());
}

TEST_F(DatasetManagerTest, WhatIsNotInOrderIsRejectedOneByOne) {
  std::string damaged = a_;
  damaged[damaged.size() / 2] ^= 0x40;
  const std::string truncated = a_.substr(0, 60);
  const UploadProgress progress =
      Add(0, {ExampleOf(damaged, "cat", ExampleSplit::kAuto, "cats/1.png"),
              ExampleOf(a_, "fox"), ExampleOf(truncated, "cat"),
              ExampleOf(b_, "cat"), ExampleOf("", "cat"),
              ExampleOf("GIF89a", "cat")});
  EXPECT_EQ(progress.accepted, 1);
  EXPECT_EQ(progress.next_index, 6);
  EXPECT_THAT(CodesOf(progress),
              ElementsAre("0 DECODE_FAILED", "1 LABEL_UNKNOWN", "2 TRUNCATED",
                          "4 EMPTY", "5 UNSUPPORTED_FORMAT"));
  EXPECT_THAT(progress.rejected[1].message, HasSubstr("no label \"fox\""));
  const auto rejected = Must(manager_->ListRejected(pets_, 0, 100));
  ASSERT_THAT(rejected, SizeIs(5));
  EXPECT_EQ(rejected[0].name, "cats/1.png");
  EXPECT_EQ(rejected[0].label, "cat");
  EXPECT_EQ(rejected[0].code, "DECODE_FAILED");
  EXPECT_EQ(rejected[0].message, progress.rejected[0].message);
  EXPECT_EQ(Pets().rejected, 5);
  for (const std::string code : {"DECODE_FAILED", "LABEL_UNKNOWN", "TRUNCATED",
                                 "EMPTY", "UNSUPPORTED_FORMAT"}) {
    EXPECT_THAT(
        telemetry_->Expose(),
        HasSubstr("examples_rejected_total{code=\"" + code + "\"} 1\n"));
  }
}

TEST_F(DatasetManagerTest, OnlyBeginningsOfLongTextsAreKept) {
  Add(0, {ExampleOf("", std::string(300, 'l'), ExampleSplit::kAuto,
                    std::string(600, 'n'))});
  const auto rejected = Must(manager_->ListRejected(pets_, 0, 100));
  EXPECT_EQ(rejected[0].name, std::string(512, 'n'));
  EXPECT_EQ(rejected[0].label, std::string(256, 'l'));
}

TEST_F(DatasetManagerTest, TheSamePictureIsTakenOnce) {
  EXPECT_EQ(Add(0, {ExampleOf(a_, "cat"), ExampleOf(a_, "cat")}).duplicates, 1);
  const UploadProgress again =
      Add(0, {ExampleOf(a_, "cat"), ExampleOf(b_, "cat")}, "another");
  EXPECT_EQ(again.duplicates, 1);
  EXPECT_EQ(again.accepted, 1);
  EXPECT_THAT(again.rejected, IsEmpty());
  EXPECT_EQ(Pets().examples, 2);
}

TEST_F(DatasetManagerTest, APictureHasOneLabel) {
  const UploadProgress within =
      Add(0, {ExampleOf(a_, "cat"), ExampleOf(a_, "dog")});
  EXPECT_THAT(CodesOf(within), ElementsAre("1 DUPLICATE_CONFLICTING_LABEL"));
  EXPECT_THAT(within.rejected[0].message, HasSubstr("label \"cat\""));
  const UploadProgress later = Add(2, {ExampleOf(a_, "dog")});
  EXPECT_THAT(CodesOf(later), ElementsAre("2 DUPLICATE_CONFLICTING_LABEL"));
  EXPECT_EQ(Examples()[0].label, 0);
}

TEST_F(DatasetManagerTest, APictureIsInOneSplit) {
  const UploadProgress within =
      Add(0, {ExampleOf(a_, "cat", ExampleSplit::kTrain),
              ExampleOf(a_, "cat", ExampleSplit::kValidation),
              ExampleOf(a_, "cat", ExampleSplit::kTrain), ExampleOf(a_, "cat"),
              ExampleOf(b_, "cat")});
  EXPECT_EQ(within.accepted, 2);
  EXPECT_EQ(within.duplicates, 2);
  EXPECT_THAT(CodesOf(within), ElementsAre("1 LEAKED_ACROSS_SPLITS"));
  // Sent for no split first, it may be anywhere.
  const UploadProgress later =
      Add(5, {ExampleOf(a_, "cat", ExampleSplit::kTest),
              ExampleOf(b_, "cat", ExampleSplit::kTest)});
  EXPECT_THAT(CodesOf(later),
              ElementsAre("5 LEAKED_ACROSS_SPLITS", "6 LEAKED_ACROSS_SPLITS"));
}

TEST_F(DatasetManagerTest, AnotherPictureMayTakeThePlaceOfARejectedOne) {
  // The first is not taken, so that it says nothing about the second.
  const UploadProgress progress =
      Add(0, {ExampleOf(a_, "fox"), ExampleOf(a_, "dog")});
  EXPECT_EQ(progress.accepted, 1);
  EXPECT_THAT(CodesOf(progress), ElementsAre("0 LABEL_UNKNOWN"));
}

TEST_F(DatasetManagerTest, AnUploadGoesOnWhereItWas) {
  EXPECT_EQ(Must(manager_->UploadIndex(pets_, "up")), 0);
  Add(0, {ExampleOf(a_, "cat"), ExampleOf("bad", "cat")});
  EXPECT_EQ(Must(manager_->UploadIndex(pets_, "up")), 2);
  EXPECT_EQ(Must(manager_->UploadIndex(pets_, "another")), 0);
  // What was dealt with is passed over, whatever it is now.
  const UploadProgress again = Add(
      0, {ExampleOf(b_, "cat"), ExampleOf(b_, "cat"), ExampleOf(c_, "cat")});
  EXPECT_EQ(again.accepted, 1);
  EXPECT_EQ(again.duplicates, 0);
  EXPECT_EQ(again.next_index, 3);
  EXPECT_EQ(Examples()[1].image, DigestOfText(c_));
  const UploadProgress nothing = Add(1, {ExampleOf(b_, "cat")});
  EXPECT_EQ(nothing.next_index, 3);
  EXPECT_EQ(nothing.accepted, 0);
  EXPECT_EQ(Pets().rejected, 1);
}

TEST_F(DatasetManagerTest, AnUploadHasNoGaps) {
  Add(0, {ExampleOf(a_, "cat")});
  const std::vector<UploadedExample> next = {ExampleOf(b_, "cat")};
  const absl::Status status = manager_->Add(pets_, "up", 2, next).status();
  EXPECT_TRUE(absl::IsAborted(status));
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "ETAG_MISMATCH");
  EXPECT_THAT(details.metadata, ElementsAre(std::pair<std::string, std::string>(
                                    "next_index", "1")));
  EXPECT_EQ(Pets().examples, 1);
}

TEST_F(DatasetManagerTest, ASealedDatasetTakesNoMore) {
  Add(0, {ExampleOf(a_, "cat")});
  const DatasetRow sealed = Must(manager_->SealDataset(pets_, "", {}));
  EXPECT_EQ(sealed.state, DatasetState::kSealed);
  EXPECT_EQ(sealed.digest, SealedDigest({"cat", "dog"}, Examples()));
  const std::vector<UploadedExample> next = {ExampleOf(b_, "cat")};
  EXPECT_EQ(DetailsOf(manager_->Add(pets_, "up", 1, next).status()).reason,
            "DATASET_SEALED");
  EXPECT_EQ(DetailsOf(manager_->UploadIndex(pets_, "up").status()).reason,
            "DATASET_SEALED");
  EXPECT_EQ(Must(manager_->SealDataset(pets_, "", {})).digest, sealed.digest);
}

TEST_F(DatasetManagerTest, AnEmptyDatasetCannotBeSealed) {
  Add(0, {ExampleOf("bad", "cat")});
  const absl::Status status = manager_->SealDataset(pets_, "", {}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(DetailsOf(status).reason, "TOO_FEW_EXAMPLES");
  EXPECT_EQ(Pets().state, DatasetState::kOpen);
}

TEST_F(DatasetManagerTest, ADatasetTakesAsManyExamplesAsTheLimitAllows) {
  Open({.max_examples = 3});
  Add(0, {ExampleOf(a_, "cat"), ExampleOf(b_, "cat")});
  const std::string d = PngOf(4);
  const std::vector<UploadedExample> two = {ExampleOf(c_, "cat"),
                                            ExampleOf(d, "cat")};
  const absl::Status status = manager_->Add(pets_, "up", 2, two).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(DetailsOf(status).reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(Pets().examples, 2);
  EXPECT_EQ(Add(2, {ExampleOf(c_, "cat")}).accepted, 1);
  // Full: what adds nothing still goes through.
  EXPECT_EQ(Add(3, {ExampleOf(c_, "cat")}).duplicates, 1);
  const std::vector<UploadedExample> one = {ExampleOf(d, "cat")};
  EXPECT_FALSE(manager_->Add(pets_, "up", 4, one).ok());
}

TEST_F(DatasetManagerTest, ADatasetTakesAsManyBytesAsTheLimitAllows) {
  const auto both = static_cast<std::int64_t>(a_.size() + b_.size());
  const std::vector<UploadedExample> first = {ExampleOf(a_, "cat")};
  const std::vector<UploadedExample> second = {ExampleOf(b_, "cat")};
  Open({.max_bytes = both - 1});
  Add(0, first);
  const absl::Status status = manager_->Add(pets_, "up", 1, second).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(status.message(),
            absl::StrCat("the dataset would have ", both,
                         " bytes of pictures, at most ", both - 1,
                         " are accepted (--max-dataset-bytes)"));
  EXPECT_EQ(DetailsOf(status).reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(DetailsOf(status).metadata,
              Contains(Pair("limit_name", "max-dataset-bytes")));
  // What adds nothing still goes through.
  EXPECT_EQ(Add(1, first).duplicates, 1);
  for (const std::int64_t room : {both, both + 1}) {
    Open({.max_bytes = room});
    Add(0, first);
    EXPECT_EQ(Add(1, second).accepted, 1);
    EXPECT_EQ(Pets().bytes, both);
  }
}

TEST_F(DatasetManagerTest, RejectedExamplesHaveALimitToo) {
  Open({.max_examples = 2});
  Add(0, {ExampleOf("bad", "cat"), ExampleOf("bad", "cat")});
  const std::vector<UploadedExample> one = {ExampleOf("bad", "cat")};
  const absl::Status status = manager_->Add(pets_, "up", 2, one).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("rejected examples"));
}

TEST_F(DatasetManagerTest, UploadsAtTheSameTimeAgreeOnEachPicture) {
  RacingCatalog racing(store_->datasets(), 3);
  const std::unique_ptr<DatasetManager> manager =
      DatasetManager::Create({}, *store_, racing);
  const std::vector<UploadedExample> examples = {ExampleOf(a_, "cat")};
  EXPECT_EQ(Must(manager->Add(pets_, "up", 0, examples)).accepted, 1);
  RacingCatalog hopeless(store_->datasets(), 1000);
  const std::unique_ptr<DatasetManager> other =
      DatasetManager::Create({}, *store_, hopeless);
  const std::vector<UploadedExample> next = {ExampleOf(b_, "cat")};
  const absl::Status status = other->Add(pets_, "up", 1, next).status();
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("same pictures"));
}

TEST_F(DatasetManagerTest, AStreamThatStillAddsIsPassedOverByTheNext) {
  RacingCatalog racing(store_->datasets(), 0);
  const std::unique_ptr<DatasetManager> manager =
      DatasetManager::Create({}, *store_, racing);
  // The old stream commits its batch while the new one decodes the same.
  racing.before_append = [this] {
    Add(0, {ExampleOf(a_, "cat"), ExampleOf(b_, "cat")});
  };
  const std::vector<UploadedExample> examples = {
      ExampleOf(a_, "cat"), ExampleOf(b_, "cat"), ExampleOf(c_, "cat")};
  const UploadProgress progress = Must(manager->Add(pets_, "up", 0, examples));
  EXPECT_EQ(progress.next_index, 3);
  EXPECT_EQ(progress.accepted, 1);
  EXPECT_EQ(progress.duplicates, 0);
  EXPECT_EQ(Pets().examples, 3);
}

TEST_F(DatasetManagerTest, ManyUploadsAtOnceAddEachPictureOnce) {
  std::vector<std::string> pictures;
  for (unsigned i = 0; i < 24; ++i) {
    pictures.push_back(PngOf(100 + i));
  }
  std::vector<std::thread> uploads;
  for (int u = 0; u < 4; ++u) {
    uploads.emplace_back([&, u] {
      for (std::size_t i = 0; i < pictures.size(); i += 6) {
        std::vector<UploadedExample> batch;
        for (std::size_t j = i; j < i + 6; ++j) {
          batch.push_back(ExampleOf(pictures[j], "cat"));
        }
        Must(manager_->Add(pets_, absl::StrCat("up", u),
                           static_cast<std::int64_t>(i), batch));
      }
    });
  }
  for (std::thread& upload : uploads) {
    upload.join();
  }
  std::set<Digest> seen;
  for (const ExampleRow& row : Examples()) {
    EXPECT_TRUE(seen.insert(row.image).second);
  }
  EXPECT_EQ(seen.size(), pictures.size());
  EXPECT_EQ(Pets().rejected, 0);
}

TEST_F(DatasetManagerTest, UnknownDatasetsAreNotFound) {
  const DatasetName none = Must(DatasetName::Parse("none"));
  const std::vector<UploadedExample> one = {ExampleOf(a_, "cat")};
  for (const absl::Status& status :
       {manager_->Add(none, "up", 0, one).status(),
        manager_->UploadIndex(none, "up").status(),
        manager_->SealDataset(none, "", {}).status(),
        manager_->DeleteDataset(none, "", {}).status(),
        manager_->GetDataset(none).status()}) {
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_EQ(DetailsOf(status).reason, "DATASET_NOT_FOUND");
  }
}

TEST_F(DatasetManagerTest, AWrongUploadNameIsRefused) {
  const std::vector<UploadedExample> one = {ExampleOf(a_, "cat")};
  EXPECT_TRUE(
      absl::IsInvalidArgument(manager_->Add(pets_, "", 0, one).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(manager_->UploadIndex(pets_, "\n").status()));
}

TEST_F(DatasetManagerTest, WrongLabelsMakeNoDataset) {
  const DatasetName more = Must(DatasetName::Parse("more"));
  EXPECT_TRUE(absl::IsInvalidArgument(
      manager_->CreateDataset(more, {"a", "a"}, {}).status()));
  EXPECT_TRUE(absl::IsNotFound(manager_->GetDataset(more).status()));
  EXPECT_EQ(
      DetailsOf(manager_->CreateDataset(pets_, {"a"}, {}).status()).reason,
      "DATASET_EXISTS");
}

TEST_F(DatasetManagerTest, ADeletedDatasetIsGone) {
  Add(0, {ExampleOf(a_, "cat")});
  EXPECT_EQ(DetailsOf(manager_->DeleteDataset(pets_, "d0", {}).status()).reason,
            "ETAG_MISMATCH");
  Must(manager_->DeleteDataset(pets_, EtagOf(Pets()), {}));
  EXPECT_TRUE(absl::IsNotFound(manager_->GetDataset(pets_).status()));
  EXPECT_THAT(Must(manager_->ListDatasets()), IsEmpty());
}

TEST_F(DatasetManagerTest, AReportIsThatOfAllItsRows) {
  std::vector<UploadedExample> examples;
  std::vector<std::string> pictures;
  for (unsigned i = 0; i < 12; ++i) {
    pictures.push_back(PngOf(500 + i));
  }
  for (const std::string& picture : pictures) {
    examples.push_back(ExampleOf(picture, examples.size() < 9 ? "cat" : "dog"));
  }
  examples.push_back(ExampleOf("bad", "dog"));
  Add(0, examples);
  const DatasetReport report = Must(ReportOnDataset(*manager_, pets_, {}));
  EXPECT_EQ(report.total.all(), 12);
  EXPECT_EQ(report.classes[0].all(), 9);
  EXPECT_EQ(report.imbalance, 3);
  EXPECT_EQ(report.width.median, 8);
  EXPECT_EQ(report.rejected.at("UNSUPPORTED_FORMAT"), 1);
  EXPECT_TRUE(absl::IsInvalidArgument(
      ReportOnDataset(*manager_, pets_, {.validation = 1}).status()));
}

}  // namespace
}  // namespace resnetd
