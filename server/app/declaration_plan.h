#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "server/app/declared_models.h"
#include "server/base/ids.h"

namespace resnetd {

// What was declared last of one alias, as the store remembers it.
struct DeclaredBefore {
  // See FingerprintOf().
  std::string fingerprint;
  // The version that came of it.
  VersionNumber version;

  friend bool operator==(const DeclaredBefore&,
                         const DeclaredBefore&) = default;
};

// Under which key the store remembers it.
std::string NoteKeyOf(const DeclaredModel& model);
// Its text there, and back; nullopt for an empty text or one of another form.
std::string FormatNote(const DeclaredBefore& before);
std::optional<DeclaredBefore> ParseNote(absl::string_view text);

// SHA-256 over all that a declaration says, with the contents of its files
// instead of their paths: equal when nothing was changed.
std::string FingerprintOf(const DeclaredModel& model,
                          absl::string_view weights_digest,
                          absl::string_view labels_digest);

// What is there when a declaration is looked at.
struct DeclarationState {
  std::string fingerprint;
  std::optional<DeclaredBefore> before;
  // The version that came of the declaration before is committed still.
  bool version_there = false;
  // The alias names some version.
  bool alias_there = false;
};

// What to do for it.
struct DeclarationPlan {
  // Import the file, or find the version by its digest; else the version is the
  // one of before.
  bool bring_version = false;
  bool point_alias = false;

  friend bool operator==(const DeclarationPlan&,
                         const DeclarationPlan&) = default;
};

// As `kubectl apply`: what did not change since it was declared last is left as
// it is now, so that a restart undoes neither a promotion nor a deletion; only
// an alias that is gone is made again.
DeclarationPlan PlanDeclaration(const DeclarationState& state);

}  // namespace resnetd
