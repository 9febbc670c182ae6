#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd::client {

// What Classify and the calls about the server take and give. Plain values.

// A whole JPEG, PNG or WebP file.
struct EncodedImage {
  std::string bytes;
};

// Pixels, one byte a channel, rows from top to bottom without padding.
struct RawImage {
  enum class Format { kRgb8, kBgr8, kGray8 };
  // height * width * channels bytes.
  std::string bytes;
  int height = 0;
  int width = 0;
  Format format = Format::kRgb8;
  // True: taken as the network's input as it is, and must have its size.
  bool at_network_size = false;
};

// The network's input itself: resized, cropped and normalised by the caller.
struct TensorImage {
  // Single and half precision of IEEE 754, little-endian.
  enum class Type { kFp32, kFp16 };
  // 3 * height * width values, each finite and at most 65504 from zero: all of
  // red, row by row, then green, then blue.
  std::string bytes;
  // Those of the network's input.
  int height = 0;
  int width = 0;
  Type type = Type::kFp32;
};

using Image = std::variant<EncodedImage, RawImage, TensorImage>;

enum class Priority { kBatch, kNormal, kCritical };

struct ClassifyRequest {
  // "NAME", "models/NAME", "models/NAME/versions/N" or
  // "models/NAME/aliases/ALIAS"; empty: the default model of the server.
  std::string model;
  // 1 to 256, together less than 64 MiB.
  std::vector<Image> images;
  // Predictions per image; 0: 5.
  int top_k = 0;
  // Leaves out predictions below this probability.
  float min_probability = 0;
  // At most 128 bytes of printable ASCII; empty: the server makes one.
  std::string request_id;
  Priority priority = Priority::kNormal;
  // Asks for the logit of every class.
  bool logits = false;
  // Asks for the time of each stage.
  bool timing = false;
  // Asks for what Embed gives, of each image.
  bool embedding = false;
  // True: the first image that cannot be decoded fails the call.
  bool fail_fast = false;
};

struct Prediction {
  int index = 0;
  std::string label;
  float probability = 0;
  float logit = 0;
};

struct Classification {
  // Best first.
  std::vector<Prediction> predictions;
  // One per class, if asked for.
  std::vector<float> logits;
  // One for each channel that the last layer reads, if asked for.
  std::vector<float> embedding;
};

struct ServedBy {
  std::string model;
  std::int64_t version = 0;
  std::string weights_sha256;
  std::string precision;
  std::string backend;
  // The alias by which the version was found; empty when the call named the
  // version.
  std::string alias;
};

// Where the time went on the server. The stages of several images overlap, so
// their sum may exceed `total`.
struct Timing {
  std::chrono::nanoseconds queue{0};
  std::chrono::nanoseconds decode{0};
  std::chrono::nanoseconds preprocess{0};
  std::chrono::nanoseconds compute{0};
  std::chrono::nanoseconds postprocess{0};
  std::chrono::nanoseconds total{0};
  int batch_size = 0;
  // Why that batch was not larger: "full", "drained", "shared", "deadline";
  // empty: no image was in a batch; "unknown": one of a newer server.
  std::string batch_close_reason;
};

struct ClassifyAnswer {
  // One per image, in the order of the request. An error belongs to its image
  // alone.
  std::vector<absl::StatusOr<Classification>> results;
  ServedBy served_by;
  std::optional<Timing> timing;
  std::string request_id;
};

// The fields are those of ClassifyRequest.
struct EmbedRequest {
  std::string model;
  std::vector<Image> images;
  std::string request_id;
  Priority priority = Priority::kNormal;
  bool timing = false;
  bool fail_fast = false;
};

struct EmbedAnswer {
  // One per image, in the order of the request: what the last layer of the
  // network reads, a value for each channel.
  std::vector<absl::StatusOr<std::vector<float>>> embeddings;
  ServedBy served_by;
  std::optional<Timing> timing;
  std::string request_id;
};

// What ClassifyStream asks and tells.
struct StreamHandler {
  // The next request; nothing: there is none left. From the thread that called.
  // It may take its time: what is out goes on meanwhile, also on a new stream.
  std::function<std::optional<ClassifyRequest>()> next;
  // The answer to request `index` of `next`, counted from 0, or why it has
  // none. Once for each, in any order, one after the other, from a thread of
  // its own.
  std::function<void(std::size_t index, absl::StatusOr<ClassifyAnswer> answer)>
      on_answer;
  // Time of each request on the server; nothing: the server's default.
  std::optional<std::chrono::nanoseconds> timeout = {};
  // Requests that are out at once; 1 to what the server takes (64).
  std::size_t most_in_flight = 32;
  // `next` is not asked while requests of so many bytes are out: a server holds
  // so much for one caller and no more.
  std::size_t most_bytes_in_flight = std::size_t{48} << 20U;
};

struct Limit {
  std::string name;
  std::int64_t value = 0;
};

struct Backend {
  std::string name;
  bool usable = false;
  std::string detail;
};

struct ServerInfo {
  std::string version;
  std::string grpc_version;
  std::chrono::system_clock::time_point start_time;
  std::chrono::nanoseconds uptime{0};
  bool ready = false;
  std::vector<Limit> limits;
  std::vector<Backend> backends;
  int cpu_cores = 0;
};

// What a Client has done so far.
struct CallCounts {
  std::uint64_t calls = 0;
  // Of those calls, each repetition by itself.
  std::uint64_t tries = 0;
  // Repetitions that were not made as there were too many of them already.
  std::uint64_t unaffordable = 0;
};

enum class Serving { kServing, kNotServing, kUnknown };

// E.g. "NOT_SERVING".
absl::string_view ServingName(Serving serving);

}  // namespace resnetd::client
