// The CPU engine and the LibTorch plug-in in one process: they answer alike,
// and what both need exists once.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "server/app/plugin.h"
#include "server/engine/cpu_engine.h"
#include "server/engine/cpu_features.h"
#include "server/finetune/network_parts.h"
#include "server/models/backend_plugin.h"
#include "server/models/model.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"
#include "tests/support/golden_logits.h"

namespace resnetd {
namespace {

using ::testing::SizeIs;

constexpr int kThreads = 2;

std::unique_ptr<Model> LoadWithEngine(const ModelPackage& package,
                                      std::size_t max_batch) {
  const auto loader = CreateCpuEngine({.threads = kThreads});
  EXPECT_TRUE(loader.ok()) << loader.status();
  auto model = (*loader)->Load(package, max_batch);
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

std::unique_ptr<Model> LoadWithTorch(const ModelPackage& package,
                                     std::size_t max_batch) {
  const auto plugin =
      LoadBackendPlugin(TorchPluginCandidates(ExecutableFolder()));
  EXPECT_TRUE(plugin.ok()) << plugin.status();
  const auto loader = (*plugin)->create({.threads = kThreads, .device = "cpu"});
  EXPECT_TRUE(loader.ok()) << loader.status();
  auto model = (*loader)->Load(package, max_batch);
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

std::vector<const Pixels*> BatchOf(const std::vector<Pixels>& pictures) {
  std::vector<const Pixels*> batch;
  batch.reserve(pictures.size());
  for (const Pixels& picture : pictures) {
    batch.push_back(&picture);
  }
  return batch;
}

std::vector<double> Widened(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

// Paths of the loaded libraries called `name`: libx.so.1, libx-1a2b.so.
std::set<std::string> LoadedLibraries(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  std::set<std::string> paths;
  for (std::string line; std::getline(maps, line);) {
    const std::size_t slash = line.find('/');
    if (slash != std::string::npos &&
        (absl::StrContains(line, "/" + name + ".so") ||
         absl::StrContains(line, "/" + name + "-"))) {
      paths.insert(line.substr(slash));
    }
  }
  return paths;
}

class BackendsTest : public testing::TestWithParam<std::string> {};

TEST_P(BackendsTest, AnswerTheSamePicturesAlike) {
  const ModelPackage package = FilledPackage(GetParam());
  const int side = package.facts.preprocess.crop;
  std::vector<Pixels> pictures;
  for (const int number : {5, 6, 7}) {
    pictures.push_back(FillPicture(side, side, number));
  }
  const auto engine = LoadWithEngine(package, pictures.size());
  const auto torch = LoadWithTorch(package, pictures.size());
  EXPECT_EQ(engine->backend(), "engine");
  EXPECT_EQ(torch->backend(), "torch");
  const auto by_engine = engine->Logits(BatchOf(pictures));
  const auto by_torch = torch->Logits(BatchOf(pictures));
  ASSERT_TRUE(by_engine.ok()) << by_engine.status();
  ASSERT_TRUE(by_torch.ok()) << by_torch.status();
  ASSERT_EQ(by_engine->size(), by_torch->size());
  // Each is at most 1e-5 off the truth.
  EXPECT_LE(RelativeToScale(Widened(*by_torch), by_engine->data()), 2e-5);
}

// Every place where a trained part can begin: the engine computes what is
// before it, the trainer the rest.
TEST_P(BackendsTest, TheTrainerGoesOnWithTheFeaturesOfTheEngine) {
  const ModelPackage package = FilledPackage(GetParam());
  const PreprocessSpec& preprocess = package.facts.preprocess;
  const auto plugin =
      LoadTrainerPlugin(TorchPluginCandidates(ExecutableFolder()));
  ASSERT_TRUE(plugin.ok()) << plugin.status();
  const auto trainers = (*plugin)->create({});
  ASSERT_TRUE(trainers.ok()) << trainers.status();
  const auto loader = CreateCpuFeatureLoader({.threads = kThreads});
  ASSERT_TRUE(loader.ok()) << loader.status();
  const Pixels picture = FillPicture(preprocess.crop, preprocess.crop, 5);
  const std::size_t parts = PartNames(package.network).size();
  for (std::size_t first = 1; first < parts; ++first) {
    TrainerOptions options{.threads = kThreads};
    for (std::size_t part = 0; part < parts; ++part) {
      options.trained_parts.push_back(part >= first);
    }
    const auto trainer = (*trainers)->Create(options, package.network,
                                             package.weights, preprocess);
    ASSERT_TRUE(trainer.ok()) << trainer.status();
    const auto extractor =
        (*loader)->Load(package.network, package.weights, preprocess,
                        static_cast<int>(first) - 1, 1);
    ASSERT_TRUE(extractor.ok()) << extractor.status();
    const std::vector<float> row = (*extractor)->Features({&picture}).value();
    const auto by_engine = (*trainer)->LogitsOfFeatures({row});
    ASSERT_TRUE(by_engine.ok()) << by_engine.status();
    const std::vector<float> whole = (*trainer)->Logits({&picture}).value();
    EXPECT_LE(RelativeToScale(Widened(whole), by_engine->data()), 1e-5)
        << "from part " << first;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, BackendsTest,
                         testing::Values("cifar_resnet8", "cifar_resnet20_v2",
                                         "resnet18", "resnext50_32x4d"),
                         [](const auto& test) { return test.param; });

// Two OpenMP runtimes would fight over the cores and lose threads' settings.
TEST(BackendsProcessTest, HasOneOpenMpRuntime) {
  const ModelPackage package = FilledPackage("cifar_resnet8");
  const Pixels picture = FillPicture(32, 32);
  ASSERT_TRUE(LoadWithEngine(package, 1)->Logits({&picture}).ok());
  ASSERT_TRUE(LoadWithTorch(package, 1)->Logits({&picture}).ok());
  EXPECT_THAT(LoadedLibraries("libgomp"), SizeIs(1));
  EXPECT_THAT(LoadedLibraries("libiomp5"), SizeIs(0));
  EXPECT_THAT(LoadedLibraries("libresnetd_torch"), SizeIs(1));
}

// Both set the number of OpenMP threads of the threads that call them.
TEST(BackendsProcessTest, AnswerWhileTheOtherIsAtWork) {
  constexpr int kRounds = 20;
  const ModelPackage package = FilledPackage("cifar_resnet8");
  const Pixels picture = FillPicture(32, 32);
  const auto engine = LoadWithEngine(package, 1);
  const auto torch = LoadWithTorch(package, 1);
  const std::vector<double> expected =
      Widened(torch->Logits({&picture}).value());
  std::vector<double> worst(2, 0);
  {
    std::vector<std::jthread> callers;
    for (std::size_t i = 0; i < worst.size(); ++i) {
      callers.emplace_back([&, i] {
        for (int round = 0; round < kRounds; ++round) {
          // Each thread takes turns, so that it meets the other's settings.
          const bool first = (static_cast<std::size_t>(round) + i) % 2 == 0;
          const Model& model = first ? *engine : *torch;
          const auto logits = model.Logits({&picture});
          worst[i] = std::max(
              worst[i],
              logits.ok() ? RelativeToScale(expected, logits->data()) : 1.0);
        }
      });
    }
  }
  EXPECT_LE(*std::max_element(worst.begin(), worst.end()), 2e-5);
}

}  // namespace
}  // namespace resnetd
