#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/base/sha256.h"
#include "server/base/thread.h"

namespace resnetd {

// SHA-256 of bytes that fill up from their front: another core hashes what is
// there while the rest comes. Where there is no thread to be had the caller
// does. Not thread-safe.
class FillingHash {
 public:
  // `bytes` stay where they are and outlive this. Without `beside`: by the
  // caller.
  FillingHash(const std::uint8_t* bytes, bool beside);
  ~FillingHash();
  FillingHash(const FillingHash&) = delete;
  FillingHash& operator=(const FillingHash&) = delete;

  // The first `count` bytes are there and do not change any more; never fewer
  // than before.
  void Filled(std::size_t count) ABSL_LOCKS_EXCLUDED(mutex_);
  // Sha256Hex() of all that were filled. Ends the calculation.
  std::string Finish() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  void HashUpTo(std::size_t count);
  void End() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::uint8_t* const bytes_;
  bool beside_;
  // Of whoever hashes.
  Sha256 hash_;
  std::size_t hashed_ = 0;

  Mutex mutex_;
  CondVar changed_;
  std::size_t filled_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace resnetd
