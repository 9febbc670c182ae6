#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"

namespace resnetd {

// What a listener proves itself with, in PEM form.
struct TlsMaterial {
  std::string certificates;
  std::string key;
  // Clients must have a certificate of one of these; empty: they need none.
  std::string client_authorities = {};
};

// The TlsMaterial that new connections are made with; those that stand keep
// what they were made with. Whether clients need a certificate never changes.
// Thread-safe.
class TlsSource {
 public:
  explicit TlsSource(TlsMaterial material)
      : asks_clients_(!material.client_authorities.empty()),
        material_(std::move(material)) {}
  TlsSource(const TlsSource&) = delete;
  TlsSource& operator=(const TlsSource&) = delete;

  bool asks_clients() const { return asks_clients_; }

  // Checked material: certificate and key fit.
  void Replace(TlsMaterial material) ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    material_ = std::move(material);
    ++generation_;
  }

  // The material, and its number among all there were, from 1 on.
  std::pair<TlsMaterial, std::uint64_t> Get() const
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    return {material_, generation_};
  }
  std::uint64_t generation() const ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    return generation_;
  }

 private:
  const bool asks_clients_;
  mutable Mutex mutex_;
  TlsMaterial material_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace resnetd
