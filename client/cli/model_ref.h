#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace resnetd::cli {

// How people name a model, one of its versions, or an alias of it.
struct ModelRef {
  // "resnet50".
  std::string model;
  std::optional<std::int64_t> version;
  // "stable"; empty: none named. At most one of version and alias is set.
  std::string alias;

  // "models/resnet50".
  std::string Resource() const;
};

// Reads NAME, NAME@N, NAME@ALIAS, NAME/versions/N and NAME/aliases/ALIAS, each
// also with models/ in front. Returns what is wrong with the text, or nothing.
std::string ParseModelRef(const std::string& text, ModelRef& ref);
// The same where a version or an alias must be named.
std::string ParseVersionRef(const std::string& text, ModelRef& ref);
// The same where only the model may be named.
std::string ParseModelOnly(const std::string& text, ModelRef& ref);
// The same where an alias must be named.
std::string ParseAliasRef(const std::string& text, ModelRef& ref);

// ALIAS alone: as a model's name, but not a number.
std::string ParseAliasName(const std::string& text);

// Everything of `ref` as a resource: "models/resnet50/versions/2".
std::string ResourceOf(const ModelRef& ref);

// "resnet50@2" of "models/resnet50/versions/2", "resnet50" of
// "models/resnet50"; anything else as it is.
std::string ShortName(absl::string_view resource);

// "resnet50" of "models/resnet50/versions/2"; empty when it is no such name.
std::string ModelPart(absl::string_view resource);

}  // namespace resnetd::cli
