// Every operation on the disk in the life of a store, one after the other: the
// process dies at it, the disk is full at it, the disk fails at it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/fake_clock.h"
#include "tests/torture/flow.h"
#include "tests/torture/simulated_store.h"
#include "tests/torture/store_check.h"
#include "tests/torture/store_model.h"
#include "tests/torture/store_step.h"

namespace resnetd {
namespace {

std::uint64_t Cuts() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
  return std::getenv("RESNETD_TEST_LONG") != nullptr ? 100 : 1;
}

// Where a flow begins.
struct Ground {
  std::unique_ptr<SimulatedDisk> disk;
  StoreModel model;
};

Ground GroundOf(const Flow& flow) {
  FakeClock clock;
  Ground ground;
  SimulatedStore store(std::make_unique<SimulatedDisk>(), clock);
  if (!flow.setup.empty() || flow.step) {
    EXPECT_EQ(store.Open(), absl::OkStatus());
    for (const Step& step : flow.setup) {
      EXPECT_EQ(Do(step, store.store()), absl::OkStatus()) << step.Text();
      EXPECT_TRUE(ground.model.Do(step));
    }
  }
  if (!flow.killed) {
    store.Close();
  }
  ground.disk = store.disk().Kill();
  return ground;
}

// One flow, disturbed at one operation.
class CrashPoint {
 public:
  CrashPoint(const Flow& flow, const Ground& ground, const DiskFault& fault)
      : flow_(flow), fault_(fault), disk_(ground.disk->Kill()) {
    expected_.before = ground.model;
    clock_.Advance(flow.pause);
    Disturb();
  }

  // How many there are in what is disturbed.
  std::int64_t operations() const { return operations_; }
  bool struck() const { return !struck_at_.empty(); }
  std::string where() const {
    return absl::StrCat(flow_.name, ", operation ", fault_.at, ": ",
                        struck_at_);
  }

  // The store as whoever opens it next finds it: after a kill, and after power
  // cuts.
  void ExpectSurvival() {
    store_->Close();
    ExpectSound(store_->disk().Kill(), true);
    for (std::uint64_t seed = 0; seed < Cuts(); ++seed) {
      ExpectSound(store_->disk().Crash(SeededRandom::Mix(seed + 1) ^
                                       static_cast<std::uint64_t>(fault_.at)),
                  seed == 0);
    }
  }

  // The step failed for `code`, or its answer was not touched.
  void ExpectCode(absl::StatusCode code, const std::string& reason) {
    if (!status_.ok()) {
      EXPECT_EQ(status_.code(), code) << where() << ": " << status_;
      EXPECT_EQ(DetailsOf(status_).reason, reason) << where();
    }
  }

  // A page that cannot be read is a damaged database to the check at the start.
  void ExpectReadCode() {
    const std::string reason = DetailsOf(status_).reason;
    EXPECT_TRUE(status_.ok() || reason == "STORE_FAILED" ||
                (!flow_.step && reason == "STORE_CORRUPT"))
        << where() << ": " << status_;
  }

  // The store goes on where it was, as soon as there is room again.
  void ExpectGoesOnWithRoom() {
    store_->disk().Plan({});
    if (!opened_) {
      return;
    }
    const absl::StatusOr<std::string> image = ImageOf(store_->store());
    ASSERT_TRUE(image.ok()) << where();
    EXPECT_EQ(*image, expected_.before.Image()) << where();
    if (flow_.step && !status_.ok()) {
      EXPECT_TRUE(expected_.before.Do(*flow_.step));
      EXPECT_EQ(Do(*flow_.step, store_->store()), absl::OkStatus()) << where();
    }
    const Step note{.kind = StepKind::kNote, .content = 7};
    EXPECT_TRUE(expected_.before.Do(note));
    EXPECT_EQ(Do(note, store_->store()), absl::OkStatus()) << where();
    expected_.after = std::nullopt;
  }

  // Once the database could not be written, nothing is acknowledged any more.
  void ExpectAcknowledgesNothing() {
    store_->disk().Plan({});
    if (!opened_ || !absl::StrContains(struck_at_, "meta.db")) {
      return;
    }
    for (const Step& step : {Step{.kind = StepKind::kNote, .content = 7},
                             Step{.kind = StepKind::kImport, .model = "next"},
                             Step{.kind = StepKind::kMove},
                             Step{.kind = StepKind::kCreateDataset, .epoch = 7},
                             Step{.kind = StepKind::kAppend, .content = 9},
                             Step{.kind = StepKind::kEndJob}}) {
      const absl::Status status = Do(step, store_->store());
      EXPECT_EQ(DetailsOf(status).reason, "STORE_FAILED")
          << where() << ", then " << step.Text() << ": " << status;
    }
  }

 private:
  void Disturb() {
    store_ = std::make_unique<SimulatedStore>(std::move(disk_), clock_);
    DiskFault fault = fault_;
    std::int64_t before = 0;
    if (flow_.step) {
      ASSERT_EQ(store_->Open(), absl::OkStatus());
      opened_ = true;
      before = Count();
      fault.at += before;
      store_->disk().Plan(fault);
      status_ = Do(*flow_.step, store_->store());
      StoreModel after = expected_.before;
      ASSERT_TRUE(after.Do(*flow_.step));
      if (status_.ok()) {
        expected_.before = std::move(after);
      } else {
        expected_.after = std::move(after);
      }
    } else {
      store_->disk().Plan(fault);
      status_ = store_->Open();
      opened_ = status_.ok();
    }
    operations_ = Count() - before;
    struck_at_ = store_->disk().struck_at();
    EXPECT_TRUE(struck() || status_.ok()) << where() << ": " << status_;
  }

  std::int64_t Count() const {
    return fault_.of_reads ? store_->disk().read_count()
                           : store_->disk().operation_count();
  }

  void ExpectSound(std::unique_ptr<SimulatedDisk> disk, bool thorough) {
    FakeClock clock;
    clock.Advance(clock_.Now() - clock.Now());
    SimulatedStore survivor(std::move(disk), clock);
    ASSERT_EQ(survivor.Open(), absl::OkStatus()) << where();
    StoreModel model;
    ASSERT_EQ(Complaints(survivor.store(), expected_, &model), "") << where();
    const auto files = [&survivor] { return survivor.disk().Files(); };
    EXPECT_EQ(StagingComplaints(files), "") << where();
    if (!thorough) {
      return;
    }
    ExpectStays(survivor.disk(), model);
    EXPECT_EQ(LeftOverComplaints(survivor.store(), model.LiveBlobs(), files,
                                 [&clock] { clock.Advance(2 * kGrace); }),
              "")
        << where();
  }

  // What the survivor showed is what was: a power cut does not undo it, though
  // nobody was told by the process that died.
  void ExpectStays(const SimulatedDisk& disk, const StoreModel& shown) {
    for (std::uint64_t seed = 0; seed < Cuts(); ++seed) {
      SimulatedStore again(disk.Crash(seed), clock_);
      ASSERT_EQ(again.Open(), absl::OkStatus()) << where();
      StoreModel model;
      ASSERT_EQ(Complaints(again.store(),
                           {.before = shown, .after = std::nullopt}, &model),
                "")
          << where() << ", then a power cut";
    }
  }

  const Flow& flow_;
  DiskFault fault_;
  FakeClock clock_;
  std::unique_ptr<SimulatedDisk> disk_;
  std::unique_ptr<SimulatedStore> store_;
  Expected expected_;
  bool opened_ = false;
  absl::Status status_;
  std::string struck_at_;
  std::int64_t operations_ = 0;
};

class CrashPointsTest : public ::testing::TestWithParam<Flow> {
 protected:
  // Calls `look` with every operation disturbed, and counts them.
  template <typename Look>
  int AtEvery(DiskFault fault, Look look) {
    int points = 0;
    const Ground ground = GroundOf(GetParam());
    for (fault.at = 0;; ++fault.at) {
      CrashPoint point(GetParam(), ground, fault);
      if (::testing::Test::HasFatalFailure()) {
        return points;
      }
      if (fault.at >= point.operations()) {
        return points;
      }
      if (!point.struck()) {
        continue;  // Needs no room.
      }
      ++points;
      look(point);
      if (::testing::Test::HasFailure()) {
        return points;
      }
    }
  }
};

TEST_P(CrashPointsTest, DyingAtAnyOperationLosesNothing) {
  const int points = AtEvery({.kind = DiskFault::Kind::kDie},
                             [](CrashPoint& point) { point.ExpectSurvival(); });
  RecordProperty("points", points);
  EXPECT_GT(points, 0);
}

TEST_P(CrashPointsTest, AFullDiskAtAnyOperationChangesNothing) {
  for (const bool lasting : {false, true}) {
    AtEvery({.kind = DiskFault::Kind::kFull, .lasting = lasting},
            [](CrashPoint& point) {
              point.ExpectCode(absl::StatusCode::kResourceExhausted,
                               "STORAGE_FULL");
              point.ExpectGoesOnWithRoom();
              point.ExpectSurvival();
            });
  }
}

TEST_P(CrashPointsTest, AFailingDiskAtAnyOperationEndsAcknowledging) {
  for (const bool lasting : {false, true}) {
    const int points = AtEvery(
        {.kind = DiskFault::Kind::kFail, .lasting = lasting},
        [](CrashPoint& point) {
          point.ExpectCode(absl::StatusCode::kUnavailable, "STORE_FAILED");
          point.ExpectAcknowledgesNothing();
          point.ExpectSurvival();
        });
    EXPECT_GT(points, 0);
  }
}

TEST_P(CrashPointsTest, AFailingReadIsAnErrorAndNothingElse) {
  AtEvery({.kind = DiskFault::Kind::kFail, .of_reads = true},
          [](CrashPoint& point) {
            point.ExpectReadCode();
            point.ExpectSurvival();
          });
}

INSTANTIATE_TEST_SUITE_P(Flows, CrashPointsTest,
                         ::testing::ValuesIn(AllFlows()),
                         [](const ::testing::TestParamInfo<Flow>& flow) {
                           return flow.param.name;
                         });

}  // namespace
}  // namespace resnetd
