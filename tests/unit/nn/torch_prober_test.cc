#include "server/nn/torch_prober.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/base/error.h"
#include "server/finetune/probe_cost.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

class TorchProberTest : public ::testing::Test {
 protected:
  TorchProberTest()
      : network_(
            BuildNetwork(FindArchitecture("cifar_resnet8", kClasses).value())),
        weights_(FillWeights(network_)),
        prober_(TorchProber::Create().value()),
        batch_(0, 3) {}

  absl::StatusOr<ProbeReport> Probe(const ProbeSettings& settings,
                                    const ProbeGoOn& go_on = {}) {
    return prober_->Probe(network_, weights_, SmallPictures(), batch_.batch(),
                          settings, go_on);
  }

  const Network network_;
  const Weights weights_;
  const std::unique_ptr<Prober> prober_;
  FilledBatch batch_;
};

TEST_F(TorchProberTest, ProvesTheGradientsOfANetwork) {
  const auto report = Probe(
      {.check_differences = true, .split_parameters = true, .path_passes = 8});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->examples, 3);
  ASSERT_EQ(report->blocks.size(), 3U);
  for (const ProbedBlock& block : report->blocks) {
    EXPECT_LT(block.differences->main, 1e-6);
    EXPECT_LT(block.differences->shortcut, 1e-6);
    EXPECT_LT(block.parameters->error, 1e-12);
  }
  EXPECT_LT(*report->distribution->error, 1e-12);
}

TEST_F(TorchProberTest, TheSameAgainIsTheSame) {
  const auto first = Probe({.path_passes = 8});
  const auto second = Probe({.path_passes = 8});
  EXPECT_EQ(first->loss, second->loss);
  for (std::size_t i = 0; i < first->blocks.size(); ++i) {
    EXPECT_EQ(first->blocks[i].paths, second->blocks[i].paths);
  }
}

// Every pass is asked for, and all of them are what ProbeWork() says.
TEST_F(TorchProberTest, AsksBeforeEachPass) {
  std::vector<std::int64_t> done;
  std::int64_t all = 0;
  const ProbeSettings settings{.check_differences = true};
  ASSERT_TRUE(Probe(settings, [&](const ProbeProgress& progress) {
                done.push_back(progress.done);
                all = progress.all;
                return absl::OkStatus();
              }).ok());
  EXPECT_EQ(all, ProbeWork(3, settings));
  EXPECT_THAT(done, ElementsAre(0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14));
}

TEST_F(TorchProberTest, TheWorkOfEveryKindOfProbeIsKnownBefore) {
  for (const ProbeSettings& settings :
       {ProbeSettings{}, ProbeSettings{.split_parameters = true},
        ProbeSettings{.path_passes = 8}, ProbeSettings{.path_passes = 7},
        ProbeSettings{.path_passes = 1}}) {
    std::int64_t last = 0;
    std::int64_t all = 0;
    ASSERT_TRUE(Probe(settings, [&](const ProbeProgress& progress) {
                  last = progress.done;
                  all = progress.all;
                  return absl::OkStatus();
                }).ok());
    EXPECT_EQ(last + kBackwardWork, all);
    EXPECT_EQ(all, ProbeWork(3, settings));
  }
}

TEST_F(TorchProberTest, EndsWithTheErrorOfWhoeverIsAsked) {
  int asked = 0;
  const auto refuse_third = [&asked](const ProbeProgress&) {
    return ++asked < 3 ? absl::OkStatus()
                       : Error(absl::StatusCode::kDeadlineExceeded,
                               Reason::kDeadlineUnreachable, "too long");
  };
  const absl::Status status =
      Probe({.check_differences = true}, refuse_third).status();
  EXPECT_EQ(DetailsOf(status).reason, "DEADLINE_UNREACHABLE");
  EXPECT_EQ(asked, 3);
  EXPECT_TRUE(Probe({}).ok());
}

TEST_F(TorchProberTest, RefusesANetworkWithoutBlocks) {
  Network flat = network_;
  flat.blocks.clear();
  const absl::Status status =
      prober_
          ->Probe(flat, weights_, SmallPictures(), batch_.batch(), {}, nullptr)
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "RECIPE_INVALID");
}

}  // namespace
}  // namespace resnetd
