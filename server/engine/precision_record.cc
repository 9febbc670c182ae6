#include "server/engine/precision_record.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/log.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/engine/calibration.h"
#include "server/engine/precision.h"
#include "server/models/json_object.h"

namespace resnetd {
namespace {

constexpr char kFormat[] = "resnetd-precision/1";
constexpr std::size_t kMaxBytes = std::size_t{2} << 20U;
constexpr std::size_t kMaxText = 4096;
constexpr std::int64_t kMostThreads = 1024;

absl::StatusOr<DecisionKey> ReadKey(const ObjectReader& reader) {
  DecisionKey key;
  for (auto [name, text] :
       {std::pair{"weights_sha256", &key.weights_sha256},
        std::pair{"cpu", &key.cpu}, std::pair{"library", &key.library},
        std::pair{"policy", &key.policy},
        std::pair{"pictures", &key.pictures}}) {
    ASSIGN_OR_RETURN(*text, reader.Required(reader.Text(name, kMaxText), name));
  }
  for (auto [name, number] :
       {std::pair{"threads", &key.threads}, std::pair{"batch", &key.batch}}) {
    ASSIGN_OR_RETURN(
        const std::int64_t value,
        reader.Required(reader.Integer(name, 1, kMostThreads), name));
    *number = static_cast<int>(value);
  }
  return key;
}

}  // namespace

std::string FormatRecord(const PrecisionRecord& record) {
  nlohmann::ordered_json json;
  json["format"] = kFormat;
  json["weights_sha256"] = record.key.weights_sha256;
  json["cpu"] = record.key.cpu;
  json["library"] = record.key.library;
  json["policy"] = record.key.policy;
  json["pictures"] = record.key.pictures;
  json["threads"] = record.key.threads;
  json["batch"] = record.key.batch;
  json["precision"] = std::string(PrecisionName(record.precision));
  json["text"] = record.text;
  if (record.calibration) {
    json["calibration"] =
        nlohmann::ordered_json::parse(FormatCalibration(*record.calibration));
  }
  return json.dump(2) + "\n";
}

absl::StatusOr<PrecisionRecord> ParseRecord(absl::string_view json) {
  ASSIGN_OR_RETURN(const nlohmann::json value,
                   ParseStrictJson(json, kMaxBytes));
  ASSIGN_OR_RETURN(
      const ObjectReader reader,
      ObjectReader::Open(
          value, "",
          {"format", "weights_sha256", "cpu", "library", "policy", "pictures",
           "threads", "batch", "precision", "text", "calibration"}));
  ASSIGN_OR_RETURN(
      const std::string format,
      reader.Required(reader.Text("format", sizeof(kFormat)), "format"));
  if (format != kFormat) {
    return MemberError("format", absl::StrCat("is not \"", kFormat, "\""));
  }
  PrecisionRecord record;
  ASSIGN_OR_RETURN(record.key, ReadKey(reader));
  ASSIGN_OR_RETURN(
      const std::string name,
      reader.Required(reader.Text("precision", kMaxText), "precision"));
  const std::optional<Precision> precision = ParsePrecision(name);
  if (!precision) {
    return MemberError("precision", "is not fp32, bf16 or int8");
  }
  record.precision = *precision;
  ASSIGN_OR_RETURN(record.text,
                   reader.Required(reader.Text("text", kMaxText), "text"));
  if (const nlohmann::json* calibration = reader.Find("calibration")) {
    ASSIGN_OR_RETURN(record.calibration, ParseCalibration(calibration->dump()));
  }
  if (record.precision == Precision::kInt8 && !record.calibration) {
    return MemberError("calibration", "is missing");
  }
  return record;
}

std::string PrecisionRecords::FileOf(const DecisionKey& key) const {
  const std::string whole = absl::StrCat(
      key.weights_sha256, "\n", key.cpu, "\n", key.library, "\n", key.policy,
      "\n", key.pictures, "\n", key.threads, "\n", key.batch);
  return absl::StrCat(
      folder_, "/",
      Sha256Hex(
          {reinterpret_cast<const unsigned char*>(whole.data()), whole.size()}),
      ".json");
}

std::optional<PrecisionRecord> PrecisionRecords::Find(
    const DecisionKey& key) const {
  if (folder_.empty()) {
    return std::nullopt;
  }
  std::ifstream file(FileOf(key), std::ios::binary);
  if (!file) {
    return std::nullopt;
  }
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const absl::StatusOr<PrecisionRecord> record = ParseRecord(text);
  if (!record.ok()) {
    Log(LogLevel::kWarning, "the kept choice of a precision cannot be read",
        {{"error", std::string(record.status().message())}});
    return std::nullopt;
  }
  return record->key == key ? std::optional(*record) : std::nullopt;
}

void PrecisionRecords::Keep(const PrecisionRecord& record) const {
  if (folder_.empty()) {
    return;
  }
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  const std::string file = FileOf(record.key);
  const std::string unfinished = absl::StrCat(file, ".tmp");
  {
    std::ofstream out(unfinished, std::ios::binary | std::ios::trunc);
    out << FormatRecord(record);
    if (!out.flush()) {
      error = std::make_error_code(std::errc::io_error);
    }
  }
  if (error || std::rename(unfinished.c_str(), file.c_str()) != 0) {
    Log(LogLevel::kWarning,
        "the choice of a precision cannot be kept, the next start makes it "
        "again");
  }
}

std::string CpuName() {
  std::ifstream file("/proc/cpuinfo");
  std::string family = "unknown";
  for (std::string line; std::getline(file, line) && !line.empty();) {
    if (absl::StartsWith(line, "model name")) {
      family = line.substr(line.find(':') + 2);
    } else if (absl::StartsWith(line, "cpu family") ||
               absl::StartsWith(line, "model\t") ||
               absl::StartsWith(line, "stepping")) {
      absl::StrAppend(&family, "/", line.substr(line.find(':') + 2));
    }
  }
  return family;
}

}  // namespace resnetd
