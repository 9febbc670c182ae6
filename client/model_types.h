#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace resnetd::client {

// What the calls about models, versions and aliases give. Plain values; what
// they mean is in proto/resnetd/v1/model_service.proto.

// What a server does with a version.
enum class Residency {
  kUnknown,
  kUnloaded,
  kLoading,
  kWarming,
  kReady,
  kDraining,
  kFailed,
};

// E.g. "READY".
absl::string_view ResidencyName(Residency residency);

// What the store says of a version.
enum class VersionState { kUnknown, kStaged, kCommitted, kRetired };

// E.g. "COMMITTED".
absl::string_view VersionStateName(VersionState state);

// A name that moves from version to version.
struct Alias {
  // "models/NAME/aliases/ALIAS".
  std::string name;
  std::int64_t version = 0;
  // The version that RollbackAlias goes back to; 0: none.
  std::int64_t previous_version = 0;
  // Grows by one with every move.
  std::int64_t generation = 0;
  std::string etag;
  std::chrono::system_clock::time_point update_time;
  // Why it was moved although the gate had said no; empty: it had not.
  std::string gate_override = {};
};

struct Model {
  // "models/NAME".
  std::string name;
  // The version that answers calls naming only the model; 0: none.
  std::int64_t serving_version = 0;
  Residency residency = Residency::kUnknown;
  std::string architecture;
  int num_classes = 0;
  bool is_default = false;
  // Ordered by name.
  std::vector<Alias> aliases;
};

struct Preprocess {
  // Short side after resizing and side of the square cut out of it, in pixels.
  int resize = 0;
  int crop = 0;
  // Per channel, on values from 0 to 1.
  std::vector<float> mean;
  std::vector<float> std;
};

struct Evaluation {
  std::string dataset;
  std::int64_t examples = 0;
  double accuracy = 0;
};

// A criterion of the gate that a version did not pass.
struct FailedCriterion {
  std::string name;
  std::string text;
};

// What the gate said of a version when it was trained.
struct VersionGate {
  bool passed = false;
  std::vector<FailedCriterion> failed;
};

struct Version {
  // "models/NAME/versions/N".
  std::string name;
  std::int64_t version = 0;
  Residency residency = Residency::kUnknown;
  // Why, if residency is kFailed.
  absl::Status failure;
  std::string architecture;
  int num_classes = 0;
  // Empty from ListVersions.
  std::vector<std::string> labels;
  Preprocess preprocess;
  std::string precision;
  std::string precision_choice;
  std::string backend;
  std::string weights_sha256;
  std::int64_t weights_bytes = 0;
  std::int64_t parameters = 0;
  std::int64_t resident_bytes = 0;
  std::chrono::nanoseconds load_time{0};
  std::string description;
  std::vector<Evaluation> evaluations;
  VersionState state = VersionState::kUnknown;
  // When it was committed; absent: not known.
  std::optional<std::chrono::system_clock::time_point> create_time;
  std::string etag;
  // The aliases that name it, e.g. "stable".
  std::vector<std::string> aliases;
  // 0: none.
  std::int64_t parent_version = 0;
  // Of the file that was imported.
  std::string source_sha256;
  std::string source_format;
  // For GetBlob.
  std::string manifest_sha256;
  // Logits are divided by it before the softmax.
  double temperature = 1;
  // Absent: it was not trained here.
  std::optional<VersionGate> gate;
};

// All models at one moment.
struct ModelList {
  // Ordered by name.
  std::vector<Model> models;
  // The last event whose outcome the list shows: WatchModels goes on from here.
  std::int64_t event_sequence = 0;
};

struct Imported {
  // Its number is 0 when the import was only checked.
  Version version;
  // False: the version was there before.
  bool created = false;
};

struct Exported {
  // With its labels.
  Version version;
  std::string sha256;
  std::int64_t size_bytes = 0;
};

struct WarmedUp {
  Version version;
  int batches = 0;
  std::chrono::nanoseconds duration{0};
};

enum class ModelEventKind {
  kUnknown,
  kVersionImported,
  kVersionDeleted,
  kAliasSet,
  kAliasRolledBack,
  kAliasDeleted,
};

// E.g. "ALIAS_SET".
absl::string_view ModelEventKindName(ModelEventKind kind);

// A change that was committed.
struct ModelEvent {
  std::int64_t sequence = 0;
  std::chrono::system_clock::time_point time;
  // "models/NAME".
  std::string model;
  ModelEventKind kind = ModelEventKind::kUnknown;
  // 0: none.
  std::int64_t version = 0;
  // ALIAS alone; empty for events of versions.
  std::string alias;
  // 0: none.
  std::int64_t previous_version = 0;
  std::int64_t generation = 0;
  std::string weights_sha256;
  // As of Alias.
  std::string gate_override = {};
};

}  // namespace resnetd::client
