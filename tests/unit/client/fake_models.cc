#include "tests/unit/client/fake_models.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/rpc/error_details.pb.h"
#include "server/base/sha256.h"

namespace resnetd::test {
namespace {

// Small, so that small files travel in several pieces.
constexpr std::size_t kChunkBytes = 1000;
// 2026-11-21 12:00:00 UTC.
constexpr std::int64_t kNow = 1'795'262'400;

// Sends `bytes` in pieces.
template <typename Response>
void SendPieces(const std::string& bytes,
                grpc::ServerWriter<Response>& writer) {
  for (std::size_t at = 0; at < bytes.size(); at += kChunkBytes) {
    Response response;
    response.set_chunk(bytes.substr(at, kChunkBytes));
    if (!writer.Write(response)) {
      return;
    }
  }
}

grpc::Status VersionNotFound(const std::string& name) {
  return ToGrpc(RichError(grpc::StatusCode::NOT_FOUND,
                          absl::StrCat("there is no \"", name, "\""),
                          "VERSION_NOT_FOUND", {}, name));
}

}  // namespace

google::rpc::Status RichError(
    grpc::StatusCode code, const std::string& message,
    const std::string& reason,
    const std::vector<std::pair<std::string, std::string>>& metadata,
    const std::string& resource) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("resnetd");
  for (const auto& [key, value] : metadata) {
    (*info.mutable_metadata())[key] = value;
  }
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  status.add_details()->PackFrom(info);
  if (!resource.empty()) {
    google::rpc::ResourceInfo resource_info;
    resource_info.set_resource_name(resource);
    status.add_details()->PackFrom(resource_info);
  }
  return status;
}

grpc::Status ToGrpc(const google::rpc::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), status.message(),
          status.SerializeAsString()};
}

grpc::Status ModelNotFound(const std::string& name) {
  return ToGrpc(RichError(grpc::StatusCode::NOT_FOUND,
                          absl::StrCat("there is no \"", name, "\""),
                          "MODEL_NOT_FOUND"));
}

std::string DigestOf(const std::string& bytes) {
  return Sha256Hex(
      {reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
}

std::string FakeWeights(int classes, const std::string& content) {
  return absl::StrCat("classes=", classes, " ", content);
}

v1::Version DigitsVersion() {
  v1::Version version;
  version.set_name("models/digits/versions/3");
  version.set_version(3);
  version.set_residency(v1::RESIDENCY_READY);
  version.set_architecture("cifar_resnet20");
  version.set_num_classes(12);
  for (int i = 0; i < 12; ++i) {
    version.add_labels(absl::StrCat("class", i));
  }
  version.mutable_preprocess()->set_resize(32);
  version.mutable_preprocess()->set_crop(28);
  for (int i = 0; i < 3; ++i) {
    version.mutable_preprocess()->add_mean(0.1F);
    version.mutable_preprocess()->add_std(0.25F);
  }
  version.set_precision("fp32");
  version.set_backend("engine");
  version.set_parameters(272'474);
  version.set_resident_bytes(3 << 20);
  version.mutable_load_time()->set_nanos(12'000'000);
  version.set_description("Handwritten digits");
  auto* evaluation = version.add_evaluations();
  evaluation->set_dataset("digits held-out");
  evaluation->set_examples(360);
  evaluation->set_accuracy(0.9861);
  version.set_source_format("safetensors");
  return version;
}

v1::Model DigitsModel() {
  v1::Model model;
  model.set_name("models/digits");
  model.set_serving_version(3);
  model.set_residency(v1::RESIDENCY_READY);
  model.set_architecture("cifar_resnet20");
  model.set_num_classes(12);
  model.set_is_default(true);
  return model;
}

FakeModels::FakeModels() {
  MutexLock lock(mutex_);
  models_["digits"].next_version = 3;
  Publish("digits", DigitsVersion(), FakeWeights(12, "digits"));
}

grpc::Status FakeModels::Begin(grpc::ServerContext& context,
                               const std::string& method) {
  ++calls_;
  while (method == stuck && !context.IsCancelled()) {
    std::this_thread::yield();
  }
  return before ? before(method) : grpc::Status::OK;
}

std::vector<std::string> FakeModels::request_ids() const {
  MutexLock lock(mutex_);
  return request_ids_;
}

v1::Version FakeModels::version(const std::string& model,
                                std::int64_t number) const {
  MutexLock lock(mutex_);
  const Kept& kept = models_.at(model);
  return Shown(kept, kept.versions.at(number));
}

void FakeModels::Damage(const std::string& digest) {
  MutexLock lock(mutex_);
  damaged_[digest] = true;
}

void FakeModels::Lose(const std::string& digest) {
  MutexLock lock(mutex_);
  blobs_.erase(digest);
}

std::string FakeModels::Keep(const std::string& bytes) {
  MutexLock lock(mutex_);
  return KeepBlob(bytes);
}

void FakeModels::Change(const std::string& model, std::int64_t number,
                        const std::function<void(v1::Version&)>& change) {
  MutexLock lock(mutex_);
  change(models_.at(model).versions.at(number));
}

void FakeModels::ExpireEvents(std::int64_t sequence) {
  MutexLock lock(mutex_);
  expired_ = sequence;
}

void FakeModels::BeginAnew() {
  MutexLock lock(mutex_);
  events_.clear();
  last_sequence_ = 0;
}

void FakeModels::BreakWatches() {
  MutexLock lock(mutex_);
  ++watch_epoch_;
  changed_.NotifyAll();
}

void FakeModels::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  changed_.NotifyAll();
}

std::string FakeModels::KeepBlob(const std::string& bytes) {
  std::string digest = DigestOf(bytes);
  blobs_[digest] = bytes;
  return digest;
}

v1::Version* FakeModels::Find(const std::string& name) {
  for (auto& [model, kept] : models_) {
    for (auto& [number, version] : kept.versions) {
      if (version.name() == name &&
          version.state() == v1::VERSION_STATE_COMMITTED) {
        return &version;
      }
    }
  }
  return nullptr;
}

v1::Version FakeModels::Shown(const Kept& kept, v1::Version version) const {
  version.clear_aliases();
  for (const auto& [name, alias] : kept.aliases) {
    if (alias.version() == version.version()) {
      version.add_aliases(name);
    }
  }
  return version;
}

v1::Model FakeModels::Shown(const std::string& model, const Kept& kept) const {
  v1::Model shown;
  shown.set_name(absl::StrCat("models/", model));
  shown.set_is_default(model == "digits");
  for (const auto& [name, alias] : kept.aliases) {
    *shown.add_aliases() = alias;
  }
  const auto stable = kept.aliases.find("stable");
  if (stable != kept.aliases.end()) {
    const v1::Version& version = kept.versions.at(stable->second.version());
    shown.set_serving_version(version.version());
    shown.set_residency(version.residency());
    shown.set_architecture(version.architecture());
    shown.set_num_classes(version.num_classes());
  } else {
    shown.set_residency(v1::RESIDENCY_UNLOADED);
  }
  return shown;
}

void FakeModels::AddEvent(v1::ModelEvent event) {
  event.set_sequence(++last_sequence_);
  event.mutable_time()->set_seconds(kNow + last_sequence_);
  events_.push_back(std::move(event));
  changed_.NotifyAll();
}

std::int64_t FakeModels::Publish(const std::string& model, v1::Version version,
                                 const std::string& weights) {
  Kept& kept = models_[model];
  const std::int64_t number = kept.next_version++;
  version.set_name(absl::StrCat("models/", model, "/versions/", number));
  version.set_version(number);
  version.set_state(v1::VERSION_STATE_COMMITTED);
  version.set_etag("s2");
  version.mutable_create_time()->set_seconds(kNow);
  version.set_weights_bytes(static_cast<std::int64_t>(weights.size()));
  version.set_weights_sha256(KeepBlob(weights));
  if (version.source_sha256().empty()) {
    version.set_source_sha256(version.weights_sha256());
  }
  const std::string labels =
      KeepBlob(absl::StrCat(absl::StrJoin(version.labels(), "\n"), "\n"));
  version.set_manifest_sha256(KeepBlob(absl::StrCat(
      R"({"format":"resnetd-model/1","architecture":")", version.architecture(),
      R"(","weights_sha256":")", version.weights_sha256(),
      R"(","labels_sha256":")", labels,
      R"(","source":{"format":"pth","sha256":")", std::string(64, 'e'),
      R"("},"lineage":[")", std::string(64, 'f'), R"("]})")));
  kept.versions[number] = version;
  v1::ModelEvent event;
  event.set_model(absl::StrCat("models/", model));
  event.set_kind(v1::MODEL_EVENT_KIND_VERSION_IMPORTED);
  event.set_version(number);
  event.set_weights_sha256(version.weights_sha256());
  AddEvent(event);
  if (kept.versions.size() == 1) {
    v1::Alias unused;
    MoveAlias({.model = model, .alias = "stable", .to = number}, unused);
  }
  return number;
}

grpc::Status FakeModels::ListModels(grpc::ServerContext* context,
                                    const v1::ListModelsRequest* request,
                                    v1::ListModelsResponse* response) {
  if (const grpc::Status status = Begin(*context, "ListModels"); !status.ok()) {
    return status;
  }
  if (list_models) {
    return list_models(*request, *response);
  }
  MutexLock lock(mutex_);
  for (const auto& [model, kept] : models_) {
    *response->add_models() = Shown(model, kept);
  }
  response->set_event_sequence(last_sequence_);
  return grpc::Status::OK;
}

grpc::Status FakeModels::GetModel(grpc::ServerContext* context,
                                  const v1::GetModelRequest* request,
                                  v1::GetModelResponse* response) {
  if (const grpc::Status status = Begin(*context, "GetModel"); !status.ok()) {
    return status;
  }
  if (get_model) {
    return get_model(*request, *response);
  }
  MutexLock lock(mutex_);
  for (const auto& [model, kept] : models_) {
    if (request->name() == absl::StrCat("models/", model)) {
      *response->mutable_model() = Shown(model, kept);
      return grpc::Status::OK;
    }
  }
  return ModelNotFound(request->name());
}

grpc::Status FakeModels::ListVersions(grpc::ServerContext* context,
                                      const v1::ListVersionsRequest* request,
                                      v1::ListVersionsResponse* response) {
  if (const grpc::Status status = Begin(*context, "ListVersions");
      !status.ok()) {
    return status;
  }
  MutexLock lock(mutex_);
  for (const auto& [model, kept] : models_) {
    if (request->parent() != absl::StrCat("models/", model)) {
      continue;
    }
    // Two a page, newest first; the token is the number to go on below.
    const std::int64_t below = request->page_token().empty()
                                   ? kept.next_version
                                   : std::stoll(request->page_token());
    for (auto at = kept.versions.rbegin(); at != kept.versions.rend(); ++at) {
      if (at->first >= below ||
          at->second.state() != v1::VERSION_STATE_COMMITTED) {
        continue;
      }
      if (response->versions_size() == 2) {
        response->set_next_page_token(
            absl::StrCat(response->versions(1).version()));
        break;
      }
      *response->add_versions() = Shown(kept, at->second);
      response->mutable_versions()->rbegin()->clear_labels();
    }
    return grpc::Status::OK;
  }
  return ModelNotFound(request->parent());
}

grpc::Status FakeModels::GetVersion(grpc::ServerContext* context,
                                    const v1::GetVersionRequest* request,
                                    v1::GetVersionResponse* response) {
  if (const grpc::Status status = Begin(*context, "GetVersion"); !status.ok()) {
    return status;
  }
  if (get_version) {
    return get_version(*request, *response);
  }
  MutexLock lock(mutex_);
  for (const auto& [model, kept] : models_) {
    for (const auto& [number, version] : kept.versions) {
      if (version.name() == request->name() &&
          version.state() == v1::VERSION_STATE_COMMITTED) {
        *response->mutable_version() = Shown(kept, version);
        return grpc::Status::OK;
      }
    }
  }
  return VersionNotFound(request->name());
}

grpc::Status FakeModels::ExportVersion(
    grpc::ServerContext* context, const v1::ExportVersionRequest* request,
    grpc::ServerWriter<v1::ExportVersionResponse>* writer) {
  if (const grpc::Status status = Begin(*context, "ExportVersion");
      !status.ok()) {
    return status;
  }
  std::string bytes;
  v1::ExportVersionResponse first;
  {
    MutexLock lock(mutex_);
    const v1::Version* version = Find(request->name());
    if (version == nullptr) {
      return VersionNotFound(request->name());
    }
    const std::string digest = version->weights_sha256();
    bytes = blobs_.at(digest);
    *first.mutable_header()->mutable_version() = *version;
    first.mutable_header()->set_sha256(digest);
    first.mutable_header()->set_size_bytes(version->weights_bytes());
    if (damaged_[digest]) {
      bytes.back() = static_cast<char>(bytes.back() ^ 1);
    }
  }
  writer->Write(first);
  SendPieces(bytes, *writer);
  return grpc::Status::OK;
}

grpc::Status FakeModels::GetBlob(
    grpc::ServerContext* context, const v1::GetBlobRequest* request,
    grpc::ServerWriter<v1::GetBlobResponse>* writer) {
  if (const grpc::Status status = Begin(*context, "GetBlob"); !status.ok()) {
    return status;
  }
  std::string bytes;
  {
    MutexLock lock(mutex_);
    const auto found = blobs_.find(request->digest());
    if (found == blobs_.end()) {
      return ToGrpc(RichError(grpc::StatusCode::NOT_FOUND,
                              "there is no blob of this digest",
                              "BLOB_NOT_FOUND"));
    }
    bytes = found->second;
    if (damaged_[request->digest()]) {
      bytes.back() = static_cast<char>(bytes.back() ^ 1);
    }
  }
  v1::GetBlobResponse first;
  first.set_size_bytes(static_cast<std::int64_t>(bytes.size()));
  writer->Write(first);
  SendPieces(bytes, *writer);
  return grpc::Status::OK;
}

grpc::Status FakeModels::WatchModels(
    grpc::ServerContext* context, const v1::WatchModelsRequest* request,
    grpc::ServerWriter<v1::WatchModelsResponse>* writer) {
  if (const grpc::Status status = Begin(*context, "WatchModels");
      !status.ok()) {
    return status;
  }
  std::int64_t after_sequence = request->after_sequence();
  int epoch = 0;
  {
    MutexLock lock(mutex_);
    epoch = watch_epoch_;
    if (after_sequence < expired_) {
      return ToGrpc(RichError(
          grpc::StatusCode::OUT_OF_RANGE, "these events are no longer kept",
          "EVENTS_EXPIRED", {{"oldest", absl::StrCat(expired_ + 1)}}));
    }
  }
  ++watches_;
  while (true) {
    std::vector<v1::ModelEvent> fresh;
    {
      MutexLock lock(mutex_);
      while (last_sequence_ <= after_sequence && !stopped_ &&
             epoch == watch_epoch_ && !context->IsCancelled()) {
        // A call that was cancelled wakes nobody.
        changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() +
                                       std::chrono::milliseconds(20));
      }
      // What has happened is told even by a watch that breaks.
      if (last_sequence_ <= after_sequence) {
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken");
      }
      for (const v1::ModelEvent& event : events_) {
        if (event.sequence() > after_sequence) {
          fresh.push_back(event);
        }
      }
      after_sequence = last_sequence_;
    }
    for (v1::ModelEvent& event : fresh) {
      const auto& models = request->models();
      if (models.empty() || std::find(models.begin(), models.end(),
                                      event.model()) != models.end()) {
        v1::WatchModelsResponse response;
        *response.mutable_event() = std::move(event);
        writer->Write(response);
      }
    }
  }
}

}  // namespace resnetd::test
