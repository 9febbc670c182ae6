#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/models/model.h"

namespace resnetd {

// What a backend that is a shared library needs to know.
struct BackendOptions {
  // Threads of one batch; >= 1.
  int threads = 1;
  // "cpu"; "cuda" or "cuda:N", the GPU of this index; "fake" or "fake:N": the
  // host, driven as a GPU is, which breaks after N batches.
  std::string device = "cpu";
  // "fp32", or on a GPU "bf16" or "fp16".
  std::string precision = "fp32";
  // Sizes that a GPU may run, ascending: what it records (GraphBatchSizes()).
  // Empty: any.
  std::vector<std::size_t> batch_sizes;
  // Called at most once, by any thread, when the device is broken for good in
  // this process. Must not call the backend. Empty: nobody wants to know.
  std::function<void()> on_broken;
};

// Raised whenever the meaning of what crosses the border changes. Checked by
// the executable after dlopen: a plug-in of another build is refused, not run.
inline constexpr int kBackendPluginAbi = 5;

// Sizes of the types that cross the border, as one number: catches a changed
// member that nobody raised kBackendPluginAbi for.
constexpr std::uint64_t BackendPluginLayout() {
  std::uint64_t layout = 0;
  for (const std::size_t size :
       {sizeof(BackendOptions), sizeof(ModelPackage), sizeof(VersionFacts),
        sizeof(Network), sizeof(ConvUnit), sizeof(ResidualBlock),
        sizeof(Weights), sizeof(Tensor), sizeof(Pixels), sizeof(Model),
        sizeof(ModelLoader)}) {
    layout = layout * 1'000'003 + size;
  }
  return layout;
}

// What libresnetd_torch.so exports under kBackendPluginSymbol: a
// BackendPluginFactory with C linkage. The plug-in takes every other symbol of
// ours from the executable, which therefore exports them all: see
// resnetd_plugin_host() in cmake/Module.cmake.
struct BackendPlugin {
  // First, so that a plug-in with other members behind them can be refused.
  int abi = kBackendPluginAbi;
  std::uint64_t layout = BackendPluginLayout();
  // E.g. "LibTorch 2.11.0".
  const char* library = "";
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE): no such device.
  absl::StatusOr<std::unique_ptr<ModelLoader>> (*create)(
      const BackendOptions& options) = nullptr;
};

// The plug-in is static data of the library, which stays loaded.
using BackendPluginFactory = const BackendPlugin*();
inline constexpr char kBackendPluginSymbol[] = "resnetd_backend_plugin";

}  // namespace resnetd
