#include "server/nn/torch_model_loader.h"

#include <torch/version.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/nn/torch_device.h"
#include "server/nn/torch_model.h"
#include "server/nn/torch_status.h"
#include "server/nn/torch_version.h"

namespace resnetd {

absl::StatusOr<std::unique_ptr<ModelLoader>> TorchModelLoader::Create(
    const BackendOptions& options) {
  if (options.threads < 1) {
    return Error(
        absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
        absl::StrCat("threads is ", options.threads, ", at least 1 is needed"));
  }
  return TorchToStatus(
      "start", [&]() -> absl::StatusOr<std::unique_ptr<ModelLoader>> {
        RETURN_IF_ERROR(CheckTorchVersion());
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
