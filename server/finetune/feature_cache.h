#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/finetune/trainer.h"
#include "server/image/pixels.h"
#include "server/models/feature_extractor.h"

namespace resnetd {

// What the frozen beginning of a network makes of a set of pictures, computed
// once and kept in memory up to a limit; what is beyond is computed whenever it
// is asked for. Not thread-safe.
class FeatureCache {
 public:
  struct Source {
    std::size_t pictures = 0;
    // Of the network's input size.
    std::function<absl::StatusOr<Pixels>(std::size_t)> picture;
  };

  // The first pictures of `source` are kept, as many as have room in
  // `max_bytes`. `batch`: of pictures that are computed at once, >= 1.
  // `extractor` outlives the cache, and so does what the source reads.
  // `before_batch` is called before each of them; its error ends the loading.
  // Errors: of the source and of FeatureExtractor::Features().
  static absl::StatusOr<FeatureCache> Load(
      const FeatureExtractor& extractor, Source source, std::size_t batch,
      std::int64_t max_bytes,
      const std::function<absl::Status()>& before_batch);

  std::size_t size() const { return source_.pictures; }
  // Of those that are kept.
  std::size_t kept() const { return values_ == 0 ? 0 : kept_.size() / values_; }
  std::int64_t bytes() const {
    return static_cast<std::int64_t>(kept_.size() * sizeof(float));
  }

  // One for each of `pictures`; alive until the next call. The same calls give
  // the same bits.
  absl::StatusOr<std::vector<Features>> Get(
      absl::Span<const std::size_t> pictures);

 private:
  FeatureCache(const FeatureExtractor& extractor, Source source,
               std::size_t batch);

  // Appends the features of `pictures` to `to`, in batches.
  absl::Status Append(absl::Span<const std::size_t> pictures,
                      std::vector<float>& to) const;

  const FeatureExtractor* extractor_;
  Source source_;
  std::size_t batch_;
  std::size_t values_;
  std::vector<float> kept_;
  // Of the last call, those that are not kept.
  std::vector<float> computed_;
};

}  // namespace resnetd
