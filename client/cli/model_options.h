#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/model_ref.h"
#include "client/evaluation_types.h"

namespace resnetd::cli {

// What the commands behind `resnetctl models` were told.

struct ImportOptions {
  std::string file;
  // Empty: the file's name.
  std::string name;
  // Empty: none.
  std::string labels_file;
  // Empty: recognised.
  std::string architecture;
  std::string description;
  // What differs from ImageNet's.
  std::optional<int> resize;
  std::optional<int> crop;
  std::vector<float> mean;
  std::vector<float> std;
  // 0: none.
  std::int64_t parent_version = 0;
  bool promote = false;
  // 0: 1.
  double temperature = 0;
};

struct ExportOptions {
  // Empty: NAME-N.safetensors.
  std::string file;
  // Empty: labels are not written.
  std::string labels_file;
  bool force = false;
};

// What evaluate, compare, calibrate and quantize measure on.
struct MeasureOptions {
  // Either a dataset of the server, or pictures of this machine: the other is
  // empty.
  std::string dataset;
  std::string data;
  // Absent: validation of a dataset, all of one's own pictures.
  std::optional<client::DatasetPart> part;
};

// What several of them take.
struct ModelsOptions {
  // The model, version or alias that the command is about.
  ModelRef ref;
  // The one that it is compared with `ref`.
  ModelRef other;
  // The same of commands that take any number.
  std::vector<ModelRef> refs;
  // Empty: "stable".
  std::string alias;
  // Absent: whichever; 0: none yet.
  std::optional<std::int64_t> expected_version;
  // Absent: from now on.
  std::optional<std::int64_t> after_sequence;
  // Until each of these servers answers with what the alias names; empty: each
  // that --server stands for.
  bool wait = false;
  std::string replicas;
  bool allow_label_change = false;
  // Empty: the gate counts.
  std::string gate_override;
  bool dry_run = false;
  bool yes = false;
  // Empty: the client makes one.
  std::string request_id;
  MeasureOptions measure;
  ImportOptions import;
  ExportOptions export_to;
};

}  // namespace resnetd::cli
