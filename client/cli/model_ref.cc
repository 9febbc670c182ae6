#include "client/cli/model_ref.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/ids.h"
#include "server/base/quote.h"

namespace resnetd::cli {
namespace {

bool IsNumber(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

std::string CheckName(absl::string_view text) {
  if (ModelName::Parse(text).ok()) {
    return "";
  }
  return absl::StrCat(Quoted(text),
                      " is not a name: 1 to 64 of a-z 0-9 . _ - with a letter "
                      "or digit at both ends and no \"..\"");
}

std::string TakeVersion(absl::string_view text, ModelRef& ref) {
  std::int64_t version = 0;
  if (!IsNumber(text) || !absl::SimpleAtoi(text, &version) || version < 1) {
    return absl::StrCat(Quoted(text), " is not a version: a number from 1 on");
  }
  ref.version = version;
  return "";
}

std::string TakeAlias(absl::string_view text, ModelRef& ref) {
  ref.alias = std::string(text);
  return ParseAliasName(ref.alias);
}

}  // namespace

std::string ModelRef::Resource() const {
  return absl::StrCat("models/", model);
}

std::string ParseAliasName(const std::string& text) {
  if (IsNumber(text)) {
    return absl::StrCat(Quoted(text),
                        " is not an alias: a number names a version");
  }
  return CheckName(text);
}

std::string ParseModelRef(const std::string& text, ModelRef& ref) {
  ref = {};
  const absl::string_view name = absl::StripPrefix(text, "models/");
  const std::vector<std::string> at = absl::StrSplit(name, '@');
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  ref.model = at.size() == 2 ? at[0] : parts[0];
  std::string problem = CheckName(ref.model);
  if (!problem.empty()) {
    return problem;
  }
  if (at.size() == 2) {
    return IsNumber(at[1]) ? TakeVersion(at[1], ref) : TakeAlias(at[1], ref);
  }
  if (parts.size() == 1) {
    return "";
  }
  if (parts.size() == 3 && parts[1] == "versions") {
    return TakeVersion(parts[2], ref);
  }
  if (parts.size() == 3 && parts[1] == "aliases") {
    return TakeAlias(parts[2], ref);
  }
  return absl::StrCat(Quoted(text),
                      " names no model: write NAME, NAME@N, NAME@ALIAS or "
                      "models/NAME/versions/N");
}

std::string ParseVersionRef(const std::string& text, ModelRef& ref) {
  std::string problem = ParseModelRef(text, ref);
  if (problem.empty() && !ref.version && ref.alias.empty()) {
    problem = absl::StrCat(Quoted(text), " names no version: write ", ref.model,
                           "@N; `resnetctl models versions ", ref.model,
                           "` lists them");
  }
  return problem;
}

std::string ParseModelOnly(const std::string& text, ModelRef& ref) {
  std::string problem = ParseModelRef(text, ref);
  if (problem.empty() && (ref.version || !ref.alias.empty())) {
    problem = absl::StrCat(Quoted(text), " names more than a model: write ",
                           ref.model);
  }
  return problem;
}

std::string ParseAliasRef(const std::string& text, ModelRef& ref) {
  std::string problem = ParseModelRef(text, ref);
  if (problem.empty() && ref.alias.empty()) {
    problem = absl::StrCat(Quoted(text), " names no alias: write ", ref.model,
                           "@ALIAS");
  }
  return problem;
}

std::string ResourceOf(const ModelRef& ref) {
  return ref.version ? absl::StrCat(ref.Resource(), "/versions/", *ref.version)
         : ref.alias.empty()
             ? ref.Resource()
             : absl::StrCat(ref.Resource(), "/aliases/", ref.alias);
}

std::string ShortName(absl::string_view resource) {
  ModelRef ref;
  if (!ParseModelRef(std::string(resource), ref).empty()) {
    return std::string(resource);
  }
  return ref.version          ? absl::StrCat(ref.model, "@", *ref.version)
         : !ref.alias.empty() ? absl::StrCat(ref.model, "@", ref.alias)
                              : ref.model;
}

std::string ModelPart(absl::string_view resource) {
  ModelRef ref;
  return ParseModelRef(std::string(resource), ref).empty() ? ref.model : "";
}

}  // namespace resnetd::cli
