#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"
#include "server/models/model_life.h"
#include "server/models/promotion.h"
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

  // `terms`: of a promotion; nullopt: it may move in any case.
  absl::StatusOr<AliasRow> Set(const AliasMove& move,
                               const std::optional<PromotionTerms>& terms,
                               bool validate_only, const Mutation& mutation);
  absl::StatusOr<AliasRow> RollBack(const ModelName& model,
                                    absl::string_view alias,
                                    absl::string_view etag, bool validate_only,
                                    const Mutation& mutation);
  absl::Status Delete(const ModelName& model, absl::string_view alias,
                      absl::string_view etag, const Mutation& mutation);

 private:
  // Within the model's turn.
  absl::StatusOr<AliasRow> Move(AliasMove move,
                                const std::optional<PromotionTerms>& terms,
                                bool validate_only, const Mutation& mutation);
  absl::Status CheckTerms(const VersionRow& row,
                          const std::optional<AliasRow>& before,
                          const PromotionTerms& terms, AliasMove& move);

  ModelLife& life_;
};

}  // namespace resnetd
