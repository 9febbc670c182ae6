#include "server/rpc/convert_version.h"

#include <string>

#include "server/models/model_registry.h"
#include "server/rpc/proto_time.h"
#include "server/rpc/status_codes.h"

namespace resnetd {
namespace {

// The protos number these as the domain does.
static_assert(static_cast<int>(Residency::kUnloaded) == v1::RESIDENCY_UNLOADED);
static_assert(static_cast<int>(Residency::kLoading) == v1::RESIDENCY_LOADING);
static_assert(static_cast<int>(Residency::kWarming) == v1::RESIDENCY_WARMING);
static_assert(static_cast<int>(Residency::kReady) == v1::RESIDENCY_READY);
static_assert(static_cast<int>(Residency::kDraining) == v1::RESIDENCY_DRAINING);
static_assert(static_cast<int>(Residency::kFailed) == v1::RESIDENCY_FAILED);
static_assert(static_cast<int>(VersionState::kStaged) ==
              v1::VERSION_STATE_STAGED);
static_assert(static_cast<int>(VersionState::kCommitted) ==
              v1::VERSION_STATE_COMMITTED);
static_assert(static_cast<int>(VersionState::kRetired) ==
              v1::VERSION_STATE_RETIRED);
static_assert(static_cast<int>(EventKind::kVersionImported) ==
              v1::MODEL_EVENT_KIND_VERSION_IMPORTED);
static_assert(static_cast<int>(EventKind::kVersionDeleted) ==
              v1::MODEL_EVENT_KIND_VERSION_DELETED);
static_assert(static_cast<int>(EventKind::kAliasSet) ==
              v1::MODEL_EVENT_KIND_ALIAS_SET);
static_assert(static_cast<int>(EventKind::kAliasRolledBack) ==
              v1::MODEL_EVENT_KIND_ALIAS_ROLLED_BACK);
static_assert(static_cast<int>(EventKind::kAliasDeleted) ==
              v1::MODEL_EVENT_KIND_ALIAS_DELETED);

void Fill(const PreprocessSpec& spec, v1::Preprocess& message) {
  message.set_resize(spec.resize);
  message.set_crop(spec.crop);
  message.mutable_mean()->Add(spec.mean.begin(), spec.mean.end());
  message.mutable_std()->Add(spec.std.begin(), spec.std.end());
}

// What its manifest says.
void Fill(const VersionFacts& facts, v1::Version& message) {
  message.set_architecture(facts.architecture.name);
  message.set_num_classes(facts.architecture.num_classes);
  Fill(facts.preprocess, *message.mutable_preprocess());
  message.set_parameters(facts.parameters);
  message.set_temperature(facts.temperature);
  if (facts.gate) {
    v1::VersionGate& gate = *message.mutable_gate();
    gate.set_passed(facts.gate->passed());
    for (const FailedCriterion& criterion : facts.gate->failed) {
      v1::FailedCriterion& failed = *gate.add_failed();
      failed.set_name(criterion.name);
      failed.set_text(criterion.text);
    }
  }
  message.set_description(facts.description);
  for (const Evaluation& evaluation : facts.evaluations) {
    v1::Evaluation& out = *message.add_evaluations();
    out.set_dataset(evaluation.dataset);
    out.set_examples(evaluation.examples);
    out.set_accuracy(evaluation.accuracy);
  }
}

// What the store says.
void Fill(const VersionRow& row, v1::Version& message) {
  // An upload that was only checked has no number, hence no name, no time and
  // nothing that could be compared.
  if (row.version.value > 0) {
    message.set_name(ResourceName(row.model, row.version));
    message.set_version(row.version.value);
    *message.mutable_create_time() = ToProto(row.created);
    message.set_etag(EtagOf(row));
  }
  message.set_weights_sha256(row.weights);
  message.set_weights_bytes(row.weights_bytes);
  message.set_state(static_cast<v1::VersionState>(row.state));
  message.set_parent_version(row.parent ? row.parent->value : 0);
  message.set_source_sha256(row.source);
  message.set_source_format(row.source_format);
  message.set_manifest_sha256(row.manifest);
}

}  // namespace

v1::Version ToProto(const VersionView& version, Labels labels) {
  v1::Version message;
  Fill(version.row, message);
  Fill(*version.facts, message);
  if (labels == Labels::kInclude) {
    message.mutable_labels()->Add(version.facts->labels.begin(),
                                  version.facts->labels.end());
  }
  message.mutable_aliases()->Add(version.aliases.begin(),
                                 version.aliases.end());
  message.set_residency(static_cast<v1::Residency>(version.residency));
  if (!version.failure.ok()) {
    *message.mutable_failure() = ToRpcStatus(version.failure, "");
  }
  message.set_precision(version.precision);
  message.set_precision_choice(version.precision_choice);
  message.set_backend(version.backend);
  message.set_resident_bytes(version.resident_bytes);
  if (version.load_time != Duration::zero()) {
    *message.mutable_load_time() = ToProto(version.load_time);
  }
  return message;
}

v1::Model ToProto(const ModelView& model) {
  v1::Model message;
  message.set_name(ResourceName(model.name));
  message.set_residency(v1::RESIDENCY_UNLOADED);
  if (model.serving) {
    const VersionView& serving = *model.serving;
    message.set_serving_version(serving.row.version.value);
    message.set_residency(static_cast<v1::Residency>(serving.residency));
    message.set_architecture(serving.facts->architecture.name);
    message.set_num_classes(serving.facts->architecture.num_classes);
  }
  message.set_is_default(model.is_default);
  for (const AliasRow& alias : model.aliases) {
    *message.add_aliases() = ToProto(alias);
  }
  return message;
}

v1::Alias ToProto(const AliasRow& alias) {
  v1::Alias message;
  message.set_name(AliasResourceName(alias.model, alias.alias));
  message.set_version(alias.version.value);
  message.set_previous_version(alias.previous ? alias.previous->value : 0);
  message.set_generation(alias.generation);
  message.set_etag(EtagOf(alias));
  *message.mutable_update_time() = ToProto(alias.updated);
  message.set_gate_override(alias.gate_override);
  return message;
}

v1::ModelEvent ToProto(const EventRow& event) {
  v1::ModelEvent message;
  message.set_sequence(event.sequence);
  *message.mutable_time() = ToProto(event.time);
  message.set_model(ResourceName(event.model));
  message.set_kind(static_cast<v1::ModelEventKind>(event.kind));
  message.set_version(event.version ? event.version->value : 0);
  message.set_alias(event.alias);
  message.set_previous_version(event.previous ? event.previous->value : 0);
  message.set_generation(event.generation);
  message.set_weights_sha256(event.weights);
  message.set_gate_override(event.gate_override);
  return message;
}

}  // namespace resnetd
