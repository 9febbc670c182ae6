#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/models/pickle_value.h"

namespace resnetd {

struct PickleLimits {
  // cifar_resnet1202 with the state of an optimizer needs 4 MiB, 700,000 values
  // and 22,000 tensors.
  std::size_t max_bytes = 16U << 20U;
  // Values pushed, the same one twice counts twice.
  std::size_t max_values = 2'000'000;
  std::size_t max_tensors = 100'000;
  // Python writes containers in parts of 1,000 members.
  std::size_t max_stack = 10'000;
  // Containers begun inside each other.
  std::size_t max_marks = 64;
  std::size_t max_text_bytes = 64U << 10U;
  std::size_t max_rank = 8;
};

// Reads a pickle (protocol 2) of torch.save: the opcodes of plain containers,
// numbers, texts and tensors, and the globals collections.OrderedDict,
// torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter and
// torch.*Storage, nothing else. Calls nothing and looks nothing up: a REDUCE of
// these globals makes a plain value. The attributes that BUILD gives to an
// OrderedDict are dropped, and so is the text that says on which device a
// storage was.
//
// DATA_LOSS (WEIGHTS_CORRUPT) naming the byte where the pickle is damaged;
// INVALID_ARGUMENT (MODEL_INVALID) for an opcode or global outside the list;
// INVALID_ARGUMENT (LIMIT_EXCEEDED, metadata "limit") for the limits. Takes at
// most about 100 bytes of memory a value, for the values that are there.
// `bytes` must outlive the document.
absl::StatusOr<PickleDocument> ReadPickle(absl::Span<const std::uint8_t> bytes,
                                          const PickleLimits& limits = {});

}  // namespace resnetd
