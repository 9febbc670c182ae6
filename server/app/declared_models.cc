#include "server/app/declared_models.h"

// Compiled into this file, without exceptions: nothing to link, nothing thrown.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/model_precisions.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/base/suggest.h"

namespace resnetd {
namespace {

absl::Status Invalid(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid, text);
}

// A table of the file, whose members are asked for by name.
class Members {
 public:
  // `title`: what the errors call the file.
  Members(const toml::table& table, const std::string& title)
      : table_(table), title_(title) {}

  absl::Status Fail(const toml::node& where, absl::string_view text) const {
    return Invalid(
        absl::StrCat(title_, ", line ", where.source().begin.line, ": ", text));
  }
  absl::Status Fail(absl::string_view text) const { return Fail(table_, text); }

  // Everything that is in the table must be among `known`.
  absl::Status CheckKeys(const std::vector<std::string>& known) const {
    for (const auto& [key, value] : table_) {
      const std::string name(key.str());
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        return Fail(value, absl::StrCat("unknown key ", Quoted(name),
                                        DidYouMean(name, known)));
      }
    }
    return absl::OkStatus();
  }

  // Empty when there is none; an empty text is an error.
  absl::StatusOr<std::string> Text(std::string_view key) const {
    const toml::node* const node = table_.get(key);
    if (node == nullptr) {
      return std::string();
    }
    const std::optional<std::string> text = node->value_exact<std::string>();
    if (!text || text->empty() || text->find('\0') != std::string::npos) {
      return Fail(*node, absl::StrCat(std::string(key),
                                      " must be a text that is not empty"));
    }
    return *text;
  }

  absl::Status Number(std::string_view key, int& value) const {
    const toml::node* const node = table_.get(key);
    if (node == nullptr) {
      return absl::OkStatus();
    }
    const std::optional<std::int64_t> number =
        node->value_exact<std::int64_t>();
    if (!number || *number < 0 || *number > std::numeric_limits<int>::max()) {
      return Fail(*node,
                  absl::StrCat(std::string(key), " must be a whole number"));
    }
    value = static_cast<int>(*number);
    return absl::OkStatus();
  }

  absl::Status Three(std::string_view key, std::array<float, 3>& values) const {
    const toml::node* const node = table_.get(key);
    if (node == nullptr) {
      return absl::OkStatus();
    }
    const toml::array* const array = node->as_array();
    absl::Status wrong =
        Fail(*node, absl::StrCat(std::string(key), " must be three numbers"));
    if (array == nullptr || array->size() != values.size()) {
      return wrong;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      // Whole numbers too.
      const std::optional<double> value = array->get(i)->is_number()
                                              ? array->get(i)->value<double>()
                                              : std::nullopt;
      if (!value) {
        return wrong;
      }
      values.at(i) = static_cast<float>(*value);
    }
    return absl::OkStatus();
  }

 private:
  const toml::table& table_;
  const std::string& title_;
};

std::string Under(const std::string& folder, const std::string& path) {
  return path.empty()
             ? ""
             : (std::filesystem::path(folder) / path).lexically_normal();
}

absl::StatusOr<PreprocessSpec> ReadPreprocess(const toml::node& node,
                                              const std::string& title) {
  const toml::table* const table = node.as_table();
  if (table == nullptr) {
    return Invalid(absl::StrCat(title, ", line ", node.source().begin.line,
                                ": preprocess must be a table"));
  }
  const Members members(*table, title);
  PreprocessSpec spec;
  RETURN_IF_ERROR(members.CheckKeys({"resize", "crop", "mean", "std"}));
  RETURN_IF_ERROR(members.Number("resize", spec.resize));
  RETURN_IF_ERROR(members.Number("crop", spec.crop));
  RETURN_IF_ERROR(members.Three("mean", spec.mean));
  RETURN_IF_ERROR(members.Three("std", spec.std));
  if (const absl::Status valid = Validate(spec); !valid.ok()) {
    return members.Fail(
        absl::StrCat("preprocess: ", std::string(valid.message())));
  }
  return spec;
}

// What only a file has makes no sense for a version that the store has.
absl::Status CheckSource(const DeclaredModel& model, const Members& members) {
  if (!model.sha256.empty() && !IsSha256Hex(model.sha256)) {
    return members.Fail("sha256 must be 64 lower-case hex digits");
  }
  if (!model.file.empty()) {
    return absl::OkStatus();
  }
  if (model.sha256.empty()) {
    return members.Fail("needs file, or sha256 of weights that the store has");
  }
  if (!model.labels_file.empty() || !model.architecture.empty() ||
      !model.description.empty() || model.preprocess) {
    return members.Fail(
        "labels, architecture, description and preprocess need file: a version "
        "that the store has keeps its own");
  }
  return absl::OkStatus();
}

absl::StatusOr<DeclaredModel> ReadModel(const toml::table& table,
                                        const std::string& folder,
                                        const std::string& title) {
  const Members members(table, title);
  RETURN_IF_ERROR(members.CheckKeys({"name", "file", "sha256", "labels",
                                     "alias", "architecture", "description",
                                     "preprocess", "precision"}));
  ASSIGN_OR_RETURN(const std::string name_text, members.Text("name"));
  if (name_text.empty()) {
    return members.Fail("needs name");
  }
  absl::StatusOr<ModelName> name = ModelName::Parse(name_text);
  if (!name.ok()) {
    return members.Fail(
        absl::StrCat("name: ", std::string(name.status().message())));
  }
  DeclaredModel model(*std::move(name));
  model.origin = absl::StrCat(title, ", model ", Quoted(model.name.text()));
  ASSIGN_OR_RETURN(const std::string file, members.Text("file"));
  model.file = Under(folder, file);
  ASSIGN_OR_RETURN(const std::string labels, members.Text("labels"));
  model.labels_file = Under(folder, labels);
  ASSIGN_OR_RETURN(model.sha256, members.Text("sha256"));
  ASSIGN_OR_RETURN(model.architecture, members.Text("architecture"));
  ASSIGN_OR_RETURN(model.description, members.Text("description"));
  ASSIGN_OR_RETURN(const std::string alias, members.Text("alias"));
  if (!alias.empty()) {
    model.alias = alias;
  }
  ASSIGN_OR_RETURN(model.precision, members.Text("precision"));
  if (!model.precision.empty() && !IsPrecisionName(model.precision)) {
    return members.Fail(absl::StrCat("precision is ",
                                     Quoted(model.precision, 32),
                                     ", not fp32, bf16, int8 or auto"));
  }
  if (const toml::node* const node = table.get("preprocess")) {
    ASSIGN_OR_RETURN(model.preprocess, ReadPreprocess(*node, title));
  }
  RETURN_IF_ERROR(CheckSource(model, members));
  return model;
}

}  // namespace

absl::StatusOr<std::vector<DeclaredModel>> ParseModelsFile(
    absl::string_view text, const std::string& folder,
    const std::string& title) {
  if (text.size() > kMaxModelsFileBytes) {
    return Invalid(absl::StrCat(title, " has ", text.size(), " bytes, over ",
                                kMaxModelsFileBytes));
  }
  const toml::parse_result parsed =
      toml::parse(std::string_view(text.data(), text.size()));
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Invalid(
        absl::StrCat(title, ", line ", error.source().begin.line,
                     ": no TOML: ", std::string(error.description())));
  }
  const toml::table& root = parsed.table();
  const Members members(root, title);
  RETURN_IF_ERROR(members.CheckKeys({"model"}));
  std::vector<DeclaredModel> models;
  const toml::node* const node = root.get("model");
  if (node == nullptr) {
    return models;
  }
  const toml::array* const tables = node->as_array();
  if (tables == nullptr) {
    return members.Fail(*node, "each model is a [[model]], in two brackets");
  }
  if (tables->size() > kMaxDeclaredModels) {
    return members.Fail(absl::StrCat("has ", tables->size(), " models, over ",
                                     kMaxDeclaredModels));
  }
  for (const toml::node& element : *tables) {
    const toml::table* const table = element.as_table();
    if (table == nullptr) {
      return members.Fail(element, "each model is a [[model]]");
    }
    ASSIGN_OR_RETURN(DeclaredModel model, ReadModel(*table, folder, title));
    models.push_back(std::move(model));
  }
  return models;
}

absl::Status CheckDistinct(absl::Span<const DeclaredModel> models) {
  std::set<std::pair<std::string, std::string>> seen;
  for (const DeclaredModel& model : models) {
    if (!seen.emplace(model.name.text(), model.alias).second) {
      return Invalid(absl::StrCat(
          model.origin, ": the alias ", Quoted(model.alias), " of the model ",
          Quoted(model.name.text()),
          " is declared twice; give one another name, or another alias"));
    }
  }
  return absl::OkStatus();
}

}  // namespace resnetd
