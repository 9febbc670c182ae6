#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/models/model.h"
#include "server/models/model_events.h"
#include "server/models/model_package.h"
#include "server/models/model_registry.h"
#include "server/models/promotion.h"
#include "server/models/residency.h"
#include "server/models/version_import.h"
#include "server/models/version_views.h"
#include "server/store/store.h"

namespace resnetd {

struct Imported {
  VersionView version;
  bool created = false;
};

// One upload. Destroyed before Finish(): nothing stays. Not thread-safe.
class ImportSession {
 public:
  virtual ~ImportSession() = default;
  // The next bytes of the file. INVALID_ARGUMENT (DIGEST_MISMATCH): more than
  // announced; and the errors of BlobWriter::Write.
  virtual absl::Status Write(absl::Span<const std::uint8_t> bytes) = 0;
  // Checks, stores, loads and publishes; the errors of
  // ModelService.ImportVersion.
  virtual absl::StatusOr<Imported> Finish() = 0;
};

struct WarmUp {
  VersionView version;
  int batches = 0;
  Duration duration{};
};

// A version that somebody computes with. Destroyed: one that was loaded for it
// is let go, unless it was requested or named by an alias meanwhile; that waits
// for a mutation of the model that runs. Ends before the manager. Thread-safe.
class VersionLoan {
 public:
  virtual ~VersionLoan() = default;
  virtual const ServedVersion& version() const = 0;
  // Its memory is needed for something else: end the loan soon.
  virtual bool is_recalled() const = 0;
};

struct ModelManagerOptions {
  // Images in the largest batch that is prepared.
  std::size_t max_batch = 4;
  // Memory for loaded versions together; 0: no limit.
  std::int64_t max_model_bytes = 0;
  // Bytes of one imported file.
  std::int64_t max_import_bytes = std::int64_t{4} << 30U;
  // Committed versions of a model that no alias names or named last: the newest
  // so many are kept, older ones are retired when one is imported. 0: all.
  int keep_versions = 0;
  // Loaded versions of a model that no alias names and that nobody asked to
  // load: the most recently used so many stay in memory, for the way back,
  // until another load needs their room.
  int keep_loaded = 2;
};

// The life of versions: import, storing, loading, switching over, freeing.
// Meets serving only in the ModelRegistry.
//
// Thread-safe. Everything but List*, Get* and Events waits for disk, other
// mutations or the network's first batches: never call it from a thread that
// must not block.
class ModelManager {
 public:
  // All references belong to the caller and outlive the manager, as `sink`
  // does; null: nobody counts. Sessions and subscriptions end before the
  // manager.
  static std::unique_ptr<ModelManager> Create(
      const ModelManagerOptions& options, Store& store, ModelLoader& loader,
      ModelRegistry& registry, const Clock& clock,
      ModelMetricsSink* sink = nullptr);
  virtual ~ModelManager() = default;

  // Loads what the aliases "stable" name and makes it answer; a version that
  // cannot be loaded is logged, its model answers FAILED_PRECONDITION
  // (VERSION_FAILED), and the others serve. Once, before anything else.
  virtual absl::Status Start() = 0;

  // Ordered by name.
  virtual absl::StatusOr<std::vector<ModelView>> ListModels() = 0;
  // NOT_FOUND (MODEL_NOT_FOUND).
  virtual absl::StatusOr<ModelView> GetModel(const ModelName& model) = 0;
  // Newest first. NOT_FOUND (MODEL_NOT_FOUND).
  virtual absl::StatusOr<std::vector<VersionView>> ListVersions(
      const ModelName& model) = 0;
  // NOT_FOUND (MODEL_NOT_FOUND, VERSION_NOT_FOUND).
  virtual absl::StatusOr<VersionView> GetVersion(const ModelName& model,
                                                 VersionNumber version) = 0;

  virtual absl::StatusOr<std::unique_ptr<ImportSession>> Import(
      const ImportHeader& header, const Mutation& mutation) = 0;
  // Makes a version known whose blobs are in the store, under the number it
  // brings: a copy of another server's. It is loaded, and checked, when an
  // alias is set to it. The errors of Store::Publish.
  virtual absl::StatusOr<VersionView> Adopt(const NewVersion& version,
                                            const Mutation& mutation) = 0;
  virtual absl::StatusOr<VersionView> DeleteVersion(
      const ModelName& model, VersionNumber version, absl::string_view etag,
      bool validate_only, const Mutation& mutation) = 0;

  virtual absl::StatusOr<VersionView> Load(const ModelName& model,
                                           VersionNumber version) = 0;
  virtual absl::StatusOr<VersionView> Unload(const ModelName& model,
                                             VersionNumber version) = 0;
  virtual absl::StatusOr<WarmUp> WarmUpVersion(const ModelName& model,
                                               VersionNumber version) = 0;

  // The version as it answers; loaded now, if it is not, for as long as the
  // loan lives. The errors of Load().
  virtual absl::StatusOr<std::unique_ptr<VersionLoan>> Borrow(
      const ModelName& model, VersionNumber version) = 0;
  // The same version with another softmax temperature, as a new one that is not
  // loaded; the one there is, if there is one. INVALID_ARGUMENT
  // (MODEL_INVALID): see CheckTemperature(); NOT_FOUND.
  virtual absl::StatusOr<Imported> Recalibrate(const ModelName& model,
                                               VersionNumber version,
                                               double temperature,
                                               const Mutation& mutation) = 0;

  virtual absl::StatusOr<AliasRow> SetAlias(const AliasMove& move,
                                            bool validate_only,
                                            const Mutation& mutation) = 0;
  // SetAlias with the checks of a promotion: see DecideTerms().
  // FAILED_PRECONDITION (GATE_NOT_PASSED, LABEL_CHANGE).
  virtual absl::StatusOr<AliasRow> Promote(const AliasMove& move,
                                           const PromotionTerms& terms,
                                           bool validate_only,
                                           const Mutation& mutation) = 0;
  virtual absl::StatusOr<AliasRow> RollbackAlias(const ModelName& model,
                                                 absl::string_view alias,
                                                 absl::string_view etag,
                                                 bool validate_only,
                                                 const Mutation& mutation) = 0;
  virtual absl::Status DeleteAlias(const ModelName& model,
                                   absl::string_view alias,
                                   absl::string_view etag,
                                   const Mutation& mutation) = 0;

  // Events of the store; `listener` is called after each commit, from the
  // thread that committed: it must be quick and must not call back. Until the
  // handle is destroyed, which waits for a call that runs.
  virtual absl::StatusOr<std::vector<EventRow>> Events(std::int64_t after,
                                                       std::size_t limit) = 0;
  virtual absl::StatusOr<std::int64_t> LastEvent() = 0;
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };
  virtual std::unique_ptr<Subscription> Subscribe(
      std::function<void()> listener) = 0;

  // For ExportVersion and GetBlob.
  virtual absl::StatusOr<std::unique_ptr<BlobReader>> OpenBlob(
      const Digest& digest) = 0;
};

}  // namespace resnetd
