#include "server/engine/calibration.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/engine/program.h"
#include "server/models/json_object.h"

namespace resnetd {
namespace {

constexpr char kFormat[] = "resnetd-calibration/1";
// The deepest network has 1,200 steps of names of 30 bytes.
constexpr std::size_t kMaxBytes = std::size_t{1} << 20U;
constexpr std::size_t kMaxMethodBytes = 100;
constexpr std::int64_t kMostPictures = 1'000'000'000;
// Of float32, so that scales made of it stay finite and normal.
constexpr double kSmallestRange = 1e-30;
constexpr double kLargestRange = 1e30;

}  // namespace

std::string StepName(const Step& step) {
  switch (step.kind) {
    case StepKind::kConvolution:
      return step.conv.name;
    case StepKind::kScaleShiftRelu:
      return step.norm->name;
    case StepKind::kAveragePool:
      return "features";
    case StepKind::kMaxPool:
    case StepKind::kLinear:
      return "";
  }
  return "";
}

absl::Status CheckCalibration(const Program& program,
                              const Calibration& calibration) {
  std::set<std::string> known;
  for (const Step& step : program.steps) {
    std::string name = StepName(step);
    if (name.empty()) {
      continue;
    }
    if (calibration.ranges.find(name) == calibration.ranges.end()) {
      return MemberError(absl::StrCat("ranges.", name), "is missing");
    }
    known.insert(std::move(name));
  }
  for (const auto& [name, range] : calibration.ranges) {
    if (known.find(name) == known.end()) {
      return MemberError(absl::StrCat("ranges.", name),
                         "is no step of the network");
    }
  }
  return absl::OkStatus();
}

std::string FormatCalibration(const Calibration& calibration) {
  nlohmann::ordered_json json;
  json["format"] = kFormat;
  json["method"] = calibration.method;
  json["pictures"] = calibration.pictures;
  json["ranges"] = nlohmann::ordered_json::object();
  for (const auto& [name, range] : calibration.ranges) {
    json["ranges"][name] = range;
  }
  return json.dump(2) + "\n";
}

absl::StatusOr<Calibration> ParseCalibration(absl::string_view json) {
  ASSIGN_OR_RETURN(const nlohmann::json value,
                   ParseStrictJson(json, kMaxBytes));
  ASSIGN_OR_RETURN(const ObjectReader reader,
                   ObjectReader::Open(
                       value, "", {"format", "method", "pictures", "ranges"}));
  ASSIGN_OR_RETURN(
      const std::string format,
      reader.Required(reader.Text("format", sizeof(kFormat)), "format"));
  if (format != kFormat) {
    return MemberError("format", absl::StrCat("is not \"", kFormat, "\""));
  }
  Calibration calibration;
  ASSIGN_OR_RETURN(
      calibration.method,
      reader.Required(reader.Text("method", kMaxMethodBytes), "method"));
  ASSIGN_OR_RETURN(const std::int64_t pictures,
                   reader.Required(reader.Integer("pictures", 1, kMostPictures),
                                   "pictures"));
  calibration.pictures = static_cast<int>(pictures);
  const nlohmann::json* const ranges = reader.Find("ranges");
  if (ranges == nullptr || !ranges->is_object()) {
    return MemberError("ranges", "must be an object");
  }
  std::vector<std::string> names;
  for (const auto& [name, range] : ranges->items()) {
    names.push_back(name);
  }
  ASSIGN_OR_RETURN(const ObjectReader numbers,
                   ObjectReader::Open(*ranges, "ranges", names));
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(
        calibration.ranges[name],
        numbers.Required(numbers.Number(name, kSmallestRange, kLargestRange),
                         name));
  }
  return calibration;
}

}  // namespace resnetd
