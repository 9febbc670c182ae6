#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/cli/exposition.h"
#include "server/base/clock.h"

namespace resnetd::cli {

// What a server's metrics said at a moment.
struct TopReading {
  SteadyTime at;
  MetricSamples samples;
};

// Of a model that is loaded. Rates are those between two readings.
struct TopModel {
  std::string name;
  double images_per_second = 0;
  // Answered with an error.
  double failed_per_second = 0;
  double refused_per_second = 0;
  // Means of what happened between the readings; absent: nothing did.
  std::optional<double> batch_images;
  std::optional<double> queue_seconds;
  std::optional<double> forward_seconds;
  // Images that wait, and may.
  double queue = 0;
  double queue_limit = 0;
};

// Of a fine-tuning job that has a slot.
struct TopJob {
  std::string job;
  std::string model;
  // E.g. "RUNNING".
  std::string state;
  double step = 0;
  double step_limit = 0;
  double steps_per_second = 0;
  double pictures_per_second = 0;
  std::optional<double> loss;
};

struct TopFigures {
  std::string version;
  bool is_ready = false;
  // Between the readings.
  double seconds = 0;
  double calls_per_second = 0;
  double images_per_second = 0;
  double refused_per_second = 0;
  // Of calls that classify and were answered, to the bounds of a histogram.
  std::optional<double> p50_seconds;
  std::optional<double> p99_seconds;
  std::optional<double> batch_images;
  double in_flight = 0;
  double queue = 0;
  // Cores that the process kept busy.
  double cpu_cores = 0;
  double memory_bytes = 0;
  // By name.
  std::vector<TopModel> models;
  std::vector<TopJob> jobs;
};

// What happened between two readings of one server. A counter that is smaller
// than before began anew, as its server did.
TopFigures FiguresBetween(const TopReading& before, const TopReading& now);

}  // namespace resnetd::cli
