#include "server/app/kept_choices_task.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>

#include "server/engine/precision_record.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

DecisionKey KeyOf(const std::string& weights) {
  return {.weights_sha256 = weights,
          .cpu = "some",
          .library = "oneDNN",
          .policy = "auto",
          .pictures = ""};
}

class KeptChoicesTaskTest : public testing::Test {
 protected:
  void Keep(const std::string& weights) {
    records_.Keep({.key = KeyOf(weights),
                   .text = "fp32 chosen",
                   .calibration = std::nullopt});
  }
  bool Has(const std::string& weights) const {
    return records_.Find(KeyOf(weights)).has_value();
  }
  // It is another thread that removes it.
  void AwaitEndOf(const std::string& weights) const {
    while (Has(weights)) {
      std::this_thread::yield();
    }
  }

  const TempDir dir_;
  const PrecisionRecords records_{dir_.File("precision")};
  ManagerFixture fixture_;
};

TEST_F(KeptChoicesTaskTest, ChoicesGoWithTheirVersions) {
  const VersionView kept = fixture_.Import("m", 1).version;
  const VersionView going = fixture_.Import("m", 2).version;
  const std::string gone(64, '0');
  for (const std::string& weights :
       {gone, kept.row.weights, going.row.weights}) {
    Keep(weights);
  }
  const KeptChoicesTask task(dir_.File("precision"), fixture_.store(),
                             fixture_.manager());
  // At the start: of a version that was deleted before.
  AwaitEndOf(gone);
  EXPECT_TRUE(Has(kept.row.weights));
  EXPECT_TRUE(Has(going.row.weights));
  Must(fixture_.manager().DeleteVersion(Named("m"), going.row.version, "",
                                        false, {}));
  AwaitEndOf(going.row.weights);
  EXPECT_TRUE(Has(kept.row.weights));
}

}  // namespace
}  // namespace resnetd
