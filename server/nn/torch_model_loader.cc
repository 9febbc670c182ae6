#include "server/nn/torch_model_loader.h"

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/version.h>

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/nn/torch_device.h"
#include "server/nn/torch_model.h"
#include "server/nn/torch_status.h"

namespace resnetd {
namespace {

std::string VersionText(std::uint64_t abi_version) {
  return absl::StrCat(abi_version >> 56 & 0xFF, ".", abi_version >> 48 & 0xFF,
                      ".", abi_version >> 40 & 0xFF);
}

absl::Status CheckVersion() {
  if (const std::uint64_t found = aoti_torch_abi_version();
      found != TORCH_ABI_VERSION) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 Reason::kBackendUnavailable,
                 absl::StrCat("the plug-in was built for LibTorch ",
                              TORCH_VERSION, " but found ", VersionText(found),
                              ": run ./dev setup && ./dev build, or start "
                              "without --backend=torch"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelLoader>> TorchModelLoader::Create(
    const BackendOptions& options) {
  if (options.threads < 1) {
    return Error(
        absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
        absl::StrCat("threads is ", options.threads, ", at least 1 is needed"));
  }
  return TorchToStatus(
      "start", [&]() -> absl::StatusOr<std::unique_ptr<ModelLoader>> {
        RETURN_IF_ERROR(CheckVersion());
        ASSIGN_OR_RETURN(const c10::Device device, FindDevice(options.device));
        RequireFullFloat32();
        return std::unique_ptr<ModelLoader>(
            new TorchModelLoader(device, options.threads));
      });
}

TorchModelLoader::TorchModelLoader(c10::Device device, int threads)
    : device_(device),
      threads_(threads),
      description_(absl::StrCat("LibTorch ", TORCH_VERSION, ", ",
                                DescribeDevice(device), ", ", threads,
                                threads == 1 ? " thread" : " threads")) {}

absl::StatusOr<std::unique_ptr<Model>> TorchModelLoader::Load(
    const ModelPackage& package, std::size_t max_batch) {
  ASSIGN_OR_RETURN(std::unique_ptr<TorchModel> model,
                   TorchModel::Create(package, device_, threads_));
  if (device_.is_cuda()) {
    RETURN_IF_ERROR(model->WarmUp(max_batch));
  }
  return std::unique_ptr<Model>(std::move(model));
}

}  // namespace resnetd
