#include "server/app/declared_files.h"

#include <utility>

#include "server/base/status_macros.h"

namespace resnetd {

DeclaredFiles::DeclaredFiles(absl::Span<const DeclaredModel> models)
    : models_(models), files_(models.size()) {
  thread_ = Thread("declared", [this] { Work(); });
}

DeclaredFiles::~DeclaredFiles() {
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    changed_.NotifyAll();
  }
  thread_.Join();
}

absl::StatusOr<DeclaredFile> DeclaredFiles::Take(std::size_t index) {
  const MutexLock lock(mutex_);
  wanted_ = index;
  changed_.NotifyAll();
  while (!files_[index].has_value()) {
    changed_.Wait(mutex_);
  }
  absl::StatusOr<DeclaredFile> taken = *std::move(files_[index]);
  files_[index].reset();
  wanted_ = index + 1;
  changed_.NotifyAll();
  return taken;
}

void DeclaredFiles::Work() {
  for (std::size_t index = 0; index < models_.size(); ++index) {
    if (models_[index].file.empty()) {
      continue;
    }
    if (!AwaitTurn(index)) {
      return;
    }
    absl::StatusOr<DeclaredFile> read = Read(models_[index].file);
    const MutexLock lock(mutex_);
    if (index >= wanted_) {
      files_[index].emplace(std::move(read));
    }
    changed_.NotifyAll();
  }
}

bool DeclaredFiles::AwaitTurn(std::size_t index) {
  const MutexLock lock(mutex_);
  while (!stopped_ && index >= wanted_ + kFilesAhead) {
    changed_.Wait(mutex_);
  }
  return !stopped_;
}

absl::StatusOr<DeclaredFile> DeclaredFiles::Read(const std::string& path) {
  ASSIGN_OR_RETURN(OperatorFile file, OperatorFile::Open(path));
  ASSIGN_OR_RETURN(std::string digest,
                   file.Digest([this] { return !is_stopped(); }));
  return DeclaredFile{.file = std::move(file), .digest = std::move(digest)};
}

bool DeclaredFiles::is_stopped() const {
  const MutexLock lock(mutex_);
  return stopped_;
}

}  // namespace resnetd
