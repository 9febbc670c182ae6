#include "server/store/sealed_digest.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/sha256.h"

namespace resnetd {

void DatasetDigest::Add(const ExampleRow& example) {
  entries_.push_back(
      {.image = example.image, .label = example.label, .split = example.split});
}

Digest DatasetDigest::Finish(const std::vector<std::string>& labels) {
  Sha256 hash;
  const auto add = [&hash](const std::string& text) {
    hash.Update(AsBytes(text));
  };
  add(absl::StrCat("resnetd dataset 1\n", labels.size(), "\n"));
  for (const std::string& label : labels) {
    add(absl::StrCat(label.size(), ":", label, "\n"));
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.image < b.image; });
  for (const Entry& entry : entries_) {
    add(absl::StrCat(entry.image, " ", entry.label, " ",
                     static_cast<int>(entry.split), "\n"));
  }
  return hash.Finish();
}

Digest SealedDigest(const std::vector<std::string>& labels,
                    const std::vector<ExampleRow>& examples) {
  DatasetDigest digest;
  for (const ExampleRow& example : examples) {
    digest.Add(example);
  }
  return digest.Finish(labels);
}

}  // namespace resnetd
