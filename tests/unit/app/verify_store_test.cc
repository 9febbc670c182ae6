#include "server/app/verify_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "server/app/server_options.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/store/store.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

namespace fs = std::filesystem;

class VerifyStoreTest : public testing::Test {
 protected:
  VerifyStoreTest() { config_.data_dir = dir_.File("data"); }

  // A store with one version of three blobs.
  void MakeStore() {
    const std::unique_ptr<Store> store =
        Store::Open(StoreOptionsOf(config_), RealClock()).value();
    NewVersion version{.model = ModelName::Parse("m").value(),
                       .weights = Put(*store, "weights"),
                       .manifest = Put(*store, "manifest"),
                       .labels = Put(*store, "labels"),
                       .golden = Put(*store, "golden"),
                       .content_key = "key",
                       .source = std::string(64, '0'),
                       .source_format = "safetensors",
                       .parent = std::nullopt,
                       .first_alias = "stable"};
    ASSERT_TRUE(store->Publish(version, Mutation()).ok());
  }

  static Digest Put(Store& store, const std::string& text) {
    const auto blob =
        store.NewBlob(static_cast<std::int64_t>(text.size())).value();
    EXPECT_TRUE(
        blob->Write(absl::MakeConstSpan(
                        reinterpret_cast<const std::uint8_t*>(text.data()),
                        text.size()))
            .ok());
    return blob->Commit().value();
  }

  // The file that holds `text`.
  fs::path FileWith(const std::string& text) const {
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path())) {
      std::ifstream file(entry.path(), std::ios::binary);
      if (entry.is_regular_file() && entry.file_size() == text.size() &&
          std::string(std::istreambuf_iterator<char>(file), {}) == text) {
        return entry.path();
      }
    }
    ADD_FAILURE() << "no file holds " << text;
    return {};
  }

  const TempDir dir_;
  Config config_;
};

TEST_F(VerifyStoreTest, FindsNothingInASoundStore) {
  MakeStore();
  const auto findings = VerifyStore(config_, RealClock());
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_EQ(FormatFindings(*findings), "the store is sound\n");
}

TEST_F(VerifyStoreTest, FindsAChangedByte) {
  MakeStore();
  const fs::path blob = FileWith("labels");
  fs::permissions(blob, fs::perms::owner_all);
  std::ofstream(blob, std::ios::binary) << "lapels";
  const auto findings = VerifyStore(config_, RealClock());
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_FALSE(findings->empty());
  EXPECT_NE(FormatFindings(*findings).find("blob: "), std::string::npos)
      << FormatFindings(*findings);
}

TEST_F(VerifyStoreTest, MakesNoStoreWhereThereIsNone) {
  const auto findings = VerifyStore(config_, RealClock());
  EXPECT_EQ(findings.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(findings.status()).reason, "STORE_UNUSABLE");
  EXPECT_FALSE(fs::exists(config_.data_dir));
}

TEST_F(VerifyStoreTest, RefusesAStoreThatIsInUse) {
  MakeStore();
  const std::unique_ptr<Store> store =
      Store::Open(StoreOptionsOf(config_), RealClock()).value();
  EXPECT_EQ(DetailsOf(VerifyStore(config_, RealClock()).status()).reason,
            "STORE_UNUSABLE");
}

}  // namespace
}  // namespace resnetd
