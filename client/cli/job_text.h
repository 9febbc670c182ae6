#pragma once

#include <chrono>
#include <string>

#include "absl/strings/string_view.h"
#include "client/cli/table.h"
#include "client/job_types.h"

namespace resnetd::cli {

// Reads N or jobs/N into "jobs/N". Returns what is wrong with the text, or
// nothing.
std::string ParseJobRef(const std::string& text, std::string& job);
// "N" of "jobs/N"; anything else as it is.
std::string ShortJob(absl::string_view resource);
// "NAME" of "datasets/NAME"; anything else as it is.
std::string ShortDataset(absl::string_view resource);

// What happened, in words; not escaped.
std::string EventText(const client::JobEvent& event);
// An event with its time and sequence, as a line without its end; escaped.
std::string EventLine(const client::JobEvent& event);

// E.g. "97.50 %".
std::string FormatShare(double share);
// E.g. "0.0123", with four digits that matter.
std::string FormatNumber(double number);
// E.g. "digits@3", or "digits (resnet18 from scratch)".
std::string FormatBase(const client::JobSpec& spec);
// E.g. "alias stable"; empty: no promotion.
std::string FormatPromotion(const client::JobSpec& spec);

// Adds what is known of a job to a table of two columns.
void AddJob(const client::Job& job, Table& table);
// Adds what a job would cost.
void AddEstimate(const client::JobEstimate& estimate, Table& table);
// Each criterion with value, bound and whether it is fulfilled.
Table GateTable(const client::GateVerdict& verdict);

// What became of a job that is done, in one line.
std::string OutcomeText(const client::Job& job);
// The command that comes next; empty: none.
std::string NextCommand(const client::Job& job);
// Done, with a version, and promoted if that was asked for.
bool IsSuccess(const client::Job& job);

}  // namespace resnetd::cli
