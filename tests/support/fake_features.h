#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/models/feature_extractor.h"

namespace resnetd {

// Features without a network: red, green and blue of the first pixel. Counts
// what is asked of all its extractors. Thread-safe but for `on_batch`, which is
// set before.
class FakeFeatureLoader final : public FeatureExtractorLoader {
 public:
  // Called with the number of the batch, from 0 on; its error is the answer.
  std::function<absl::Status(int batch)> on_batch;

  absl::StatusOr<std::unique_ptr<FeatureExtractor>> Load(
      const Network& /*network*/, const Weights& /*weights*/,
      const PreprocessSpec& /*preprocess*/, int stages,
      std::size_t max_batch) override {
    stages_ = stages;
    return std::make_unique<Extractor>(*this, max_batch);
  }

  int batches() const { return batches_; }
  int pictures() const { return pictures_; }
  // Of the last Load(); -1: there was none.
  int stages() const { return stages_; }

 private:
  class Extractor final : public FeatureExtractor {
   public:
    Extractor(FakeFeatureLoader& loader, std::size_t max_batch)
        : loader_(loader), max_batch_(max_batch) {}
    FeatureShape shape() const override { return {3, 1, 1}; }
    absl::StatusOr<std::vector<float>> Features(
        absl::Span<const Pixels* const> batch) const override {
      const int number = loader_.batches_++;
      if (loader_.on_batch) {
        if (absl::Status status = loader_.on_batch(number); !status.ok()) {
          return status;
        }
      }
      if (batch.empty() || batch.size() > max_batch_) {
        return absl::InvalidArgumentError("a batch of another size");
      }
      std::vector<float> features;
      for (const Pixels* picture : batch) {
        ++loader_.pictures_;
        features.insert(features.end(), picture->rgb.begin(),
                        picture->rgb.begin() + 3);
      }
      return features;
    }

   private:
    FakeFeatureLoader& loader_;
    const std::size_t max_batch_;
  };

  std::atomic<int> batches_{0};
  std::atomic<int> pictures_{0};
  std::atomic<int> stages_{-1};
};

}  // namespace resnetd
