#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/image/pixels.h"
#include "server/models/model_package.h"
#include "server/models/precision_host.h"
#include "server/models/precision_report.h"

namespace resnetd {

// One picture of a batch: exactly one is set. Owns nothing.
struct ModelInput {
  // Of the network's input size; the model normalises them.
  const Pixels* pixels = nullptr;
  // Normalised already: 3 * crop * crop finite values, plane after plane.
  const std::vector<float>* normalised = nullptr;
};

// `pixels` as inputs, in their order; views of what they point to.
std::vector<ModelInput> InputsOf(absl::Span<const Pixels* const> pixels);

// What a network makes of a batch, a row for each picture.
struct ModelOutput {
  std::vector<float> logits;
  // What the head reads; empty unless asked for.
  std::vector<float> features;
};

// What a version answered for the golden pictures (golden.h) when it was
// imported.
struct Golden {
  // A row for each picture.
  std::vector<float> logits;
  // Of the arithmetic that it answered in.
  std::string precision = "fp32";
};

// A loaded network that answers. Implemented by engine and nn.
//
// Thread-safe: Logits() may be called by several workers at once; each call
// uses memory of its own, planned once and kept.
class Model {
 public:
  virtual ~Model() = default;

  // The logits of `batch`, row by row: batch.size() * num_classes values.
  // Every picture must have the network's input size (crop x crop); the
  // normalisation of the package is part of the network.
  // INVALID_ARGUMENT: a picture has another size. RESOURCE_EXHAUSTED: no
  // memory. INTERNAL: the library failed, or a logit is not finite.
  virtual absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) const = 0;

  // The logits of `batch` as Logits() has them, bit for bit, and, if asked for,
  // the features that they were computed from: averaged over the picture, a
  // value for each channel.
  // The errors of Logits(). FAILED_PRECONDITION (BACKEND_UNAVAILABLE): this
  // model has no features to give or reads pixels alone, which is what the
  // default does.
  virtual absl::StatusOr<ModelOutput> Compute(
      absl::Span<const ModelInput> batch, bool want_features) const;

  // Arithmetic, e.g. "fp32". Changes when another one is chosen.
  virtual std::string precision() const = 0;
  // Why it is that one, with the figures; empty: there was no choice, or it is
  // not made yet.
  virtual std::string precision_choice() const { return ""; }
  // Whether it computes what it has to: its logits for the golden pictures of
  // side x side, against `golden`, within the tolerance of the coarser of both
  // precisions; in one that was chosen later, against what that one answered
  // when it was chosen. Batches of up to `max_batch`.
  // DATA_LOSS (GOLDEN_MISMATCH): it does not. The errors of Logits().
  virtual absl::Status CheckGolden(const Golden& golden, int side,
                                   std::size_t max_batch) const;
  // From now on the model, which is the version of `facts`, may go over to
  // another precision. It asks and tells `host`, which is destroyed with the
  // model at the latest. Once.
  virtual void MayChoosePrecision(const VersionFacts& /*facts*/,
                                  std::unique_ptr<PrecisionHost> /*host*/) {}
  // The pictures to choose with are others than they were: a choice that is
  // being made is ended, and it is made once more, beside the answers. After
  // MayChoosePrecision(); waits for a batch at most.
  virtual void ChoosePrecisionAgain() {}
  // Measures every precision on `pictures`, and with `use` goes over to what
  // the operator's policy makes of it, for later loads on this machine too.
  // Answers go on meanwhile. After MayChoosePrecision(), one call at a time;
  // takes seconds to minutes, `stopped` is asked between batches.
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE): there is one precision, which is
  // what the default says; INVALID_ARGUMENT (REQUEST_INVALID): no pictures, or
  // ones of another size; RESOURCE_EXHAUSTED (MEMORY_ADMISSION); CANCELLED:
  // `stopped` said so; INTERNAL: float32's logits are not finite on one of
  // them; the errors of PrecisionHost::Read().
  virtual absl::StatusOr<PrecisionReport> MeasurePrecisions(
      const RealPictures& pictures, bool use,
      const std::function<bool()>& stopped);
  // "engine" or "torch".
  virtual std::string backend() const = 0;
  // Memory held for weights and activations.
  virtual std::int64_t resident_bytes() const = 0;
};

// Turns a package into a model. Thread-safe.
class ModelLoader {
 public:
  virtual ~ModelLoader() = default;

  // Loads and prepares for batches of 1 to `max_batch` pictures.
  // RESOURCE_EXHAUSTED: no memory; INTERNAL: the library failed.
  virtual absl::StatusOr<std::unique_ptr<Model>> Load(
      const ModelPackage& package, std::size_t max_batch) = 0;

  // Load() of a version that was imported before and answered `golden` for the
  // golden pictures: with everything made that a batch of any size needs, in
  // the precision that an earlier start chose for it if there is one, and
  // checked as Model::CheckGolden() does. `loaded` is called once, when there
  // is a network, before its first batch.
  // The errors of Load() and of Model::CheckGolden(). The default runs a batch
  // of every size.
  virtual absl::StatusOr<std::unique_ptr<Model>> LoadStored(
      const ModelPackage& package, const Golden& golden, std::size_t max_batch,
      const std::function<void()>& loaded);

  // Copies of a network that a load makes, one for each device.
  virtual int copies() const { return 1; }

  // Library, version, instruction set or device; for GetServerInfo.
  virtual std::string description() const = 0;
};

// A version as it is served.
struct ServedVersion {
  VersionFacts facts;
  std::unique_ptr<Model> model;
  // From reading the files to the end of the first batch.
  Duration load_time{};
};

// Keeps a version alive while a batch uses it.
using ModelHandle = std::shared_ptr<const ServedVersion>;

}  // namespace resnetd
