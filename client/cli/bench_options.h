#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "client/load/arrivals.h"
#include "client/load/load_run.h"
#include "client/types.h"

namespace resnetd::cli {

// What `resnetctl bench` was told.
struct BenchOptions {
  // Files and folders; empty: pixels of noise at the network's size.
  std::vector<std::string> pictures;
  // Resources, called in turns; empty: the server's default model.
  std::vector<std::string> models;
  // Side of noise in pixels; 0: the network's.
  int size = 0;
  // Pictures of a call.
  int batch = 1;
  // Open loop; empty: a closed loop.
  std::vector<client::LoadPhase> phases;
  client::Spacing spacing = client::Spacing::kPoisson;
  // Closed loop.
  int clients = 1;
  std::chrono::nanoseconds length = std::chrono::seconds(10);
  std::chrono::nanoseconds warm_up = std::chrono::seconds(1);
  // Of each call.
  std::chrono::nanoseconds deadline = std::chrono::seconds(10);
  int connections = 1;
  client::Priority priority = client::Priority::kNormal;
  std::uint64_t seed = 1;
  // The other side of a comparison; both empty: there is none.
  std::string other_model;
  std::string other_server;
  int rounds = 5;
  // Calls are made as the client library makes them, repetitions included.
  bool retries = false;
  client::LoadMethod method = client::LoadMethod::kClassify;
  // Calls go over so many streams of ClassifyStream; 0: each is one by itself.
  int streams = 0;
};

}  // namespace resnetd::cli
