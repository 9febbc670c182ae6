#include "server/telemetry/version_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/thread.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

ModelInfoLabels Loaded(const std::string& model, const std::string& version,
                       const std::string& digest = "aa") {
  return {.model = model,
          .version = version,
          .digest = digest,
          .architecture = "resnet50",
          .precision = "fp32",
          .backend = "engine"};
}

AliasLabels Points(const std::string& alias, const std::string& version) {
  return {.model = "m",
          .alias = alias,
          .version = version,
          .digest = absl::StrCat("d", version)};
}

std::string InfoOf(const std::string& model, const std::string& version,
                   const std::string& digest = "aa",
                   const std::string& precision = "fp32") {
  return absl::StrCat(
      "resnetd_model_info{arch=\"resnet50\",backend=\"engine\",digest=\"",
      digest, "\",model=\"", model, "\",precision=\"", precision,
      "\",version=\"", version, "\"}");
}

class VersionMetricsTest : public testing::Test {
 protected:
  VersionMetrics& metrics() { return telemetry_->versions(); }

  // The value of a series, or "absent".
  std::string ValueOf(absl::string_view series) const {
    const std::string text = telemetry_->Expose();
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      if (absl::StartsWith(line, absl::StrCat(series, " "))) {
        return std::string(line.substr(series.size() + 1));
      }
    }
    return "absent";
  }

  std::size_t Lines() const {
    const std::string text = telemetry_->Expose();
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }

  std::unique_ptr<Telemetry> telemetry_ = Telemetry::Create();
};

TEST_F(VersionMetricsTest, EachLoadedVersionHasItsSeriesUntilItIsUnloaded) {
  metrics().VersionLoaded(Loaded("m", "1"), milliseconds(20));
  metrics().VersionLoaded(Loaded("m", "2"), milliseconds(30));
  metrics().VersionLoaded(Loaded("other", "1"), milliseconds(20));
  EXPECT_EQ(ValueOf(InfoOf("m", "1")), "1");
  EXPECT_EQ(ValueOf(InfoOf("m", "2")), "1");
  metrics().VersionUnloaded("m", "1");
  EXPECT_EQ(ValueOf(InfoOf("m", "1")), "absent");
  EXPECT_EQ(ValueOf(InfoOf("m", "2")), "1");
  EXPECT_EQ(ValueOf(InfoOf("other", "1")), "1");
  EXPECT_EQ(ValueOf("resnetd_model_load_duration_seconds_count{model=\"m\"}"),
            "2");
}

TEST_F(VersionMetricsTest, ASecondLoadReplacesWhatWasSaid) {
  metrics().VersionLoaded(Loaded("m", "1", "aa"), milliseconds(1));
  metrics().VersionLoaded(Loaded("m", "1", "bb"), milliseconds(1));
  metrics().VersionLoaded(Loaded("m", "1", "bb"), milliseconds(1));
  EXPECT_EQ(ValueOf(InfoOf("m", "1", "aa")), "absent");
  EXPECT_EQ(ValueOf(InfoOf("m", "1", "bb")), "1");
}

TEST_F(VersionMetricsTest, CountsRefusedPrecisionsByTheirReason) {
  const std::string series =
      "resnetd_precision_refusals_total{precision=\"int8\","
      "reason=\"disagrees\"}";
  EXPECT_EQ(ValueOf(series), "0") << "it is there before the first one";
  for (const char* const reason : {"no_pictures", "too_few_pictures",
                                   "unsupported", "no_memory", "failed"}) {
    EXPECT_EQ(ValueOf(absl::StrCat("resnetd_precision_refusals_total{"
                                   "precision=\"bf16\",reason=\"",
                                   reason, "\"}")),
              "0");
  }
  metrics().PrecisionRefused("int8", "disagrees");
  EXPECT_EQ(ValueOf(series), "1");
  EXPECT_EQ(ValueOf("resnetd_precision_refusals_total{precision=\"bf16\","
                    "reason=\"disagrees\"}"),
            "0");
}

TEST_F(VersionMetricsTest, FallbacksAreShownAsTheyWereCountedAndNeverFall) {
  const std::string halved =
      "resnetd_engine_fallbacks_total{reason=\"batch_halved\"}";
  const std::string capped =
      "resnetd_engine_fallbacks_total{reason=\"kernels_capped\"}";
  EXPECT_EQ(ValueOf(halved), "absent");
  metrics().SetFallbacks({{"batch_halved", 0}, {"kernels_capped", 1}});
  EXPECT_EQ(ValueOf(halved), "0") << "it is there before the first one";
  EXPECT_EQ(ValueOf(capped), "1");
  metrics().SetFallbacks({{"batch_halved", 3}, {"kernels_capped", 1}});
  EXPECT_EQ(ValueOf(halved), "3");
  // Of a scrape that was overtaken.
  metrics().SetFallbacks({{"batch_halved", 2}, {"kernels_capped", 1}});
  EXPECT_EQ(ValueOf(halved), "3");
  EXPECT_EQ(ValueOf(capped), "1");
}

TEST_F(VersionMetricsTest, AChosenPrecisionReplacesTheOneItBeganWith) {
  ModelInfoLabels labels = Loaded("m", "1");
  metrics().PrecisionChosen(labels);
  EXPECT_EQ(ValueOf(InfoOf("m", "1")), "absent") << "it is not loaded";
  metrics().VersionLoaded(labels, milliseconds(1));
  labels.precision = "int8";
  metrics().PrecisionChosen(labels);
  EXPECT_EQ(ValueOf(InfoOf("m", "1")), "absent");
  EXPECT_EQ(ValueOf(InfoOf("m", "1", "aa", "int8")), "1");
  EXPECT_EQ(ValueOf("resnetd_model_load_duration_seconds_count{model=\"m\"}"),
            "1")
      << "it was not loaded again";
  metrics().VersionUnloaded("m", "1");
  EXPECT_EQ(ValueOf(InfoOf("m", "1", "aa", "int8")), "absent");
}

TEST_F(VersionMetricsTest, UnloadingWhatIsNotLoadedDoesNothing) {
  metrics().VersionUnloaded("nothing", "1");
  metrics().AliasDeleted("nothing", "stable");
  EXPECT_THAT(telemetry_->Expose(), Not(HasSubstr("nothing")));
}

TEST_F(VersionMetricsTest, AnAliasPointsToOneVersionAtATime) {
  metrics().AliasPointed(Points("stable", "1"), 1, WallTime(seconds(1000)),
                         AliasSwitch::kRestored, {});
  metrics().AliasPointed(Points("canary", "2"), 4, WallTime(seconds(2000)),
                         AliasSwitch::kSet, microseconds(20));
  metrics().AliasPointed(Points("stable", "2"), 2, WallTime(seconds(3000)),
                         AliasSwitch::kSet, microseconds(20));
  const std::string stable = "resnetd_alias_info{alias=\"stable\",digest=\"d";
  EXPECT_EQ(ValueOf(stable + "1\",model=\"m\",version=\"1\"}"), "absent");
  EXPECT_EQ(ValueOf(stable + "2\",model=\"m\",version=\"2\"}"), "1");
  EXPECT_EQ(ValueOf("resnetd_alias_generation{alias=\"stable\",model=\"m\"}"),
            "2");
  EXPECT_EQ(ValueOf("resnetd_alias_generation{alias=\"canary\",model=\"m\"}"),
            "4");
  EXPECT_EQ(ValueOf("resnetd_model_promoted_timestamp_seconds{model=\"m\"}"),
            "3000");
  metrics().AliasDeleted("m", "canary");
  EXPECT_EQ(ValueOf("resnetd_alias_generation{alias=\"canary\",model=\"m\"}"),
            "absent");
  EXPECT_THAT(telemetry_->Expose(), Not(HasSubstr("canary")));
}

TEST_F(VersionMetricsTest, OnlyWhatWasMovedCountsAsSwitch) {
  const auto switches = [this](const std::string& kind) {
    return ValueOf(absl::StrCat("resnetd_alias_switches_total{kind=\"", kind,
                                "\",model=\"m\"}"));
  };
  const std::string swaps =
      "resnetd_model_swap_duration_seconds_count{model=\"m\"}";
  metrics().AliasPointed(Points("stable", "1"), 1, {}, AliasSwitch::kRestored,
                         {});
  EXPECT_EQ(switches("set"), "0");
  EXPECT_EQ(switches("rollback"), "0");
  EXPECT_EQ(ValueOf(swaps), "0");
  metrics().AliasPointed(Points("stable", "2"), 2, {}, AliasSwitch::kSet,
                         microseconds(9));
  metrics().AliasPointed(Points("stable", "1"), 3, {}, AliasSwitch::kRolledBack,
                         milliseconds(60));
  EXPECT_EQ(switches("set"), "1");
  EXPECT_EQ(switches("rollback"), "1");
  EXPECT_EQ(ValueOf(swaps), "2");
  // The goal has a bucket of its own.
  EXPECT_EQ(ValueOf("resnetd_model_swap_duration_seconds_bucket{model=\"m\","
                    "le=\"0.05\"}"),
            "1");
}

TEST_F(VersionMetricsTest, FailuresAreCountedByReasonsOfOurs) {
  const auto failures = [this](const std::string& reason) {
    return ValueOf(absl::StrCat("resnetd_model_load_failures_total{reason=\"",
                                reason, "\"}"));
  };
  EXPECT_EQ(failures("MEMORY_ADMISSION"), "0");
  metrics().LoadFailed("MEMORY_ADMISSION");
  EXPECT_EQ(failures("MEMORY_ADMISSION"), "1");
  const std::size_t lines = Lines();
  metrics().LoadFailed("");
  for (int i = 0; i < 1000; ++i) {
    metrics().LoadFailed(absl::StrCat("chosen-by-a-client-", i));
  }
  EXPECT_EQ(failures("OTHER"), "1001");
  EXPECT_EQ(Lines(), lines);
}

TEST_F(VersionMetricsTest, ShowsMemoryByOwner) {
  metrics().SetMemory({.weights = 10, .activations = 20, .loading = 30});
  EXPECT_EQ(ValueOf("resnetd_model_memory_bytes{owner=\"weights\"}"), "10");
  EXPECT_EQ(ValueOf("resnetd_model_memory_bytes{owner=\"activations\"}"), "20");
  EXPECT_EQ(ValueOf("resnetd_model_memory_bytes{owner=\"loading\"}"), "30");
}

TEST_F(VersionMetricsTest, ShowsTheStore) {
  metrics().SetStore({.blobs = 1,
                      .blob_bytes = 2,
                      .database_bytes = 3,
                      .free_bytes = 4,
                      .quota_bytes = 5,
                      .versions = 6,
                      .integrity_failures = 7});
  EXPECT_EQ(ValueOf("resnetd_store_blobs"), "1");
  EXPECT_EQ(ValueOf("resnetd_store_size_bytes{kind=\"blobs\"}"), "2");
  EXPECT_EQ(ValueOf("resnetd_store_size_bytes{kind=\"database\"}"), "3");
  EXPECT_EQ(ValueOf("resnetd_store_free_bytes"), "4");
  EXPECT_EQ(ValueOf("resnetd_store_quota_bytes"), "5");
  EXPECT_EQ(ValueOf("resnetd_store_versions"), "6");
  EXPECT_EQ(ValueOf("resnetd_store_integrity_failures_total"), "7");
  metrics().SetStore({.integrity_failures = 9});
  metrics().SetStore({.integrity_failures = 8});
  EXPECT_EQ(ValueOf("resnetd_store_integrity_failures_total"), "9");
}

TEST_F(VersionMetricsTest, CountsImportsAndTheirBytes) {
  EXPECT_EQ(ValueOf("resnetd_imports_total{outcome=\"OK\"}"), "0");
  metrics().ImportEnded(absl::StatusCode::kOk, 1000);
  metrics().ImportEnded(absl::StatusCode::kInvalidArgument, 10);
  EXPECT_EQ(ValueOf("resnetd_imports_total{outcome=\"OK\"}"), "1");
  EXPECT_EQ(ValueOf("resnetd_imports_total{outcome=\"INVALID_ARGUMENT\"}"),
            "1");
  EXPECT_EQ(ValueOf("resnetd_import_bytes_total"), "1010");
}

TEST_F(VersionMetricsTest, CountsWhatWasFoundDamaged) {
  metrics().VersionLoaded(Loaded("m", "1"), milliseconds(1));
  const std::string series =
      "resnetd_model_integrity_failures_total{model=\"m\"}";
  EXPECT_EQ(ValueOf(series), "0");
  metrics().IntegrityFailed("m");
  EXPECT_EQ(ValueOf(series), "1");
}

TEST_F(VersionMetricsTest, StaysWholeWhenManyThreadsSwitch) {
  constexpr int kThreads = 4;
  {
    std::vector<Thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back("switch", [this, i] {
        for (int turn = 0; turn < 200; ++turn) {
          const std::string version = absl::StrCat(turn % 3);
          metrics().VersionLoaded(Loaded("m", version), microseconds(1));
          metrics().AliasPointed(Points("stable", version), turn, {},
                                 AliasSwitch::kSet, microseconds(1));
          metrics().VersionUnloaded("m", version);
          metrics().SetStore({.integrity_failures = turn});
          if (turn % 100 == i) {
            EXPECT_NE(telemetry_->Expose(), "");
          }
        }
      });
    }
  }
  EXPECT_EQ(ValueOf("resnetd_alias_switches_total{kind=\"set\",model=\"m\"}"),
            "800");
  EXPECT_THAT(telemetry_->Expose(), Not(HasSubstr("resnetd_model_info{")));
}

TEST(NullVersionMetricsTest, TakesEverything) {
  VersionMetrics& metrics = NullVersionMetrics();
  metrics.VersionLoaded({}, {});
  metrics.VersionUnloaded("m", "1");
  metrics.LoadFailed("");
  metrics.AliasPointed({}, 1, {}, AliasSwitch::kSet, {});
  metrics.AliasDeleted("m", "stable");
  metrics.IntegrityFailed("m");
  metrics.SetMemory({});
  metrics.SetStore({});
  metrics.ImportEnded(absl::StatusCode::kOk, 1);
  EXPECT_EQ(&metrics, &NullVersionMetrics());
}

}  // namespace
}  // namespace resnetd
