#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/image/pixels.h"
#include "server/models/model.h"

namespace resnetd {

// What a version answered for a few fixed pictures when it was imported: every
// later load must give the same. It catches what the digest of the weights
// cannot: a network that computes something else, on this machine or in this
// build, and memory that lost bits on the way.

inline constexpr int kGoldenPictures = 3;

// Pictures of side x side, with FillPicture() of weight_fill.h:
//   0: noise: FillPicture(side, side, 0)
//   1: patches: FillPicture(8, 8, 1), where pixel (x, y) is taken from
//      (x / p, y / p) with p = ceil(side / 8)
//   2: ramps: red 255 x / (side - 1), green 255 y / (side - 1), blue
//      255 (x + y) / (2 side - 2), rounded down
// so that fine detail, large areas and slow changes all reach the network.
// Precondition: side >= 2.
std::vector<Pixels> GoldenPictures(int side);

// The logits of those pictures, one row each, computed in one batch of
// min(kGoldenPictures, max_batch) at a time. The errors of Model::Logits().
absl::StatusOr<std::vector<float>> GoldenLogits(const Model& model, int side,
                                                std::size_t max_batch);

// Largest difference that is no fault, as a share of the largest expected logit
// (by magnitude) of the picture.
//   fp32: 1e-4. Implementations that add in another order (other vector
//   widths, other libraries) differ by about 1e-6 on these networks; a missing
//   layer or another normalisation by far more. Of single flipped bits in sign
//   and exponent, 60 places each over the weights of a cifar_resnet8, 85 to 98
//   % are found; the digest finds them all.
//   fp16: 1e-2. Of its 11 bits of mantissa; bf16 has 8.
//   Others: 5e-2, for bf16.
// There is none for int8: noise and ramps leave the ranges that it was
// calibrated with (0.43 on the demo model, 0.79 on a ResNet-50 of random
// weights). That it agrees with fp32 on real pictures is measured before it is
// chosen, and what it answered then is what it is held to.
double GoldenTolerance(absl::string_view precision);

// The largest difference of `actual` to `expected` as a share of the largest
// expected magnitude of its row of `classes`; infinite when a value is not
// finite, or differs where the whole row is zero. Precondition: equal sizes, a
// multiple of `classes`.
double GoldenDifference(absl::Span<const float> expected,
                        absl::Span<const float> actual, std::size_t classes);

// DATA_LOSS (GOLDEN_MISMATCH, metadata "difference", "tolerance"): the
// difference is over `tolerance`, or the sizes differ.
absl::Status CompareGolden(absl::Span<const float> expected,
                           absl::Span<const float> actual, std::size_t classes,
                           double tolerance);

// The blob: a .safetensors file of one float32 tensor, "logits", of
// [kGoldenPictures, classes], with {"format": "resnetd-golden/1"} and, unless
// it is "fp32", {"precision": ...}.
absl::StatusOr<std::vector<std::uint8_t>> WriteGolden(const Golden& golden,
                                                      std::size_t classes);
// DATA_LOSS (STORE_CORRUPT): not such a blob.
absl::StatusOr<Golden> ReadGolden(std::vector<std::uint8_t> blob,
                                  std::size_t classes);

}  // namespace resnetd
