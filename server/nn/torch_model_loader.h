#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/models/backend_plugin.h"
#include "server/models/model.h"
#include "server/models/model_package.h"

namespace resnetd {

// Loads models that LibTorch runs on the CPU, layer by layer. Thread-safe.
class TorchModelLoader final : public ModelLoader {
 public:
  // For what options.device names: a GPU has its own loader
  // (DeviceModelLoader), the errors of which this has, too.
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE): the LibTorch beside the plug-in
  // is not the one it was built for.
  // INVALID_ARGUMENT: an option is out of its range.
  static absl::StatusOr<std::unique_ptr<ModelLoader>> Create(
      const BackendOptions& options);

  // LibTorch plans nothing per batch size here.
  absl::StatusOr<std::unique_ptr<Model>> Load(const ModelPackage& package,
                                              std::size_t max_batch) override;
  std::string description() const override { return description_; }

 private:
  explicit TorchModelLoader(int threads);

  const int threads_;
  const std::string description_;
};

}  // namespace resnetd
