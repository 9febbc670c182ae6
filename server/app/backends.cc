#include "server/app/backends.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/app/calibration_folder.h"
#include "server/app/picture_sources.h"
#include "server/app/plugin.h"
#include "server/app/server_options.h"
#include "server/base/clock.h"
#include "server/base/status_macros.h"
#include "server/engine/cpu_engine.h"
#include "server/models/device_set.h"

namespace resnetd {
namespace {

absl::StatusOr<std::unique_ptr<ModelLoader>> CreateTorch(
    const Config& config, const ThreadPlan& plan,
    const std::function<void()>& on_broken) {
  ASSIGN_OR_RETURN(
      const BackendPlugin* const plugin,
      LoadBackendPlugin(TorchPluginCandidates(ExecutableFolder())));
  std::vector<std::unique_ptr<ModelLoader>> loaders;
  ASSIGN_OR_RETURN(const std::vector<std::size_t> batch_sizes,
                   BatchSizesOf(config));
  for (const std::string& device : DevicesOf(config)) {
    ASSIGN_OR_RETURN(loaders.emplace_back(),
                     plugin->create({.threads = plan.threads,
                                     .device = device,
                                     .precision = config.precision,
                                     .batch_sizes = batch_sizes,
                                     .on_broken = on_broken}));
  }
  if (loaders.size() == 1) {
    return std::move(loaders.front());
  }
  return std::make_unique<DeviceSetLoader>(std::move(loaders), RealClock());
}

bool IsTorchInstalled() {
  for (const std::string& file : TorchPluginCandidates(ExecutableFolder())) {
    std::error_code error;
    if (std::filesystem::exists(file, error)) {
      return true;
    }
  }
  return false;
}

ServerFacts::Backend DescribeTorch() {
  if (IsTorchInstalled()) {
    return {.name = "torch",
            .usable = true,
            .detail = "LibTorch plug-in installed; loaded when it is needed"};
  }
  return {.name = "torch",
          .usable = false,
          .detail =
              "LibTorch plug-in not installed: run ./dev setup, then "
              "./dev build"};
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelLoader>> CreateBackend(
    const Config& config, const ThreadPlan& plan,
    const std::function<void()>& on_broken, const CalibrationPictures& pictures,
    const ModelPrecisions& precisions) {
  if (config.backend == "torch") {
    return CreateTorch(config, plan, on_broken);
  }
  return CreateCpuEngine(
      {.threads = plan.threads,
       .precision = config.precision,
       .model_precisions = precisions,
       .pictures = FirstOf(
           pictures, CalibrationFolder(config.calibration_pictures,
                                       DatasetOptionsOf(config, plan).decode)),
       .record_folder = ChoicesFolderOf(config)});
}

std::vector<ServerFacts::Backend> DescribeBackends(
    const Config& config, const ModelLoader& loader,
    const KernelSelftest& kernels) {
  const bool uses_torch = config.backend == "torch";
  ServerFacts::Backend engine{
      .name = "engine", .usable = true, .detail = kernels.text};
  if (!uses_torch) {
    engine.detail = kernels.capped
                        ? absl::StrCat(loader.description(), "; ", kernels.text)
                        : loader.description();
  }
  ServerFacts::Backend torch = DescribeTorch();
  if (uses_torch) {
    torch.detail = loader.description();
  }
  return {std::move(engine), std::move(torch)};
}

}  // namespace resnetd
