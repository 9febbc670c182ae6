#include "server/store/schema.h"

#include <array>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

// Times are microseconds since 1970. `seal` is the SHA-256 over the other
// columns (seal.h): SQLite itself does not notice a flipped bit inside a value.
// Rows of models, versions and aliases are never removed: numbers and
// generations only grow.
constexpr absl::string_view kFirst = R"sql(
CREATE TABLE models(
  model TEXT NOT NULL PRIMARY KEY,
  next_version INTEGER NOT NULL,
  seal TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE versions(
  model TEXT NOT NULL REFERENCES models(model),
  version INTEGER NOT NULL CHECK (version >= 1),
  state INTEGER NOT NULL CHECK (state IN (1, 2, 3)),
  weights TEXT NOT NULL,
  weights_bytes INTEGER NOT NULL,
  manifest TEXT NOT NULL,
  labels TEXT NOT NULL,
  golden TEXT NOT NULL,
  content_key TEXT NOT NULL,
  source TEXT NOT NULL,
  source_format TEXT NOT NULL,
  parent INTEGER,
  created_us INTEGER NOT NULL,
  seal TEXT NOT NULL,
  PRIMARY KEY (model, version),
  FOREIGN KEY (model, parent) REFERENCES versions(model, version)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX versions_by_content
  ON versions(model, content_key) WHERE state = 2;

CREATE TABLE aliases(
  model TEXT NOT NULL REFERENCES models(model),
  alias TEXT NOT NULL,
  version INTEGER,
  previous INTEGER,
  generation INTEGER NOT NULL CHECK (generation >= 1),
  updated_us INTEGER NOT NULL,
  seal TEXT NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES versions(model, version),
  FOREIGN KEY (model, previous) REFERENCES versions(model, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE events(
  sequence INTEGER PRIMARY KEY,
  time_us INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  model TEXT NOT NULL,
  version INTEGER,
  alias TEXT NOT NULL,
  previous INTEGER,
  generation INTEGER NOT NULL,
  weights TEXT NOT NULL,
  seal TEXT NOT NULL
) STRICT;

CREATE TABLE audit(
  sequence INTEGER PRIMARY KEY,
  time_us INTEGER NOT NULL,
  actor TEXT NOT NULL,
  method TEXT NOT NULL,
  resource TEXT NOT NULL,
  request_id TEXT NOT NULL,
  outcome TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;

CREATE TABLE head(
  one INTEGER PRIMARY KEY CHECK (one = 1),
  audit_sequence INTEGER NOT NULL,
  audit_hash TEXT NOT NULL,
  event_sequence INTEGER NOT NULL,
  oldest_event INTEGER NOT NULL,
  models INTEGER NOT NULL,
  aliases INTEGER NOT NULL,
  seal TEXT NOT NULL
) STRICT;

CREATE TABLE requests(
  request_id TEXT NOT NULL PRIMARY KEY,
  method TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  outcome TEXT NOT NULL,
  created INTEGER NOT NULL,
  time_us INTEGER NOT NULL,
  seal TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tombstones(
  digest TEXT NOT NULL PRIMARY KEY,
  since_us INTEGER NOT NULL,
  seal TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE notes(
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL,
  seal TEXT NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

// Datasets and jobs. Rows of datasets are never removed: a name stays taken.
// What belongs to one has its number, so that a million examples stay small.
// `packs` has what examples lie in; examples do not refer to it, as removing
// a pack would then look through all of them. The bits of a double are kept as
// an integer: SQLite has no NaN and no negative zero.
constexpr absl::string_view kSecond = R"sql(
CREATE TABLE datasets(
  dataset INTEGER PRIMARY KEY CHECK (dataset >= 1),
  name TEXT NOT NULL UNIQUE,
  state INTEGER NOT NULL CHECK (state IN (1, 2, 3)),
  labels TEXT NOT NULL,
  digest TEXT NOT NULL,
  examples INTEGER NOT NULL,
  rejected INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  packs INTEGER NOT NULL,
  uploads INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  sealed_us INTEGER,
  seal TEXT NOT NULL
) STRICT;

CREATE TABLE packs(
  dataset INTEGER NOT NULL REFERENCES datasets(dataset),
  pack INTEGER NOT NULL CHECK (pack >= 1),
  digest TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  seal TEXT NOT NULL,
  PRIMARY KEY (dataset, pack)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX packs_by_digest ON packs(dataset, digest);

CREATE TABLE examples(
  dataset INTEGER NOT NULL REFERENCES datasets(dataset),
  sequence INTEGER NOT NULL CHECK (sequence >= 1),
  image TEXT NOT NULL,
  pack INTEGER NOT NULL,
  position INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  label INTEGER NOT NULL,
  split INTEGER NOT NULL CHECK (split IN (0, 1, 2, 3)),
  width INTEGER NOT NULL,
  height INTEGER NOT NULL,
  is_grey INTEGER NOT NULL CHECK (is_grey IN (0, 1)),
  mean_r INTEGER NOT NULL,
  mean_g INTEGER NOT NULL,
  mean_b INTEGER NOT NULL,
  square_r INTEGER NOT NULL,
  square_g INTEGER NOT NULL,
  square_b INTEGER NOT NULL,
  seal TEXT NOT NULL,
  PRIMARY KEY (dataset, sequence)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX examples_by_image ON examples(dataset, image);

CREATE TABLE rejected_examples(
  dataset INTEGER NOT NULL REFERENCES datasets(dataset),
  sequence INTEGER NOT NULL CHECK (sequence >= 1),
  name TEXT NOT NULL,
  label TEXT NOT NULL,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  seal TEXT NOT NULL,
  PRIMARY KEY (dataset, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE uploads(
  dataset INTEGER NOT NULL REFERENCES datasets(dataset),
  upload TEXT NOT NULL,
  next_index INTEGER NOT NULL,
  seal TEXT NOT NULL,
  PRIMARY KEY (dataset, upload)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs(
  job INTEGER PRIMARY KEY CHECK (job >= 1),
  state INTEGER NOT NULL,
  is_done INTEGER NOT NULL CHECK (is_done IN (0, 1)),
  spec TEXT NOT NULL,
  status TEXT NOT NULL,
  dataset TEXT NOT NULL REFERENCES datasets(name),
  generation INTEGER NOT NULL CHECK (generation >= 1),
  events INTEGER NOT NULL,
  checkpoints INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  updated_us INTEGER NOT NULL,
  seal TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_open ON jobs(job) WHERE is_done = 0;

CREATE TABLE job_events(
  job INTEGER NOT NULL REFERENCES jobs(job),
  sequence INTEGER NOT NULL CHECK (sequence >= 1),
  time_us INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  payload TEXT NOT NULL,
  seal TEXT NOT NULL,
  PRIMARY KEY (job, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints(
  job INTEGER NOT NULL REFERENCES jobs(job),
  step INTEGER NOT NULL,
  manifest TEXT NOT NULL,
  blobs TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  seal TEXT NOT NULL,
  PRIMARY KEY (job, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE tally(
  one INTEGER PRIMARY KEY CHECK (one = 1),
  datasets INTEGER NOT NULL,
  jobs INTEGER NOT NULL,
  last_job INTEGER NOT NULL,
  seal TEXT NOT NULL
) STRICT;
)sql";

// What jobs show of their gradients. Of each the newest ones are kept: the
// first ordinal that is there says how many are not.
constexpr absl::string_view kThird = R"sql(
CREATE TABLE job_samples(
  job INTEGER NOT NULL REFERENCES jobs(job),
  step INTEGER NOT NULL CHECK (step >= 1),
  ordinal INTEGER NOT NULL CHECK (ordinal >= 1),
  payload TEXT NOT NULL,
  seal TEXT NOT NULL,
  PRIMARY KEY (job, step)
) STRICT, WITHOUT ROWID;
)sql";

constexpr std::array<Migration, 3> kMigrations = {
    Migration{kFirst}, Migration{kSecond}, Migration{kThird}};

absl::Status NotOurs() {
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kStoreUnusable,
               "meta.db is the database of another program; give an empty "
               "folder");
}

absl::StatusOr<std::string> SchemaText(Database& database) {
  std::string text;
  Query query = database.Prepare(
      "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE "
      "'sqlite_%' ORDER BY type, name");
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return text;
    }
    absl::StrAppend(&text, query.Text(0), " ", query.Text(1), " ",
                    query.Text(2), "\n");
  }
}

absl::Status Apply(Database& database, const Migration& migration,
                   std::int64_t version) {
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  RETURN_IF_ERROR(database.ExecuteScript(std::string(migration.script)));
  RETURN_IF_ERROR(database.ExecuteScript(
      absl::StrCat("PRAGMA application_id=", kApplicationId,
                   "; PRAGMA user_version=", version, ";")));
  return transaction.Commit();
}

absl::StatusOr<std::string> SchemaMadeBy(
    absl::Span<const Migration> migrations) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Database> model,
                   Database::OpenEmpty());
  RETURN_IF_ERROR(Migrate(*model, migrations).status());
  return SchemaText(*model);
}

// That of today's format is made once in a process: it is half of what opening
// a small store takes.
absl::StatusOr<std::string> WantedSchema(
    absl::Span<const Migration> migrations) {
  if (migrations.data() != kMigrations.data() ||
      migrations.size() != kMigrations.size()) {
    return SchemaMadeBy(migrations);
  }
  static const absl::StatusOr<std::string> wanted = SchemaMadeBy(kMigrations);
  return wanted;
}

}  // namespace

absl::Span<const Migration> Migrations() { return kMigrations; }

absl::StatusOr<bool> Migrate(Database& database,
                             absl::Span<const Migration> migrations) {
  ASSIGN_OR_RETURN(const std::int64_t application,
                   database.ReadInt("PRAGMA application_id"));
  ASSIGN_OR_RETURN(const std::int64_t format,
                   database.ReadInt("PRAGMA user_version"));
  ASSIGN_OR_RETURN(const std::int64_t tables,
                   database.ReadInt("SELECT count(*) FROM sqlite_schema"));
  const bool is_empty = application == 0 && format == 0 && tables == 0;
  if (!is_empty && application != kApplicationId) {
    return NotOurs();
  }
  const auto newest = static_cast<std::int64_t>(migrations.size());
  if (format > newest) {
    return Error(absl::StatusCode::kFailedPrecondition, Reason::kStoreUnusable,
                 absl::StrCat("the database has format ", format,
                              ", this server knows formats up to ", newest,
                              "; start the newer server that wrote it, or "
                              "restore a backup of before"));
  }
  if (format < 0 || (format == 0 && !is_empty)) {
    return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
                 "the database has lost the number of its format");
  }
  for (std::int64_t next = format + 1; next <= newest; ++next) {
    RETURN_IF_ERROR(
        Apply(database, migrations[static_cast<std::size_t>(next - 1)], next));
  }
  return is_empty;
}

absl::Status CheckSchema(Database& database,
                         absl::Span<const Migration> migrations) {
  ASSIGN_OR_RETURN(const std::string wanted, WantedSchema(migrations));
  ASSIGN_OR_RETURN(const std::string found, SchemaText(database));
  if (wanted != found) {
    return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
                 "the tables of the store's database are not as they were "
                 "made");
  }
  return absl::OkStatus();
}

}  // namespace resnetd
