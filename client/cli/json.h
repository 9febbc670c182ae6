#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/client.h"

namespace resnetd::cli {

// Documents of `-o json`; docs/resnetctl.md lists every field. Fields keep
// their order and are only ever added.
using Json = nlohmann::ordered_json;

// A point in time as RFC 3339, in UTC.
std::string TimeText(std::chrono::system_clock::time_point time);

// {"code", "reason", "message"} and, when there are any, "metadata".
Json ErrorJson(const absl::Status& error);
Json PredictionsJson(const client::Classification& classification);
Json LogitsJson(const client::Classification& classification);
// Each as the shortest number that reads back as the same float.
Json FloatsJson(const std::vector<float>& values);
Json ServedByJson(const client::ServedBy& served_by);
Json TimingJson(const client::Timing& timing);
Json AliasJson(const client::Alias& alias);
Json ModelJson(const client::Model& model);
Json VersionJson(const client::Version& version);
Json PreprocessJson(const client::Preprocess& preprocess);
Json ModelEventJson(const client::ModelEvent& event);
Json ServerInfoJson(const client::ServerInfo& info);

// The document as text with a line end; safe for a terminal, always UTF-8.
std::string JsonText(const Json& document);
// The same in one line, for streams of documents.
std::string JsonLine(const Json& document);

}  // namespace resnetd::cli
