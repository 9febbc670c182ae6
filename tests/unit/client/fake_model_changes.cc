// The methods of FakeModels that change something.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "tests/unit/client/fake_models.h"

namespace resnetd::test {
namespace {

constexpr std::size_t kMaxChunkBytes = 1 << 20;

grpc::Status Error(
    grpc::StatusCode code, const std::string& message,
    const std::string& reason,
    const std::vector<std::pair<std::string, std::string>>& metadata = {},
    const std::string& resource = "") {
  return ToGrpc(RichError(code, message, reason, metadata, resource));
}

// "digits" and "stable" of "models/digits/aliases/stable".
std::pair<std::string, std::string> AliasParts(const std::string& name) {
  const absl::string_view rest = absl::StripPrefix(name, "models/");
  const std::size_t slash = rest.find("/aliases/");
  if (slash == absl::string_view::npos) {
    return {};
  }
  return {std::string(rest.substr(0, slash)),
          std::string(rest.substr(slash + 9))};
}

std::string ModelOfVersion(const std::string& name) {
  const absl::string_view rest = absl::StripPrefix(name, "models/");
  return std::string(rest.substr(0, rest.find('/')));
}

grpc::Status AliasNotFound(const std::string& name) {
  return Error(grpc::StatusCode::NOT_FOUND,
               absl::StrCat("there is no \"", name, "\""), "ALIAS_NOT_FOUND");
}

grpc::Status VersionNotFound(const std::string& name) {
  return Error(grpc::StatusCode::NOT_FOUND,
               absl::StrCat("there is no \"", name, "\""), "VERSION_NOT_FOUND",
               {}, name);
}

// Classes of what FakeWeights() made; 0: it did not.
int ClassesOf(absl::string_view bytes) {
  int classes = 0;
  if (!absl::ConsumePrefix(&bytes, "classes=") ||
      !absl::SimpleAtoi(bytes.substr(0, bytes.find(' ')), &classes)) {
    return 0;
  }
  return classes;
}

}  // namespace

template <typename Request, typename Response>
grpc::Status FakeModels::Once(grpc::ServerContext& context,
                              const std::string& method, const Request& request,
                              Response& response,
                              const std::function<grpc::Status()>& change) {
  if (const grpc::Status status = Begin(context, method); !status.ok()) {
    return status;
  }
  const std::string asked = absl::StrCat(method, request.SerializeAsString());
  {
    MutexLock lock(mutex_);
    request_ids_.push_back(request.request_id());
    const auto found = done_.find(request.request_id());
    if (!request.request_id().empty() && found != done_.end()) {
      if (found->second.first != asked) {
        return Error(grpc::StatusCode::ALREADY_EXISTS,
                     "the request_id was used for another request",
                     "REQUEST_ID_CONFLICT");
      }
      response.ParseFromString(found->second.second);
      return grpc::Status::OK;
    }
    const grpc::Status status = change();
    if (!status.ok()) {
      return status;
    }
    done_[request.request_id()] = {asked, response.SerializeAsString()};
  }
  return after ? after(method) : grpc::Status::OK;
}

grpc::Status FakeModels::ImportVersion(
    grpc::ServerContext* context,
    grpc::ServerReader<v1::ImportVersionRequest>* reader,
    v1::ImportVersionResponse* response) {
  v1::ImportVersionRequest message;
  if (!reader->Read(&message) || !message.has_header()) {
    return Error(grpc::StatusCode::INVALID_ARGUMENT,
                 "the first message has no header", "REQUEST_INVALID");
  }
  const v1::ImportVersionHeader header = message.header();
  std::string bytes;
  while (reader->Read(&message)) {
    if (message.chunk().empty() || message.chunk().size() > kMaxChunkBytes) {
      return Error(grpc::StatusCode::INVALID_ARGUMENT,
                   "a chunk has 1 byte to 1 MiB", "REQUEST_INVALID");
    }
    bytes += message.chunk();
  }
  return Once(*context, "ImportVersion", header, *response,
              [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
                return Import(header, bytes, *response);
              });
}

grpc::Status FakeModels::Import(const v1::ImportVersionHeader& header,
                                const std::string& bytes,
                                v1::ImportVersionResponse& response) {
  if (static_cast<std::int64_t>(bytes.size()) != header.size_bytes() ||
      DigestOf(bytes) != header.sha256()) {
    return Error(grpc::StatusCode::INVALID_ARGUMENT,
                 "the bytes do not have the digest announced",
                 "DIGEST_MISMATCH",
                 {{"expected", header.sha256()}, {"actual", DigestOf(bytes)}});
  }
  const bool pth = absl::StartsWith(bytes, "pth:");
  const int classes = ClassesOf(pth ? bytes.substr(4) : bytes);
  if (classes == 0) {
    return Error(grpc::StatusCode::INVALID_ARGUMENT,
                 "the weights do not fit resnet50:\n  missing: fc.weight\n"
                 "  unknown: head.weight",
                 "WEIGHTS_MISMATCH");
  }
  if (header.labels_size() != 0 && header.labels_size() != classes) {
    return Error(grpc::StatusCode::INVALID_ARGUMENT,
                 absl::StrCat("has ", header.labels_size(),
                              " labels, the model has ", classes, " classes"),
                 "MODEL_INVALID");
  }
  v1::Version version;
  version.set_architecture(
      header.architecture().empty() ? "resnet50" : header.architecture());
  version.set_num_classes(classes);
  *version.mutable_labels() = header.labels();
  for (int i = version.labels_size(); i < classes; ++i) {
    version.add_labels(absl::StrCat(i));
  }
  if (header.has_preprocess()) {
    *version.mutable_preprocess() = header.preprocess();
  } else {
    version.mutable_preprocess()->set_resize(256);
    version.mutable_preprocess()->set_crop(224);
  }
  version.set_parameters(25'557'032);
  version.set_description(header.description());
  version.set_temperature(header.temperature());
  version.set_parent_version(header.parent_version());
  version.set_source_sha256(header.sha256());
  version.set_source_format(pth ? "pth" : "safetensors");
  version.set_residency(v1::RESIDENCY_UNLOADED);
  const std::string model =
      std::string(absl::StripPrefix(header.model(), "models/"));
  if (header.validate_only()) {
    version.set_weights_sha256(header.sha256());
    version.set_weights_bytes(header.size_bytes());
    *response.mutable_version() = version;
    return grpc::Status::OK;
  }
  const auto there = models_.find(model);
  if (there != models_.end()) {
    for (const auto& [number, old] : there->second.versions) {
      if (old.source_sha256() == header.sha256() &&
          absl::StrJoin(old.labels(), "\n") ==
              absl::StrJoin(version.labels(), "\n") &&
          old.state() == v1::VERSION_STATE_COMMITTED) {
        *response.mutable_version() = Shown(there->second, old);
        return grpc::Status::OK;
      }
    }
  }
  const std::int64_t number = Publish(model, version, bytes);
  *response.mutable_version() =
      Shown(models_[model], models_[model].versions[number]);
  response.set_created(true);
  return grpc::Status::OK;
}

grpc::Status FakeModels::DeleteVersion(grpc::ServerContext* context,
                                       const v1::DeleteVersionRequest* request,
                                       v1::DeleteVersionResponse* response) {
  return Once(
      *context, "DeleteVersion", *request, *response,
      [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> grpc::Status {
        v1::Version* version = Find(request->name());
        if (version == nullptr) {
          return VersionNotFound(request->name());
        }
        if (!request->etag().empty() && request->etag() != version->etag()) {
          return Error(grpc::StatusCode::ABORTED, "it was changed meanwhile",
                       "ETAG_MISMATCH", {{"etag", version->etag()}});
        }
        const std::string model = ModelOfVersion(request->name());
        const v1::Version shown = Shown(models_[model], *version);
        if (shown.aliases_size() > 0) {
          return Error(grpc::StatusCode::FAILED_PRECONDITION,
                       absl::StrCat("version ", version->version(),
                                    " is in use: aliases name it"),
                       "VERSION_IN_USE",
                       {{"aliases", absl::StrJoin(shown.aliases(), ",")}},
                       request->name());
        }
        *response->mutable_version() = shown;
        response->mutable_version()->set_state(v1::VERSION_STATE_RETIRED);
        if (!request->validate_only()) {
          version->set_state(v1::VERSION_STATE_RETIRED);
          version->set_etag("s3");
          v1::ModelEvent event;
          event.set_model(absl::StrCat("models/", model));
          event.set_kind(v1::MODEL_EVENT_KIND_VERSION_DELETED);
          event.set_version(version->version());
          AddEvent(event);
        }
        return grpc::Status::OK;
      });
}

grpc::Status FakeModels::LoadVersion(grpc::ServerContext* context,
                                     const v1::LoadVersionRequest* request,
                                     v1::LoadVersionResponse* response) {
  if (const grpc::Status status = Begin(*context, "LoadVersion");
      !status.ok()) {
    return status;
  }
  MutexLock lock(mutex_);
  v1::Version* version = Find(request->name());
  if (version == nullptr) {
    return VersionNotFound(request->name());
  }
  version->set_residency(v1::RESIDENCY_READY);
  version->set_backend("engine");
  version->set_precision("fp32");
  version->set_resident_bytes(120 << 20);
  version->mutable_load_time()->set_nanos(250'000'000);
  *response->mutable_version() =
      Shown(models_[ModelOfVersion(request->name())], *version);
  return grpc::Status::OK;
}

grpc::Status FakeModels::UnloadVersion(grpc::ServerContext* context,
                                       const v1::UnloadVersionRequest* request,
                                       v1::UnloadVersionResponse* response) {
  if (const grpc::Status status = Begin(*context, "UnloadVersion");
      !status.ok()) {
    return status;
  }
  MutexLock lock(mutex_);
  v1::Version* version = Find(request->name());
  if (version == nullptr) {
    return VersionNotFound(request->name());
  }
  const v1::Version shown =
      Shown(models_[ModelOfVersion(request->name())], *version);
  if (shown.aliases_size() > 0) {
    return Error(grpc::StatusCode::FAILED_PRECONDITION,
                 "an alias names the version", "VERSION_IN_USE",
                 {{"aliases", absl::StrJoin(shown.aliases(), ",")}},
                 request->name());
  }
  version->set_residency(v1::RESIDENCY_UNLOADED);
  *response->mutable_version() = *version;
  return grpc::Status::OK;
}

grpc::Status FakeModels::WarmUpVersion(grpc::ServerContext* context,
                                       const v1::WarmUpVersionRequest* request,
                                       v1::WarmUpVersionResponse* response) {
  if (const grpc::Status status = Begin(*context, "WarmUpVersion");
      !status.ok()) {
    return status;
  }
  MutexLock lock(mutex_);
  const v1::Version* version = Find(request->name());
  if (version == nullptr) {
    return VersionNotFound(request->name());
  }
  if (version->residency() != v1::RESIDENCY_READY) {
    return Error(grpc::StatusCode::FAILED_PRECONDITION,
                 "the version is not loaded", "VERSION_NOT_READY", {},
                 request->name());
  }
  *response->mutable_version() = *version;
  response->set_batches(4);
  response->mutable_duration()->set_nanos(80'000'000);
  return grpc::Status::OK;
}

grpc::Status FakeModels::MoveAlias(const Move& move, v1::Alias& response) {
  Kept& kept = models_[move.model];
  const std::string name =
      absl::StrCat("models/", move.model, "/aliases/", move.alias);
  const std::string version_name =
      absl::StrCat("models/", move.model, "/versions/", move.to);
  v1::Version* version = Find(version_name);
  if (version == nullptr) {
    return VersionNotFound(version_name);
  }
  const auto found = kept.aliases.find(move.alias);
  v1::Alias alias = found == kept.aliases.end() ? v1::Alias() : found->second;
  const std::int64_t current = alias.version();
  if (move.expected != 0 &&
      std::max<std::int64_t>(move.expected, 0) != current) {
    return Error(grpc::StatusCode::ABORTED,
                 absl::StrCat(move.alias, " of ", move.model,
                              " does not name version ", move.expected),
                 "ALIAS_MOVED",
                 {{"current", absl::StrCat(current)}, {"etag", alias.etag()}},
                 name);
  }
  if (!move.etag.empty() && move.etag != alias.etag()) {
    return Error(grpc::StatusCode::ABORTED, "it was changed meanwhile",
                 "ETAG_MISMATCH", {{"etag", alias.etag()}}, name);
  }
  alias.set_name(name);
  alias.set_previous_version(current);
  alias.set_version(move.to);
  alias.set_generation(alias.generation() + 1);
  alias.set_etag(absl::StrCat("g", alias.generation()));
  alias.mutable_update_time()->set_seconds(1'795'262'400);
  response = alias;
  if (move.validate_only) {
    return grpc::Status::OK;
  }
  kept.aliases[move.alias] = alias;
  version->set_residency(v1::RESIDENCY_READY);
  v1::ModelEvent event;
  event.set_model(absl::StrCat("models/", move.model));
  event.set_kind(move.kind);
  event.set_version(move.to);
  event.set_alias(move.alias);
  event.set_previous_version(current);
  event.set_generation(alias.generation());
  event.set_weights_sha256(version->weights_sha256());
  AddEvent(event);
  return grpc::Status::OK;
}

grpc::Status FakeModels::SetAlias(grpc::ServerContext* context,
                                  const v1::SetAliasRequest* request,
                                  v1::SetAliasResponse* response) {
  return Once(*context, "SetAlias", *request, *response,
              [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
                const auto [model, alias] = AliasParts(request->name());
                return MoveAlias({.model = model,
                                  .alias = alias,
                                  .to = request->version(),
                                  .expected = request->expected_version(),
                                  .etag = request->etag(),
                                  .validate_only = request->validate_only()},
                                 *response->mutable_alias());
              });
}

grpc::Status FakeModels::RollbackAlias(grpc::ServerContext* context,
                                       const v1::RollbackAliasRequest* request,
                                       v1::RollbackAliasResponse* response) {
  return Once(*context, "RollbackAlias", *request, *response,
              [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> grpc::Status {
                const auto [model, alias] = AliasParts(request->name());
                const auto found = models_[model].aliases.find(alias);
                if (found == models_[model].aliases.end()) {
                  return AliasNotFound(request->name());
                }
                if (found->second.previous_version() == 0) {
                  return Error(grpc::StatusCode::FAILED_PRECONDITION,
                               "the alias never named another version",
                               "NO_PREVIOUS_VERSION", {}, request->name());
                }
                return MoveAlias(
                    {.model = model,
                     .alias = alias,
                     .to = found->second.previous_version(),
                     .etag = request->etag(),
                     .validate_only = request->validate_only(),
                     .kind = v1::MODEL_EVENT_KIND_ALIAS_ROLLED_BACK},
                    *response->mutable_alias());
              });
}

grpc::Status FakeModels::DeleteAlias(grpc::ServerContext* context,
                                     const v1::DeleteAliasRequest* request,
                                     v1::DeleteAliasResponse* response) {
  return Once(*context, "DeleteAlias", *request, *response,
              [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> grpc::Status {
                const auto [model, alias] = AliasParts(request->name());
                auto& aliases = models_[model].aliases;
                const auto found = aliases.find(alias);
                if (found == aliases.end()) {
                  return AliasNotFound(request->name());
                }
                if (alias == "stable") {
                  return Error(grpc::StatusCode::FAILED_PRECONDITION,
                               "the model answers by this alias",
                               "VERSION_IN_USE", {{"aliases", "stable"}},
                               request->name());
                }
                v1::ModelEvent event;
                event.set_model(absl::StrCat("models/", model));
                event.set_kind(v1::MODEL_EVENT_KIND_ALIAS_DELETED);
                event.set_alias(alias);
                event.set_previous_version(found->second.version());
                aliases.erase(found);
                AddEvent(event);
                return grpc::Status::OK;
              });
}

grpc::Status FakeModels::PromoteVersion(
    grpc::ServerContext* context, const v1::PromoteVersionRequest* request,
    v1::PromoteVersionResponse* response) {
  return Once(
      *context, "PromoteVersion", *request, *response,
      [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> grpc::Status {
        const v1::Version* version = Find(request->name());
        if (version == nullptr) {
          return VersionNotFound(request->name());
        }
        const std::string model = ModelOfVersion(request->name());
        const std::string alias =
            request->alias().empty() ? "stable" : request->alias();
        Kept& kept = models_[model];
        const auto stable = kept.aliases.find(alias);
        if (stable != kept.aliases.end() && !request->allow_label_change()) {
          const v1::Version& now = kept.versions[stable->second.version()];
          if (absl::StrJoin(now.labels(), "\n") !=
              absl::StrJoin(version->labels(), "\n")) {
            return Error(
                grpc::StatusCode::FAILED_PRECONDITION,
                absl::StrCat("the labels of version ", version->version(),
                             " differ from those of version ", now.version()),
                "LABEL_CHANGE", {}, request->name());
          }
        }
        const grpc::Status moved =
            MoveAlias({.model = model,
                       .alias = alias,
                       .to = version->version(),
                       .expected = request->expected_version(),
                       .etag = request->etag(),
                       .validate_only = request->validate_only()},
                      *response->mutable_alias());
        if (moved.ok() && !request->validate_only()) {
          kept.aliases[alias].set_gate_override(request->gate_override());
          *response->mutable_alias() = kept.aliases[alias];
        }
        return moved;
      });
}

grpc::Status FakeModels::CalibrateVersion(
    grpc::ServerContext* context, const v1::CalibrateVersionRequest* request,
    v1::CalibrateVersionResponse* response) {
  return Once(*context, "CalibrateVersion", *request, *response,
              [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> grpc::Status {
                const v1::Version* version = Find(request->name());
                if (version == nullptr) {
                  return VersionNotFound(request->name());
                }
                *response->mutable_report() = Measured(
                    evaluation, request->name(), request->measurement());
                *response->mutable_version() = *version;
                if (request->validate_only()) {
                  return grpc::Status::OK;
                }
                v1::Version made = *version;
                made.set_temperature(evaluation.fitted_temperature());
                made.set_parent_version(version->version());
                const std::string model = ModelOfVersion(request->name());
                const std::int64_t number =
                    Publish(model, made, blobs_[version->weights_sha256()]);
                *response->mutable_version() =
                    models_[model].versions.at(number);
                response->set_created(true);
                return grpc::Status::OK;
              });
}

}  // namespace resnetd::test
