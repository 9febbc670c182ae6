#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"

namespace prometheus {
class Registry;
}  // namespace prometheus

namespace resnetd {

// What resnetd_model_info says of a loaded version.
struct ModelInfoLabels {
  std::string model;
  std::string version;
  std::string digest;
  std::string architecture;
  std::string precision;
  std::string backend;
};

// Where an alias points.
struct AliasLabels {
  std::string model;
  std::string alias;
  std::string version;
  std::string digest;
};

// How an alias came to point there.
enum class AliasSwitch { kRestored, kSet, kRolledBack };

// Memory that loaded versions hold, in bytes.
struct ModelMemory {
  std::int64_t weights = 0;
  std::int64_t activations = 0;
  std::int64_t loading = 0;
};

// The store as it is now.
struct StoreFigures {
  std::int64_t blobs = 0;
  std::int64_t blob_bytes = 0;
  std::int64_t database_bytes = 0;
  std::int64_t free_bytes = 0;
  std::int64_t quota_bytes = 0;
  std::int64_t versions = 0;
  // Since the start.
  std::int64_t integrity_failures = 0;
};

// The metrics of versions, aliases and the store. Series of a version or an
// alias end with it; labels hold nothing that clients choose but the names of
// what is stored. Thread-safe.
class VersionMetrics {
 public:
  // The families live in `registry`, which outlives this.
  static std::unique_ptr<VersionMetrics> Create(prometheus::Registry& registry);
  virtual ~VersionMetrics() = default;

  // A second call for the same version replaces what was said of it.
  virtual void VersionLoaded(const ModelInfoLabels& labels,
                             Duration duration) = 0;
  // Replaces what was said of a loaded version; nothing for one that is not.
  virtual void PrecisionChosen(const ModelInfoLabels& labels) = 0;
  // A version is not served in a precision that was wanted: a name of
  // Precision, and of PrecisionObjection.
  virtual void PrecisionRefused(absl::string_view precision,
                                absl::string_view reason) = 0;
  // What backends did otherwise than they were meant to, by reason: how often
  // since the start of the process, all reasons. Asked for before a scrape.
  virtual void SetFallbacks(
      const std::map<std::string, std::int64_t>& counts) = 0;
  virtual void VersionUnloaded(absl::string_view model,
                               absl::string_view version) = 0;
  // `reason`: ErrorInfo.reason; what is none of ours counts as "OTHER".
  virtual void LoadFailed(absl::string_view reason) = 0;

  // `swap`: only for kSet and kRolledBack, which are counted as switches.
  virtual void AliasPointed(const AliasLabels& labels, std::int64_t generation,
                            WallTime moved, AliasSwitch how, Duration swap) = 0;
  virtual void AliasDeleted(absl::string_view model,
                            absl::string_view alias) = 0;

  virtual void IntegrityFailed(absl::string_view model) = 0;
  virtual void SetMemory(const ModelMemory& memory) = 0;
  virtual void SetStore(const StoreFigures& store) = 0;
  // An import ended after `bytes` of its file.
  virtual void ImportEnded(absl::StatusCode outcome, std::int64_t bytes) = 0;
};

// A VersionMetrics that forgets everything, for tests of other modules.
VersionMetrics& NullVersionMetrics();

}  // namespace resnetd
