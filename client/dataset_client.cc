// The calls of Client about datasets that are one request and one answer.
#include <algorithm>
#include <utility>

#include "client/calls.h"
#include "client/convert.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"

namespace resnetd::client {
namespace {

using Stub = v1::DatasetService::Stub;

// What the server gives on a page without being told.
constexpr std::size_t kMaxPage = 1000;

// A repetition without an id could be a second change.
std::string IdOr(const std::string& request_id) {
  return request_id.empty() ? NewRequestId() : request_id;
}

template <typename Message>
Message ChangeMessage(const DatasetChange& change) {
  Message message;
  message.set_name(DatasetResource(change.name));
  message.set_etag(change.etag);
  message.set_request_id(IdOr(change.request_id));
  return message;
}

// The first `limit` rows of a list of a dataset.
template <typename Row, typename Calls, typename Request, typename Response>
absl::StatusOr<std::vector<Row>> FirstRows(
    const Calls& calls,
    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                 Response*),
    absl::string_view dataset, std::size_t limit) {
  std::vector<Row> rows;
  Request request;
  request.set_parent(DatasetResource(dataset));
  while (rows.size() < limit) {
    request.set_page_size(
        static_cast<int>(std::min(limit - rows.size(), kMaxPage)));
    Response response;
    RETURN_IF_ERROR(calls.Ask(calls.short_timeout, method, request, response));
    for (const auto& row : response.examples()) {
      rows.push_back(FromProto(row));
    }
    if (response.next_page_token().empty() || response.examples().empty()) {
      break;
    }
    request.set_page_token(response.next_page_token());
  }
  return rows;
}

}  // namespace

absl::StatusOr<Dataset> Client::CreateDataset(const NewDataset& dataset) {
  v1::CreateDatasetRequest request;
  request.set_name(DatasetResource(dataset.name));
  request.mutable_labels()->Add(dataset.labels.begin(), dataset.labels.end());
  request.set_request_id(IdOr(dataset.request_id));
  request.set_validate_only(dataset.validate_only);
  v1::CreateDatasetResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->short_timeout, &Stub::CreateDataset,
                              request, response));
  return FromProto(response.dataset());
}

absl::StatusOr<Dataset> Client::SealDataset(const DatasetChange& change) {
  v1::SealDatasetResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->long_timeout, &Stub::SealDataset,
                              ChangeMessage<v1::SealDatasetRequest>(change),
                              response));
  return FromProto(response.dataset());
}

absl::StatusOr<Dataset> Client::DeleteDataset(const DatasetChange& change) {
  v1::DeleteDatasetResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->short_timeout, &Stub::DeleteDataset,
                              ChangeMessage<v1::DeleteDatasetRequest>(change),
                              response));
  return FromProto(response.dataset());
}

absl::StatusOr<Dataset> Client::GetDataset(absl::string_view dataset) {
  v1::GetDatasetRequest request;
  request.set_name(DatasetResource(dataset));
  v1::GetDatasetResponse response;
  RETURN_IF_ERROR(
      calls_->Ask(calls_->short_timeout, &Stub::GetDataset, request, response));
  return FromProto(response.dataset());
}

absl::StatusOr<DescribedDataset> Client::DescribeDataset(
    absl::string_view dataset, const std::optional<SplitSpec>& split) {
  v1::GetDatasetRequest request;
  request.set_name(DatasetResource(dataset));
  request.set_include_report(true);
  if (split) {
    request.mutable_split()->set_validation(split->validation);
    request.mutable_split()->set_test(split->test);
    request.mutable_split()->set_seed(split->seed);
  }
  v1::GetDatasetResponse response;
  RETURN_IF_ERROR(
      calls_->Ask(calls_->long_timeout, &Stub::GetDataset, request, response));
  return DescribedDataset{.dataset = FromProto(response.dataset()),
                          .report = FromProto(response.report())};
}

absl::StatusOr<std::vector<Dataset>> Client::ListDatasets() {
  std::vector<Dataset> datasets;
  RETURN_IF_ERROR(calls_->EachPage(
      &Stub::ListDatasets, v1::ListDatasetsRequest(), "datasets",
      [&datasets](const v1::ListDatasetsResponse& page) {
        for (const v1::Dataset& dataset : page.datasets()) {
          datasets.push_back(FromProto(dataset));
        }
      }));
  return datasets;
}

absl::StatusOr<std::vector<Example>> Client::ListExamples(
    absl::string_view dataset, std::size_t limit) {
  return FirstRows<Example>(*calls_, &Stub::ListExamples, dataset, limit);
}

absl::StatusOr<std::vector<RejectedExample>> Client::ListRejectedExamples(
    absl::string_view dataset, std::size_t limit) {
  return FirstRows<RejectedExample>(*calls_, &Stub::ListRejectedExamples,
                                    dataset, limit);
}

}  // namespace resnetd::client
