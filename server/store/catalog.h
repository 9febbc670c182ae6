#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/store/connections.h"
#include "server/store/database.h"
#include "server/store/store.h"

namespace resnetd {

// Models, versions, aliases, events, audit and notes in the database of a
// store.
//
// Methods named as those of Store do what Store says. Thread-safe.
class Catalog {
 public:
  // Makes or migrates the database and checks it: quickly, but every row that
  // an answer can come from. FAILED_PRECONDITION (STORE_UNUSABLE), DATA_LOSS
  // (STORE_CORRUPT). `clock` outlives the catalog.
  static absl::StatusOr<std::unique_ptr<Catalog>> Open(
      const DatabaseOptions& options, const Clock& clock);

  // The database was empty when it was opened.
  bool is_new() const { return is_new_; }
  // The connections, for the other catalogs over this database.
  Connections& connections() { return *db_; }

  absl::StatusOr<std::vector<ModelName>> ListModels();
  absl::StatusOr<std::vector<VersionRow>> ListVersions(const ModelName& model);
  absl::StatusOr<VersionRow> GetVersion(const ModelName& model,
                                        VersionNumber version);
  absl::StatusOr<std::vector<AliasRow>> ListAliases(const ModelName& model);
  absl::StatusOr<AliasRow> GetAlias(const ModelName& model,
                                    absl::string_view alias);
  absl::StatusOr<std::vector<EventRow>> ListEvents(std::int64_t after,
                                                   std::size_t limit);
  absl::StatusOr<std::int64_t> LastEvent();
  absl::StatusOr<std::vector<AuditRow>> ListAudit(std::int64_t after,
                                                  std::size_t limit);
  absl::StatusOr<AliasRow> CheckMove(const AliasMove& move);
  absl::StatusOr<std::optional<std::string>> Remembered(
      const Mutation& mutation);
  absl::StatusOr<std::string> GetNote(absl::string_view key);
  // Committed versions of all models.
  absl::StatusOr<std::int64_t> CountVersions();
  // Bytes of the database file.
  absl::StatusOr<std::int64_t> DatabaseBytes();

  // The blobs of `version` are there and stay; its weights have
  // `weights_bytes`.
  absl::StatusOr<Published> Publish(const NewVersion& version,
                                    std::int64_t weights_bytes,
                                    const Mutation& mutation);
  // What Publish() answered to the same request before; nullopt: nothing.
  absl::StatusOr<std::optional<Published>> RepeatedPublish(
      const Mutation& mutation);
  absl::StatusOr<VersionRow> DeleteVersion(const ModelName& model,
                                           VersionNumber version,
                                           absl::string_view etag,
                                           const Mutation& mutation);
  absl::StatusOr<AliasRow> MoveAlias(const AliasMove& move,
                                     const Mutation& mutation);
  absl::Status DeleteAlias(const ModelName& model, absl::string_view alias,
                           absl::string_view etag, const Mutation& mutation);
  absl::Status SetNote(absl::string_view key, absl::string_view value);

  absl::StatusOr<std::vector<VersionRow>> ListAllCommitted();
  // The versions that an alias names.
  absl::StatusOr<std::vector<VersionRow>> ListAliasedVersions();
  // Every blob that a committed version names.
  absl::StatusOr<std::set<Digest>> NamedBlobs();
  absl::StatusOr<std::map<Digest, WallTime>> Tombstones();
  // Adds those of `blobs` that no committed version names, as of now, and
  // removes those of named blobs and of `gone`; times in the future become now.
  absl::Status UpdateTombstones(const std::set<Digest>& blobs,
                                const std::set<Digest>& gone);
  // Forgets what need no longer be remembered.
  absl::Status Expire(Duration remember, std::int64_t keep_events);

 private:
  Catalog(std::unique_ptr<Connections> db, bool is_new)
      : db_(std::move(db)), is_new_(is_new) {}

  const std::unique_ptr<Connections> db_;
  const bool is_new_;
};

// DATA_LOSS (STORE_CORRUPT): a row of a table that answers come from is damaged
// or missing.
absl::Status CheckCatalog(Database& database);

// "models/NAME/versions/N" and "models/NAME/aliases/ALIAS".
std::string ResourceOf(const ModelName& model, VersionNumber version);
std::string ResourceOf(const ModelName& model, absl::string_view alias);

// NOT_FOUND (MODEL_NOT_FOUND), (VERSION_NOT_FOUND), (ALIAS_NOT_FOUND).
absl::Status NoModel(const ModelName& model);
absl::Status NoVersion(const ModelName& model, VersionNumber version);
absl::Status NoAlias(const ModelName& model, absl::string_view alias);

}  // namespace resnetd
