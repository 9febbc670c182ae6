// The pickle interpreter alone, and the search for the state dict.

#include <cstddef>
#include <cstdint>

#include "server/models/pickle_reader.h"
#include "server/models/state_dict.h"
#include "tests/fuzz/fuzz_check.h"

namespace resnetd {
namespace {

void CheckDocument(const PickleDocument& document) {
  Check(document.root < document.values.size(), "the root is a value");
  for (const PickleValue& value : document.values) {
    for (const PickleId item : value.items) {
      Check(item < document.values.size(), "an item is a value");
    }
    Check(value.kind != PickleKind::kDict || value.items.size() % 2 == 0,
          "a key has a value");
    const auto place = static_cast<std::size_t>(value.number);
    Check(value.kind != PickleKind::kTensor || place < document.tensors.size(),
          "a tensor is one of the document");
    Check(
        value.kind != PickleKind::kStorage || place < document.storages.size(),
        "a storage is one of the document");
  }
  for (const PickledTensor& tensor : document.tensors) {
    Check(tensor.shape.size() == tensor.strides.size(), "a size has a stride");
  }
}

void Fuzz(absl::Span<const std::uint8_t> bytes) {
  const auto document = ReadPickle(bytes);
  if (!document.ok()) {
    return CheckError(document.status());
  }
  CheckDocument(*document);
  const auto entries = FindStateDict(*document);
  if (!entries.ok()) {
    return CheckError(entries.status());
  }
  Check(!entries->empty(), "a state dict has tensors");
}

}  // namespace
}  // namespace resnetd

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  resnetd::Fuzz({data, size});
  return 0;
}
