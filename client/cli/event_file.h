#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "client/gradient_types.h"

namespace resnetd::cli {

// CRC-32C (Castagnoli) of `bytes`.
std::uint32_t Crc32c(absl::string_view bytes);

// The series of a job as the bytes of an event file of TensorBoard: a
// TFRecord for each sample, with scalars such as "layer1.00/grad_main_l2" and
// "all/update_ratio". Samples do not say when they were taken: the wall time of
// each is its step in seconds. Pure.
std::string GradientEventFile(const client::GradientReport& report);

}  // namespace resnetd::cli
