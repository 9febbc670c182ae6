#include "server/engine/kept_choices.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "server/engine/precision_record.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

namespace fs = std::filesystem;

class KeptChoicesTest : public testing::Test {
 protected:
  static std::string Weights(char digit) { return std::string(64, digit); }

  // A choice for a version with weights of `digit`, in so many threads.
  void Keep(char digit, int threads = 1) {
    records_.Keep({.key = {.weights_sha256 = Weights(digit),
                           .cpu = std::string(400, 'c'),
                           .library = "oneDNN",
                           .policy = "auto",
                           .pictures = "",
                           .threads = threads,
                           .batch = 4},
                   .precision = Precision::kFloat32,
                   .text = "fp32 chosen",
                   .calibration = std::nullopt});
  }
  bool Has(char digit, int threads = 1) const {
    DecisionKey key = {.weights_sha256 = Weights(digit),
                       .cpu = std::string(400, 'c'),
                       .library = "oneDNN",
                       .policy = "auto",
                       .pictures = "",
                       .threads = threads,
                       .batch = 4};
    return records_.Find(key).has_value();
  }
  // With versions of these weights.
  absl::StatusOr<int> Collect(const std::set<std::string>& there) {
    return CollectKeptChoices(folder_, [this, &there] {
      ++asked_;
      return absl::StatusOr<std::set<std::string>>(there);
    });
  }
  std::string Written(const std::string& name, const std::string& text) {
    const std::string file = folder_ + "/" + name;
    std::ofstream(file) << text;
    return file;
  }

  const TempDir dir_;
  const std::string folder_ = dir_.MakeFolder("precision");
  const PrecisionRecords records_{folder_};
  int asked_ = 0;
};

TEST_F(KeptChoicesTest, ChoicesOfVersionsThatAreGoneAreRemoved) {
  Keep('a', 1);
  Keep('a', 2);
  Keep('b');
  Keep('c');
  EXPECT_EQ(*Collect({Weights('b'), Weights('d')}), 3);
  EXPECT_FALSE(Has('a', 1));
  EXPECT_FALSE(Has('a', 2));
  EXPECT_TRUE(Has('b'));
  EXPECT_FALSE(Has('c'));
  EXPECT_EQ(*Collect({Weights('b'), Weights('d')}), 0) << "once is enough";
  EXPECT_EQ(*Collect({}), 1);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(KeptChoicesTest, AFileThatIsNoChoiceAnyMoreIsRemoved) {
  Keep('a');
  const std::string empty = Written("empty.json", "");
  const std::string cut = Written(
      "cut.json", "\"weights_sha256\": \"" + Weights('a').substr(0, 63));
  EXPECT_EQ(*Collect({Weights('a')}), 2);
  EXPECT_TRUE(Has('a'));
  EXPECT_FALSE(fs::exists(empty));
  EXPECT_FALSE(fs::exists(cut));
}

TEST_F(KeptChoicesTest, WhatIsBeingWrittenIsLeftAloneForAnHour) {
  const std::string file = Written("one.json.tmp", "half");
  EXPECT_EQ(*Collect({}), 0);
  EXPECT_TRUE(fs::exists(file));
  fs::last_write_time(
      file, fs::file_time_type::clock::now() - std::chrono::minutes(61));
  EXPECT_EQ(*Collect({}), 1);
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(KeptChoicesTest, WhatElseLiesThereStays) {
  const std::string file = Written("notes.txt", "mine");
  EXPECT_EQ(*Collect({}), 0);
  EXPECT_TRUE(fs::exists(file));
}

TEST_F(KeptChoicesTest, WhereTheVersionsAreNotToldNothingIsRemoved) {
  Keep('a');
  const auto removed = CollectKeptChoices(folder_, [] {
    return absl::StatusOr<std::set<std::string>>(
        absl::UnavailableError("the disk failed"));
  });
  EXPECT_EQ(removed.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Has('a'));
}

// A version that is imported while the folder is looked at, and whose choice is
// kept at once.
TEST_F(KeptChoicesTest, AVersionThatComesMeanwhileKeepsItsChoice) {
  Keep('a');
  const auto removed = CollectKeptChoices(folder_, [this] {
    std::set<std::string> before = {Weights('a')};
    Keep('b');
    return absl::StatusOr<std::set<std::string>>(std::move(before));
  });
  EXPECT_EQ(*removed, 0);
  EXPECT_TRUE(Has('b'));
}

TEST_F(KeptChoicesTest, WithoutAFolderNobodyIsAsked) {
  for (const std::string& folder : {std::string(), dir_.File("nowhere")}) {
    const auto removed = CollectKeptChoices(folder, [this] {
      ++asked_;
      return absl::StatusOr<std::set<std::string>>(std::set<std::string>());
    });
    EXPECT_EQ(*removed, 0);
  }
  EXPECT_EQ(*Collect({}), 0) << "an empty one";
  EXPECT_EQ(asked_, 0);
}

}  // namespace
}  // namespace resnetd
