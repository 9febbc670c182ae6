#pragma once

#include <c10/core/Device.h>

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/models/backend_plugin.h"
#include "server/models/model.h"
#include "server/models/model_package.h"

namespace resnetd {

// Loads models that LibTorch runs. Thread-safe.
class TorchModelLoader final : public ModelLoader {
 public:
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE): no such device, or the LibTorch
  // beside the plug-in is not the one it was built for.
  // INVALID_ARGUMENT: an option is out of its range.
  static absl::StatusOr<std::unique_ptr<ModelLoader>> Create(
      const BackendOptions& options);

  // On a GPU one batch of `max_batch` pictures is computed, to have its memory
  // and algorithms; on a CPU LibTorch plans nothing per batch size.
  absl::StatusOr<std::unique_ptr<Model>> Load(const ModelPackage& package,
                                              std::size_t max_batch) override;
  std::string description() const override { return description_; }

 private:
  TorchModelLoader(c10::Device device, int threads);

  const c10::Device device_;
  const int threads_;
  const std::string description_;
};

}  // namespace resnetd
