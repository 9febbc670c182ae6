#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/engine/calibration.h"
#include "server/engine/precision.h"
#include "server/models/precision_report.h"

namespace resnetd {

// Where and of what a decision holds: another one of these, another decision.
struct DecisionKey {
  std::string weights_sha256;
  std::string cpu;
  std::string library;
  std::string policy;    // as the operator spelt it
  std::string pictures;  // CalibrationPictures::identity; empty: none
  int threads = 1;
  int batch = 1;

  friend bool operator==(const DecisionKey&, const DecisionKey&) = default;
};

// A decision as it is kept for the next start.
struct PrecisionRecord {
  DecisionKey key;
  Precision precision = Precision::kFloat32;
  // PrecisionDecision::text.
  std::string text;
  // What int8 was measured with.
  std::optional<Calibration> calibration;
  // KeptLogits() of the plan; none of float32's.
  std::vector<float> logits = {};
  // What was wanted and may not be, without its figures.
  std::vector<PrecisionFigures> refused = {};
  // PrecisionDecision::clipped.
  std::optional<double> clipped = std::nullopt;

  friend bool operator==(const PrecisionRecord&,
                         const PrecisionRecord&) = default;
};

// JSON, canonical: "format": "resnetd-precision/3", the key, the precision, its
// text, "calibration" as FormatCalibration() writes it, "logits", "refused",
// "clipped", and the SHA-256 of the same text without it.
std::string FormatRecord(const PrecisionRecord& record);
// INVALID_ARGUMENT (MODEL_INVALID) naming the member: also one that was
// changed.
absl::StatusOr<PrecisionRecord> ParseRecord(absl::string_view json);

// The key of a decision of this machine, with this build's library.
DecisionKey KeyHere(std::string weights_sha256, std::string policy,
                    std::string pictures, int threads, std::size_t batch);

// Files of a folder, one for each key. Thread-safe: a file is replaced whole.
class PrecisionRecords {
 public:
  // Empty: nothing is kept. The folder is made with the first record.
  explicit PrecisionRecords(std::string folder) : folder_(std::move(folder)) {}

  // nullopt: none, one of another key, or one that cannot be read (logged).
  std::optional<PrecisionRecord> Find(const DecisionKey& key) const;
  // The next Find() finds nothing.
  void Drop(const DecisionKey& key) const;
  // Logs when it cannot: the decision is then made again at the next start.
  void Keep(const PrecisionRecord& record) const;

 private:
  std::string FileOf(const DecisionKey& key) const;

  const std::string folder_;
};

// The model name of this machine's processor, as the kernel spells it with its
// stepping; "unknown" where it does not say.
std::string CpuName();

}  // namespace resnetd
