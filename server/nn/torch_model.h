#pragma once

#include <c10/core/Device.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/image/pixels.h"
#include "server/models/model.h"
#include "server/models/model_package.h"
#include "server/nn/picture_input.h"
#include "server/nn/torch_resnet.h"

namespace resnetd {

// A network that LibTorch runs, in float32.
//
// Thread-safe: a call shares nothing with another but the weights, which no
// call writes. Each calling thread gets an OpenMP team of its own.
class TorchModel final : public Model {
 public:
  // Copies the weights to `device`. `threads`: of one batch, on the CPU.
  // RESOURCE_EXHAUSTED: no memory. INTERNAL: the library failed.
  static absl::StatusOr<std::unique_ptr<TorchModel>> Create(
      const ModelPackage& package, c10::Device device, int threads);

  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) const override;
  absl::StatusOr<ModelOutput> Compute(absl::Span<const ModelInput> batch,
                                      bool want_features) const override;
  std::string precision() const override { return "fp32"; }
  std::string backend() const override { return "torch"; }
  // Weights only: LibTorch gives activations back after each batch.
  std::int64_t resident_bytes() const override {
    return network_.state_bytes();
  }

 private:
  TorchModel(const ModelPackage& package, c10::Device device, int threads);

  absl::StatusOr<ModelOutput> Run(absl::Span<const ModelInput> batch,
                                  bool want_features) const;

  const int threads_;
  const PictureInput input_;
  const TorchResNet network_;
};

}  // namespace resnetd
