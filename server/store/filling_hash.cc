#include "server/store/filling_hash.h"

#include <system_error>

#include "absl/types/span.h"

namespace resnetd {

FillingHash::FillingHash(const std::uint8_t* bytes, bool beside)
    : bytes_(bytes), beside_(beside) {
  if (!beside_) {
    return;
  }
  try {
    thread_ = Thread("hash", [this] { Work(); });
  } catch (const std::system_error&) {  // too many threads
    beside_ = false;
  }
}

FillingHash::~FillingHash() { End(); }

void FillingHash::Filled(std::size_t count) {
  if (!beside_) {
    HashUpTo(count);
    return;
  }
  const MutexLock lock(mutex_);
  filled_ = count;
  changed_.NotifyOne();
}

std::string FillingHash::Finish() {
  End();
  return hash_.Finish();
}

void FillingHash::End() {
  {
    const MutexLock lock(mutex_);
    ended_ = true;
    changed_.NotifyOne();
  }
  thread_.Join();
}

void FillingHash::Work() {
  while (true) {
    std::size_t count = 0;
    {
      const MutexLock lock(mutex_);
      while (filled_ == hashed_ && !ended_) {
        changed_.Wait(mutex_);
      }
      count = filled_;
    }
    if (count == hashed_) {
      return;
    }
    HashUpTo(count);
  }
}

void FillingHash::HashUpTo(std::size_t count) {
  hash_.Update(absl::MakeConstSpan(bytes_ + hashed_, count - hashed_));
  hashed_ = count;
}

}  // namespace resnetd
