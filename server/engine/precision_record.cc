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
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/bytes.h"
#include "server/base/log.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/engine/calibration.h"
#include "server/engine/kept_logits.h"
#include "server/engine/onednn_api.h"
#include "server/engine/precision.h"
#include "server/models/json_object.h"

namespace resnetd {
namespace {

constexpr char kFormat[] = "resnetd-precision/3";
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

// All but "sha256".
nlohmann::ordered_json JsonOf(const PrecisionRecord& record) {
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
  if (!record.logits.empty()) {
    json["logits"] = record.logits;
  }
  for (const PrecisionFigures& one : record.refused) {
    json["refused"].push_back(
        {{"precision", one.precision},
         {"reason", PrecisionObjectionName(one.objection)},
         {"why", one.obstacle}});
  }
  if (record.clipped) {
    json["clipped"] = *record.clipped;
  }
  return json;
}

std::string DigestOf(const nlohmann::ordered_json& json) {
  const std::string text = json.dump();
  return Sha256Hex(AsBytes(text));
}

absl::StatusOr<std::vector<float>> ReadLogits(const ObjectReader& reader) {
  const nlohmann::json* const logits = reader.Find("logits");
  std::vector<float> values;
  if (logits == nullptr) {
    return values;
  }
  if (!logits->is_array() || logits->size() > kMostKeptLogits) {
    return MemberError("logits", "is no list of numbers");
  }
  for (const nlohmann::json& value : *logits) {
    if (!value.is_number()) {
      return MemberError("logits", "is no list of numbers");
    }
    values.push_back(value.get<float>());
  }
  return values;
}

absl::StatusOr<PrecisionFigures> ReadRefused(const nlohmann::json& value) {
  ASSIGN_OR_RETURN(
      const ObjectReader reader,
      ObjectReader::Open(value, "refused", {"precision", "reason", "why"}));
  PrecisionFigures figures;
  ASSIGN_OR_RETURN(
      figures.precision,
      reader.Required(reader.Text("precision", kMaxText), "precision"));
  ASSIGN_OR_RETURN(const std::string reason,
                   reader.Required(reader.Text("reason", kMaxText), "reason"));
  ASSIGN_OR_RETURN(figures.obstacle,
                   reader.Required(reader.Text("why", kMaxText), "why"));
  for (const PrecisionObjection objection :
       {PrecisionObjection::kNoPictures, PrecisionObjection::kTooFewPictures,
        PrecisionObjection::kUnsupported, PrecisionObjection::kDisagrees,
        PrecisionObjection::kNoMemory, PrecisionObjection::kFailed}) {
    if (reason == PrecisionObjectionName(objection)) {
      figures.objection = objection;
      return figures;
    }
  }
  return MemberError("refused.reason", "is none of the known ones");
}

absl::Status CheckDigest(const ObjectReader& reader,
                         const PrecisionRecord& record) {
  ASSIGN_OR_RETURN(const std::string digest,
                   reader.Required(reader.Text("sha256", kMaxText), "sha256"));
  return digest == DigestOf(JsonOf(record))
             ? absl::OkStatus()
             : MemberError("sha256", "is not that of the text: it was changed");
}

}  // namespace

std::string FormatRecord(const PrecisionRecord& record) {
  nlohmann::ordered_json json = JsonOf(record);
  json["sha256"] = DigestOf(json);
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
           "threads", "batch", "precision", "text", "calibration", "logits",
           "refused", "clipped", "sha256"}));
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
  ASSIGN_OR_RETURN(record.logits, ReadLogits(reader));
  if (const nlohmann::json* refused = reader.Find("refused")) {
    for (const nlohmann::json& one : *refused) {
      ASSIGN_OR_RETURN(PrecisionFigures figures, ReadRefused(one));
      record.refused.push_back(std::move(figures));
    }
  }
  ASSIGN_OR_RETURN(record.clipped, reader.Number("clipped", 0, 1));
  RETURN_IF_ERROR(CheckDigest(reader, record));
  return record;
}

DecisionKey KeyHere(std::string weights_sha256, std::string policy,
                    std::string pictures, int threads, std::size_t batch) {
  return {.weights_sha256 = std::move(weights_sha256),
          .cpu = CpuName(),
          .library = absl::StrCat(LibraryVersion(), " ", EffectiveIsa().name),
          .policy = std::move(policy),
          .pictures = std::move(pictures),
          .threads = threads,
          .batch = static_cast<int>(batch)};
}

std::string PrecisionRecords::FileOf(const DecisionKey& key) const {
  const std::string whole = absl::StrCat(
      key.weights_sha256, "\n", key.cpu, "\n", key.library, "\n", key.policy,
      "\n", key.pictures, "\n", key.threads, "\n", key.batch);
  return absl::StrCat(folder_, "/", Sha256Hex(AsBytes(whole)), ".json");
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

void PrecisionRecords::Drop(const DecisionKey& key) const {
  if (!folder_.empty()) {
    std::error_code ignored;
    std::filesystem::remove(FileOf(key), ignored);
  }
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
