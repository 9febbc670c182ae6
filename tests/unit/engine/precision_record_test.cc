#include "server/engine/precision_record.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

PrecisionRecord Some() {
  return {.key = {.weights_sha256 = std::string(64, 'a'),
                  .cpu = "AMD EPYC/25",
                  .library = "oneDNN 2.6.3",
                  .policy = "auto",
                  .pictures = "10 files",
                  .threads = 2,
                  .batch = 4},
          .precision = Precision::kInt8,
          .text = "int8 chosen; fp32: 1 ms",
          .calibration = Calibration{.method = "largest",
                                     .pictures = 9,
                                     .ranges = {{"conv1", 0.1}}},
          .logits = {1.5F, -0.5F},
          .refused = {{.precision = "bf16",
                       .objection = PrecisionObjection::kUnsupported,
                       .obstacle = "no such kernels"}},
          .clipped = 0.015625};
}

TEST(PrecisionRecordTest, IsReadBackAsItWas) {
  PrecisionRecord record = Some();
  EXPECT_EQ(*ParseRecord(FormatRecord(record)), record);
  EXPECT_EQ(FormatRecord(*ParseRecord(FormatRecord(record))),
            FormatRecord(record));
  record.precision = Precision::kFloat32;
  record.calibration.reset();
  record.logits.clear();
  record.refused.clear();
  record.clipped.reset();
  EXPECT_EQ(*ParseRecord(FormatRecord(record)), record);
}

TEST(PrecisionRecordTest, WrongTextsAreRefusedByMember) {
  const std::string good = FormatRecord(Some());
  const struct {
    std::string from;
    std::string to;
    std::string member;
  } rows[] = {
      {"resnetd-precision/3", "resnetd-precision/9", "\"format\""},
      {"\"precision\": \"int8\"", "\"precision\": \"int4\"", "\"precision\""},
      {"\"threads\": 2", "\"threads\": 0", "\"threads\""},
      {"\"batch\": 4", "\"batch\": 1025", "\"batch\""},
      {"\"cpu\"", "\"cpus\"", "cpus"},
      {"0.1", "-0.1", "ranges.conv1"},
      {"\"precision\": \"int8\"", "\"precision\": 8", "\"precision\""},
      {"unsupported", "unknown", "refused.reason"},
      {"0.015625", "1.5", "\"clipped\""},
      {"1.5", "\"1.5\"", "\"logits\""},
      // What reads well and is not what was written.
      {"1.5", "1.25", "\"sha256\""},
      {"int8 chosen", "bf16 chosen", "\"sha256\""},
      {"\"sha256\"", "\"sha255\"", "sha255"},
  };
  for (const auto& row : rows) {
    const std::string text = absl::StrReplaceAll(good, {{row.from, row.to}});
    ASSERT_NE(text, good) << row.from;
    const absl::Status status = ParseRecord(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << row.to;
    EXPECT_THAT(std::string(status.message()), HasSubstr(row.member));
  }
  PrecisionRecord uncalibrated = Some();
  uncalibrated.calibration.reset();
  EXPECT_THAT(
      std::string(ParseRecord(FormatRecord(uncalibrated)).status().message()),
      HasSubstr("\"calibration\""));
}

class PrecisionRecordsTest : public testing::Test {
 protected:
  std::string OnlyFile() const {
    std::string found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      EXPECT_EQ(found, "") << "more than one file";
      found = entry.path().string();
    }
    return found;
  }

  TempDir dir_;
  const std::string folder_ = dir_.path() + "/precision";
  const PrecisionRecords records_{folder_};
};

TEST_F(PrecisionRecordsTest, FindsWhatWasKeptForTheSameKeyAlone) {
  EXPECT_EQ(records_.Find(Some().key), std::nullopt);
  records_.Keep(Some());
  EXPECT_EQ(PrecisionRecords(folder_).Find(Some().key), Some());
  for (const int field : {0, 1, 2, 3, 4, 5, 6}) {
    DecisionKey other = Some().key;
    std::string* const texts[] = {&other.weights_sha256, &other.cpu,
                                  &other.library, &other.policy,
                                  &other.pictures};
    if (field < 5) {
      texts[field]->append("x");
    } else {
      ++(field == 5 ? other.threads : other.batch);
    }
    EXPECT_EQ(records_.Find(other), std::nullopt) << field;
  }
}

TEST_F(PrecisionRecordsTest, ANewerRecordTakesThePlace) {
  records_.Keep(Some());
  PrecisionRecord newer = Some();
  newer.text = "newer";
  records_.Keep(newer);
  EXPECT_EQ(records_.Find(Some().key)->text, "newer");
  EXPECT_NE(OnlyFile(), "");
}

TEST_F(PrecisionRecordsTest, ADamagedFileIsNoRecord) {
  records_.Keep(Some());
  const std::string file = OnlyFile();
  std::filesystem::resize_file(file, 40);
  EXPECT_EQ(records_.Find(Some().key), std::nullopt);
  records_.Keep(Some());
  EXPECT_EQ(records_.Find(Some().key), Some());
}

TEST_F(PrecisionRecordsTest, WhatIsDroppedIsNotFoundAgain) {
  records_.Drop(Some().key);
  records_.Keep(Some());
  records_.Drop(Some().key);
  EXPECT_EQ(records_.Find(Some().key), std::nullopt);
}

TEST_F(PrecisionRecordsTest, WithoutAFolderNothingIsKept) {
  const PrecisionRecords nowhere("");
  nowhere.Keep(Some());
  EXPECT_EQ(nowhere.Find(Some().key), std::nullopt);
}

TEST_F(PrecisionRecordsTest, AFolderThatCannotBeMadeIsNoFailure) {
  std::ofstream(folder_) << "a file";
  records_.Keep(Some());
  EXPECT_EQ(records_.Find(Some().key), std::nullopt);
}

TEST(CpuNameTest, NamesTheProcessorTheSameEachTime) {
  EXPECT_NE(CpuName(), "");
  EXPECT_EQ(CpuName(), CpuName());
}

TEST(KeyHereTest, IsThatOfThisMachine) {
  const DecisionKey key = KeyHere("a", "int8", "some", 2, 4);
  EXPECT_EQ(key, (DecisionKey{.weights_sha256 = "a",
                              .cpu = CpuName(),
                              .library = key.library,
                              .policy = "int8",
                              .pictures = "some",
                              .threads = 2,
                              .batch = 4}));
  EXPECT_THAT(key.library, HasSubstr("oneDNN"));
  EXPECT_EQ(key, KeyHere("a", "int8", "some", 2, 4));
}

}  // namespace
}  // namespace resnetd
