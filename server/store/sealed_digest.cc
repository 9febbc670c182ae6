#include "server/store/sealed_digest.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"

namespace resnetd {

DatasetDigest::DatasetDigest(const std::vector<std::string>& labels) {
  Add(absl::StrCat("resnetd dataset 1\n", labels.size(), "\n"));
  for (const std::string& label : labels) {
    Add(absl::StrCat(label.size(), ":", label, "\n"));
  }
}

void DatasetDigest::Add(const ExampleRow& example) {
  Add(absl::StrCat(example.image, " ", example.label, " ",
                   static_cast<int>(example.split), "\n"));
}

void DatasetDigest::Add(absl::string_view text) { hash_.Update(AsBytes(text)); }

Digest SealedDigest(const std::vector<std::string>& labels,
                    std::vector<ExampleRow> examples) {
  std::sort(examples.begin(), examples.end(),
            [](const ExampleRow& a, const ExampleRow& b) {
              return a.image < b.image;
            });
  DatasetDigest digest(labels);
  for (const ExampleRow& example : examples) {
    digest.Add(example);
  }
  return digest.Finish();
}

}  // namespace resnetd
