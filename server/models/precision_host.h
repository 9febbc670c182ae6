#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "server/models/model_package.h"
#include "server/models/precision_report.h"

namespace resnetd {

// Memory in the books of who holds a model. Destroyed: given back. Used by one
// thread at a time.
class PrecisionRoom {
 public:
  virtual ~PrecisionRoom() = default;
};

// What a model that chooses its precision needs of who holds it. Called by one
// thread at a time, never under a lock of the model's.
class PrecisionHost {
 public:
  virtual ~PrecisionHost() = default;
  // Room for `bytes` beside what the model holds.
  // RESOURCE_EXHAUSTED (MEMORY_ADMISSION); UNAVAILABLE (DRAINING): the server
  // is stopping.
  virtual absl::StatusOr<std::unique_ptr<PrecisionRoom>> Book(
      std::int64_t bytes) = 0;
  // The version as it is stored: a model that answers in another precision has
  // its float32 weights no more. Takes as long as reading a file of that size.
  // NOT_FOUND (VERSION_NOT_FOUND): it was deleted; the errors of
  // ReadStoredVersion(); UNAVAILABLE (DRAINING).
  virtual absl::StatusOr<ModelPackage> Read() = 0;
  // A choice was made: the model answers in precision() and holds
  // resident_bytes() from now on. `refused`: what it may not be served in
  // though the operator wanted it, each with an objection.
  virtual void Chosen(const std::vector<PrecisionFigures>& refused) = 0;
};

}  // namespace resnetd
