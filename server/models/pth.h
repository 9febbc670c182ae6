#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/models/pickle_reader.h"
#include "server/models/state_dict.h"
#include "server/models/tensor_view.h"
#include "server/models/zip_archive.h"

namespace resnetd {

struct PthLimits {
  ZipLimits zip;
  PickleLimits pickle;
  StateDictLimits state_dict;
  // Tensors whose numbers do not lie one behind the other in the file are
  // copied. Views that repeat numbers (expand()) can be far larger than the
  // file: the copies together may have as many bytes as the file and these.
  std::size_t max_repeated_bytes = 16U << 20U;
};

// A parsed .pth file (torch.save of PyTorch 1.6 and later) that owns its bytes.
// Immutable; reading is thread-safe. Can be moved, not copied: the views point
// into it.
//
// Reads a state dict, bare or in a training checkpoint (state_dict.h). Nothing
// is executed: zip_archive.h and pickle_reader.h say what is read, and anything
// else is refused. The CRC-32 of every entry is verified.
class PthFile {
 public:
  // DATA_LOSS (WEIGHTS_CORRUPT) naming the first rule that `bytes` break;
  // INVALID_ARGUMENT (MODEL_INVALID) for what is sound and not supported, with
  // what to do: the format before PyTorch 1.6, TorchScript, a whole pickled
  // network, other Python objects, big-endian numbers, element types of no
  // network; INVALID_ARGUMENT (LIMIT_EXCEEDED, metadata "limit") for the
  // limits. Memory: a small multiple of the pickle and the copies, beside
  // `bytes`.
  static absl::StatusOr<PthFile> Parse(std::vector<std::uint8_t> bytes,
                                       const PthLimits& limits = {});

  // Whether a file that begins so is for this reader: a zip archive, or
  // anything that torch.save ever wrote.
  static bool LooksLikePth(absl::Span<const std::uint8_t> bytes);

  PthFile(PthFile&&) = default;
  PthFile& operator=(PthFile&&) = default;
  PthFile(const PthFile&) = delete;
  PthFile& operator=(const PthFile&) = delete;
  ~PthFile() = default;

  // In the order of the state dict.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  std::size_t size_bytes() const { return bytes_.size(); }

 private:
  PthFile() = default;
  std::vector<std::uint8_t> bytes_;
  // Of the tensors that do not lie in `bytes_` as they are.
  std::vector<std::vector<std::uint8_t>> copies_;
  std::vector<TensorView> tensors_;
};

}  // namespace resnetd
