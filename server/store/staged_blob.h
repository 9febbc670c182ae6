#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/sha256.h"
#include "server/store/blob_store.h"
#include "server/store/file_system.h"
#include "server/store/store.h"

namespace resnetd {

// A blob on its way into the store: a file under staging/ and what was reserved
// for it, both gone when it is destroyed. Not thread-safe.
class StagedBlob final : public BlobWriter {
 public:
  // `reserved` bytes were reserved and are its own from here on, also when it
  // cannot be made.
  static absl::StatusOr<std::unique_ptr<BlobWriter>> Create(
      std::shared_ptr<BlobStore> store, std::string path,
      std::int64_t reserved);
  ~StagedBlob() override;
  StagedBlob(const StagedBlob&) = delete;
  StagedBlob& operator=(const StagedBlob&) = delete;

  absl::Status Write(absl::Span<const std::uint8_t> bytes) override;
  std::int64_t size() const override { return size_; }
  const Digest& Digested() override;
  absl::StatusOr<std::vector<std::uint8_t>> ReadBack() override;
  absl::StatusOr<Digest> Commit() override;

 private:
  StagedBlob(std::shared_ptr<BlobStore> store, std::string path,
             std::int64_t reserved);
  absl::Status Grow(std::int64_t bytes);

  const std::shared_ptr<BlobStore> store_;
  const std::string path_;
  std::int64_t reserved_;
  std::int64_t size_ = 0;
  Sha256 hash_;
  std::optional<Digest> digest_;
  // Null once it was committed or failed.
  std::unique_ptr<WritableFile> file_;
  // The file lies under staging/.
  bool is_staged_ = false;
};

// A blob that is read. Thread-safe.
class OpenedBlob final : public BlobReader {
 public:
  OpenedBlob(BlobStore::Pin pin, std::unique_ptr<ReadableFile> file)
      : pin_(std::move(pin)), file_(std::move(file)) {}

  std::int64_t size() const override { return file_->size(); }
  absl::Status ReadAt(std::int64_t offset,
                      absl::Span<std::uint8_t> bytes) const override {
    return file_->ReadAt(offset, bytes);
  }

 private:
  const BlobStore::Pin pin_;
  const std::unique_ptr<ReadableFile> file_;
};

}  // namespace resnetd
