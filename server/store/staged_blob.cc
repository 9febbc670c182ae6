#include "server/store/staged_blob.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/store/hash_file.h"

namespace resnetd {
namespace {

absl::Status Unwritable() {
  return Error(absl::StatusCode::kUnavailable, Reason::kStoreFailed,
               "the blob could not be written; send it again");
}

}  // namespace

StagedBlob::StagedBlob(std::shared_ptr<BlobStore> store, std::string path,
                       std::int64_t reserved)
    : store_(std::move(store)), path_(std::move(path)), reserved_(reserved) {}

StagedBlob::~StagedBlob() {
  file_.reset();
  if (is_staged_) {
    // What stays is removed by the next opening.
    store_->files_->Remove(path_).IgnoreError();
  }
  store_->Unreserve(reserved_);
}

absl::StatusOr<std::unique_ptr<BlobWriter>> StagedBlob::Create(
    std::shared_ptr<BlobStore> store, std::string path, std::int64_t reserved) {
  FileSystem& files = *store->files_;
  std::unique_ptr<StagedBlob> blob(
      new StagedBlob(std::move(store), std::move(path), reserved));
  ASSIGN_OR_RETURN(blob->file_, files.Create(blob->path_));
  blob->is_staged_ = true;
  if (reserved > 0) {
    RETURN_IF_ERROR(blob->file_->Allocate(reserved));
  }
  return blob;
}

absl::Status StagedBlob::Grow(std::int64_t bytes) {
  if (bytes <= reserved_) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(store_->Reserve(bytes - reserved_));
  reserved_ = bytes;
  return absl::OkStatus();
}

absl::Status StagedBlob::Write(absl::Span<const std::uint8_t> bytes) {
  if (file_ == nullptr || digest_) {
    return Unwritable();
  }
  const auto added = static_cast<std::int64_t>(bytes.size());
  absl::Status written = Grow(size_ + added);
  if (written.ok()) {
    written = file_->Write(bytes);
  }
  if (!written.ok()) {
    // Part of the bytes may be there: nothing can follow.
    file_.reset();
    return written;
  }
  hash_.Update(bytes);
  size_ += added;
  return absl::OkStatus();
}

const Digest& StagedBlob::Digested() {
  if (!digest_) {
    digest_ = hash_.Finish();
  }
  return *digest_;
}

absl::StatusOr<std::vector<std::uint8_t>> StagedBlob::ReadBack() {
  if (file_ == nullptr || !digest_) {
    return Unwritable();
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file,
                   store_->files_->Open(path_));
  return ReadVerified(*file, *digest_);
}

absl::StatusOr<Digest> StagedBlob::Commit() {
  if (file_ == nullptr) {
    return Unwritable();
  }
  const Digest digest = Digested();
  const std::unique_ptr<WritableFile> file = std::move(file_);
  // Before the sync, so that the mode is durable with the bytes.
  RETURN_IF_ERROR(store_->files_->Protect(path_));
  RETURN_IF_ERROR(file->Sync());
  const BlobStore::Pin claim = store_->Claim(digest);
  RETURN_IF_ERROR(store_->PlaceClaimed(path_, digest, size_));
  is_staged_ = false;
  // Counted among the blobs from here on.
  store_->Unreserve(std::exchange(reserved_, 0));
  return digest;
}

}  // namespace resnetd
