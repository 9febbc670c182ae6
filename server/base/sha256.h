#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace resnetd {

// SHA-256 (FIPS 180-4) of `bytes` as 64 lower-case hex digits.
std::string Sha256Hex(absl::Span<const unsigned char> bytes);

// Whether `text` is spelled as Sha256Hex() spells a digest: digests are
// compared as text, so this is their only spelling.
bool IsSha256Hex(absl::string_view text);

// Sha256Hex() of bytes that come piece by piece. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void Update(absl::Span<const unsigned char> bytes);
  // The digest of all bytes so far, as Sha256Hex() writes it. Ends the
  // calculation: only the destructor may follow.
  std::string Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace resnetd
