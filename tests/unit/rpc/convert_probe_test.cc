#include "server/rpc/convert_probe.h"

#include <gtest/gtest.h>

#include "tests/support/fake_version_prober.h"

namespace resnetd {
namespace {

ProbeTarget Target(const ProbeSettings& settings = {}) {
  return {.model = ModelName::Parse("digits").value(),
          .version = {3},
          .settings = settings};
}

TEST(ConvertProbeTest, WithoutOptionsNothingIsAskedFor) {
  v1::ProbeHeader header;
  header.set_version("models/digits/versions/3");
  const ProbeTarget target = ToProbeTarget(header).value();
  EXPECT_EQ(target.model.text(), "digits");
  EXPECT_EQ(target.version.value, 3);
  EXPECT_FALSE(target.settings.batch_statistics);
  EXPECT_FALSE(target.settings.check_differences);
  EXPECT_FALSE(target.settings.split_parameters);
  EXPECT_EQ(target.settings.path_passes, 0);
  EXPECT_EQ(target.settings.seed, 0);
}

TEST(ConvertProbeTest, RefusesWhatIsNoVersion) {
  v1::ProbeHeader header;
  for (const char* version :
       {"", "digits", "models/digits", "models/digits/versions/0",
        "models/digits/versions/3/"}) {
    header.set_version(version);
    EXPECT_FALSE(ToProbeTarget(header).ok()) << version;
  }
}

TEST(ConvertProbeTest, SaysWhatWasAskedForAndNothingElse) {
  const ProbeTarget target = Target();
  const v1::ProbeReport report =
      ToProto(FakeVersionProber::Answer(target, 5), target);
  EXPECT_EQ(report.version(), "models/digits/versions/3");
  EXPECT_FALSE(report.weights_sha256().empty());
  EXPECT_EQ(report.examples(), 5);
  EXPECT_EQ(report.loss(), 0.25);
  EXPECT_EQ(report.took().seconds(), 1);
  EXPECT_EQ(report.took().nanos(), 500'000'000);
  EXPECT_EQ(report.depth_ratio(), 4);
  ASSERT_EQ(report.blocks_size(), 2);
  const v1::ProbedBlock& block = report.blocks(0);
  EXPECT_EQ(block.name(), "layer1.00");
  EXPECT_TRUE(block.shortcut_is_identity());
  EXPECT_EQ(block.paths().shortcut(), 16);
  EXPECT_EQ(block.paths().main(), 12);
  EXPECT_EQ(block.paths().input(), 20);
  EXPECT_EQ(block.paths().sum(), 16);
  EXPECT_DOUBLE_EQ(block.paths().main_share(), 0.36);
  EXPECT_EQ(block.residual_ratio(), 0.5);
  EXPECT_FALSE(block.has_fd_errors());
  EXPECT_FALSE(block.has_parameters());
  EXPECT_FALSE(report.has_paths());
}

TEST(ConvertProbeTest, TellsProofsSplitsAndWays) {
  const ProbeTarget target = Target({.batch_statistics = true,
                                     .check_differences = true,
                                     .split_parameters = true,
                                     .path_passes = 4,
                                     .seed = 2});
  const v1::ProbeReport report =
      ToProto(FakeVersionProber::Answer(target, 5), target);
  EXPECT_TRUE(report.options().batch_statistics());
  EXPECT_TRUE(report.options().fd_check());
  EXPECT_TRUE(report.options().split_parameters());
  EXPECT_EQ(report.options().path_passes(), 4);
  EXPECT_EQ(report.options().path_seed(), 2);
  const v1::ProbedBlock& block = report.blocks(1);
  EXPECT_EQ(block.fd_errors().main(), 1e-9);
  EXPECT_EQ(block.fd_errors().shortcut(), 2e-9);
  EXPECT_EQ(block.parameters().by_main(), 1);
  EXPECT_EQ(block.parameters().by_shortcut(), 2);
  EXPECT_EQ(block.parameters().whole(), 3);
  EXPECT_EQ(block.parameters().error(), 1e-15);
  ASSERT_EQ(report.paths().lengths_size(), 3);
  EXPECT_EQ(report.paths().lengths(1).main_paths(), 1);
  EXPECT_EQ(report.paths().lengths(1).ways(), 2);
  EXPECT_EQ(report.paths().lengths(1).gone(), 2);
  EXPECT_EQ(report.paths().lengths(1).mean_norm(), 2);
  EXPECT_EQ(report.paths().lengths(1).mass_share(), 0.5);
  EXPECT_EQ(report.paths().direct_share(), 0.4);
  EXPECT_EQ(report.paths().error(), 1e-16);
}

TEST(ConvertProbeTest, WithoutGradientThereIsNoRatio) {
  const ProbeTarget target = Target({.path_passes = 1});
  Probed probed = FakeVersionProber::Answer(target, 1);
  probed.report.blocks[1].paths = {};
  probed.report.distribution = PathDistribution{
      .lengths = {{.main_paths = 0, .ways = 1, .gone = 1, .mean_norm = 0}}};
  const v1::ProbeReport report = ToProto(probed, target);
  EXPECT_FALSE(report.has_depth_ratio());
  EXPECT_FALSE(report.blocks(1).paths().has_main_share());
  EXPECT_EQ(report.paths().lengths(0).mass_share(), 0);
  EXPECT_FALSE(report.paths().has_error());
}

}  // namespace
}  // namespace resnetd
