#pragma once

#include <chrono>
#include <cstdint>
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
#include "server/store/dataset_catalog.h"
#include "server/store/job_catalog.h"
#include "server/store/store_types.h"

namespace resnetd {

enum class VersionState { kStaged = 1, kCommitted = 2, kRetired = 3 };

// A version as the database has it. Its manifest blob holds the rest.
struct VersionRow {
  ModelName model;
  VersionNumber version;
  VersionState state = VersionState::kCommitted;
  Digest weights;
  std::int64_t weights_bytes = 0;
  Digest manifest;
  Digest labels;
  Digest golden;
  // What makes two versions of a model the same: see NewVersion.
  std::string content_key;
  Digest source;
  std::string source_format;
  std::optional<VersionNumber> parent;
  WallTime created;
};

struct AliasRow {
  ModelName model;
  std::string alias;
  VersionNumber version;
  std::optional<VersionNumber> previous;
  // From 1 on; never goes back, not even when the alias is removed and made
  // again.
  std::int64_t generation = 1;
  WallTime updated;
  // Why it was moved here although the gate had said no; empty: it had not.
  std::string gate_override = {};
};

// "g7" for generation 7.
std::string EtagOf(const AliasRow& alias);
// "s2" for VersionState::kCommitted.
std::string EtagOf(const VersionRow& version);

enum class EventKind {
  kVersionImported = 1,
  kVersionDeleted = 2,
  kAliasSet = 3,
  kAliasRolledBack = 4,
  kAliasDeleted = 5,
};

struct EventRow {
  std::int64_t sequence = 0;
  WallTime time;
  EventKind kind = EventKind::kVersionImported;
  ModelName model;
  std::optional<VersionNumber> version;
  std::string alias;
  std::optional<VersionNumber> previous;
  std::int64_t generation = 0;
  Digest weights;
  // Of a move: see AliasRow.
  std::string gate_override = {};
};

struct AuditRow {
  std::int64_t sequence = 0;
  WallTime time;
  std::string actor;
  std::string method;
  std::string resource;
  std::string request_id;
  std::string outcome;
  // SHA-256 over the row before and this one.
  std::string hash;
};

// What is committed when a version becomes visible. Its blobs were committed
// before.
struct NewVersion {
  ModelName model;
  // The number it gets; absent: the next one of the model, which is never given
  // again. Brought numbers are for copies that end with their process: the gaps
  // before them are versions that were lost, to Verify() and to a later start.
  std::optional<VersionNumber> number = {};
  Digest weights;
  Digest manifest;
  Digest labels;
  Digest golden;
  // Equal keys in one model are one version: the committed one comes back.
  std::string content_key;
  Digest source;
  std::string source_format;
  std::optional<VersionNumber> parent;
  // Set in the same transaction when the model has no committed version yet.
  std::string first_alias;
};

struct Published {
  VersionRow version;
  // False: it was there.
  bool created = false;
};

struct AliasMove {
  ModelName model;
  std::string alias;
  VersionNumber to;
  // Compare-and-swap on the version; nullopt: any; 0: the alias must not exist.
  std::optional<std::int64_t> expected_version;
  // Compare-and-swap on the etag; empty: any.
  std::string etag;
  // How the event is called.
  EventKind kind = EventKind::kAliasSet;
  // Why although the gate said no: is audited, and kept with the alias.
  std::string gate_override = {};
};

// A blob that is being written. Destroyed without Commit(): nothing stays.
// Not thread-safe.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual absl::Status Write(absl::Span<const std::uint8_t> bytes) = 0;
  // So far.
  virtual std::int64_t size() const = 0;
  // Ends writing: the digest of the bytes. Write() may not follow.
  virtual const Digest& Digested() = 0;
  // The bytes as they lie on the disk, their digest verified: to check what was
  // uploaded before it becomes a blob. After Digested(), before Commit(); as
  // often as wanted. DATA_LOSS (STORE_CORRUPT): the disk changed them.
  virtual absl::StatusOr<std::vector<std::uint8_t>> ReadBack() = 0;
  // Makes the bytes a durable blob under their digest: sync, rename, sync of
  // the folder. It is kept from the collector until a version names it, for the
  // grace time, an hour at least; or until the store is closed. Once.
  virtual absl::StatusOr<Digest> Commit() = 0;
};

// A blob of the store, kept from the collector while this lives. Thread-safe.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual std::int64_t size() const = 0;
  virtual absl::Status ReadAt(std::int64_t offset,
                              absl::Span<std::uint8_t> bytes) const = 0;
};

struct StoreOptions {
  // Where it lives; made when missing (not its parents). Empty: a temporary
  // folder, removed by the destructor, whose files are not synced.
  std::string folder;
  // All blobs together; 0: no limit.
  std::int64_t quota_bytes = 0;
  // Left free on the disk for the database.
  std::int64_t reserve_bytes = 64LL << 20;
  // How long a blob that nothing names any more is kept.
  Duration collect_grace = std::chrono::hours(24);
  // How long idempotency keys and events are kept, at least.
  Duration remember = std::chrono::hours(24);
  // The newest events are kept whatever their age.
  std::int64_t keep_events = 100'000;
};

struct StoreStats {
  std::int64_t blobs = 0;
  std::int64_t blob_bytes = 0;
  std::int64_t database_bytes = 0;
  std::int64_t free_bytes = 0;
  std::int64_t versions = 0;
  // Those not deleted, and their examples.
  std::int64_t datasets = 0;
  std::int64_t examples = 0;
  std::int64_t jobs = 0;
  // Blobs whose bytes did not have their digest, since the start.
  std::int64_t integrity_failures = 0;
};

struct Collected {
  std::int64_t blobs = 0;
  std::int64_t bytes = 0;
};

// One finding of Store::Verify().
struct Finding {
  // E.g. "blob", "alias", "audit".
  std::string what;
  std::string text;
};

// Models, versions, aliases, events, datasets, jobs, audit and blobs of one
// server: immutable content-addressed files and one SQLite database that alone
// decides what is true. docs/store.md has layout, protocol and recovery.
//
// What a method answered OK survives any crash and power cut; what it did not
// answer has happened whole or not at all. Thread-safe. Mutations wait for the
// disk: never call them from a thread that must not block. Reads are quick.
//
// Errors of every mutation: RESOURCE_EXHAUSTED (STORAGE_FULL), UNAVAILABLE
// (STORE_FAILED: the disk failed; from then on every mutation fails so),
// ALREADY_EXISTS (REQUEST_ID_CONFLICT).
class Store {
 public:
  // Opens or makes the store, takes its lock, finishes or undoes what a crash
  // left, checks the database and what the aliases name.
  // FAILED_PRECONDITION (STORE_UNUSABLE): locked by another process, a network
  // file system, a newer format, something else's folder, not writable.
  // DATA_LOSS (STORE_CORRUPT): the database is damaged. The texts say what to
  // do and name the folder: they are for the operator.
  static absl::StatusOr<std::unique_ptr<Store>> Open(
      const StoreOptions& options, const Clock& clock);
  virtual ~Store() = default;

  // `expected_bytes` are reserved on the disk and against the quota.
  virtual absl::StatusOr<std::unique_ptr<BlobWriter>> NewBlob(
      std::int64_t expected_bytes) = 0;
  // NOT_FOUND (BLOB_NOT_FOUND).
  virtual absl::StatusOr<std::unique_ptr<BlobReader>> OpenBlob(
      const Digest& digest) = 0;
  // The whole blob, its digest verified. NOT_FOUND (BLOB_NOT_FOUND);
  // DATA_LOSS (STORE_CORRUPT): the bytes are not those of the digest, and the
  // blob was put aside; RESOURCE_EXHAUSTED (LIMIT_EXCEEDED): over `max_bytes`.
  virtual absl::StatusOr<std::vector<std::uint8_t>> ReadBlob(
      const Digest& digest, std::int64_t max_bytes) = 0;

  // Ordered by name; models that have a committed version.
  virtual absl::StatusOr<std::vector<ModelName>> ListModels() = 0;
  // Committed versions, newest first. Empty for an unknown model.
  virtual absl::StatusOr<std::vector<VersionRow>> ListVersions(
      const ModelName& model) = 0;
  // Retired ones too. NOT_FOUND (MODEL_NOT_FOUND, VERSION_NOT_FOUND).
  virtual absl::StatusOr<VersionRow> GetVersion(const ModelName& model,
                                                VersionNumber version) = 0;
  // Ordered by name.
  virtual absl::StatusOr<std::vector<AliasRow>> ListAliases(
      const ModelName& model) = 0;
  // NOT_FOUND (MODEL_NOT_FOUND, ALIAS_NOT_FOUND).
  virtual absl::StatusOr<AliasRow> GetAlias(const ModelName& model,
                                            absl::string_view alias) = 0;
  // At most `limit` events after `after`, in order.
  // OUT_OF_RANGE (EVENTS_EXPIRED): the next one is no longer kept, or `after`
  // was not given yet (the store was restored from a backup).
  virtual absl::StatusOr<std::vector<EventRow>> ListEvents(
      std::int64_t after, std::size_t limit) = 0;
  virtual absl::StatusOr<std::int64_t> LastEvent() = 0;
  virtual absl::StatusOr<std::vector<AuditRow>> ListAudit(
      std::int64_t after, std::size_t limit) = 0;

  // Commits a version whose blobs are there, with one audit row, and one event
  // for the version and one for its first alias. A version that was there adds
  // neither; one of the same number that was retired is committed again.
  // NOT_FOUND (BLOB_NOT_FOUND, VERSION_NOT_FOUND: the parent);
  // FAILED_PRECONDITION (STORE_UNUSABLE): the number is that of other content.
  virtual absl::StatusOr<Published> Publish(const NewVersion& version,
                                            const Mutation& mutation) = 0;
  // Retires it. NOT_FOUND; FAILED_PRECONDITION (VERSION_IN_USE); ABORTED
  // (ETAG_MISMATCH).
  virtual absl::StatusOr<VersionRow> DeleteVersion(
      const ModelName& model, VersionNumber version, absl::string_view etag,
      const Mutation& mutation) = 0;
  // Moves or makes an alias. NOT_FOUND; ABORTED (ALIAS_MOVED, ETAG_MISMATCH).
  // Moving it to where it is changes nothing and adds neither event nor audit
  // row. A repetition is answered with the alias as it is now: NOT_FOUND when
  // it was removed since.
  virtual absl::StatusOr<AliasRow> MoveAlias(const AliasMove& move,
                                             const Mutation& mutation) = 0;
  // The answer that MoveAlias would give, without doing it.
  virtual absl::StatusOr<AliasRow> CheckMove(const AliasMove& move) = 0;
  // NOT_FOUND; ABORTED (ETAG_MISMATCH).
  virtual absl::Status DeleteAlias(const ModelName& model,
                                   absl::string_view alias,
                                   absl::string_view etag,
                                   const Mutation& mutation) = 0;
  // What the mutation with this request_id made or changed before, e.g.
  // "models/a/versions/3" or "models/a/aliases/stable"; nullopt: nothing.
  // ALREADY_EXISTS (REQUEST_ID_CONFLICT): another request has it.
  virtual absl::StatusOr<std::optional<std::string>> Remembered(
      const Mutation& mutation) = 0;

  // A note of the server's own, e.g. what was declared last. Empty: none.
  virtual absl::StatusOr<std::string> GetNote(absl::string_view key) = 0;
  virtual absl::Status SetNote(absl::string_view key,
                               absl::string_view value) = 0;

  // They live as long as the store.
  virtual DatasetCatalog& datasets() = 0;
  virtual JobCatalog& jobs() = 0;

  // Removes blobs that nothing has named for the grace time, and rows that need
  // no longer be remembered.
  virtual absl::StatusOr<Collected> Collect() = 0;
  // Reads everything: every digest, every reference, the chain of the audit.
  // Empty: the store is sound.
  virtual absl::StatusOr<std::vector<Finding>> Verify() = 0;
  virtual absl::StatusOr<StoreStats> Stats() = 0;
};

}  // namespace resnetd
