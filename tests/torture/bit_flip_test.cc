// One bit of a store's files changes: no wrong byte and no wrong row is ever
// returned as good.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/torture/simulated_store.h"
#include "tests/torture/store_model.h"
#include "tests/torture/store_step.h"
#include "tests/torture/training_step.h"

namespace resnetd {
namespace {

constexpr std::int64_t kMaxBlobBytes = 1 << 20;

std::uint64_t Flips() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
  return std::getenv("RESNETD_TEST_LONG") != nullptr ? 10'000 : 300;
}

std::vector<Step> Life() {
  std::vector<Step> steps;
  for (std::uint64_t content = 0; content < 4; ++content) {
    steps.push_back({.kind = StepKind::kImport,
                     .content = content,
                     .request_id = absl::StrCat("r", content)});
  }
  steps.push_back({.kind = StepKind::kMove, .version = 2});
  steps.push_back({.kind = StepKind::kMove, .alias = "canary", .version = 3});
  steps.push_back({.kind = StepKind::kRollBack});
  steps.push_back({.kind = StepKind::kDeleteVersion, .version = 4});
  steps.push_back({.kind = StepKind::kNote, .content = 3});
  steps.push_back({.kind = StepKind::kCreateDataset});
  for (std::uint64_t content = 0; content < 4; ++content) {
    steps.push_back({.kind = StepKind::kAppend, .content = content});
  }
  steps.push_back({.kind = StepKind::kSealDataset});
  steps.push_back({.kind = StepKind::kCreateJob});
  steps.push_back({.kind = StepKind::kCreateJob});
  steps.push_back({.kind = StepKind::kAdvanceJob, .content = 1});
  steps.push_back({.kind = StepKind::kEndJob});
  steps.push_back({.kind = StepKind::kCollect});
  return steps;
}

class BitFlipTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = std::make_unique<SimulatedStore>(std::make_unique<SimulatedDisk>(),
                                              clock_);
    ASSERT_EQ(store_->Open(), absl::OkStatus());
    images_.insert(model_.Image());
    for (const Step& step : Life()) {
      ASSERT_EQ(Do(step, store_->store()), absl::OkStatus()) << step.Text();
      ASSERT_TRUE(model_.Do(step));
      images_.insert(model_.Image());
    }
  }

  // One flip in a file whose path holds `part`. Returns how it was noticed:
  // "open", "answer", "verify", or "" when it was not.
  std::string Flip(const SimulatedDisk& base, const std::string& part,
                   SeededRandom& random) {
    std::vector<std::string> files;
    for (const std::string& path : base.Files()) {
      if (absl::StrContains(path, part) && !base.Contents(path).empty()) {
        files.push_back(path);
      }
    }
    EXPECT_FALSE(files.empty());
    std::unique_ptr<SimulatedDisk> disk = base.Kill();
    const std::string& path = files[random.Below(files.size())];
    const std::uint64_t bit = random.Below(8 * base.Contents(path).size());
    disk->FlipBit(path, static_cast<std::int64_t>(bit));
    where_ = absl::StrCat("bit ", bit, " of ", path);
    SimulatedStore damaged(std::move(disk), clock_);
    const absl::Status opened = damaged.Open();
    if (!opened.ok()) {
      const std::string reason = DetailsOf(opened).reason;
      EXPECT_TRUE(reason == "STORE_CORRUPT" || reason == "STORE_UNUSABLE")
          << where_ << ": " << opened;
      return "open";
    }
    return Ask(damaged, absl::StrContains(path, "-wal"));
  }

  // Every answer is right, or an error that says what is wrong.
  std::string Ask(SimulatedStore& damaged, bool may_be_older) {
    std::string noticed;
    const absl::StatusOr<std::string> image = ImageOf(damaged.store());
    if (!image.ok()) {
      EXPECT_EQ(DetailsOf(image.status()).reason, "STORE_CORRUPT")
          << where_ << ": " << image.status();
      noticed = "answer";
    } else if (may_be_older) {
      // What SQLite finds damaged in its log counts as never written: the state
      // is older, but one that was.
      EXPECT_EQ(images_.count(*image), 1U) << where_ << "\n" << *image;
      noticed = *image == model_.Image() ? "" : "older";
    } else {
      EXPECT_EQ(*image, model_.Image()) << where_;
    }
    // Before the blobs are read, which puts damaged ones aside.
    const auto findings = damaged.store().Verify();
    const bool found = !findings.ok() || !findings->empty();
    for (std::uint64_t content = 0; content < 4; ++content) {
      std::vector<std::vector<std::uint8_t>> blobs = BlobsOf(content);
      blobs.push_back(PackOf(content));
      for (const auto& wanted : blobs) {
        const auto bytes =
            damaged.store().ReadBlob(Sha256Hex(wanted), kMaxBlobBytes);
        EXPECT_TRUE(!bytes.ok() || *bytes == wanted) << where_;
      }
    }
    return noticed.empty() && found ? "verify" : noticed;
  }

  // Flips in files with `part` in their paths, by how they were noticed.
  std::map<std::string, int> FlipMany(const SimulatedDisk& base,
                                      const std::string& part,
                                      std::uint64_t flips) {
    std::map<std::string, int> noticed;
    SeededRandom random(flips);
    for (std::uint64_t i = 0; i < flips && !HasFailure(); ++i) {
      ++noticed[Flip(base, part, random)];
    }
    for (const auto& [how, count] : noticed) {
      std::cout << part << ": " << count
                << (how.empty() ? " in bytes that mean nothing"
                                : absl::StrCat(" noticed by ", how))
                << "\n";
    }
    return noticed;
  }

  FakeClock clock_;
  StoreModel model_;
  std::set<std::string> images_;
  std::unique_ptr<SimulatedStore> store_;
  std::string where_;
};

TEST_F(BitFlipTest, EveryFlipInABlobIsFoundAndNoWrongByteIsReturned) {
  store_->Close();
  auto noticed = FlipMany(store_->disk(), "blobs/", Flips() / 3);
  EXPECT_EQ(noticed[""], 0);
}

TEST_F(BitFlipTest, AFlipInTheDatabaseIsFoundOrChangesNoAnswer) {
  store_->Close();
  auto noticed = FlipMany(store_->disk(), "meta.db", Flips() / 3);
  EXPECT_GT(noticed["open"] + noticed["answer"], 5);
}

TEST_F(BitFlipTest, AFlipInTheLogIsFoundOrGivesAnEarlierState) {
  const std::unique_ptr<SimulatedDisk> killed = store_->disk().Kill();
  store_->Close();
  FlipMany(*killed, "meta.db-wal", Flips() / 3);
}

TEST_F(BitFlipTest, EveryFlipInTheFormatIsRefused) {
  store_->Close();
  auto noticed = FlipMany(store_->disk(), "FORMAT", 40);
  EXPECT_EQ(noticed["open"], 40);
}

}  // namespace
}  // namespace resnetd
