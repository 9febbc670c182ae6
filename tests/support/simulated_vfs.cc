#include "tests/support/simulated_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <new>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

constexpr int kLongestPath = 512;
constexpr int kShmLocks = SQLITE_SHM_NLOCK;

struct VfsFile;

// Who holds what of one database, among the connections of this process.
struct Locks {
  int shared = 0;
  const VfsFile* reserved = nullptr;
  const VfsFile* pending = nullptr;
  const VfsFile* exclusive = nullptr;
};

// The index of the write-ahead log, and its locks.
struct SharedMemory {
  // One allocation a region: they must not move.
  std::vector<std::vector<std::uint8_t>> regions;
  std::array<int, kShmLocks> shared = {};
  std::array<const VfsFile*, kShmLocks> exclusive = {};
  int users = 0;
};

struct Vfs {
  explicit Vfs(SimulatedDisk& on) : disk(on) {}

  SimulatedDisk& disk;
  Mutex mutex;
  std::map<std::string, Locks> locks ABSL_GUARDED_BY(mutex);
  std::map<std::string, SharedMemory> memory ABSL_GUARDED_BY(mutex);
};

struct VfsFile : sqlite3_file {
  Vfs* vfs = nullptr;
  SimulatedDisk::File file;
  std::string path;
  bool sync_folder = false;
  bool remove_on_close = false;
  int level = SQLITE_LOCK_NONE;
  bool uses_memory = false;
  std::array<bool, kShmLocks> shares = {};
};

VfsFile& Of(sqlite3_file* file) { return *static_cast<VfsFile*>(file); }

Vfs& Of(sqlite3_vfs* vfs) { return *static_cast<Vfs*>(vfs->pAppData); }

std::string PathOf(const char* name) { return name + (*name == '/' ? 1 : 0); }

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

int ToCode(DiskError error, int otherwise) {
  if (error == DiskError::kNone) {
    return SQLITE_OK;
  }
  return error == DiskError::kNoSpace ? SQLITE_FULL : otherwise;
}

int Unlock(sqlite3_file* file, int level) {
  VfsFile& self = Of(file);
  MutexLock lock(self.vfs->mutex);
  Locks& locks = self.vfs->locks[self.path];
  if (self.level <= level) {
    return SQLITE_OK;
  }
  for (const VfsFile** holder :
       {&locks.reserved, &locks.pending, &locks.exclusive}) {
    *holder = *holder == &self ? nullptr : *holder;
  }
  if (level == SQLITE_LOCK_NONE) {
    --locks.shared;
  }
  self.level = level;
  return SQLITE_OK;
}

int Lock(sqlite3_file* file, int level) {
  VfsFile& self = Of(file);
  MutexLock lock(self.vfs->mutex);
  Locks& locks = self.vfs->locks[self.path];
  const auto other_has = [&self](const VfsFile* holder) {
    return holder != nullptr && holder != &self;
  };
  if (self.level >= level) {
    return SQLITE_OK;
  }
  if (self.level == SQLITE_LOCK_NONE) {
    if (other_has(locks.pending) || other_has(locks.exclusive)) {
      return SQLITE_BUSY;
    }
    ++locks.shared;
    self.level = SQLITE_LOCK_SHARED;
  }
  if (level == SQLITE_LOCK_SHARED) {
    return SQLITE_OK;
  }
  if (other_has(locks.reserved) || other_has(locks.pending)) {
    return SQLITE_BUSY;
  }
  locks.reserved = &self;
  self.level = std::max(self.level, SQLITE_LOCK_RESERVED);
  if (level == SQLITE_LOCK_RESERVED) {
    return SQLITE_OK;
  }
  locks.pending = &self;
  self.level = SQLITE_LOCK_PENDING;
  if (locks.shared > 1) {
    return SQLITE_BUSY;
  }
  locks.exclusive = &self;
  self.level = SQLITE_LOCK_EXCLUSIVE;
  return SQLITE_OK;
}

int CheckReservedLock(sqlite3_file* file, int* held) {
  VfsFile& self = Of(file);
  MutexLock lock(self.vfs->mutex);
  *held = self.vfs->locks[self.path].reserved != nullptr ? 1 : 0;
  return SQLITE_OK;
}

int ShmUnmap(sqlite3_file* file, int /*remove*/) {
  VfsFile& self = Of(file);
  MutexLock lock(self.vfs->mutex);
  if (!self.uses_memory) {
    return SQLITE_OK;
  }
  self.uses_memory = false;
  SharedMemory& memory = self.vfs->memory[self.path];
  for (std::size_t i = 0; i < kShmLocks; ++i) {
    memory.shared[i] -= self.shares[i] ? 1 : 0;
    self.shares[i] = false;
    memory.exclusive[i] =
        memory.exclusive[i] == &self ? nullptr : memory.exclusive[i];
  }
  if (--memory.users == 0) {
    self.vfs->memory.erase(self.path);
  }
  return SQLITE_OK;
}

int ShmMap(sqlite3_file* file, int region, int bytes, int extend,
           void volatile** place) {
  VfsFile& self = Of(file);
  MutexLock lock(self.vfs->mutex);
  SharedMemory& memory = self.vfs->memory[self.path];
  memory.users += self.uses_memory ? 0 : 1;
  self.uses_memory = true;
  const auto index = static_cast<std::size_t>(region);
  *place = nullptr;
  if (index >= memory.regions.size() && extend == 0) {
    return SQLITE_OK;
  }
  while (memory.regions.size() <= index) {
    memory.regions.emplace_back(static_cast<std::size_t>(bytes));
  }
  *place = memory.regions[index].data();
  return SQLITE_OK;
}

bool CanLock(const VfsFile& self, const SharedMemory& memory, std::size_t slot,
             bool shared) {
  const bool other_writes =
      memory.exclusive[slot] != nullptr && memory.exclusive[slot] != &self;
  const int others = memory.shared[slot] - (self.shares[slot] ? 1 : 0);
  return !other_writes && (shared || others == 0);
}

int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  VfsFile& self = Of(file);
  MutexLock lock(self.vfs->mutex);
  SharedMemory& memory = self.vfs->memory[self.path];
  const auto begin = static_cast<std::size_t>(offset);
  const auto end = begin + static_cast<std::size_t>(count);
  const bool shared = (flags & SQLITE_SHM_SHARED) != 0;
  const bool locks = (flags & SQLITE_SHM_LOCK) != 0;
  for (std::size_t i = begin; locks && i < end; ++i) {
    if (!CanLock(self, memory, i, shared)) {
      return SQLITE_BUSY;
    }
  }
  for (std::size_t i = begin; i < end; ++i) {
    if (!shared) {
      memory.exclusive[i] = locks ? &self : nullptr;
    } else if (self.shares[i] != locks) {
      memory.shared[i] += locks ? 1 : -1;
      self.shares[i] = locks;
    }
  }
  return SQLITE_OK;
}

void ShmBarrier(sqlite3_file* file) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  MutexLock lock(Of(file).vfs->mutex);
}

int Close(sqlite3_file* file) {
  VfsFile& self = Of(file);
  ShmUnmap(file, 0);
  Unlock(file, SQLITE_LOCK_NONE);
  if (self.remove_on_close) {
    self.vfs->disk.Remove(self.path);
  }
  self.~VfsFile();
  return SQLITE_OK;
}

int Read(sqlite3_file* file, void* bytes, int size, sqlite3_int64 offset) {
  VfsFile& self = Of(file);
  std::size_t got = 0;
  const absl::Span<std::uint8_t> wanted(static_cast<std::uint8_t*>(bytes),
                                        static_cast<std::size_t>(size));
  if (self.vfs->disk.Read(self.file, offset, wanted, &got) !=
      DiskError::kNone) {
    return SQLITE_IOERR_READ;
  }
  std::fill(wanted.begin() + static_cast<std::ptrdiff_t>(got), wanted.end(),
            std::uint8_t{0});
  return got == wanted.size() ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* file, const void* bytes, int size,
          sqlite3_int64 offset) {
  VfsFile& self = Of(file);
  return ToCode(self.vfs->disk.Write(self.file, offset,
                                     {static_cast<const std::uint8_t*>(bytes),
                                      static_cast<std::size_t>(size)}),
                SQLITE_IOERR_WRITE);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  VfsFile& self = Of(file);
  return ToCode(self.vfs->disk.Truncate(self.file, size),
                SQLITE_IOERR_TRUNCATE);
}

int Sync(sqlite3_file* file, int /*flags*/) {
  VfsFile& self = Of(file);
  if (self.vfs->disk.Sync(self.file) != DiskError::kNone) {
    return SQLITE_IOERR_FSYNC;
  }
  if (!self.sync_folder) {
    return SQLITE_OK;
  }
  self.sync_folder = false;
  return self.vfs->disk.SyncFolder(FolderOf(self.path)) == DiskError::kNone
             ? SQLITE_OK
             : SQLITE_IOERR_DIR_FSYNC;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  *size = Of(file).vfs->disk.SizeOf(Of(file).file);
  return SQLITE_OK;
}

int FileControl(sqlite3_file* /*file*/, int /*op*/, void* /*argument*/) {
  return SQLITE_NOTFOUND;
}

int SectorSize(sqlite3_file* /*file*/) { return 4096; }

// Bytes beside those written are never harmed; nothing else is promised.
int DeviceCharacteristics(sqlite3_file* /*file*/) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

const sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize = FileSize,
    .xLock = Lock,
    .xUnlock = Unlock,
    .xCheckReservedLock = CheckReservedLock,
    .xFileControl = FileControl,
    .xSectorSize = SectorSize,
    .xDeviceCharacteristics = DeviceCharacteristics,
    .xShmMap = ShmMap,
    .xShmLock = ShmLock,
    .xShmBarrier = ShmBarrier,
    .xShmUnmap = ShmUnmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* place, int flags,
         int* flags_out) {
  place->pMethods = nullptr;
  SimulatedDisk& disk = Of(vfs).disk;
  SimulatedDisk::File file;
  DiskError error = DiskError::kNone;
  if (name == nullptr) {
    // A file without a name, for SQLite's own sorting: gone with the process.
    file = std::make_shared<SimulatedInode>();
  } else {
    error = disk.Open(PathOf(name), &file);
    if (error == DiskError::kNotFound && (flags & SQLITE_OPEN_CREATE) != 0) {
      error = disk.Create(PathOf(name), &file);
    }
  }
  if (error != DiskError::kNone) {
    return ToCode(error, SQLITE_CANTOPEN);
  }
  auto* opened = new (place) VfsFile;
  opened->vfs = &Of(vfs);
  opened->file = std::move(file);
  opened->path = name == nullptr ? "" : PathOf(name);
  opened->sync_folder = (flags & SQLITE_OPEN_CREATE) != 0 &&
                        (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL |
                                  SQLITE_OPEN_SUPER_JOURNAL)) != 0;
  opened->remove_on_close =
      name != nullptr && (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  opened->pMethods = &kMethods;
  if (flags_out != nullptr) {
    *flags_out = flags;
  }
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  SimulatedDisk& disk = Of(vfs).disk;
  const std::string path = PathOf(name);
  const DiskError error = disk.Remove(path);
  if (error != DiskError::kNone) {
    return error == DiskError::kNotFound ? SQLITE_IOERR_DELETE_NOENT
                                         : SQLITE_IOERR_DELETE;
  }
  if (sync_folder != 0 && disk.SyncFolder(FolderOf(path)) != DiskError::kNone) {
    return SQLITE_IOERR_DIR_FSYNC;
  }
  return SQLITE_OK;
}

int Access(sqlite3_vfs* vfs, const char* name, int flags, int* answer) {
  SimulatedDisk& disk = Of(vfs).disk;
  SimulatedDisk::File file;
  const DiskError error = disk.Open(PathOf(name), &file);
  // An empty file counts as none, as on Unix.
  *answer = error == DiskError::kNone &&
                    (flags != SQLITE_ACCESS_EXISTS || disk.SizeOf(file) > 0)
                ? 1
                : 0;
  return SQLITE_OK;
}

int FullPathname(sqlite3_vfs* /*vfs*/, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

int Sleep(sqlite3_vfs* /*vfs*/, int microseconds) { return microseconds; }

int LastError(sqlite3_vfs* /*vfs*/, int /*size*/, char* /*text*/) { return 0; }

}  // namespace

struct SimulatedVfs::State {
  explicit State(SimulatedDisk& disk) : vfs(disk) {}

  Vfs vfs;
  std::string name;
  sqlite3_vfs entry = {};
};

SimulatedVfs::SimulatedVfs(SimulatedDisk& disk)
    : state_(std::make_unique<State>(disk)) {
  state_->name = absl::StrCat("simulated-",
                              reinterpret_cast<std::uintptr_t>(state_.get()));
  // Time and randomness are the machine's.
  const sqlite3_vfs* real = sqlite3_vfs_find(nullptr);
  state_->entry = *real;
  sqlite3_vfs& entry = state_->entry;
  entry.iVersion = 2;
  entry.pNext = nullptr;
  entry.pAppData = &state_->vfs;
  entry.zName = state_->name.c_str();
  entry.szOsFile = static_cast<int>(sizeof(VfsFile));
  entry.mxPathname = kLongestPath;
  entry.xOpen = Open;
  entry.xDelete = Delete;
  entry.xAccess = Access;
  entry.xFullPathname = FullPathname;
  entry.xSleep = Sleep;
  entry.xGetLastError = LastError;
  sqlite3_vfs_register(&entry, 0);
}

SimulatedVfs::~SimulatedVfs() { sqlite3_vfs_unregister(&state_->entry); }

const std::string& SimulatedVfs::name() const { return state_->name; }

}  // namespace resnetd
