#pragma once

#include <map>
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

// Which model a call names. Without a name: the default model; without a
// version: the one that serves.
struct ModelReference {
  std::optional<ModelName> name;
  std::optional<VersionNumber> version;
};

// Reads "", "NAME", "models/NAME" and "models/NAME/versions/N".
// INVALID_ARGUMENT (REQUEST_INVALID) for anything else.
absl::StatusOr<ModelReference> ParseModelReference(absl::string_view text);

// "models/NAME" and "models/NAME/versions/N".
std::string ResourceName(const ModelName& name);
std::string ResourceName(const ModelName& name, VersionNumber version);

// What is resident and who answers. One version a model. Thread-safe; nothing
// is loaded, computed or freed under its lock.
class ModelRegistry {
 public:
  // Makes `version` the one that answers for its model; what answered before is
  // released once its last batch is done. The first model added becomes the
  // default.
  void Serve(ModelHandle version) ABSL_LOCKS_EXCLUDED(mutex_);

  // NOT_FOUND (MODEL_NOT_FOUND, metadata "available", or VERSION_NOT_FOUND).
  absl::StatusOr<ModelHandle> Acquire(const ModelReference& reference) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ordered by name.
  std::vector<ModelHandle> List() const ABSL_LOCKS_EXCLUDED(mutex_);

  // The model that answers calls naming none; absent while the registry is
  // empty.
  std::optional<ModelName> default_model() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable Mutex mutex_;
  std::map<ModelName, ModelHandle> serving_ ABSL_GUARDED_BY(mutex_);
  std::optional<ModelName> default_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
