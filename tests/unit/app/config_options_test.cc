#include "server/app/config_options.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

// Whether `app` takes "--name=value".
bool Takes(const std::string& name, const std::string& value) {
  Config config;
  CLI::App app;
  AddSettings(app, config);
  try {
    app.parse(std::vector<std::string>{absl::StrCat("--", name, "=", value)});
    return true;
  } catch (const CLI::ParseError&) {
    return false;
  }
}

struct RangeCase {
  std::string name;
  std::int64_t least;
  std::int64_t most;
};

class RangeTest : public testing::TestWithParam<RangeCase> {};

TEST_P(RangeTest, EndsAreTakenAndWhatLiesBeyondIsNot) {
  const auto& [name, least, most] = GetParam();
  for (const std::int64_t good : {least, least + 1, most - 1, most}) {
    EXPECT_TRUE(Takes(name, absl::StrCat(good))) << name << " " << good;
  }
  for (const std::int64_t bad : {least - 1, most + 1}) {
    EXPECT_FALSE(Takes(name, absl::StrCat(bad))) << name << " " << bad;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, RangeTest,
    testing::Values(RangeCase{"max-batch", 0, 128},
                    RangeCase{"threads", 0, 1024},
                    RangeCase{"train-threads", 0, 1024},
                    RangeCase{"max-message-bytes", 1024, 2'147'483'647},
                    RangeCase{"store-quota-bytes", 0, 1LL << 50},
                    RangeCase{"keep-versions", 0, 1'000'000},
                    RangeCase{"collect-grace-s", 0, 31'536'000},
                    RangeCase{"max-import-bytes", 1, 64LL << 30},
                    RangeCase{"max-model-bytes", 0, 1LL << 50},
                    RangeCase{"max-dataset-examples", 1, 100'000'000},
                    RangeCase{"max-dataset-bytes", 1, 1LL << 50},
                    RangeCase{"max-dataset-labels", 1, 100'000},
                    RangeCase{"max-upload-examples", 1, 65'536},
                    RangeCase{"max-jobs", 1, 10'000},
                    RangeCase{"max-jobs-per-client", 1, 10'000}));

TEST(AddSettingsTest, RefusesWhatIsNoNumber) {
  for (const char* bad : {"", "4x", "1e9"}) {
    EXPECT_FALSE(Takes("max-batch", bad)) << bad;
  }
}

TEST(AddSettingsTest, EverySettingHasAVariable) {
  Config config;
  CLI::App app;
  const std::vector<std::string> names = AddSettings(app, config);
  EXPECT_NE(std::find(names.begin(), names.end(), "data-dir"), names.end());
  for (const std::string& name : names) {
    EXPECT_EQ(app.get_option("--" + name)->get_envname(), VariableOf(name));
  }
}

TEST(VariableOfTest, IsTheFlagInCapitals) {
  EXPECT_EQ(VariableOf("max-batch"), "RESNETD_MAX_BATCH");
}

}  // namespace
}  // namespace resnetd
