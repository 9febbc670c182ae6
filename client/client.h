#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/error_info.h"

namespace resnetd::client {

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

using Image = std::variant<EncodedImage, RawImage>;

enum class Priority { kBatch, kNormal, kCritical };

struct ClassifyRequest {
  // "NAME", "models/NAME" or "models/NAME/versions/N"; empty: the default model
  // of the server.
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
};

struct ServedBy {
  std::string model;
  std::int64_t version = 0;
  std::string weights_sha256;
  std::string precision;
  std::string backend;
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
};

struct ClassifyAnswer {
  // One per image, in the order of the request. An error belongs to its image
  // alone.
  std::vector<absl::StatusOr<Classification>> results;
  ServedBy served_by;
  std::optional<Timing> timing;
  std::string request_id;
};

// What a server does with a version.
enum class Residency {
  kUnknown,
  kUnloaded,
  kLoading,
  kWarming,
  kReady,
  kDraining,
  kFailed,
};

// E.g. "READY".
absl::string_view ResidencyName(Residency residency);

struct Model {
  // "models/NAME".
  std::string name;
  // The version that answers calls naming only the model; 0: none.
  std::int64_t serving_version = 0;
  Residency residency = Residency::kUnknown;
  std::string architecture;
  int num_classes = 0;
  bool is_default = false;
};

struct Preprocess {
  // Short side after resizing and side of the square cut out of it, in pixels.
  int resize = 0;
  int crop = 0;
  // Per channel, on values from 0 to 1.
  std::vector<float> mean;
  std::vector<float> std;
};

struct Evaluation {
  std::string dataset;
  std::int64_t examples = 0;
  double accuracy = 0;
};

struct Version {
  // "models/NAME/versions/N".
  std::string name;
  std::int64_t version = 0;
  Residency residency = Residency::kUnknown;
  // Why, if residency is kFailed.
  absl::Status failure;
  std::string architecture;
  int num_classes = 0;
  std::vector<std::string> labels;
  Preprocess preprocess;
  std::string precision;
  std::string backend;
  std::string weights_sha256;
  std::int64_t weights_bytes = 0;
  std::int64_t parameters = 0;
  std::int64_t resident_bytes = 0;
  std::chrono::nanoseconds load_time{0};
  std::string description;
  std::vector<Evaluation> evaluations;
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

enum class Serving { kServing, kNotServing, kUnknown };

// E.g. "NOT_SERVING".
absl::string_view ServingName(Serving serving);

struct ClientOptions {
  // "HOST:PORT", "HOST" (port 8001) or a gRPC target with a scheme, such as
  // "dns:///resnetd.default.svc:8001" or "unix:/run/resnetd.sock".
  std::string server = "localhost:8001";
  // How long a call may take with all its repetitions.
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);
};

// A resnetd server, or several behind one name.
//
// Every method is safe to repeat and is repeated by itself, at most 4 tries
// within the timeout: on UNAVAILABLE and CANCELLED with growing pauses (50 ms
// to 1 s), on RESOURCE_EXHAUSTED only when the server says when. Classify goes
// to the servers that report themselves healthy, in turns; the other methods
// ask a server whatever its health is.
//
// Errors carry ErrorInfoOf(). Beside what each RPC documents:
//   UNAVAILABLE: nothing answers at the address (kReasonNoConnection) or nobody
//     there takes calls now (kReasonNotServing).
//   DEADLINE_EXCEEDED: the timeout passed (kReasonNoAnswer).
//   INTERNAL: the answer does not fit the request (kReasonBadAnswer).
//
// Connects on first use and stays connected. Thread-safe; calls run side by
// side. Must not be moved or destroyed while a call runs.
class Client {
 public:
  // INVALID_ARGUMENT: `options.server` is not an address (kReasonBadAddress).
  static absl::StatusOr<Client> Create(const ClientOptions& options = {});
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // Classifies 1 to 256 images in one call. Takes the request over: the
  // pictures in it are not copied.
  absl::StatusOr<ClassifyAnswer> Classify(ClassifyRequest request);

  // All models, ordered by name.
  absl::StatusOr<std::vector<Model>> ListModels();
  // `name`: "NAME" or "models/NAME". NOT_FOUND: no such model.
  absl::StatusOr<Model> GetModel(absl::string_view name);
  // `name`: "models/NAME/versions/N". NOT_FOUND: no such model or version.
  absl::StatusOr<Version> GetVersion(absl::string_view name);

  absl::StatusOr<ServerInfo> GetServerInfo();
  // Health of a service, of a model ("models/NAME"), or of the whole server
  // (""). NOT_FOUND: the server knows no such service.
  absl::StatusOr<Serving> Health(absl::string_view service = "");

 private:
  class Calls;
  explicit Client(std::unique_ptr<Calls> calls);

  std::unique_ptr<Calls> calls_;
};

}  // namespace resnetd::client

namespace resnetd {
using client::Client;
}  // namespace resnetd
