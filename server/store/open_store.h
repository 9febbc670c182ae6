#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/store/file_system.h"
#include "server/store/store.h"

namespace resnetd {

// Where the database of a store is, as the SQLite VFS that keeps it wants it.
struct DatabaseOptions {
  // Full path of the database file. SQLite adds "-wal" and "-shm" to it; all
  // three lie in the folder that the store's FileSystem shows as its root.
  std::string path;
  // Name of a registered VFS with shared memory (sqlite3_io_methods version 2);
  // empty: the default one.
  std::string vfs;
  // False: synchronous=OFF, for stores that nobody expects to survive.
  bool durable = true;
};

// Opens or makes a store over any files: what Store::Open does once the folder
// is made, found suitable and locked. For a process that owns the folder alone;
// `options.folder` is only the name that texts for the operator give it.
// `clock` outlives the store. Errors: those of Store::Open but the lock's.
//
// The order of writes of a first opening: FORMAT (staged as FORMAT.new, synced,
// renamed, root synced), the folders, the database, the root synced.
absl::StatusOr<std::unique_ptr<Store>> OpenStoreOver(
    std::unique_ptr<FileSystem> files, const DatabaseOptions& database,
    const StoreOptions& options, const Clock& clock);

}  // namespace resnetd
