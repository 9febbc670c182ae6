#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/base/sha256.h"
#include "server/store/dataset_catalog.h"

namespace resnetd {

// SealedDigest() of examples that come one by one, for datasets that do not fit
// into memory. Not thread-safe.
//
// The bytes, in docs/store.md too: "resnetd dataset 1\n"; the number of labels
// and "\n"; for each label the number of its bytes, ":", the label and "\n";
// for each example the digest of its picture, " ", the index of its label, " ",
// the number of its split (0 automatic, 1 training, 2 validation, 3 test) and
// "\n". Numbers are decimal.
class DatasetDigest {
 public:
  explicit DatasetDigest(const std::vector<std::string>& labels);

  // In order of ExampleRow::image.
  void Add(const ExampleRow& example);
  // Once, at the end.
  Digest Finish() { return hash_.Finish(); }

 private:
  void Add(absl::string_view text);
  Sha256 hash_;
};

}  // namespace resnetd
