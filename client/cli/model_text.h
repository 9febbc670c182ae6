#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cli/table.h"
#include "client/model_types.h"

namespace resnetd::cli {

// Models, versions and aliases as people read them. Nothing here is escaped:
// Table and Printable() do that.

// "2026-11-21 11:19:58" in UTC.
std::string FormatTime(std::chrono::system_clock::time_point time);

// The first 12 of 64 digits: enough to tell versions apart.
std::string ShortDigest(absl::string_view sha256);

// "class0, class1, ... (1,000 in all; -o json has every one)".
std::string FormatLabels(const std::vector<std::string>& labels);

// "passed", or what was not.
std::string FormatGate(const client::VersionGate& gate);

// "stable 3, canary 4"; empty for none.
std::string FormatAliases(const std::vector<client::Alias>& aliases);

// Every known property of a version, one a row of two columns.
void AddVersion(const client::Version& version, Table& table);

// "resnet50, 1,000 classes, 97.8 MiB".
std::string Describe(const client::Version& version);

// The alias alone of "models/NAME/aliases/ALIAS".
std::string AliasPart(absl::string_view resource);

// "stable of resnet50 names version 2, before 1".
std::string Describe(const client::Alias& alias);

}  // namespace resnetd::cli
