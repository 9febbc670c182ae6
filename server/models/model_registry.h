#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"
#include "server/base/mutex.h"
#include "server/models/model.h"

namespace resnetd {

// The alias by which a model answers.
inline constexpr char kStableAlias[] = "stable";

// Which version a call names. Without a name: the default model. Without a
// version: the one that `alias` names, or "stable" when that is empty too. At
// most one of `version` and `alias` is set.
struct ModelReference {
  std::optional<ModelName> name;
  std::optional<VersionNumber> version;
  std::string alias;
};

// Reads "", "NAME", "models/NAME", "models/NAME/versions/N" and
// "models/NAME/aliases/ALIAS".
// INVALID_ARGUMENT (REQUEST_INVALID) for anything else.
absl::StatusOr<ModelReference> ParseModelReference(absl::string_view text);

// The alias by which `reference` finds its version; empty when it names the
// version itself.
std::string AliasOf(const ModelReference& reference);

// Aliases have the form of a model's name, see ModelName.
// INVALID_ARGUMENT (REQUEST_INVALID).
absl::Status CheckAlias(absl::string_view alias);

// "models/NAME", "models/NAME/versions/N" and "models/NAME/aliases/ALIAS".
std::string ResourceName(const ModelName& name);
std::string ResourceName(const ModelName& name, VersionNumber version);
std::string AliasResourceName(const ModelName& name, absl::string_view alias);

// A version that the registry knows of.
struct RegisteredVersion {
  // Null: not loaded.
  ModelHandle handle;
  // Why, if it could not be loaded.
  absl::Status failure;
};

// All that serving knows of one model, as of one moment.
struct RegisteredModel {
  // Grows with every change, where changes are made by several threads.
  std::int64_t revision = 0;
  std::map<VersionNumber, RegisteredVersion> versions;
  std::map<std::string, VersionNumber> aliases;
};

// What is resident and who answers. Thread-safe; nothing is loaded, computed
// or freed under its lock: a change is the swap of one pointer, and a call sees
// a model as it was before it or as it is after it.
class ModelRegistry {
 public:
  // Replaces what is known of `name`, unless that is of a later revision. The
  // handles given up are released on the calling thread, or by the calls that
  // still look at them. The first model becomes the default.
  void Publish(const ModelName& name, RegisteredModel model)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The same for a model that has but one version, "stable".
  void Serve(ModelHandle version) ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes `name` the default model, published already or not.
  void SetDefault(const ModelName& name) ABSL_LOCKS_EXCLUDED(mutex_);

  // NOT_FOUND (MODEL_NOT_FOUND, metadata "available"; VERSION_NOT_FOUND;
  // ALIAS_NOT_FOUND); FAILED_PRECONDITION (VERSION_NOT_READY: known, but not
  // loaded; VERSION_FAILED: it could not be loaded).
  absl::StatusOr<ModelHandle> Acquire(const ModelReference& reference) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The loaded versions that "stable" names, ordered by the model's name.
  std::vector<ModelHandle> List() const ABSL_LOCKS_EXCLUDED(mutex_);

  // The model that answers calls naming none; absent while the registry is
  // empty.
  std::optional<ModelName> default_model() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Snapshot = std::shared_ptr<const RegisteredModel>;

  std::vector<Snapshot> Snapshots() const ABSL_LOCKS_EXCLUDED(mutex_);

  mutable Mutex mutex_;
  std::map<ModelName, Snapshot> models_ ABSL_GUARDED_BY(mutex_);
  std::optional<ModelName> default_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
