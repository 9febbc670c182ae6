#include "server/rpc/dataset_changes.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/base/violations.h"
#include "server/finetune/dataset_names.h"
#include "server/rpc/convert_dataset.h"
#include "server/rpc/convert_request.h"
#include "server/rpc/mutation_of.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

// The dataset that a request with a request_id names.
template <typename Request>
absl::StatusOr<DatasetName> NameOf(const Request& request,
                                   const RequestLimits& limits) {
  Violations violations;
  std::optional<DatasetName> name =
      violations.Take("name", ParseDatasetName("name", request.name()));
  violations.AddError("request_id",
                      CheckRequestId(request.request_id(), limits));
  if (!violations.empty()) {
    return violations.ToStatus();
  }
  return *std::move(name);
}

// The dataset as it would be made.
absl::StatusOr<v1::Dataset> Rehearse(DatasetManager& manager,
                                     const DatasetName& name,
                                     std::vector<std::string> labels) {
  const absl::StatusOr<DatasetRow> there = manager.GetDataset(name);
  if (there.ok()) {
    return absl::Status(
        Error(absl::StatusCode::kAlreadyExists, Reason::kDatasetExists,
              absl::StrCat("there is a dataset ", Quoted(name.text())))
            .Resource("dataset", ResourceName(name)));
  }
  if (!absl::IsNotFound(there.status())) {
    return there.status();
  }
  v1::Dataset dataset = ToProto({.name = name, .labels = std::move(labels)},
                                DatasetLabels::kInclude);
  dataset.clear_etag();
  dataset.clear_create_time();
  return dataset;
}

}  // namespace

absl::StatusOr<v1::CreateDatasetResponse> CreateDataset(
    DatasetManager& manager, const RequestLimits& limits,
    const v1::CreateDatasetRequest& request, absl::string_view actor) {
  Violations violations;
  const std::optional<DatasetName> name =
      violations.Take("name", ParseDatasetName("name", request.name()));
  std::vector<std::string> labels(request.labels().begin(),
                                  request.labels().end());
  violations.AddError("labels",
                      CheckDatasetLabels(labels, limits.max_dataset_labels));
  violations.AddError("request_id",
                      CheckRequestId(request.request_id(), limits));
  RETURN_IF_ERROR(violations.ToStatus());
  v1::CreateDatasetResponse response;
  if (request.validate_only()) {
    ASSIGN_OR_RETURN(*response.mutable_dataset(),
                     Rehearse(manager, *name, std::move(labels)));
    return response;
  }
  ASSIGN_OR_RETURN(
      const DatasetRow dataset,
      manager.CreateDataset(*name, labels,
                            MutationOf("CreateDataset", request, actor)));
  *response.mutable_dataset() = ToProto(dataset, DatasetLabels::kInclude);
  return response;
}

absl::StatusOr<v1::SealDatasetResponse> SealDataset(
    DatasetManager& manager, const RequestLimits& limits,
    const v1::SealDatasetRequest& request, absl::string_view actor) {
  ASSIGN_OR_RETURN(const DatasetName name, NameOf(request, limits));
  ASSIGN_OR_RETURN(
      const DatasetRow dataset,
      manager.SealDataset(name, request.etag(),
                          MutationOf("SealDataset", request, actor)));
  v1::SealDatasetResponse response;
  *response.mutable_dataset() = ToProto(dataset, DatasetLabels::kInclude);
  return response;
}

absl::StatusOr<v1::DeleteDatasetResponse> DeleteDataset(
    DatasetManager& manager, const RequestLimits& limits,
    const v1::DeleteDatasetRequest& request, absl::string_view actor) {
  ASSIGN_OR_RETURN(const DatasetName name, NameOf(request, limits));
  ASSIGN_OR_RETURN(
      const DatasetRow dataset,
      manager.DeleteDataset(name, request.etag(),
                            MutationOf("DeleteDataset", request, actor)));
  v1::DeleteDatasetResponse response;
  *response.mutable_dataset() = ToProto(dataset, DatasetLabels::kInclude);
  return response;
}

}  // namespace resnetd
