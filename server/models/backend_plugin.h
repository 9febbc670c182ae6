#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/models/model.h"

namespace resnetd {

// What a backend that is a shared library needs to know.
struct BackendOptions {
  // Threads of one batch; >= 1.
  int threads = 1;
  // "cpu" or "cuda".
  std::string device = "cpu";
};

// Raised whenever a type that crosses the border changes. Checked by the
// executable after dlopen: a plug-in of another build is refused, not run.
inline constexpr int kBackendPluginAbi = 1;

// What libresnetd_torch.so exports under kBackendPluginSymbol: a function
//   extern "C" const resnetd::BackendPlugin* resnetd_backend_plugin();
// The plug-in takes every other symbol of ours from the executable.
struct BackendPlugin {
  int abi = kBackendPluginAbi;
  // E.g. "LibTorch 2.11.0".
  const char* library = "";
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE): no such device.
  absl::StatusOr<std::unique_ptr<ModelLoader>> (*create)(
      const BackendOptions& options) = nullptr;
};

inline constexpr char kBackendPluginSymbol[] = "resnetd_backend_plugin";

}  // namespace resnetd
