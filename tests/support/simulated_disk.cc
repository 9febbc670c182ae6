#include "tests/support/simulated_disk.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

std::string ParentOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

bool MayNeedRoom(DiskOp op) {
  return op == DiskOp::kCreate || op == DiskOp::kWrite ||
         op == DiskOp::kAllocate || op == DiskOp::kTruncate ||
         op == DiskOp::kRename || op == DiskOp::kMakeFolder;
}

}  // namespace

absl::string_view NameOf(DiskOp op) {
  constexpr absl::string_view kNames[] = {
      "create",      "write",         "allocate",    "truncate",
      "sync",        "protect",       "rename",      "remove",
      "make folder", "remove folder", "sync folder", "read"};
  return kNames[static_cast<std::size_t>(op)];
}

DiskError SimulatedDisk::Strike(DiskOp op) {
  if (dead_) {
    return DiskError::kFailed;
  }
  const bool reads = op == DiskOp::kRead;
  std::int64_t number = reads_;
  if (reads) {
    ++reads_;
  } else {
    number = static_cast<std::int64_t>(operations_.size());
    operations_.push_back(op);
  }
  const bool hit = fault_.lasting ? number >= fault_.at : number == fault_.at;
  if (fault_.kind == DiskFault::Kind::kNone || fault_.of_reads != reads ||
      !hit) {
    return DiskError::kNone;
  }
  if (fault_.kind == DiskFault::Kind::kFull) {
    return MayNeedRoom(op) ? DiskError::kNoSpace : DiskError::kNone;
  }
  dead_ = fault_.kind == DiskFault::Kind::kDie;
  return DiskError::kFailed;
}

DiskError SimulatedDisk::Begin(DiskOp op, const std::string& path) {
  const DiskError error = Strike(op);
  if (error != DiskError::kNone && struck_at_.empty()) {
    struck_at_ = absl::StrCat(NameOf(op), " of ", path);
  }
  return error;
}

DiskError SimulatedDisk::Begin(DiskOp op, const File& file) {
  const DiskError error = Strike(op);
  if (error != DiskError::kNone && struck_at_.empty()) {
    struck_at_ = absl::StrCat(NameOf(op), " of ");
    for (const auto& [path, other] : now_) {
      absl::StrAppend(&struck_at_, other == file ? path : "");
    }
  }
  return error;
}

void SimulatedDisk::Plan(const DiskFault& fault) {
  MutexLock lock(mutex_);
  fault_ = fault;
  struck_at_.clear();
}

void SimulatedDisk::set_capacity(std::int64_t bytes) {
  MutexLock lock(mutex_);
  capacity_ = bytes;
}

bool SimulatedDisk::struck() const {
  MutexLock lock(mutex_);
  return !struck_at_.empty();
}

std::string SimulatedDisk::struck_at() const {
  MutexLock lock(mutex_);
  return struck_at_;
}

bool SimulatedDisk::dead() const {
  MutexLock lock(mutex_);
  return dead_;
}

std::vector<DiskOp> SimulatedDisk::operations() const {
  MutexLock lock(mutex_);
  return operations_;
}

std::int64_t SimulatedDisk::operation_count() const {
  MutexLock lock(mutex_);
  return static_cast<std::int64_t>(operations_.size());
}

std::int64_t SimulatedDisk::read_count() const {
  MutexLock lock(mutex_);
  return reads_;
}

std::int64_t SimulatedDisk::Free() const {
  std::int64_t free = capacity_;
  for (const auto& [path, file] : now_) {
    free -= file == nullptr ? 0 : file->size();
  }
  return std::max<std::int64_t>(free, 0);
}

std::int64_t SimulatedDisk::free_bytes() const {
  MutexLock lock(mutex_);
  return Free();
}

bool SimulatedDisk::HasParent(const std::string& path) const {
  const std::string parent = ParentOf(path);
  const auto place = now_.find(parent);
  return parent.empty() || (place != now_.end() && place->second == nullptr);
}

void SimulatedDisk::Apply(const Move& move, Tree* tree) {
  const auto from = tree->find(move.from);
  // The name may have become another file's meanwhile.
  if (from != tree->end() && from->second == move.file) {
    tree->erase(from);
  }
  if (!move.to.empty()) {
    (*tree)[move.to] = move.file;
  }
}

void SimulatedDisk::Do(Move move) {
  move.sequence = sequence_++;
  Apply(move, &now_);
  moves_.push_back(std::move(move));
}

DiskError SimulatedDisk::Create(const std::string& path, File* file) {
  MutexLock lock(mutex_);
  const DiskError error = Begin(DiskOp::kCreate, path);
  if (error != DiskError::kNone) {
    return error;
  }
  if (now_.count(path) > 0) {
    return DiskError::kExists;
  }
  if (!HasParent(path)) {
    return DiskError::kNotFound;
  }
  *file = std::make_shared<SimulatedInode>();
  Do({.to = path, .file = *file});
  return DiskError::kNone;
}

DiskError SimulatedDisk::Open(const std::string& path, File* file) {
  MutexLock lock(mutex_);
  const DiskError error = Begin(DiskOp::kRead, path);
  if (error != DiskError::kNone) {
    return error;
  }
  const auto place = now_.find(path);
  if (place == now_.end() || place->second == nullptr) {
    return DiskError::kNotFound;
  }
  *file = place->second;
  return DiskError::kNone;
}

DiskError SimulatedDisk::Allocate(const File& file, std::int64_t bytes) {
  MutexLock lock(mutex_);
  const DiskError error = Begin(DiskOp::kAllocate, file);
  if (error != DiskError::kNone) {
    return error;
  }
  return bytes > Free() ? DiskError::kNoSpace : DiskError::kNone;
}

DiskError SimulatedDisk::Write(const File& file, std::int64_t offset,
                               absl::Span<const std::uint8_t> bytes) {
  MutexLock lock(mutex_);
  if (dead_) {
    return DiskError::kFailed;
  }
  DiskError error = Begin(DiskOp::kWrite, file);
  const std::int64_t end = offset + static_cast<std::int64_t>(bytes.size());
  if (error == DiskError::kNone && end > file->size() &&
      end - file->size() > Free()) {
    error = DiskError::kNoSpace;
  }
  if (error == DiskError::kNone) {
    file->Write(sequence_++, offset, bytes);
  } else if (error == DiskError::kNoSpace || dead_) {
    file->Write(sequence_++, offset, bytes.first(bytes.size() / 2));
  }
  return error;
}

DiskError SimulatedDisk::Truncate(const File& file, std::int64_t bytes) {
  MutexLock lock(mutex_);
  const DiskError error = Begin(DiskOp::kTruncate, file);
  if (error == DiskError::kNone && bytes != file->size()) {
    file->Truncate(sequence_++, bytes);
  }
  return error;
}

DiskError SimulatedDisk::Sync(const File& file) {
  MutexLock lock(mutex_);
  const bool was_dead = dead_;
  const DiskError error = Begin(DiskOp::kSync, file);
  if (error == DiskError::kNone) {
    file->Sync();
  } else if (!was_dead && !dead_) {
    file->GiveUp();
  }
  return error;
}

DiskError SimulatedDisk::Read(const File& file, std::int64_t offset,
                              absl::Span<std::uint8_t> bytes,
                              std::size_t* got) {
  MutexLock lock(mutex_);
  *got = 0;
  const DiskError error = Begin(DiskOp::kRead, file);
  if (error != DiskError::kNone) {
    return error;
  }
  const std::int64_t left = std::max<std::int64_t>(file->size() - offset, 0);
  *got = std::min(bytes.size(), static_cast<std::size_t>(left));
  std::copy_n(file->now().data() + (file->size() - left), *got, bytes.data());
  return DiskError::kNone;
}

std::int64_t SimulatedDisk::SizeOf(const File& file) const {
  MutexLock lock(mutex_);
  return file->size();
}

DiskError SimulatedDisk::Protect(const std::string& path) {
  MutexLock lock(mutex_);
  const DiskError error = Begin(DiskOp::kProtect, path);
  if (error != DiskError::kNone) {
    return error;
  }
  const auto place = now_.find(path);
  if (place == now_.end() || place->second == nullptr) {
    return DiskError::kNotFound;
  }
  place->second->read_only = true;
  return DiskError::kNone;
}

DiskError SimulatedDisk::Rename(const std::string& from,
                                const std::string& to) {
  MutexLock lock(mutex_);
  const DiskError error = Begin(DiskOp::kRename, to);
  if (error != DiskError::kNone) {
    return error;
  }
  const auto place = now_.find(from);
  if (place == now_.end() || place->second == nullptr || !HasParent(to)) {
    return DiskError::kNotFound;
  }
  Do({.from = from, .to = to, .file = place->second});
  return DiskError::kNone;
}

DiskError SimulatedDisk::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  const DiskError error = Begin(DiskOp::kRemove, path);
  if (error != DiskError::kNone) {
    return error;
  }
  const auto place = now_.find(path);
  if (place == now_.end() || place->second == nullptr) {
    return DiskError::kNotFound;
  }
  Do({.from = path, .file = place->second});
  return DiskError::kNone;
}

DiskError SimulatedDisk::MakeFolder(const std::string& path) {
  MutexLock lock(mutex_);
  const DiskError error = Begin(DiskOp::kMakeFolder, path);
  if (error != DiskError::kNone) {
    return error;
  }
  if (now_.count(path) > 0) {
    return DiskError::kExists;
  }
  if (!HasParent(path)) {
    return DiskError::kNotFound;
  }
  Do({.to = path});
  return DiskError::kNone;
}

DiskError SimulatedDisk::RemoveFolder(const std::string& path) {
  MutexLock lock(mutex_);
  const DiskError error = Begin(DiskOp::kRemoveFolder, path);
  if (error != DiskError::kNone) {
    return error;
  }
  const auto place = now_.find(path);
  if (place == now_.end() || place->second != nullptr) {
    return DiskError::kNotFound;
  }
  const auto next = now_.lower_bound(path + "/");
  if (next != now_.end() &&
      next->first.compare(0, path.size() + 1, path + "/") == 0) {
    return DiskError::kNotEmpty;
  }
  Do({.from = path});
  return DiskError::kNone;
}

DiskError SimulatedDisk::SyncFolder(const std::string& path) {
  MutexLock lock(mutex_);
  const DiskError error = Begin(DiskOp::kSyncFolder, path);
  if (error != DiskError::kNone) {
    return error;
  }
  const auto place = now_.find(path);
  if (!path.empty() && (place == now_.end() || place->second != nullptr)) {
    return DiskError::kNotFound;
  }
  // What happened to a file before is in the journal before.
  std::vector<bool> durable(moves_.size(), false);
  for (std::size_t i = 0; i < moves_.size(); ++i) {
    const Move& move = moves_[i];
    if (ParentOf(move.to.empty() ? move.from : move.to) != path) {
      continue;
    }
    for (std::size_t j = 0; j <= i; ++j) {
      durable[j] = durable[j] || j == i ||
                   (move.file != nullptr && moves_[j].file == move.file);
    }
  }
  std::vector<Move> left;
  for (std::size_t i = 0; i < moves_.size(); ++i) {
    if (durable[i]) {
      Apply(moves_[i], &durable_);
    } else {
      left.push_back(std::move(moves_[i]));
    }
  }
  moves_ = std::move(left);
  return DiskError::kNone;
}

DiskError SimulatedDisk::List(const std::string& path,
                              std::vector<std::string>* names) {
  MutexLock lock(mutex_);
  const DiskError error = Begin(DiskOp::kRead, path);
  if (error != DiskError::kNone) {
    return error;
  }
  const auto place = now_.find(path);
  if (!path.empty() && (place == now_.end() || place->second != nullptr)) {
    return DiskError::kNotFound;
  }
  const std::string prefix = path.empty() ? "" : path + "/";
  for (auto entry = now_.lower_bound(prefix);
       entry != now_.end() &&
       entry->first.compare(0, prefix.size(), prefix) == 0;
       ++entry) {
    const std::string name = entry->first.substr(prefix.size());
    if (name.find('/') == std::string::npos) {
      names->push_back(name + (entry->second == nullptr ? "/" : ""));
    }
  }
  std::sort(names->begin(), names->end());
  return DiskError::kNone;
}

bool SimulatedDisk::Exists(const std::string& path) const {
  MutexLock lock(mutex_);
  return path.empty() || now_.count(path) > 0;
}

std::vector<std::string> SimulatedDisk::Files() const {
  MutexLock lock(mutex_);
  std::vector<std::string> files;
  for (const auto& [path, file] : now_) {
    if (file != nullptr) {
      files.push_back(path);
    }
  }
  return files;
}

std::vector<std::uint8_t> SimulatedDisk::Contents(
    const std::string& path) const {
  MutexLock lock(mutex_);
  return now_.at(path)->now();
}

std::int64_t SimulatedDisk::BytesOf(const std::string& path) const {
  MutexLock lock(mutex_);
  const auto place = now_.find(path);
  return place == now_.end() || place->second == nullptr
             ? 0
             : place->second->size();
}

void SimulatedDisk::FlipBit(const std::string& path, std::int64_t bit) {
  MutexLock lock(mutex_);
  now_.at(path)->FlipBit(bit);
}

}  // namespace resnetd
