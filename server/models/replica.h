#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/ids.h"
#include "server/models/model_manager.h"
#include "server/store/store.h"

namespace resnetd {

// A server that owns no store follows one that does, its registry: it serves
// what the registry's aliases name, from copies of its own, and goes on with
// them when the registry is away.

// One model as the registry has it.
struct RegistryModel {
  ModelName name;
  bool is_default = false;
  std::map<std::string, VersionNumber> aliases;
};

struct RegistryState {
  // The last event that the list shows.
  std::int64_t sequence = 0;
  std::vector<RegistryModel> models;
};

// What makes up a version; its labels and golden logits are named by its
// manifest.
struct RegistryVersion {
  Digest weights;
  Digest manifest;
};

// Takes a blob that is on its way. Not thread-safe.
class BlobSink {
 public:
  virtual ~BlobSink() = default;
  // First, and once: bytes of the whole blob.
  virtual absl::Status Begin(std::int64_t size) = 0;
  virtual absl::Status Write(absl::Span<const std::uint8_t> bytes) = 0;
};

// The other server. Not thread-safe but for Stop().
// Errors of every method: those of the registry; UNAVAILABLE: it cannot be
// reached, or its connection broke; CANCELLED after Stop().
class Registry {
 public:
  virtual ~Registry() = default;
  virtual absl::StatusOr<RegistryState> List() = 0;
  virtual absl::StatusOr<RegistryVersion> Describe(const ModelName& model,
                                                   VersionNumber version) = 0;
  virtual absl::Status Fetch(const Digest& digest, BlobSink& sink) = 0;
  // Blocks until something changed after the event `sequence`. OK also when
  // events may have been missed: list again.
  virtual absl::Status AwaitChange(std::int64_t sequence) = 0;
  // Ends what runs and what follows.
  virtual void Stop() = 0;
};

// What is to be done so that this server's aliases are those of the registry.
struct ReplicaPlan {
  struct Alias {
    ModelName model;
    std::string alias;
    // Where it goes; nullopt: it goes away.
    std::optional<VersionNumber> to;

    friend bool operator==(const Alias&, const Alias&) = default;
  };
  // To be copied, each once.
  std::vector<std::pair<ModelName, VersionNumber>> copies;
  // "stable" of each model first: calls that name no alias get it.
  std::vector<Alias> aliases;
};

// `here`: the models of this server; `has`: the versions that it has copies of.
// A model that the registry no longer has stays as it is: "stable" cannot go.
ReplicaPlan PlanReplica(
    const RegistryState& registry, const std::vector<ModelView>& here,
    const std::map<ModelName, std::vector<VersionNumber>>& has);

// The copies of a registry's versions in a store of this server's own, and the
// aliases that name them. Not thread-safe.
class Replica {
 public:
  // All outlive it; nobody else changes the models.
  Replica(Registry& registry, Store& store, ModelManager& manager)
      : registry_(registry), store_(store), manager_(manager) {}

  // Copies, loads, checks and switches over what `state` names, and gives up
  // the copies that no alias names or named last. What fails is logged and left
  // as it was, while the rest is done: then the first error. Errors of the
  // registry, the store and of loading; DATA_LOSS (DIGEST_MISMATCH): a blob has
  // not come as it is named.
  absl::Status Follow(const RegistryState& state);

 private:
  absl::StatusOr<std::map<ModelName, std::vector<VersionNumber>>> Copies();
  absl::Status Copy(const ModelName& model, VersionNumber version);
  absl::Status CopyBlob(const Digest& digest);
  absl::Status Set(const ReplicaPlan::Alias& alias);
  void GiveUpCopies();

  Registry& registry_;
  Store& store_;
  ModelManager& manager_;
};

}  // namespace resnetd
