#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/image/pixels.h"
#include "server/models/model.h"
#include "server/models/model_registry.h"
#include "server/models/tensor_view.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {

// Ordered: a higher priority is served first.
enum class Priority { kBatch = 0, kNormal = 1, kCritical = 2 };

// A whole image file. The bytes are the caller's and stay alive until the
// answer.
struct EncodedImage {
  absl::Span<const std::uint8_t> bytes;
};

// Pixels that need no decoding.
struct PixelImage {
  Pixels pixels;
  // Taken as they are; any size but the network's input is an error.
  bool at_network_size = false;
};

// What a network reads, normalised by the caller: three planes of height x
// width values, little-endian. The bytes are the caller's and stay alive until
// the answer.
struct TensorImage {
  absl::Span<const std::uint8_t> bytes;
  DType type = DType::kF32;  // or kF16
  int height = 0;
  int width = 0;
};

// The last: an image that could not even be taken from the request.
using ImageSource =
    std::variant<EncodedImage, PixelImage, TensorImage, absl::Status>;

// Set by rpc when the client goes away; looked at before each costly step. One
// writer, so an atomic is enough.
using CancelFlag = std::shared_ptr<std::atomic<bool>>;

struct ClassifyRequest {
  ModelReference model;
  std::vector<ImageSource> images;
  // 0: 5, or all if there are fewer classes.
  int top_k = 0;
  float min_probability = 0;
  Priority priority = Priority::kNormal;
  // False: `top_k` and `min_probability` are not looked at.
  bool want_predictions = true;
  bool want_logits = false;
  bool want_embedding = false;
  bool fail_fast = false;
  std::string request_id;
  // Who asks, as far as fairness goes: the authenticated principal, else the
  // peer's address without its port. Any text; equal text is one caller.
  std::string identity;
  SteadyTime arrived{};
  SteadyTime deadline = kNoDeadline;
  CancelFlag cancelled;
};

struct Prediction {
  int index = 0;
  std::string label;
  float probability = 0;
  float logit = 0;
};

struct Classification {
  std::vector<Prediction> predictions;
  std::vector<float> logits;  // only if asked for
  // What the head of the network reads; only if asked for.
  std::vector<float> embedding;
};

// Meaning of the fields: Timing in classification_service.proto.
struct Timings {
  Duration queue{};
  Duration decode{};
  Duration preprocess{};
  Duration compute{};
  Duration postprocess{};
  Duration total{};
  int batch_size = 0;
  // Absent: no image was in a batch.
  std::optional<BatchClose> batch_close{};
};

struct ClassifyResponse {
  // One per image, in the order of the request.
  std::vector<absl::StatusOr<Classification>> results;
  ModelHandle served_by;
  // The alias that led to it; empty: the request named the version.
  std::string alias;
  Timings timings;
};

}  // namespace resnetd
