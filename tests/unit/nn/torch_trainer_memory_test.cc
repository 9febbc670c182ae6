// What a step that is observed holds beside any other, and what the admission
// of jobs counts on for it (finetune/job_memory.h).

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/base/system_memory.h"
#include "server/finetune/job_memory.h"
#include "server/finetune/network_parts.h"
#include "server/nn/torch_trainer.h"
#include "tests/support/filled_package.h"
#include "tests/unit/nn/few_channels.h"

namespace resnetd {
namespace {

constexpr int kExamples = 8;
constexpr int kCrop = 64;

class TorchTrainerMemoryTest : public testing::Test {
 protected:
  // Batches of the step.
  void Make(int accumulation) {
    const std::size_t parts = PartNames(package_.network).size();
    plan_.architecture = package_.facts.architecture;
    plan_.preprocess = package_.facts.preprocess;
    plan_.recipe.batch_size = kExamples;
    plan_.recipe.accumulation = accumulation;
    plan_.recipe.phases = {{.steps = 1,
                            .trained_parts = std::vector<bool>(parts, true),
                            .rates = std::vector<double>(parts, 1e-6)}};
    batches_.resize(static_cast<std::size_t>(accumulation));
    for (int i = 0; i < kExamples; ++i) {
      pictures_.push_back(
          std::make_unique<Pixels>(FillPicture(kCrop, kCrop, i)));
      TrainingBatch& batch =
          batches_[static_cast<std::size_t>(i * accumulation / kExamples)];
      batch.pictures.push_back(pictures_.back().get());
      batch.labels.push_back(i);
    }
    trainer_ =
        TorchTrainer::Create({.trained_parts = std::vector<bool>(parts, true)},
                             package_.network, package_.weights,
                             plan_.preprocess, at::kCPU)
            .value();
  }

  // The most that the process holds while it does two steps.
  double PeakOf(const std::optional<Observation>& observation) {
    const StepSettings settings{.rates = plan_.recipe.phases[0].rates,
                                .observe = observation};
    // What a step keeps for the next one is there.
    EXPECT_TRUE(trainer_->Step(batches_, {.rates = settings.rates}).ok());
    ForgetPeakMemory();
    EXPECT_TRUE(trainer_->Step(batches_, settings).ok());
    return static_cast<double>(PeakMemory().value_or(0));
  }

  // Of an observed step beside one that is not: measured, of the estimate.
  double Share(bool noise) {
    PeakOf(std::nullopt);
    const double plain = PeakOf(std::nullopt);
    const double observed = PeakOf(Observation{.step = 1, .noise = noise});
    const std::int64_t estimate =
        EstimateMemoryOf(plan_, {.probe_every = 1, .snr = noise}, 0)
            .observation;
    return (observed - plain) / static_cast<double>(estimate);
  }

 private:
  const ModelPackage package_ = FilledPackage("resnet18", 1000, kCrop);
  const OneDnnFor one_dnn_{package_.network};
  JobPlan plan_;
  std::vector<std::unique_ptr<Pixels>> pictures_;
  std::vector<TrainingBatch> batches_;
  std::unique_ptr<TorchTrainer> trainer_;
};

TEST_F(TorchTrainerMemoryTest, OfANoiseProbeIsWithinTheEstimate) {
  Make(1);
  const double share = Share(/*noise=*/true);
  EXPECT_GT(share, 0.2);
  EXPECT_LT(share, 1.1);
}

TEST_F(TorchTrainerMemoryTest, OfObservedPartsIsWithinTheEstimate) {
  Make(2);
  // Often far less: the activations of a part are gone where the second set of
  // gradients is complete.
  EXPECT_LT(Share(/*noise=*/false), 1.1);
}

}  // namespace
}  // namespace resnetd
