#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/quote.h"

namespace resnetd {

// JSON objects of plain structs, both ways from one list of members. For a
// struct S there is
//   template <typename Fields, typename AnyS>
//   void ListFields(Fields& fields, AnyS& s) { fields("name", s.name); ... }
// and for an enumeration E
//   const std::vector<std::pair<E, absl::string_view>>& NamesOf(E);
// Members may be bool, int, int64, double, enumerations, structs, vectors and
// optionals of them. An absent optional is an absent member.

// {member, what is wrong with it}.
using FieldViolations = std::vector<std::pair<std::string, std::string>>;

namespace json_fields {

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

}  // namespace json_fields

// Makes an object of the members that it is called with. Not thread-safe.
class JsonWriter {
 public:
  template <typename T>
  void operator()(absl::string_view name, const T& value) {
    if constexpr (json_fields::IsOptional<T>::value) {
      if (value) {
        object_[std::string(name)] = Write(*value);
      }
    } else {
      object_[std::string(name)] = Write(value);
    }
  }

  template <typename T>
  static nlohmann::json Write(const T& value) {
    if constexpr (json_fields::IsVector<T>::value) {
      nlohmann::json array = nlohmann::json::array();
      for (const auto& element : value) {
        array.push_back(Write<typename T::value_type>(element));
      }
      return array;
    } else if constexpr (std::is_enum_v<T>) {
      for (const auto& [known, name] : NamesOf(value)) {
        if (known == value) {
          return std::string(name);
        }
      }
      return nullptr;
    } else if constexpr (std::is_class_v<T>) {
      JsonWriter writer;
      ListFields(writer, value);
      return std::move(writer.object_);
    } else {
      return value;
    }
  }

 private:
  nlohmann::json object_ = nlohmann::json::object();
};

// Reads the members that it is called with, strictly: a member that is missing,
// unknown or of another type is a violation. Not thread-safe.
class JsonReader {
 public:
  // A value of type T at `path`, "" for the outermost; what is wrong is added
  // to `violations`.
  template <typename T>
  static T Read(const nlohmann::json& json, const std::string& path,
                FieldViolations& violations);

  template <typename T>
  void operator()(absl::string_view name, T& value) {
    known_.emplace_back(name);
    const std::string path =
        path_.empty() ? std::string(name) : absl::StrCat(path_, ".", name);
    const auto found = object_.find(known_.back());
    if constexpr (json_fields::IsOptional<T>::value) {
      if (found != object_.end()) {
        value = Read<typename T::value_type>(*found, path, violations_);
      }
    } else if (found == object_.end()) {
      violations_.emplace_back(path, "is missing");
    } else {
      value = Read<T>(*found, path, violations_);
    }
  }

 private:
  JsonReader(const nlohmann::json& object, std::string path,
             FieldViolations& violations)
      : object_(object), path_(std::move(path)), violations_(violations) {}

  void RefuseUnknown() const {
    for (const auto& [name, unused] : object_.items()) {
      bool is_known = false;
      for (const std::string& known : known_) {
        is_known = is_known || known == name;
      }
      if (!is_known) {
        violations_.emplace_back(path_.empty()
                                     ? Quoted(name)
                                     : absl::StrCat(path_, ".", Quoted(name)),
                                 "is no known member");
      }
    }
  }

  template <typename T>
  static T ReadVector(const nlohmann::json& json, const std::string& path,
                      FieldViolations& violations);
  template <typename T>
  static T ReadEnum(const nlohmann::json& json, const std::string& path,
                    FieldViolations& violations);
  template <typename T>
  static T ReadStruct(const nlohmann::json& json, const std::string& path,
                      FieldViolations& violations);
  template <typename T>
  static T ReadNumber(const nlohmann::json& json, const std::string& path,
                      FieldViolations& violations);

  const nlohmann::json& object_;
  std::string path_;
  FieldViolations& violations_;
  std::vector<std::string> known_;
};

template <typename T>
T JsonReader::ReadVector(const nlohmann::json& json, const std::string& path,
                         FieldViolations& violations) {
  T values;
  if (!json.is_array()) {
    violations.emplace_back(path, "must be an array");
    return values;
  }
  for (std::size_t i = 0; i < json.size(); ++i) {
    values.push_back(Read<typename T::value_type>(
        json[i], absl::StrCat(path, "[", i, "]"), violations));
  }
  return values;
}

template <typename T>
T JsonReader::ReadEnum(const nlohmann::json& json, const std::string& path,
                       FieldViolations& violations) {
  std::string all;
  for (const auto& [value, name] : NamesOf(T{})) {
    if (json.is_string() && json.get_ref<const std::string&>() == name) {
      return value;
    }
    absl::StrAppend(&all, all.empty() ? "" : ", ", name);
  }
  violations.emplace_back(path, absl::StrCat("must be one of ", all));
  return T{};
}

template <typename T>
T JsonReader::ReadStruct(const nlohmann::json& json, const std::string& path,
                         FieldViolations& violations) {
  T value;
  if (!json.is_object()) {
    violations.emplace_back(path, "must be an object");
    return value;
  }
  JsonReader reader(json, path, violations);
  ListFields(reader, value);
  reader.RefuseUnknown();
  return value;
}

template <typename T>
T JsonReader::ReadNumber(const nlohmann::json& json, const std::string& path,
                         FieldViolations& violations) {
  if constexpr (std::is_same_v<T, bool>) {
    if (json.is_boolean()) {
      return json.get<bool>();
    }
    violations.emplace_back(path, "must be true or false");
  } else if constexpr (std::is_floating_point_v<T>) {
    if (json.is_number()) {
      return json.get<T>();
    }
    violations.emplace_back(path, "must be a number");
  } else {
    using Limits = std::numeric_limits<T>;
    const bool is_huge =
        json.is_number_unsigned() &&
        json.get<std::uint64_t>() > static_cast<std::uint64_t>(Limits::max());
    if (json.is_number_integer() && !is_huge &&
        json.get<std::int64_t>() >= Limits::min() &&
        json.get<std::int64_t>() <= Limits::max()) {
      return json.get<T>();
    }
    violations.emplace_back(path, "must be an integer");
  }
  return T{};
}

template <typename T>
T JsonReader::Read(const nlohmann::json& json, const std::string& path,
                   FieldViolations& violations) {
  if constexpr (json_fields::IsVector<T>::value) {
    return ReadVector<T>(json, path, violations);
  } else if constexpr (std::is_enum_v<T>) {
    return ReadEnum<T>(json, path, violations);
  } else if constexpr (std::is_class_v<T>) {
    return ReadStruct<T>(json, path, violations);
  } else {
    return ReadNumber<T>(json, path, violations);
  }
}

}  // namespace resnetd
