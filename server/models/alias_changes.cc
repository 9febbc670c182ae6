#include "server/models/alias_changes.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/models/model_registry.h"

namespace resnetd {
namespace {

absl::Status NoPrevious(const ModelName& model, absl::string_view alias,
                        absl::string_view why) {
  return Error(absl::StatusCode::kFailedPrecondition,
               Reason::kNoPreviousVersion,
               absl::StrCat(AliasResourceName(model, alias),
                            " cannot go back: ", why))
      .Resource("alias", AliasResourceName(model, alias));
}

absl::Status AnswersByIt(const ModelName& model) {
  const std::string resource = AliasResourceName(model, kStableAlias);
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kVersionInUse,
               absl::StrCat(resource,
                            " is the alias by which the model answers: move it "
                            "instead"))
      .Metadata("aliases", kStableAlias)
      .Resource("alias", resource);
}

}  // namespace

void AliasChanges::Restore(const AliasRow& alias) {
  const ModelLife::Changing changing(life_, alias.model);
  ModelHandle version;
  const absl::StatusOr<VersionRow> row =
      life_.views.CommittedRow(alias.model, alias.version);
  if (row.ok()) {
    // The failure is logged, and is what calls by the alias are answered.
    version = life_.loader.MakeReady(*row, false).value_or(nullptr);
  } else {
    Log(LogLevel::kError, "alias names no version",
        {{"alias", AliasResourceName(alias.model, alias.alias)},
         {"error", std::string(row.status().message())}});
  }
  life_.sink.AliasPointed(
      {.alias = alias, .version = version.get(), .restored = true});
}

absl::StatusOr<AliasRow> AliasChanges::Set(
    const AliasMove& move, const std::optional<PromotionTerms>& terms,
    bool validate_only, const Mutation& mutation) {
  RETURN_IF_ERROR(CheckAlias(move.alias));
  const ModelLife::Changing changing(life_, move.model);
  ASSIGN_OR_RETURN(const bool done, life_.WasDone(validate_only, mutation));
  if (done) {
    return life_.store.GetAlias(move.model, move.alias);
  }
  return Move(move, terms, validate_only, mutation);
}

absl::Status AliasChanges::CheckTerms(const VersionRow& row,
                                      const std::optional<AliasRow>& before,
                                      const PromotionTerms& terms,
                                      AliasMove& move) {
  if (before && before->version == row.version) {
    return absl::OkStatus();  // It answers already.
  }
  bool labels_differ = false;
  if (before) {
    ASSIGN_OR_RETURN(const VersionRow served,
                     life_.store.GetVersion(row.model, before->version));
    labels_differ = served.labels != row.labels;
  }
  ASSIGN_OR_RETURN(const VersionView view, life_.views.ViewOf(row));
  const PromotionDecision decision =
      DecideTerms(*view.facts, labels_differ, terms);
  RETURN_IF_ERROR(decision.status);
  if (decision.overrides) {
    move.gate_override = terms.gate_override;
  }
  return absl::OkStatus();
}

absl::StatusOr<AliasRow> AliasChanges::Move(
    AliasMove move, const std::optional<PromotionTerms>& terms,
    bool validate_only, const Mutation& mutation) {
  ASSIGN_OR_RETURN(const VersionRow row,
                   life_.views.CommittedRow(move.model, move.to));
  // A move that is lost already is not worth loading for.
  ASSIGN_OR_RETURN(AliasRow checked, life_.store.CheckMove(move));
  ASSIGN_OR_RETURN(const std::optional<AliasRow> before,
                   life_.FindAlias(move.model, move.alias));
  if (terms) {
    RETURN_IF_ERROR(CheckTerms(row, before, *terms, move));
    checked.gate_override = move.gate_override;
  }
  ASSIGN_OR_RETURN(const ModelHandle version,
                   life_.loader.MakeReady(row, false));
  if (validate_only) {
    return checked;
  }
  ASSIGN_OR_RETURN(AliasRow moved, life_.store.MoveAlias(move, mutation));
  const SteadyTime committed = life_.clock.Now();
  if (!before || before->generation != moved.generation) {
    life_.Switch(moved, *version, move.kind, committed);
    life_.listeners.Notify();
    life_.loader.FreeIdle(move.model);
  }
  return moved;
}

absl::StatusOr<AliasRow> AliasChanges::RollBack(const ModelName& model,
                                                absl::string_view alias,
                                                absl::string_view etag,
                                                bool validate_only,
                                                const Mutation& mutation) {
  RETURN_IF_ERROR(CheckAlias(alias));
  const ModelLife::Changing changing(life_, model);
  ASSIGN_OR_RETURN(const bool done, life_.WasDone(validate_only, mutation));
  ASSIGN_OR_RETURN(const AliasRow now, life_.store.GetAlias(model, alias));
  if (done) {
    return now;
  }
  if (!now.previous) {
    return NoPrevious(model, alias, "it never named another version");
  }
  ASSIGN_OR_RETURN(const VersionRow row,
                   life_.store.GetVersion(model, *now.previous));
  if (row.state != VersionState::kCommitted) {
    return NoPrevious(model, alias,
                      absl::StrCat("version ", row.version.value,
                                   ", which it named before, was deleted"));
  }
  return Move({.model = model,
               .alias = std::string(alias),
               .to = *now.previous,
               .expected_version = now.version.value,
               .etag = std::string(etag),
               .kind = EventKind::kAliasRolledBack},
              std::nullopt, validate_only, mutation);
}

absl::Status AliasChanges::Delete(const ModelName& model,
                                  absl::string_view alias,
                                  absl::string_view etag,
                                  const Mutation& mutation) {
  RETURN_IF_ERROR(CheckAlias(alias));
  if (alias == kStableAlias) {
    return AnswersByIt(model);
  }
  const ModelLife::Changing changing(life_, model);
  ASSIGN_OR_RETURN(const bool done, life_.WasDone(false, mutation));
  RETURN_IF_ERROR(life_.store.DeleteAlias(model, alias, etag, mutation));
  if (!done) {
    life_.table.RemoveAlias(model, alias);
    life_.sink.AliasDeleted(model, alias);
    life_.listeners.Notify();
    life_.loader.FreeIdle(model);
  }
  return absl::OkStatus();
}

}  // namespace resnetd
