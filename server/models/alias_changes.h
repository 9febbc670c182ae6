#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"
#include "server/models/model_life.h"
#include "server/store/store.h"

namespace resnetd {

// Moves aliases: load, warm, check, commit, swap, in this order, so that what
// fails before the commit changes nothing, and what ends after it is finished
// by the next start. Thread-safe. The methods are those of ModelManager.
class AliasChanges {
 public:
  // `life` outlives it.
  explicit AliasChanges(ModelLife& life) : life_(life) {}

  // Makes ready what `alias` named before this process started. A version that
  // cannot be loaded is logged, and calls are answered why.
  void Restore(const AliasRow& alias);

  absl::StatusOr<AliasRow> Set(const AliasMove& move, bool allow_label_change,
                               bool validate_only, const Mutation& mutation);
  absl::StatusOr<AliasRow> RollBack(const ModelName& model,
                                    absl::string_view alias,
                                    absl::string_view etag, bool validate_only,
                                    const Mutation& mutation);
  absl::Status Delete(const ModelName& model, absl::string_view alias,
                      absl::string_view etag, const Mutation& mutation);

 private:
  // Within the model's turn.
  absl::StatusOr<AliasRow> Move(const AliasMove& move, bool allow_label_change,
                                bool validate_only, const Mutation& mutation);

  ModelLife& life_;
};

}  // namespace resnetd
