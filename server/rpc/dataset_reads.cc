#include "server/rpc/dataset_reads.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/base/violations.h"
#include "server/finetune/dataset_report.h"
#include "server/rpc/convert_dataset.h"
#include "server/rpc/page_token.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

SplitSpec ToSplit(const v1::GetDatasetRequest& request) {
  if (!request.has_split()) {
    return {};
  }
  return {.validation = request.split().validation(),
          .test = request.split().test(),
          .seed = request.split().seed()};
}

// One page of the rows of a dataset: what was asked for, and one more row that
// only tells whether there is a next page.
struct RowPage {
  DatasetName dataset;
  // As page tokens name it.
  std::string list;
  std::int64_t after = 0;
  std::size_t size = 0;
};

template <typename Request>
absl::StatusOr<RowPage> ToRowPage(const Request& request,
                                  absl::string_view rows) {
  ASSIGN_OR_RETURN(DatasetName dataset,
                   ParseDatasetName("parent", request.parent()));
  ASSIGN_OR_RETURN(const std::size_t size, PageSize(request.page_size()));
  std::string list = absl::StrCat(ResourceName(dataset), "/", rows);
  ASSIGN_OR_RETURN(const std::string last,
                   ReadPageToken(list, request.page_token()));
  std::int64_t after = 0;
  if (!last.empty() && (!absl::SimpleAtoi(last, &after) || after < 1)) {
    return PageTokenError();
  }
  return RowPage{.dataset = std::move(dataset),
                 .list = std::move(list),
                 .after = after,
                 .size = size};
}

// Cuts the row off that was one too many; the token of the next page.
template <typename Row>
std::string CutPage(const RowPage& page, std::vector<Row>& rows) {
  if (rows.size() <= page.size) {
    return "";
  }
  rows.resize(page.size);
  return MakePageToken(page.list, absl::StrCat(rows.back().sequence));
}

}  // namespace

absl::StatusOr<v1::GetDatasetResponse> GetDataset(
    DatasetManager& manager, const v1::GetDatasetRequest& request) {
  Violations violations;
  const std::optional<DatasetName> name =
      violations.Take("name", ParseDatasetName("name", request.name()));
  const SplitSpec split = ToSplit(request);
  violations.AddErrorIn("split", CheckSplit(split));
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const DatasetRow dataset, manager.GetDataset(*name));
  v1::GetDatasetResponse response;
  *response.mutable_dataset() = ToProto(dataset, DatasetLabels::kInclude);
  if (request.include_report()) {
    ASSIGN_OR_RETURN(const DatasetReport report,
                     ReportOnDataset(manager, *name, split));
    *response.mutable_report() = ToProto(report, dataset.labels);
  }
  return response;
}

absl::StatusOr<v1::ListDatasetsResponse> ListDatasets(
    DatasetManager& manager, const v1::ListDatasetsRequest& request) {
  ASSIGN_OR_RETURN(const std::size_t page_size, PageSize(request.page_size()));
  ASSIGN_OR_RETURN(const std::string after,
                   ReadPageToken("datasets", request.page_token()));
  ASSIGN_OR_RETURN(const std::vector<DatasetRow> datasets,
                   manager.ListDatasets());
  // The page goes on behind a name, not at an index: datasets may come and go
  // between two pages.
  auto dataset = std::find_if(
      datasets.begin(), datasets.end(),
      [&after](const DatasetRow& row) { return row.name.text() > after; });
  v1::ListDatasetsResponse response;
  for (; dataset != datasets.end(); ++dataset) {
    if (static_cast<std::size_t>(response.datasets_size()) == page_size) {
      response.set_next_page_token(
          MakePageToken("datasets", std::prev(dataset)->name.text()));
      break;
    }
    *response.add_datasets() = ToProto(*dataset, DatasetLabels::kLeaveOut);
  }
  return response;
}

absl::StatusOr<v1::ListExamplesResponse> ListExamples(
    DatasetManager& manager, const v1::ListExamplesRequest& request) {
  ASSIGN_OR_RETURN(const RowPage page, ToRowPage(request, "examples"));
  ASSIGN_OR_RETURN(const DatasetRow dataset, manager.GetDataset(page.dataset));
  ASSIGN_OR_RETURN(
      std::vector<ExampleRow> rows,
      manager.ListExamples(page.dataset, page.after, page.size + 1));
  v1::ListExamplesResponse response;
  response.set_next_page_token(CutPage(page, rows));
  for (const ExampleRow& row : rows) {
    *response.add_examples() = ToProto(row, dataset.labels);
  }
  return response;
}

absl::StatusOr<v1::ListRejectedExamplesResponse> ListRejectedExamples(
    DatasetManager& manager, const v1::ListRejectedExamplesRequest& request) {
  ASSIGN_OR_RETURN(const RowPage page, ToRowPage(request, "rejected"));
  ASSIGN_OR_RETURN(
      std::vector<RejectedRow> rows,
      manager.ListRejected(page.dataset, page.after, page.size + 1));
  v1::ListRejectedExamplesResponse response;
  response.set_next_page_token(CutPage(page, rows));
  for (const RejectedRow& row : rows) {
    *response.add_examples() = ToProto(row);
  }
  return response;
}

}  // namespace resnetd
