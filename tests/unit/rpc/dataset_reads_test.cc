#include "server/rpc/dataset_reads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/fake_dataset_manager.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;

class DatasetReadsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"b", "c", "a"}) {
      manager_.Make(name);
    }
    for (int i = 0; i < 5; ++i) {
      manager_.AddRow("a",
                      {.image = std::string(64, static_cast<char>('a' + i)),
                       .label = i % 2,
                       .split = ExampleSplit::kTrain,
                       .width = 2,
                       .height = 3});
      manager_.AddRejected("a",
                           {.name = absl::StrCat("n", i), .code = "EMPTY"});
    }
  }

  FakeDatasetManager manager_;
};

TEST_F(DatasetReadsTest, ListsDatasetsByNameInPages) {
  v1::ListDatasetsRequest request;
  request.set_page_size(2);
  const auto first = ListDatasets(manager_, request).value();
  ASSERT_EQ(first.datasets_size(), 2);
  EXPECT_EQ(first.datasets(0).name(), "datasets/a");
  EXPECT_EQ(first.datasets(1).name(), "datasets/b");
  EXPECT_THAT(first.datasets(0).labels(), IsEmpty());
  EXPECT_EQ(first.datasets(0).num_classes(), 2);
  request.set_page_token(first.next_page_token());
  const auto second = ListDatasets(manager_, request).value();
  ASSERT_EQ(second.datasets_size(), 1);
  EXPECT_EQ(second.datasets(0).name(), "datasets/c");
  EXPECT_EQ(second.next_page_token(), "");
}

TEST_F(DatasetReadsTest, ListsExamplesInPages) {
  v1::ListExamplesRequest request;
  request.set_parent("datasets/a");
  request.set_page_size(2);
  std::vector<std::int64_t> seen;
  for (int pages = 1;; ++pages) {
    const auto page = ListExamples(manager_, request).value();
    for (const v1::Example& example : page.examples()) {
      seen.push_back(example.sequence());
      EXPECT_EQ(example.label(), example.sequence() % 2 == 1 ? "cat" : "dog");
    }
    if (page.next_page_token().empty()) {
      EXPECT_EQ(pages, 3);
      break;
    }
    request.set_page_token(page.next_page_token());
  }
  EXPECT_THAT(seen, ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(DatasetReadsTest, APageThatEndsWithTheListHasNoToken) {
  v1::ListExamplesRequest request;
  request.set_parent("datasets/a");
  request.set_page_size(5);
  EXPECT_EQ(ListExamples(manager_, request).value().next_page_token(), "");
  request.set_page_size(4);
  EXPECT_NE(ListExamples(manager_, request).value().next_page_token(), "");
}

TEST_F(DatasetReadsTest, ListsRejectedExamplesInPages) {
  v1::ListRejectedExamplesRequest request;
  request.set_parent("datasets/a");
  request.set_page_size(3);
  const auto first = ListRejectedExamples(manager_, request).value();
  ASSERT_EQ(first.examples_size(), 3);
  EXPECT_EQ(first.examples(2).name(), "n2");
  request.set_page_token(first.next_page_token());
  const auto second = ListRejectedExamples(manager_, request).value();
  ASSERT_EQ(second.examples_size(), 2);
  EXPECT_EQ(second.examples(0).name(), "n3");
}

TEST_F(DatasetReadsTest, ATokenOfAnotherListIsRefused) {
  v1::ListExamplesRequest request;
  request.set_parent("datasets/a");
  request.set_page_size(1);
  const std::string token =
      ListExamples(manager_, request).value().next_page_token();
  v1::ListRejectedExamplesRequest other;
  other.set_parent("datasets/a");
  other.set_page_token(token);
  EXPECT_TRUE(
      absl::IsInvalidArgument(ListRejectedExamples(manager_, other).status()));
  request.set_parent("datasets/b");
  request.set_page_token(token);
  EXPECT_TRUE(
      absl::IsInvalidArgument(ListExamples(manager_, request).status()));
}

TEST_F(DatasetReadsTest, APageHasAtMost1000Rows) {
  v1::ListExamplesRequest request;
  request.set_parent("datasets/a");
  for (const int size : {0, 1, 999, 1000}) {
    request.set_page_size(size);
    EXPECT_TRUE(ListExamples(manager_, request).ok()) << size;
  }
  for (const int size : {-1, 1001}) {
    request.set_page_size(size);
    EXPECT_TRUE(
        absl::IsInvalidArgument(ListExamples(manager_, request).status()))
        << size;
  }
}

TEST_F(DatasetReadsTest, AnUnknownDatasetIsNotFound) {
  v1::ListExamplesRequest examples;
  examples.set_parent("datasets/none");
  EXPECT_TRUE(absl::IsNotFound(ListExamples(manager_, examples).status()));
  v1::ListRejectedExamplesRequest rejected;
  rejected.set_parent("datasets/none");
  EXPECT_TRUE(
      absl::IsNotFound(ListRejectedExamples(manager_, rejected).status()));
  v1::GetDatasetRequest dataset;
  dataset.set_name("datasets/none");
  EXPECT_TRUE(absl::IsNotFound(GetDataset(manager_, dataset).status()));
  examples.set_parent("none");
  EXPECT_TRUE(
      absl::IsInvalidArgument(ListExamples(manager_, examples).status()));
}

TEST_F(DatasetReadsTest, AReportIsReadOnlyWhenAskedFor) {
  v1::GetDatasetRequest request;
  request.set_name("datasets/a");
  const auto without = GetDataset(manager_, request).value();
  EXPECT_EQ(without.dataset().name(), "datasets/a");
  EXPECT_THAT(without.dataset().labels(), ElementsAre("cat", "dog"));
  EXPECT_FALSE(without.has_report());
  EXPECT_EQ(manager_.calls("ListExamples"), 0U);
  request.set_include_report(true);
  const auto with = GetDataset(manager_, request).value();
  EXPECT_EQ(with.report().train(), 5);
  EXPECT_EQ(with.report().classes(0).train(), 3);
  EXPECT_EQ(with.report().rejections(0).code(), "EMPTY");
  EXPECT_EQ(with.report().rejections(0).count(), 5);
  EXPECT_EQ(with.report().split().validation(), 0.2);
}

TEST_F(DatasetReadsTest, TheSplitOfAReportIsTheCallers) {
  v1::GetDatasetRequest request;
  request.set_name("datasets/a");
  request.set_include_report(true);
  request.mutable_split()->set_seed(7);
  EXPECT_EQ(GetDataset(manager_, request).value().report().split().seed(), 7U);
  request.mutable_split()->set_validation(1);
  request.set_name("a");
  EXPECT_THAT(DetailsOf(GetDataset(manager_, request).status()).violations,
              ElementsAre(Key("name"), Key("split.validation")));
}

}  // namespace
}  // namespace resnetd
