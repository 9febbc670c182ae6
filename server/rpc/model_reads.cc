#include "server/rpc/model_reads.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/models/model_registry.h"
#include "server/rpc/convert_import.h"
#include "server/rpc/convert_version.h"
#include "server/rpc/page_token.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

// The version that the page before ended with; behind all for the first page.
absl::StatusOr<std::int64_t> ReadVersionToken(absl::string_view list,
                                              absl::string_view token) {
  ASSIGN_OR_RETURN(const std::string last, ReadPageToken(list, token));
  if (last.empty()) {
    return std::numeric_limits<std::int64_t>::max();
  }
  std::int64_t version = 0;
  if (!absl::SimpleAtoi(last, &version) || version < 1) {
    return PageTokenError();
  }
  return version;
}

}  // namespace

absl::StatusOr<v1::ListModelsResponse> ListModels(
    ModelManager& manager, const v1::ListModelsRequest& request) {
  ASSIGN_OR_RETURN(const std::size_t page_size, PageSize(request.page_size()));
  ASSIGN_OR_RETURN(const std::string after,
                   ReadPageToken("models", request.page_token()));
  v1::ListModelsResponse response;
  // Before the list: an event that comes between the two is told again by
  // WatchModels, and none is missed.
  ASSIGN_OR_RETURN(const std::int64_t sequence, manager.LastEvent());
  response.set_event_sequence(sequence);
  ASSIGN_OR_RETURN(const std::vector<ModelView> models, manager.ListModels());
  // The page goes on behind a name, not at an index: models may come and go
  // between two pages.
  auto model = std::find_if(
      models.begin(), models.end(),
      [&after](const ModelView& view) { return view.name.text() > after; });
  for (; model != models.end(); ++model) {
    if (static_cast<std::size_t>(response.models_size()) == page_size) {
      response.set_next_page_token(
          MakePageToken("models", std::prev(model)->name.text()));
      break;
    }
    *response.add_models() = ToProto(*model);
  }
  return response;
}

absl::StatusOr<v1::GetModelResponse> GetModel(
    ModelManager& manager, const v1::GetModelRequest& request) {
  ASSIGN_OR_RETURN(const ModelName name,
                   ParseModelName("name", request.name()));
  ASSIGN_OR_RETURN(const ModelView model, manager.GetModel(name));
  v1::GetModelResponse response;
  *response.mutable_model() = ToProto(model);
  return response;
}

absl::StatusOr<v1::ListVersionsResponse> ListVersions(
    ModelManager& manager, const v1::ListVersionsRequest& request) {
  ASSIGN_OR_RETURN(const ModelName model,
                   ParseModelName("parent", request.parent()));
  ASSIGN_OR_RETURN(const std::size_t page_size, PageSize(request.page_size()));
  const std::string list = absl::StrCat(ResourceName(model), "/versions");
  ASSIGN_OR_RETURN(const std::int64_t before,
                   ReadVersionToken(list, request.page_token()));
  ASSIGN_OR_RETURN(const std::vector<VersionView> versions,
                   manager.ListVersions(model));
  // Newest first; the page goes on below a number, see ListModels.
  auto version = std::find_if(versions.begin(), versions.end(),
                              [before](const VersionView& view) {
                                return view.row.version.value < before;
                              });
  v1::ListVersionsResponse response;
  for (; version != versions.end(); ++version) {
    if (static_cast<std::size_t>(response.versions_size()) == page_size) {
      response.set_next_page_token(MakePageToken(
          list, absl::StrCat(std::prev(version)->row.version.value)));
      break;
    }
    *response.add_versions() = ToProto(*version, Labels::kLeaveOut);
  }
  return response;
}

absl::StatusOr<v1::GetVersionResponse> GetVersion(
    ModelManager& manager, const v1::GetVersionRequest& request) {
  ASSIGN_OR_RETURN(const VersionName name,
                   ParseVersionName("name", request.name()));
  ASSIGN_OR_RETURN(const VersionView version,
                   manager.GetVersion(name.model, name.version));
  v1::GetVersionResponse response;
  *response.mutable_version() = ToProto(version, Labels::kInclude);
  return response;
}

absl::StatusOr<Download<v1::ExportVersionResponse>> OpenVersion(
    ModelManager& manager, const v1::ExportVersionRequest& request) {
  ASSIGN_OR_RETURN(const VersionName name,
                   ParseVersionName("name", request.name()));
  ASSIGN_OR_RETURN(const VersionView version,
                   manager.GetVersion(name.model, name.version));
  ASSIGN_OR_RETURN(std::unique_ptr<BlobReader> blob,
                   manager.OpenBlob(version.row.weights));
  v1::ExportVersionResponse response;
  v1::ExportVersionHeader& header = *response.mutable_header();
  *header.mutable_version() = ToProto(version, Labels::kInclude);
  header.set_sha256(version.row.weights);
  header.set_size_bytes(blob->size());
  return Download<v1::ExportVersionResponse>{
      .header = std::move(response),
      .blob = VerifiedBlob(std::move(blob), version.row.weights)};
}

absl::StatusOr<Download<v1::GetBlobResponse>> OpenBlob(
    ModelManager& manager, const v1::GetBlobRequest& request) {
  ASSIGN_OR_RETURN(const Digest digest,
                   ParseDigest("digest", request.digest()));
  ASSIGN_OR_RETURN(std::unique_ptr<BlobReader> blob, manager.OpenBlob(digest));
  v1::GetBlobResponse response;
  response.set_size_bytes(blob->size());
  return Download<v1::GetBlobResponse>{
      .header = std::move(response),
      .blob = VerifiedBlob(std::move(blob), digest)};
}

}  // namespace resnetd
