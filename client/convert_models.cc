#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/convert.h"

namespace resnetd::client {
namespace {

Residency FromProto(v1::Residency residency) {
  switch (residency) {
    case v1::RESIDENCY_UNLOADED:
      return Residency::kUnloaded;
    case v1::RESIDENCY_LOADING:
      return Residency::kLoading;
    case v1::RESIDENCY_WARMING:
      return Residency::kWarming;
    case v1::RESIDENCY_READY:
      return Residency::kReady;
    case v1::RESIDENCY_DRAINING:
      return Residency::kDraining;
    case v1::RESIDENCY_FAILED:
      return Residency::kFailed;
    default:  // A newer server may know more of them.
      return Residency::kUnknown;
  }
}

VersionState FromProto(v1::VersionState state) {
  switch (state) {
    case v1::VERSION_STATE_STAGED:
      return VersionState::kStaged;
    case v1::VERSION_STATE_COMMITTED:
      return VersionState::kCommitted;
    case v1::VERSION_STATE_RETIRED:
      return VersionState::kRetired;
    default:  // A newer server may know more of them.
      return VersionState::kUnknown;
  }
}

ModelEventKind FromProto(v1::ModelEventKind kind) {
  switch (kind) {
    case v1::MODEL_EVENT_KIND_VERSION_IMPORTED:
      return ModelEventKind::kVersionImported;
    case v1::MODEL_EVENT_KIND_VERSION_DELETED:
      return ModelEventKind::kVersionDeleted;
    case v1::MODEL_EVENT_KIND_ALIAS_SET:
      return ModelEventKind::kAliasSet;
    case v1::MODEL_EVENT_KIND_ALIAS_ROLLED_BACK:
      return ModelEventKind::kAliasRolledBack;
    case v1::MODEL_EVENT_KIND_ALIAS_DELETED:
      return ModelEventKind::kAliasDeleted;
    default:  // A newer server may know more of them.
      return ModelEventKind::kUnknown;
  }
}

}  // namespace

std::string ModelResource(absl::string_view name) {
  return absl::StartsWith(name, "models/") ? std::string(name)
                                           : absl::StrCat("models/", name);
}

Alias FromProto(const v1::Alias& alias) {
  return {.name = alias.name(),
          .version = alias.version(),
          .previous_version = alias.previous_version(),
          .generation = alias.generation(),
          .etag = alias.etag(),
          .update_time = FromProto(alias.update_time()),
          .gate_override = alias.gate_override()};
}

Model FromProto(const v1::Model& model) {
  Model out = {.name = model.name(),
               .serving_version = model.serving_version(),
               .residency = FromProto(model.residency()),
               .architecture = model.architecture(),
               .num_classes = model.num_classes(),
               .is_default = model.is_default(),
               .aliases = {}};
  for (const v1::Alias& alias : model.aliases()) {
    out.aliases.push_back(FromProto(alias));
  }
  return out;
}

Version FromProto(const v1::Version& version) {
  Version out;
  out.name = version.name();
  out.version = version.version();
  out.residency = FromProto(version.residency());
  out.failure = FromProto(version.failure());
  out.architecture = version.architecture();
  out.num_classes = version.num_classes();
  out.labels.assign(version.labels().begin(), version.labels().end());
  out.preprocess.resize = version.preprocess().resize();
  out.preprocess.crop = version.preprocess().crop();
  out.preprocess.mean.assign(version.preprocess().mean().begin(),
                             version.preprocess().mean().end());
  out.preprocess.std.assign(version.preprocess().std().begin(),
                            version.preprocess().std().end());
  out.precision = version.precision();
  out.precision_choice = version.precision_choice();
  out.backend = version.backend();
  out.weights_sha256 = version.weights_sha256();
  out.weights_bytes = version.weights_bytes();
  out.parameters = version.parameters();
  out.resident_bytes = version.resident_bytes();
  out.load_time = FromProto(version.load_time());
  out.description = version.description();
  for (const v1::Evaluation& evaluation : version.evaluations()) {
    out.evaluations.push_back({.dataset = evaluation.dataset(),
                               .examples = evaluation.examples(),
                               .accuracy = evaluation.accuracy()});
  }
  out.state = FromProto(version.state());
  if (version.has_create_time()) {
    out.create_time = FromProto(version.create_time());
  }
  out.etag = version.etag();
  out.aliases.assign(version.aliases().begin(), version.aliases().end());
  out.parent_version = version.parent_version();
  out.source_sha256 = version.source_sha256();
  out.source_format = version.source_format();
  out.manifest_sha256 = version.manifest_sha256();
  // An older server knows no temperatures.
  out.temperature = version.temperature() > 0 ? version.temperature() : 1;
  if (version.has_gate()) {
    out.gate.emplace().passed = version.gate().passed();
    for (const v1::FailedCriterion& criterion : version.gate().failed()) {
      out.gate->failed.push_back(
          {.name = criterion.name(), .text = criterion.text()});
    }
  }
  return out;
}

ModelEvent FromProto(const v1::ModelEvent& event) {
  return {.sequence = event.sequence(),
          .time = FromProto(event.time()),
          .model = event.model(),
          .kind = FromProto(event.kind()),
          .version = event.version(),
          .alias = event.alias(),
          .previous_version = event.previous_version(),
          .generation = event.generation(),
          .weights_sha256 = event.weights_sha256(),
          .gate_override = event.gate_override()};
}

v1::ImportVersionHeader ToProto(const ImportRequest& request) {
  v1::ImportVersionHeader out;
  out.set_model(ModelResource(request.model));
  out.set_sha256(request.sha256);
  out.set_size_bytes(request.size_bytes);
  for (const std::string& label : request.labels) {
    out.add_labels(label);
  }
  if (request.preprocess) {
    v1::Preprocess& preprocess = *out.mutable_preprocess();
    preprocess.set_resize(request.preprocess->resize);
    preprocess.set_crop(request.preprocess->crop);
    preprocess.mutable_mean()->Add(request.preprocess->mean.begin(),
                                   request.preprocess->mean.end());
    preprocess.mutable_std()->Add(request.preprocess->std.begin(),
                                  request.preprocess->std.end());
  }
  out.set_architecture(request.architecture);
  out.set_description(request.description);
  out.set_parent_version(request.parent_version);
  out.set_request_id(request.request_id);
  out.set_validate_only(request.validate_only);
  out.set_temperature(request.temperature);
  return out;
}

}  // namespace resnetd::client
