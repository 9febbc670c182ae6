// The plug-in as the server sees it: a library whose symbols nobody linked.

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/finetune/network_parts.h"
#include "server/finetune/probe_plugin.h"
#include "server/finetune/trainer_plugin.h"
#include "server/models/backend_plugin.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"
#include "tests/support/golden_logits.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Null, with the reason on stderr, when the library cannot be loaded.
const BackendPlugin* LoadPlugin() {
  void* library = dlopen(TORCH_PLUGIN_FILE, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the state is per thread.
    std::cerr << dlerror() << "\n";
    return nullptr;
  }
  auto* factory = reinterpret_cast<BackendPluginFactory*>(
      dlsym(library, kBackendPluginSymbol));
  return factory == nullptr ? nullptr : factory();
}

std::unique_ptr<ModelLoader> MakeLoader(const BackendOptions& options) {
  auto loader = LoadPlugin()->create(options);
  EXPECT_TRUE(loader.ok()) << loader.status();
  return loader.ok() ? *std::move(loader) : nullptr;
}

TEST(TorchPluginTest, IsOfThisBuild) {
  const BackendPlugin* plugin = LoadPlugin();
  ASSERT_NE(plugin, nullptr);
  EXPECT_EQ(plugin->abi, kBackendPluginAbi);
  EXPECT_EQ(plugin->layout, BackendPluginLayout());
  EXPECT_THAT(plugin->library, StartsWith("LibTorch 2.11."));
}

TEST(TorchPluginTest, DescribesLibraryDeviceAndThreads) {
  const auto loader = MakeLoader({.threads = 2, .device = "cpu"});
  ASSERT_NE(loader, nullptr);
  EXPECT_THAT(loader->description(), StartsWith("LibTorch 2.11."));
  EXPECT_THAT(loader->description(), HasSubstr("CPU"));
  EXPECT_THAT(loader->description(), HasSubstr("2 threads"));
}

// The errors are made in the plug-in and read here: their details cross the
// border.
TEST(TorchPluginTest, RefusesOptionsWithDetailsThatTheExecutableCanRead) {
  const absl::Status status =
      LoadPlugin()->create({.threads = 1, .device = "tpu"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID");
}

const TrainerPlugin* LoadTrainers() {
  void* library = dlopen(TORCH_PLUGIN_FILE, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return nullptr;
  }
  auto* factory = reinterpret_cast<TrainerPluginFactory*>(
      dlsym(library, kTrainerPluginSymbol));
  return factory == nullptr ? nullptr : factory();
}

TEST(TorchPluginTest, OffersTrainersOfThisBuild) {
  const TrainerPlugin* plugin = LoadTrainers();
  ASSERT_NE(plugin, nullptr);
  EXPECT_EQ(plugin->abi, kTrainerPluginAbi);
  EXPECT_EQ(plugin->layout, TrainerPluginLayout());
  EXPECT_THAT(plugin->library, StartsWith("LibTorch 2.11."));
}

// A whole step across the border, and an error with its details.
TEST(TorchPluginTest, Trains) {
  const auto factory = LoadTrainers()->create({});
  ASSERT_TRUE(factory.ok()) << factory.status();
  const ModelPackage package = FilledPackage("cifar_resnet8", 10, 8);
  TrainerOptions options;
  options.trained_parts.assign(PartNames(package.network).size(), true);
  const auto trainer = (*factory)->Create(
      options, package.network, package.weights, package.facts.preprocess);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  const Pixels first = FillPicture(8, 8, 0);
  const Pixels second = FillPicture(8, 8, 1);
  TrainingBatch batch;
  batch.pictures = {&first, &second};
  batch.labels = {3, 7};
  const StepSettings settings = {
      .rates = std::vector<double>(options.trained_parts.size(), 0.1)};
  const auto report = (*trainer)->Step({&batch, 1}, settings);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->examples, 2);
  EXPECT_GT(report->gradient_norm, 0);

  options.ema = 2;
  const absl::Status refused =
      (*factory)
          ->Create(options, package.network, package.weights,
                   package.facts.preprocess)
          .status();
  EXPECT_EQ(DetailsOf(refused).reason, "RECIPE_INVALID");
}

// What tests/golden/logits allows, of the logits' scale.
constexpr double kTolerance = 1e-5;

class GoldenLogitsTest : public testing::TestWithParam<std::string> {};

TEST_P(GoldenLogitsTest, AgreesWithTheReference) {
  const std::vector<std::vector<double>> golden = ReadGoldenLogits(GetParam());
  ASSERT_EQ(golden.size(), 2U);
  const std::size_t classes = golden[0].size();
  const ModelPackage package = FilledPackage(GetParam());
  const int side = package.facts.preprocess.crop;
  const Pixels first = FillPicture(side, side, 0);
  const Pixels second = FillPicture(side, side, 1);

  const auto loader = MakeLoader({.threads = 2, .device = "cpu"});
  ASSERT_NE(loader, nullptr);
  const auto model = loader->Load(package, 2);
  ASSERT_TRUE(model.ok()) << model.status();
  const auto logits = (*model)->Logits({&first, &second});
  ASSERT_TRUE(logits.ok()) << logits.status();
  ASSERT_EQ(logits->size(), 2 * classes);
  for (std::size_t i = 0; i < 2; ++i) {
    const double difference =
        RelativeToScale(golden[i], logits->data() + i * classes);
    RecordProperty(absl::StrCat("difference", i), absl::StrCat(difference));
    EXPECT_LE(difference, kTolerance) << "picture " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, GoldenLogitsTest,
                         testing::Values("resnet18", "resnet34", "resnet50",
                                         "resnet101", "resnet152",
                                         "wide_resnet50_2", "wide_resnet101_2",
                                         "resnext50_32x4d", "resnext101_32x8d",
                                         "resnext101_64x4d", "resnet18_v2",
                                         "resnet50_v2", "cifar_resnet8",
                                         "cifar_resnet20", "cifar_resnet20_v2"),
                         [](const auto& test) { return test.param; });

const ProbePlugin* LoadProbers() {
  void* library = dlopen(TORCH_PLUGIN_FILE, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return nullptr;
  }
  auto* factory =
      reinterpret_cast<ProbePluginFactory*>(dlsym(library, kProbePluginSymbol));
  return factory == nullptr ? nullptr : factory();
}

// A whole probe across the border, and errors with their details both ways.
TEST(TorchPluginTest, Probes) {
  const ProbePlugin* plugin = LoadProbers();
  ASSERT_NE(plugin, nullptr);
  EXPECT_EQ(plugin->abi, kProbePluginAbi);
  EXPECT_EQ(plugin->layout, ProbePluginLayout());
  EXPECT_THAT(plugin->library, StartsWith("LibTorch 2.11."));
  const auto prober = plugin->create();
  ASSERT_TRUE(prober.ok()) << prober.status();
  const ModelPackage package = FilledPackage("cifar_resnet8", 10, 8);
  const Pixels picture = FillPicture(8, 8, 0);
  TrainingBatch batch;
  batch.pictures = {&picture};
  batch.labels = {3};
  const auto probe = [&](const ProbeGoOn& go_on) {
    return (*prober)->Probe(package.network, package.weights,
                            package.facts.preprocess, batch,
                            {.check_differences = true}, go_on);
  };
  const auto report = probe({});
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->blocks.size(), 3U);
  EXPECT_LT(report->blocks[0].differences->main, 1e-6);

  const absl::Status ended = probe([](const ProbeProgress& progress) {
                               return progress.done == 0
                                          ? absl::OkStatus()
                                          : Error(absl::StatusCode::kCancelled,
                                                  Reason::kCancelled, "");
                             }).status();
  EXPECT_EQ(DetailsOf(ended).reason, "CANCELLED");
  batch.labels = {10};
  EXPECT_EQ(DetailsOf(probe({}).status()).reason, "RECIPE_INVALID");
}

}  // namespace
}  // namespace resnetd
