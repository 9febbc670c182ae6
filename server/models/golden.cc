#include "server/models/golden.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/models/float_conversion.h"
#include "server/models/safetensors.h"
#include "server/models/safetensors_writer.h"
#include "server/models/tensor_view.h"
#include "server/models/weight_fill.h"

namespace resnetd {
namespace {

constexpr int kPatches = 8;

Pixels Patches(int side) {
  const Pixels small = FillPicture(kPatches, kPatches, 1);
  const int patch = (side + kPatches - 1) / kPatches;
  Pixels pixels{.width = side, .height = side, .rgb = {}};
  pixels.rgb.reserve(static_cast<std::size_t>(side) *
                     static_cast<std::size_t>(side) * 3);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const std::ptrdiff_t row = y / patch;
      const std::ptrdiff_t cell = row * kPatches + x / patch;
      const auto from = small.rgb.begin() + 3 * cell;
      pixels.rgb.insert(pixels.rgb.end(), from, from + 3);
    }
  }
  return pixels;
}

Pixels Ramps(int side) {
  // One pixel has no slope.
  const int last = std::max(side - 1, 1);
  Pixels pixels{.width = side, .height = side, .rgb = {}};
  pixels.rgb.reserve(static_cast<std::size_t>(side) *
                     static_cast<std::size_t>(side) * 3);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      for (const int value :
           {255 * x / last, 255 * y / last, 255 * (x + y) / (2 * last)}) {
        pixels.rgb.push_back(static_cast<std::uint8_t>(value));
      }
    }
  }
  return pixels;
}

double Magnitude(absl::Span<const float> row) {
  double largest = 0;
  for (const float value : row) {
    largest = std::max(largest, std::fabs(static_cast<double>(value)));
  }
  return largest;
}

// Infinite when it cannot be told.
double LargestGap(absl::Span<const float> expected,
                  absl::Span<const float> actual) {
  double largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double gap = std::fabs(static_cast<double>(expected[i]) -
                                 static_cast<double>(actual[i]));
    if (!std::isfinite(gap)) {
      return std::numeric_limits<double>::infinity();
    }
    largest = std::max(largest, gap);
  }
  return largest;
}

double RowDifference(absl::Span<const float> expected,
                     absl::Span<const float> actual) {
  const double gap = LargestGap(expected, actual);
  const double size = Magnitude(expected);
  if (gap == 0) {
    return 0;
  }
  return std::isfinite(gap) && size > 0
             ? gap / size
             : std::numeric_limits<double>::infinity();
}

constexpr char kTensor[] = "logits";
constexpr char kFormat[] = "resnetd-golden/1";

absl::Status NoGolden(absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
               absl::StrCat("not golden logits: ", what));
}

}  // namespace

std::vector<Pixels> GoldenPictures(int side) {
  return {FillPicture(side, side, 0), Patches(side), Ramps(side)};
}

absl::StatusOr<std::vector<float>> GoldenLogits(const Model& model, int side,
                                                std::size_t max_batch) {
  const std::vector<Pixels> pictures = GoldenPictures(side);
  std::vector<float> logits;
  for (std::size_t first = 0; first < pictures.size();) {
    const std::size_t count =
        std::min(std::max<std::size_t>(1, max_batch), pictures.size() - first);
    std::vector<const Pixels*> batch;
    for (std::size_t i = 0; i < count; ++i) {
      batch.push_back(&pictures[first + i]);
    }
    ASSIGN_OR_RETURN(const std::vector<float> rows, model.Logits(batch));
    logits.insert(logits.end(), rows.begin(), rows.end());
    first += count;
  }
  return logits;
}

double GoldenTolerance(absl::string_view precision) {
  if (precision == "fp32") {
    return 1e-4;
  }
  return precision == "fp16" ? 1e-2 : 5e-2;
}

double GoldenDifference(absl::Span<const float> expected,
                        absl::Span<const float> actual, std::size_t classes) {
  double largest = 0;
  for (std::size_t at = 0; at < expected.size(); at += classes) {
    largest = std::max(largest, RowDifference(expected.subspan(at, classes),
                                              actual.subspan(at, classes)));
  }
  return largest;
}

absl::Status CompareGolden(absl::Span<const float> expected,
                           absl::Span<const float> actual, std::size_t classes,
                           double tolerance) {
  const double difference = expected.size() == actual.size()
                                ? GoldenDifference(expected, actual, classes)
                                : std::numeric_limits<double>::infinity();
  if (difference <= tolerance) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kDataLoss, Reason::kGoldenMismatch,
               absl::StrCat("the network does not compute what it did when it "
                            "was imported: logits of the golden pictures "
                            "differ by ",
                            difference, " of their size, ", tolerance,
                            " is accepted; import the version again"))
      .Metadata("difference", absl::StrCat(difference))
      .Metadata("tolerance", absl::StrCat(tolerance));
}

absl::StatusOr<std::vector<std::uint8_t>> WriteGolden(const Golden& golden,
                                                      std::size_t classes) {
  const TensorView tensor{
      .name = kTensor,
      .dtype = DType::kF32,
      .shape = {kGoldenPictures, static_cast<std::int64_t>(classes)},
      .bytes = {reinterpret_cast<const std::uint8_t*>(golden.logits.data()),
                golden.logits.size() * sizeof(float)}};
  std::vector<std::pair<std::string, std::string>> metadata = {
      {"format", kFormat}};
  if (golden.precision != Golden().precision) {
    metadata.emplace_back("precision", golden.precision);
  }
  std::vector<std::uint8_t> blob;
  RETURN_IF_ERROR(WriteSafetensors(
      {tensor}, metadata, [&blob](absl::Span<const std::uint8_t> bytes) {
        blob.insert(blob.end(), bytes.begin(), bytes.end());
        return absl::OkStatus();
      }));
  return blob;
}

absl::StatusOr<Golden> ReadGolden(std::vector<std::uint8_t> blob,
                                  std::size_t classes) {
  const auto file = SafetensorsFile::Parse(std::move(blob));
  if (!file.ok()) {
    return NoGolden(std::string(file.status().message()));
  }
  Golden golden;
  bool is_known = false;
  for (const auto& [key, value] : file->metadata()) {
    if (key == "precision") {
      golden.precision = value;
    } else if (key == "format" && value == kFormat) {
      is_known = true;
    } else {
      return NoGolden("another format");
    }
  }
  if (!is_known) {
    return NoGolden("another format");
  }
  const std::vector<std::int64_t> shape = {kGoldenPictures,
                                           static_cast<std::int64_t>(classes)};
  if (file->tensors().size() != 1 || file->tensors()[0].name != kTensor ||
      file->tensors()[0].dtype != DType::kF32 ||
      file->tensors()[0].shape != shape) {
    return NoGolden("other tensors");
  }
  golden.logits.resize(kGoldenPictures * classes);
  ConvertToFloat(file->tensors()[0], absl::MakeSpan(golden.logits));
  return golden;
}

}  // namespace resnetd
