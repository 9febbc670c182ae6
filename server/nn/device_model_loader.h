#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/models/backend_plugin.h"
#include "server/models/model.h"
#include "server/models/model_package.h"
#include "server/nn/device_executor.h"
#include "server/nn/device_model.h"
#include "server/nn/device_stream.h"

namespace resnetd {

// Loads models onto one GPU. Two threads give it work: one serves, one loads,
// so that a version that is loaded and recorded holds up no answer; what the
// libraries measured for one version the next one of its shape finds.
//
// Thread-safe. Models outlive their loader.
class DeviceModelLoader final : public ModelLoader {
 public:
  // Of the GPU or the host in its place that options.device names.
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE): no such device, or the LibTorch
  // beside the plug-in is not the one it was built for.
  // INVALID_ARGUMENT: an option is out of its range.
  static absl::StatusOr<std::unique_ptr<ModelLoader>> Create(
      const BackendOptions& options);

  // Of streams that are given, both of one device. `batch_sizes`: as
  // BackendOptions has them. `on_broken`: called by each that finds the device
  // broken.
  DeviceModelLoader(std::unique_ptr<DeviceStream> serving,
                    std::unique_ptr<DeviceStream> loading, at::ScalarType type,
                    std::vector<std::size_t> batch_sizes,
                    std::string description,
                    const std::function<void()>& on_broken);

  // Beside those of ModelLoader: UNAVAILABLE (BACKEND_UNAVAILABLE).
  absl::StatusOr<std::unique_ptr<Model>> Load(const ModelPackage& package,
                                              std::size_t max_batch) override;
  std::string description() const override { return description_; }

 private:
  const at::ScalarType type_;
  const std::vector<std::size_t> batch_sizes_;
  const std::string description_;
  const std::shared_ptr<DeviceExecutor> serving_;
  DeviceExecutor loading_;
};

}  // namespace resnetd
