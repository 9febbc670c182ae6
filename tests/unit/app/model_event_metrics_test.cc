#include "server/app/model_event_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "server/base/error.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

ModelName Name() { return ModelName::Parse("m").value(); }

AliasRow Row(const std::string& alias, std::int64_t generation) {
  return {.model = Name(),
          .alias = alias,
          .version = {2},
          .previous = VersionNumber{1},
          .generation = generation,
          .updated = WallTime(std::chrono::seconds(1000))};
}

class ModelEventMetricsTest : public testing::Test {
 protected:
  std::string Text() const { return telemetry_->Expose(); }

  std::unique_ptr<Telemetry> telemetry_ = Telemetry::Create();
  ModelEventMetrics events_{*telemetry_};
  ModelHandle version_ = FakeVersion(FakeFacts("m", 10, 2));
};

TEST_F(ModelEventMetricsTest, ShowsAVersionWhileItIsLoaded) {
  const std::string series =
      "resnetd_model_info{arch=\"cifar_resnet8\",backend=\"" +
      version_->model->backend() + "\",digest=\"" + std::string(64, 'a') +
      "\",model=\"m\",precision=\"" + version_->model->precision() +
      "\",version=\"2\"} 1";
  events_.VersionLoaded(*version_);
  EXPECT_THAT(Text(), HasSubstr(series));
  events_.VersionUnloaded(Name(), {2});
  EXPECT_THAT(Text(), Not(HasSubstr(series)));
}

TEST_F(ModelEventMetricsTest, CountsWhatWasRefusedAtAChoice) {
  events_.PrecisionChosen(
      *version_,
      {{.precision = "int8", .objection = PrecisionObjection::kNoPictures}});
  EXPECT_THAT(Text(), HasSubstr("refusals_total{precision=\"int8\",reason="
                                "\"no_pictures\"} 1"));
}

TEST_F(ModelEventMetricsTest, TellsHowAnAliasMoved) {
  const AliasRow stable = Row("stable", 3);
  events_.AliasPointed({.alias = stable,
                        .version = version_.get(),
                        .kind = EventKind::kAliasSet,
                        .restored = true});
  EXPECT_THAT(
      Text(),
      AllOf(HasSubstr("resnetd_alias_info{alias=\"stable\",digest=\"" +
                      std::string(64, 'a') + "\",model=\"m\",version=\"2\"} 1"),
            HasSubstr("switches_total{kind=\"set\",model=\"m\"} 0"),
            HasSubstr("promoted_timestamp_seconds{model=\"m\"} 1000"),
            // Its serving series are there before the first call.
            HasSubstr("resnetd_images_total{model=\"m\",outcome=\"OK\"} 0")));
  const AliasRow again = Row("stable", 4);
  events_.AliasPointed({.alias = again,
                        .version = version_.get(),
                        .kind = EventKind::kAliasSet});
  events_.AliasPointed({.alias = again,
                        .version = version_.get(),
                        .kind = EventKind::kAliasRolledBack});
  EXPECT_THAT(
      Text(),
      AllOf(HasSubstr("switches_total{kind=\"set\",model=\"m\"} 1"),
            HasSubstr("switches_total{kind=\"rollback\",model=\"m\"} 1"),
            HasSubstr(
                "resnetd_alias_generation{alias=\"stable\",model=\"m\"} 4")));
}

TEST_F(ModelEventMetricsTest, AnAliasWithoutALoadedVersionHasNoDigest) {
  const AliasRow stable = Row("stable", 3);
  events_.AliasPointed({.alias = stable, .version = nullptr, .restored = true});
  EXPECT_THAT(Text(), HasSubstr("resnetd_alias_info{alias=\"stable\",digest="
                                "\"\",model=\"m\",version=\"2\"} 1"));
  events_.AliasDeleted(Name(), "stable");
  EXPECT_THAT(Text(), Not(HasSubstr("resnetd_alias_info{")));
}

TEST_F(ModelEventMetricsTest, CountsFailuresByReason) {
  events_.LoadFailed(Name(), Error(absl::StatusCode::kDataLoss,
                                   Reason::kStoreCorrupt, "damaged"));
  events_.LoadFailed(Name(), absl::InternalError("no details"));
  events_.IntegrityFailed(Name(), {2});
  EXPECT_THAT(
      Text(),
      AllOf(HasSubstr("load_failures_total{reason=\"STORE_CORRUPT\"} 1"),
            HasSubstr("load_failures_total{reason=\"OTHER\"} 1"),
            HasSubstr("integrity_failures_total{model=\"m\"} 1")));
}

TEST_F(ModelEventMetricsTest, CountsImports) {
  events_.ImportEnded(absl::OkStatus(), 1000);
  events_.ImportEnded(absl::CancelledError(), 10);
  EXPECT_THAT(Text(),
              AllOf(HasSubstr("imports_total{outcome=\"OK\"} 1\n"),
                    HasSubstr("imports_total{outcome=\"CANCELLED\"} 1\n"),
                    HasSubstr("resnetd_import_bytes_total 1010\n")));
}

TEST_F(ModelEventMetricsTest, ShowsMemory) {
  events_.MemoryChanged({.weights = 1, .activations = 2, .loading = 3});
  EXPECT_THAT(Text(),
              AllOf(HasSubstr("memory_bytes{owner=\"weights\"} 1\n"),
                    HasSubstr("memory_bytes{owner=\"activations\"} 2\n"),
                    HasSubstr("memory_bytes{owner=\"loading\"} 3\n")));
}

}  // namespace
}  // namespace resnetd
