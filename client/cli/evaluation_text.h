#pragma once

#include <string>

#include "client/cli/json.h"
#include "client/cli/terminal.h"
#include "client/evaluation_types.h"

namespace resnetd::cli {

// Measured versions as people and programs read them. Texts are safe for a
// terminal.

// Everything of a report: numbers, classes, what was confused with what. On a
// terminal with room for it, up to kMatrixClasses classes are a matrix.
std::string EvaluationText(const client::EvaluationReport& report,
                           const Terminal& terminal);
inline constexpr int kMatrixClasses = 20;

// Two versions beside each other: numbers, what the test says, classes, gate.
std::string ComparisonText(const client::PairedReport& report,
                           const Terminal& terminal);

// What calibrating changes, in lines.
std::string CalibrationText(const client::Calibrated& calibrated, bool dry_run);

// The precisions beside each other, and what follows.
std::string QuantizationText(const client::Quantized& quantized, bool dry_run);

// Documents of `-o json`: the fields of the protos by their names.
Json EvaluationJson(const client::EvaluationReport& report);
Json ComparisonJson(const client::PairedReport& report);
Json PrecisionReportJson(const client::PrecisionReport& report);
Json MeasurementJson(const client::Measurement& measurement);

}  // namespace resnetd::cli
