#pragma once

#include <string>
#include <vector>

#include "server/store/dataset_catalog.h"

namespace resnetd {

// SealedDigest() of examples that come one by one: of each only the little that
// counts is kept, some 120 bytes. Not thread-safe.
//
// The bytes, in docs/store.md too: "resnetd dataset 1\n"; the number of labels
// and "\n"; for each label the number of its bytes, ":", the label and "\n";
// for each example in order of its picture's digest: that digest, " ", the
// index of its label, " ", the number of its split (0 automatic, 1 training, 2
// validation, 3 test) and "\n". Numbers are decimal.
class DatasetDigest {
 public:
  // In any order.
  void Add(const ExampleRow& example);
  // Once, at the end.
  Digest Finish(const std::vector<std::string>& labels);

 private:
  struct Entry {
    Digest image;
    int label = 0;
    ExampleSplit split = ExampleSplit::kAuto;
  };
  std::vector<Entry> entries_;
};

}  // namespace resnetd
