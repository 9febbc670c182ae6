#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cli/bench_options.h"
#include "client/cli/json.h"
#include "client/cli/terminal.h"
#include "client/load/load_run.h"
#include "client/types.h"

namespace resnetd::cli {

// What a bench found out about one server.
struct BenchSide {
  std::string server;
  // Resources; empty: the default model.
  std::vector<std::string> models;
  // Calls and tries of the client library, of all rounds; absent: calls were
  // made without it.
  std::optional<client::CallCounts> counts = {};
  // [round][phase].
  std::vector<std::vector<client::LoadFigures>> rounds;
};

// By phase, over all rounds.
std::vector<client::LoadFigures> Merged(const BenchSide& side);

// The second side over the first one in every round: their median, least and
// greatest.
struct BenchRatio {
  double median = 0;
  double least = 0;
  double most = 0;
};
struct BenchComparison {
  BenchRatio throughput;
  BenchRatio p50;
  BenchRatio p99;
};
// Of rounds in which both sides answered; all zero: there was none.
BenchComparison Compare(const BenchSide& first, const BenchSide& second);

// "12 s of 30 s, 98.3 answers/s, p50 9.10 ms, ...": a line while it runs.
std::string BenchLine(const client::LoadProgress& progress);

// For a person: a table with a row for each phase of each side, the errors,
// and the ratios.
std::string BenchText(const std::vector<BenchSide>& sides,
                      const BenchOptions& options);
Json BenchJson(const std::vector<BenchSide>& sides,
               const BenchOptions& options);

}  // namespace resnetd::cli
