#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "client/dataset_types.h"

namespace resnetd::cli {

// What the commands behind `resnetctl data` were told.
struct DataOptions {
  // Folder, archive or table.
  std::string path;
  // "pets" of "datasets/pets".
  std::string dataset;
  // Empty: the classes that the data name.
  std::string labels_file;
  // For every picture, whatever the data say.
  std::optional<client::ExampleSplit> split;
  bool seal = false;
  bool yes = false;
  std::int64_t limit = 100;
  // How a report divides.
  client::SplitSpec division;
  // Empty: the client makes one.
  std::string request_id;
};

}  // namespace resnetd::cli
