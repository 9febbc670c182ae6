#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/image/pixels.h"
#include "server/image/preprocess.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {

// What one picture is at a place of a network.
struct FeatureShape {
  int channels = 0;
  int height = 0;
  int width = 0;

  std::size_t values() const {
    return static_cast<std::size_t>(channels) *
           static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  }
  friend bool operator==(const FeatureShape&, const FeatureShape&) = default;
};

// Stages of `network`: layer1, layer2, ...
int StageCount(const Network& network);

// What leaves the stem and the first `stages` stages for pictures of crop x
// crop. With all stages it is what the head reads: averaged over the picture, 1
// x 1. Precondition: 0 <= stages <= StageCount().
FeatureShape ShapeOfFeatures(const Network& network, int crop, int stages);

// The beginning of a network whose weights stay, in evaluation mode: pictures
// in, plain numbers out. Thread-safe.
class FeatureExtractor {
 public:
  virtual ~FeatureExtractor() = default;

  virtual FeatureShape shape() const = 0;

  // shape().values() numbers for each picture: row by row, the channels of a
  // pixel side by side. The same pictures in the same batch give the same bits.
  // Errors: as Model::Logits(); 1 to max_batch pictures.
  virtual absl::StatusOr<std::vector<float>> Features(
      absl::Span<const Pixels* const> batch) const = 0;
};

// Makes extractors. Thread-safe.
class FeatureExtractorLoader {
 public:
  virtual ~FeatureExtractorLoader() = default;

  // Of the stem and the first `stages` stages; see ShapeOfFeatures(). Reads
  // `weights` only during the call. Errors: as ModelLoader::Load().
  virtual absl::StatusOr<std::unique_ptr<FeatureExtractor>> Load(
      const Network& network, const Weights& weights,
      const PreprocessSpec& preprocess, int stages, std::size_t max_batch) = 0;
};

}  // namespace resnetd
