#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/finetune/dataset_manager.h"
#include "server/finetune/model_evaluation.h"
#include "server/finetune/version_pictures.h"
#include "server/models/model_manager.h"
#include "server/store/store.h"

namespace resnetd {

// What a calibration came to.
struct TemperatureFit {
  // Of the version that was calibrated.
  VersionEvaluation evaluation;
  // The version with the fitted temperature; with `validate_only` that which
  // was calibrated.
  Imported calibrated;
};

// What measuring the precisions of a version came to.
struct Quantization {
  VersionView version;
  // SHA-256 of the sealed dataset.
  Digest dataset_digest;
  PrecisionReport report;
};

struct EvaluatorOptions {
  // Pictures of a batch: 1 to what the networks were prepared for.
  std::size_t batch = 4;
};

// Measures stored versions on sealed datasets, one call at a time, beside
// serving: decoding and computing happen in a thread of lowest priority.
// Versions that are not loaded are borrowed for the time being.
//
// Thread-safe. Every method takes as long as its pictures need: never call it
// from a thread that must not block. `go_on` is asked between batches, from
// another thread: false ends the call with CANCELLED.
//
// Errors of all: NOT_FOUND (MODEL_NOT_FOUND, VERSION_NOT_FOUND,
// DATASET_NOT_FOUND); FAILED_PRECONDITION (DATASET_NOT_SEALED;
// TOO_FEW_EXAMPLES: the part is empty); INVALID_ARGUMENT (REQUEST_INVALID: the
// version lacks labels of the examples; LIMIT_EXCEEDED: more examples times
// classes than kMostLogits); RESOURCE_EXHAUSTED (QUEUE_FULL: another call runs;
// MEMORY_ADMISSION: no memory to load a version, or it is needed for one that
// answers); and those of ModelManager::Borrow() and
// DatasetManager::ReadPictures().
class Evaluator {
 public:
  using GoOn = std::function<bool()>;

  // All outlive the evaluator.
  static std::unique_ptr<Evaluator> Create(const EvaluatorOptions& options,
                                           Store& store,
                                           DatasetManager& datasets,
                                           ModelManager& models,
                                           const Clock& clock);
  virtual ~Evaluator() = default;

  virtual absl::StatusOr<VersionEvaluation> Evaluate(const ModelName& model,
                                                     VersionNumber version,
                                                     const Measurement& what,
                                                     const GoOn& go_on) = 0;
  // INVALID_ARGUMENT (REQUEST_INVALID) also: the candidate lacks labels of the
  // examples. The champion may: it is wrong on their pictures.
  virtual absl::StatusOr<VersionComparison> Compare(
      const ModelName& champion_model, VersionNumber champion,
      const ModelName& candidate_model, VersionNumber candidate,
      const Measurement& what, const GoOn& go_on) = 0;
  // Fits the temperature and makes a version that has it, see
  // ModelManager::Recalibrate(); with `validate_only` none. FAILED_PRECONDITION
  // (TOO_FEW_EXAMPLES) below kLeastCalibration examples.
  virtual absl::StatusOr<TemperatureFit> Calibrate(
      const ModelName& model, VersionNumber version, const Measurement& what,
      bool validate_only, const Mutation& mutation, const GoOn& go_on) = 0;
  // Measures every precision of the version on up to kMostRealPictures of the
  // part, whose labels it need not know. But with `validate_only` they are its
  // pictures from then on (VersionPictures), and it answers in what the
  // operator's policy makes of it. FAILED_PRECONDITION (TOO_FEW_EXAMPLES) below
  // kLeastToQuantise; (BACKEND_UNAVAILABLE): the backend has one precision;
  // RESOURCE_EXHAUSTED (MEMORY_ADMISSION): no memory to try them in; INTERNAL:
  // float32's logits are not finite on one of the pictures.
  virtual absl::StatusOr<Quantization> Quantize(const ModelName& model,
                                                VersionNumber version,
                                                const Measurement& what,
                                                bool validate_only,
                                                const GoOn& go_on) = 0;
};

// Pictures from which a temperature can be told.
inline constexpr std::int64_t kLeastCalibration = 50;
// What a call keeps in memory: 512 MiB of float32.
inline constexpr std::int64_t kMostLogits = std::int64_t{1} << 27U;

// OK, or INVALID_ARGUMENT (LIMIT_EXCEEDED): more examples of so many classes,
// those of all versions added up, than kMostLogits.
absl::Status CheckSize(std::int64_t examples, std::int64_t classes);

}  // namespace resnetd
