#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "client/job_types.h"

namespace resnetd::cli {

// The texts of options of `train` as values; see option_values.h.

// States by their names, in any case, with commas between them.
std::string ParseJobStates(const std::string& text,
                           std::vector<client::JobState>& states);
// NAME or datasets/NAME, into "datasets/NAME".
std::string ParseDataset(const std::string& text, std::string& dataset);
// all, head, stages:N, auto-rgn, or auto: chosen by the server.
std::string ParsePolicy(const std::string& text, client::RecipeOptions& recipe);
// auto, keep, grow, replace or remap.
std::string ParseHead(const std::string& text, client::HeadPolicy& head);
// none, candidate, or an alias.
std::string ParsePromotion(const std::string& text, client::JobSpec& spec);
// A number above 0.
std::string ParsePositive(const std::string& text,
                          std::optional<double>& number);
// "10m", "2h30m" or seconds as a number; whole seconds, above 0, at most 365
// days.
std::string ParseLimit(const std::string& text, std::chrono::seconds& limit);
// A number of steps from 1 to 100,000, or 0 or "off" for no samples.
std::string ParseProbeEvery(const std::string& text,
                            std::optional<int>& probe_every);
// KIND=ACTION in any case, e.g. "vanishing=fail"; "all=ACTION" for every kind.
std::string ParseAlarm(const std::string& text,
                       std::vector<client::AlarmSetting>& alarms);
// "50ms" or "1.5s"; whole milliseconds from 1 to 60 s.
std::string ParseLatency(const std::string& text,
                         std::optional<std::chrono::milliseconds>& latency);
// At most 128 bytes of UTF-8 without control characters.
std::string ParseDisplayName(const std::string& text);

}  // namespace resnetd::cli
