#include "server/app/model_start.h"

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_model.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace resnetd {
namespace {

// Loads every package as a FakeModel and notes the batches that it is run with.
class FakeLoader final : public ModelLoader {
 public:
  absl::StatusOr<std::unique_ptr<Model>> Load(const ModelPackage& package,
                                              std::size_t max_batch) override {
    if (!load_error.ok()) {
      return load_error;
    }
    loaded_for = max_batch;
    return std::make_unique<FakeModel>(package.facts,
                                       [this](std::size_t images) {
                                         batches.push_back(images);
                                         return run_error;
                                       });
  }
  std::string description() const override { return "fake"; }

  absl::Status load_error;
  absl::Status run_error;
  std::size_t loaded_for = 0;
  std::vector<std::size_t> batches;
};

TEST(LoadModelFolderTest, RunsTheSmallestAndTheLargestBatchBeforeItServes) {
  const TempDir temp;
  const std::string folder = WriteTinyModel(temp, "tiny");
  FakeLoader loader;
  const auto version = LoadModelFolder(folder, loader, 4, FakeClock());
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(loader.loaded_for, 4U);
  EXPECT_EQ(loader.batches, (std::vector<std::size_t>{1, 4}));
  EXPECT_EQ((*version)->facts.name.text(), "tiny");
}

TEST(LoadModelFolderTest, SaysWhichFolderCannotBeRead) {
  const TempDir temp;
  FakeLoader loader;
  const absl::Status status =
      LoadModelFolder(temp.File("nowhere"), loader, 4, FakeClock()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  EXPECT_NE(status.message().find("nowhere\": "), absl::string_view::npos)
      << status.message();
}

TEST(LoadModelFolderTest, HandsOnWhatTheBackendSays) {
  const TempDir temp;
  const std::string folder = WriteTinyModel(temp, "tiny");
  FakeLoader loader;
  loader.load_error = Error(absl::StatusCode::kResourceExhausted,
                            Reason::kInternal, "no memory");
  EXPECT_EQ(LoadModelFolder(folder, loader, 4, FakeClock()).status().code(),
            absl::StatusCode::kResourceExhausted);
  loader.load_error = absl::OkStatus();
  loader.run_error =
      Error(absl::StatusCode::kInternal, Reason::kInternal, "broken");
  EXPECT_EQ(LoadModelFolder(folder, loader, 4, FakeClock()).status().code(),
            absl::StatusCode::kInternal);
}

std::vector<ModelHandle> Versions(const std::vector<std::string>& names) {
  std::vector<ModelHandle> versions;
  for (const std::string& name : names) {
    versions.push_back(FakeVersion(FakeFacts(name)));
  }
  return versions;
}

std::vector<std::string> NamesOf(const std::vector<ModelHandle>& versions) {
  std::vector<std::string> names;
  for (const ModelHandle& version : versions) {
    names.push_back(version->facts.name.text());
  }
  return names;
}

TEST(OrderForServingTest, TheFirstIsTheDefaultUnlessOneIsNamed) {
  std::vector<ModelHandle> versions = Versions({"a", "b", "c"});
  ASSERT_TRUE(OrderForServing("", versions).ok());
  EXPECT_EQ(NamesOf(versions), (std::vector<std::string>{"a", "b", "c"}));
  ASSERT_TRUE(OrderForServing("c", versions).ok());
  EXPECT_EQ(NamesOf(versions), (std::vector<std::string>{"c", "a", "b"}));
}

TEST(OrderForServingTest, RefusesADefaultThatIsNotServed) {
  std::vector<ModelHandle> versions = Versions({"digits", "flowers"});
  const absl::Status status = OrderForServing("digit", versions);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "--default-model names \"digit\", which is not served; did you "
            "mean \"digits\"?");
}

TEST(OrderForServingTest, RefusesTwoModelsOfOneName) {
  std::vector<ModelHandle> versions = Versions({"a", "b", "a"});
  const absl::Status status = OrderForServing("", versions);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("\"a\""), absl::string_view::npos);
}

}  // namespace
}  // namespace resnetd
