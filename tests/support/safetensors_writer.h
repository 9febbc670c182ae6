#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/models/architecture.h"
#include "server/models/safetensors.h"
#include "server/models/weights.h"

namespace resnetd {

// A tensor to be written; `bytes` little-endian in C order.
struct WrittenTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::string bytes;
};

// A file of `header` as it is and `data` behind it.
inline std::string PackFile(absl::string_view header,
                            absl::string_view data = "") {
  std::string file;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    file.push_back(static_cast<char>(
        (static_cast<std::uint64_t>(header.size()) >> shift) & 0xFFU));
  }
  return absl::StrCat(file, header, data);
}

// A .safetensors file of `tensors`, in their order.
inline std::string PackTensors(const std::vector<WrittenTensor>& tensors) {
  std::vector<std::string> entries;
  std::string data;
  for (const WrittenTensor& tensor : tensors) {
    entries.push_back(absl::StrCat("\"", tensor.name, R"(":{"dtype":")",
                                   DTypeName(tensor.dtype), R"(","shape":[)",
                                   absl::StrJoin(tensor.shape, ","),
                                   R"(],"data_offsets":[)", data.size(), ",",
                                   data.size() + tensor.bytes.size(), "]}"));
    data += tensor.bytes;
  }
  return PackFile(absl::StrCat("{", absl::StrJoin(entries, ","), "}"), data);
}

inline std::string FloatBytes(absl::Span<const float> values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  if (!bytes.empty()) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
  }
  return bytes;
}

// Every tensor of `network` with the values of `weights`, counters at 0; the
// order is that of the state dict.
inline std::vector<WrittenTensor> TensorsOf(const Network& network,
                                            const Weights& weights) {
  std::vector<WrittenTensor> tensors;
  for (const TensorSpec& spec : TensorSpecs(network)) {
    tensors.push_back(
        {.name = spec.name,
         .dtype = spec.optional_counter ? DType::kI64 : DType::kF32,
         .shape = spec.shape,
         .bytes = spec.optional_counter
                      ? std::string(8, '\0')
                      : FloatBytes(weights.at(spec.name).values)});
  }
  return tensors;
}

inline std::vector<std::uint8_t> ToBytes(absl::string_view text) {
  return {text.begin(), text.end()};
}

}  // namespace resnetd
