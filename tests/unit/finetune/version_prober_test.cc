// Probes as a whole: a real store, real versions and pictures, and a prober
// without a network.
#include "server/finetune/version_prober.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/fake_clock.h"
#include "tests/support/scripted_prober.h"
#include "tests/unit/image/picture_factory.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::string Picture(int side) {
  const testing::Encoded png =
      testing::EncodePng(testing::MakePhoto(side, side));
  return {png.begin(), png.end()};
}

bool Always() { return true; }

class VersionProberTest : public ::testing::Test {
 protected:
  VersionProberTest() {
    store_ = Must(Store::Open({.folder = folder_.File("data")}, RealClock()));
    models_ =
        ModelManager::Create({}, *store_, loader_, registry_, RealClock());
    if (!models_->Start().ok()) {
      std::abort();
    }
    Import("digits", 3);
    Make();
  }

  void Import(const std::string& model, int variant) {
    const std::string file = TinyWeightsFile(variant);
    const auto session = Must(models_->Import(HeaderOf(model, file), {}));
    if (!session->Write(BytesOf(file)).ok()) {
      std::abort();
    }
    Must(session->Finish());
  }
  void Make() {
    options_.memory = [this] { return SystemMemory{.free = free_}; };
    lab_ = VersionProber::Create(
        options_, *store_, *models_,
        [this]() -> absl::StatusOr<Prober*> {
          RETURN_IF_ERROR(no_prober_);
          return &prober_;
        },
        clock_);
  }

  static std::vector<ProbeExample> Examples(std::size_t count) {
    std::vector<ProbeExample> examples;
    const std::string picture = Picture(40);
    for (std::size_t i = 0; i < count; ++i) {
      examples.push_back({.label = absl::StrCat(i % 10), .image = picture});
    }
    return examples;
  }
  absl::StatusOr<Probed> Probe(const std::vector<ProbeExample>& examples,
                               const VersionProber::GoOn& go_on = Always) {
    return lab_->Probe(target_, examples, deadline_, go_on);
  }
  void ExpectStillWorks() {
    target_.settings = {};
    target_.version = {1};
    deadline_ = kNoDeadline;
    prober_.pass = nullptr;
    EXPECT_TRUE(Probe(Examples(2)).ok());
  }

  TempDir folder_;
  FakeLoader loader_;
  ModelRegistry registry_;
  FakeClock clock_;
  std::optional<std::int64_t> free_ = std::int64_t{1} << 40U;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ModelManager> models_;
  ScriptedProber prober_;
  absl::Status no_prober_;
  VersionProberOptions options_{.threads = 3};
  std::unique_ptr<VersionProber> lab_;
  ProbeTarget target_{.model = Named("digits"), .version = {1}};
  SteadyTime deadline_ = kNoDeadline;
};

TEST_F(VersionProberTest, ProbesAVersionOnLabelledPictures) {
  target_.settings = {.batch_statistics = true,
                      .check_differences = true,
                      .path_passes = 5,
                      .seed = 7};
  const Probed probed = Must(Probe(Examples(3)));
  EXPECT_EQ(probed.version->name.text(), "digits");
  EXPECT_THAT(probed.blocks,
              ElementsAre("layer1.00", "layer2.00", "layer3.00"));
  EXPECT_EQ(probed.report.examples, 3);
  EXPECT_EQ(probed.report.blocks.size(), 3U);
  EXPECT_THAT(prober_.labels, ElementsAre(0, 1, 2));
  // As the version wants them.
  EXPECT_THAT(prober_.sizes, ElementsAre(32, 32, 32));
  EXPECT_TRUE(prober_.last.batch_statistics);
  EXPECT_TRUE(prober_.last.check_differences);
  EXPECT_FALSE(prober_.last.split_parameters);
  EXPECT_EQ(prober_.last.path_passes, 5);
  EXPECT_EQ(prober_.last.seed, 7);
  EXPECT_EQ(prober_.last.threads, 3);
}

TEST_F(VersionProberTest, RunsAtTheLowestPriorityInAThreadOfItsOwn) {
  ASSERT_TRUE(Probe(Examples(1)).ok());
  EXPECT_EQ(prober_.policy, SCHED_IDLE);
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
}

TEST_F(VersionProberTest, KeepsItsPriorityWhereItIsTold) {
  options_.gives_way = false;
  Make();
  ASSERT_TRUE(Probe(Examples(1)).ok());
  EXPECT_EQ(prober_.policy, SCHED_OTHER);
}

TEST_F(VersionProberTest, ChangesNothingOfTheVersion) {
  const VersionView before = Must(models_->GetVersion(target_.model, {1}));
  const std::int64_t events = Must(models_->LastEvent());
  ASSERT_TRUE(Probe(Examples(2)).ok());
  const VersionView after = Must(models_->GetVersion(target_.model, {1}));
  EXPECT_EQ(after.facts->weights_sha256, before.facts->weights_sha256);
  EXPECT_EQ(after.residency, before.residency);
  EXPECT_EQ(Must(models_->LastEvent()), events);
  EXPECT_EQ(Must(models_->ListVersions(target_.model)).size(), 1U);
}

TEST_F(VersionProberTest, NamesEveryLabelThatTheVersionLacks) {
  std::vector<ProbeExample> examples = Examples(4);
  examples[1].label = "seven";
  examples[3].label = "";
  const absl::Status status = Probe(examples).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  EXPECT_THAT(
      DetailsOf(status).violations,
      UnorderedElementsAre(Key("examples[1].label"), Key("examples[3].label")));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("\"seven\" is no label of models/digits/versions/1"));
  EXPECT_EQ(prober_.calls, 0);
  ExpectStillWorks();
}

TEST_F(VersionProberTest, NeedsExamples) {
  const absl::Status none = Probe({}).status();
  EXPECT_EQ(ReasonOf(none), "REQUEST_INVALID");
  EXPECT_THAT(DetailsOf(none).violations, Contains(Key("examples")));
  EXPECT_TRUE(Probe(Examples(1)).ok());
  target_.settings.batch_statistics = true;
  const absl::Status one = Probe(Examples(1)).status();
  EXPECT_EQ(ReasonOf(one), "REQUEST_INVALID");
  EXPECT_THAT(std::string(one.message()), HasSubstr("at least 2"));
  EXPECT_TRUE(Probe(Examples(2)).ok());
}

TEST_F(VersionProberTest, TakesSoManyExamplesAndNoMore) {
  EXPECT_TRUE(Probe(Examples(63)).ok());
  EXPECT_TRUE(Probe(Examples(64)).ok());
  const absl::Status status = Probe(Examples(65)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  EXPECT_THAT(DetailsOf(status).metadata,
              UnorderedElementsAre(Pair("limit_name", "probe-examples"),
                                   Pair("limit", "64"), Pair("value", "65")));
  ExpectStillWorks();
}

TEST_F(VersionProberTest, TakesSoManyBytesAndNoMore) {
  const std::vector<ProbeExample> examples = Examples(2);
  const std::size_t bytes = 2 * examples[0].image.size();
  for (const std::size_t limit : {bytes + 1, bytes, bytes - 1}) {
    options_.limits.max_bytes = limit;
    Make();
    const absl::Status status = Probe(examples).status();
    EXPECT_EQ(status.ok(), limit >= bytes);
    if (!status.ok()) {
      EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
      EXPECT_THAT(DetailsOf(status).metadata,
                  Contains(Pair("limit_name", "probe-bytes")));
    }
  }
}

TEST_F(VersionProberTest, TakesSoManyPixelsAPictureAndNoMore) {
  const std::vector<ProbeExample> examples = Examples(2);
  for (const std::int64_t limit : {1601, 1600, 1599}) {
    options_.decode.max_pixels = limit;
    Make();
    const absl::Status status = Probe(examples).status();
    EXPECT_EQ(status.ok(), limit >= 1600);
    if (!status.ok()) {
      EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
      EXPECT_THAT(DetailsOf(status).violations,
                  Contains(Key("examples[0].image")));
    }
  }
}

TEST_F(VersionProberTest, NamesTheDamagedPicture) {
  std::vector<ProbeExample> examples = Examples(3);
  examples[2].image.resize(examples[2].image.size() / 2);
  const absl::Status cut = Probe(examples).status();
  EXPECT_EQ(cut.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(cut), "IMAGE_DECODE_FAILED");
  EXPECT_THAT(DetailsOf(cut).violations, Contains(Key("examples[2].image")));
  EXPECT_THAT(std::string(cut.message()), HasSubstr("examples[2].image: "));
  examples = Examples(2);
  examples[0].image.clear();
  EXPECT_EQ(ReasonOf(Probe(examples).status()), "IMAGE_DECODE_FAILED");
  EXPECT_EQ(prober_.calls, 0);
  ExpectStillWorks();
}

TEST_F(VersionProberTest, SaysWhichVersionIsMissing) {
  target_.version = {9};
  EXPECT_EQ(ReasonOf(lab_->Check(target_)), "VERSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Probe(Examples(1)).status()), "VERSION_NOT_FOUND");
  target_.model = Named("none");
  EXPECT_EQ(ReasonOf(lab_->Check(target_)), "MODEL_NOT_FOUND");
  target_.model = Named("digits");
  target_.version = {1};
  EXPECT_TRUE(lab_->Check(target_).ok());
  ExpectStillWorks();
}

TEST_F(VersionProberTest, AsksForPathsWithinBounds) {
  for (const int passes : {0, 1, 4095, 4096}) {
    target_.settings.path_passes = passes;
    EXPECT_TRUE(lab_->Check(target_).ok()) << passes;
  }
  for (const int passes : {-1, 4097}) {
    target_.settings.path_passes = passes;
    const absl::Status status = lab_->Check(target_);
    EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
    EXPECT_THAT(DetailsOf(status).violations,
                Contains(Key("header.options.path_passes")));
    EXPECT_EQ(ReasonOf(Probe(Examples(1)).status()), "REQUEST_INVALID");
  }
}

TEST_F(VersionProberTest, WithoutWhatProbesItSaysSo) {
  no_prober_ = Error(absl::StatusCode::kFailedPrecondition,
                     Reason::kBackendUnavailable, "not installed");
  EXPECT_EQ(ReasonOf(lab_->Check(target_)), "BACKEND_UNAVAILABLE");
  EXPECT_EQ(ReasonOf(Probe(Examples(1)).status()), "BACKEND_UNAVAILABLE");
  no_prober_ = absl::OkStatus();
  ExpectStillWorks();
}

TEST_F(VersionProberTest, RefusesWhatDoesNotFitIntoMemory) {
  free_ = 1000;
  const absl::Status status = Probe(Examples(1)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "OUT_OF_MEMORY");
  EXPECT_THAT(DetailsOf(status).metadata,
              UnorderedElementsAre(Key("needed"), Pair("free", "1000")));
  EXPECT_EQ(prober_.calls, 0);
  // Not known is no reason to refuse.
  free_.reset();
  ExpectStillWorks();
}

TEST_F(VersionProberTest, RunsOneProbeAtATime) {
  absl::Status other;
  bool asked = false;
  prober_.pass = [&] {
    if (!asked) {
      asked = true;
      other = Probe(Examples(1)).status();
    }
  };
  EXPECT_TRUE(Probe(Examples(1)).ok());
  EXPECT_EQ(other.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(other), "QUEUE_FULL");
  EXPECT_EQ(DetailsOf(other).retry_after, std::chrono::seconds(5));
  EXPECT_EQ(prober_.calls, 1);
  ExpectStillWorks();
}

TEST_F(VersionProberTest, EndsBetweenPassesWhenNobodyWantsItAnyMore) {
  target_.settings.check_differences = true;
  int passes = 0;
  prober_.pass = [&] { ++passes; };
  const absl::Status status =
      Probe(Examples(1), [&] { return passes < 2; }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(passes, 2);
  EXPECT_EQ(Probe(Examples(1), [] { return false; }).status().code(),
            absl::StatusCode::kCancelled);
  ExpectStillWorks();
}

// 15 of work in passes of 3: the first one takes 10 s, so that 40 s are left.
TEST_F(VersionProberTest, SaysAfterTheFirstPassThatTheDeadlineIsTooShort) {
  target_.settings.check_differences = true;
  const std::int64_t work = ProbeWork(3, target_.settings);
  ASSERT_EQ(work, 15);
  int passes = 0;
  prober_.pass = [&] {
    ++passes;
    clock_.Advance(std::chrono::seconds(10));
  };
  deadline_ = clock_.Now() + std::chrono::seconds(50);
  EXPECT_TRUE(Probe(Examples(1)).ok());
  EXPECT_EQ(passes, 5);

  passes = 0;
  deadline_ =
      clock_.Now() + std::chrono::seconds(50) - std::chrono::milliseconds(1);
  const absl::Status status = Probe(Examples(1)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ReasonOf(status), "DEADLINE_UNREACHABLE");
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(Pair("predicted_ms", "40000")));
  EXPECT_EQ(passes, 1);
  ExpectStillWorks();
}

TEST_F(VersionProberTest, ErrorsOfTheProberComeThrough) {
  prober_.error =
      Error(absl::StatusCode::kInternal, Reason::kInternal, "broke");
  EXPECT_EQ(ReasonOf(Probe(Examples(1)).status()), "INTERNAL");
  prober_.error = absl::OkStatus();
  ExpectStillWorks();
}

TEST_F(VersionProberTest, ADamagedVersionIsDataLoss) {
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder_.File("data"))) {
    // The weights: the one blob that is larger than all others.
    if (entry.is_regular_file() && entry.file_size() > 200'000 &&
        entry.path().filename().string().size() == 64) {
      std::filesystem::permissions(entry.path(),
                                   std::filesystem::perms::owner_all);
      std::fstream file(entry.path(),
                        std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(100'000);
      file.put('x');
    }
  }
  const absl::Status status = Probe(Examples(1)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
}

}  // namespace
}  // namespace resnetd
