#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/quote.h"
#include "server/finetune/json_fields.h"

namespace resnetd {

// {member, what is wrong with it}.
using FieldViolations = std::vector<std::pair<std::string, std::string>>;

// Reads the members that it is called with, strictly: a member that is missing,
// unknown or of another type is a violation. Not thread-safe.
class JsonReader {
 public:
  // Reads over `value` what is at `path`, "" for the outermost. What is wrong
  // is added to `violations`; then the value is not to be used.
  template <typename T>
  static void Read(const nlohmann::json& json, const std::string& path,
                   FieldViolations& violations, T& value) {
    JsonReader(json, path, violations).ReadValue(value);
  }

  template <typename T>
  void operator()(absl::string_view name, T& value) {
    if (const nlohmann::json* member = Find(name)) {
      Read(*member, PathOf(name), violations_, value);
    } else if constexpr (!json_fields::IsOptional<T>::value) {
      violations_.emplace_back(PathOf(name), "is missing");
    }
  }

  // A member that may be missing: then the value is `absent`.
  template <typename T>
  void Added(absl::string_view name, T& value,
             const std::type_identity_t<T>& absent) {
    if (const nlohmann::json* member = Find(name)) {
      Read(*member, PathOf(name), violations_, value);
    } else {
      value = absent;
    }
  }

 private:
  JsonReader(const nlohmann::json& json, std::string path,
             FieldViolations& violations)
      : json_(json), path_(std::move(path)), violations_(violations) {}

  void Refuse(absl::string_view what) {
    violations_.emplace_back(path_, std::string(what));
  }
  std::string PathOf(absl::string_view name) const {
    return path_.empty() ? std::string(name) : absl::StrCat(path_, ".", name);
  }

  const nlohmann::json* Find(absl::string_view name) {
    known_.emplace_back(name);
    const auto found = json_.find(known_.back());
    return found == json_.end() ? nullptr : &*found;
  }

  void RefuseUnknown() {
    for (const auto& [name, unused] : json_.items()) {
      if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
        violations_.emplace_back(PathOf(Quoted(name)), "is no known member");
      }
    }
  }

  template <typename T>
  void ReadValue(T& value) {
    if constexpr (json_fields::IsOptional<T>::value) {
      typename T::value_type present = Blank<typename T::value_type>();
      ReadValue(present);
      value = std::move(present);
    } else if constexpr (json_fields::IsVector<T>::value) {
      ReadVector(value);
    } else if constexpr (std::is_enum_v<T>) {
      ReadEnum(value);
    } else if constexpr (std::is_same_v<T, bool>) {
      ReadBool(value);
    } else if constexpr (std::is_floating_point_v<T>) {
      ReadDouble(value);
    } else if constexpr (std::is_integral_v<T>) {
      ReadInteger(value);
    } else if constexpr (std::is_same_v<T, std::string>) {
      ReadString(value);
    } else {
      ReadClass(value);
    }
  }

  // Something to read into: a name has no value that is empty.
  template <typename T>
  static T Blank() {
    if constexpr (json_fields::IsName<T>::value) {
      return T::Parse("blank").value();
    } else {
      return T();
    }
  }

  template <typename T>
  void ReadVector(T& values) {
    if (!json_.is_array()) {
      Refuse("must be an array");
      return;
    }
    values.clear();
    for (std::size_t i = 0; i < json_.size(); ++i) {
      // Not a reference to an element: there is none of a vector of bool.
      typename T::value_type element = Blank<typename T::value_type>();
      Read(json_[i], absl::StrCat(path_, "[", i, "]"), violations_, element);
      values.push_back(std::move(element));
    }
  }

  template <typename T>
  void ReadEnum(T& value) {
    std::string all;
    if constexpr (json_fields::Numbered<T>) {
      for (const T known : NumbersOf(value)) {
        const int number = static_cast<int>(known);
        if (json_.is_number_integer() && json_ == number) {
          value = known;
          return;
        }
        absl::StrAppend(&all, all.empty() ? "" : ", ", number);
      }
    } else {
      for (const auto& [known, name] : NamesOf(value)) {
        if (json_.is_string() && json_.get_ref<const std::string&>() == name) {
          value = known;
          return;
        }
        absl::StrAppend(&all, all.empty() ? "" : ", ", name);
      }
    }
    Refuse(absl::StrCat("must be one of ", all));
  }

  void ReadBool(bool& value) {
    if (json_.is_boolean()) {
      value = json_.get<bool>();
    } else {
      Refuse("must be true or false");
    }
  }

  void ReadDouble(double& value) {
    using Limits = std::numeric_limits<double>;
    if (json_.is_number()) {
      value = json_.get<double>();
    } else if (json_ == "NaN") {
      value = Limits::quiet_NaN();
    } else if (json_ == "Infinity") {
      value = Limits::infinity();
    } else if (json_ == "-Infinity") {
      value = -Limits::infinity();
    } else {
      Refuse("must be a number");
    }
  }

  template <typename T>
  void ReadInteger(T& value) {
    // Both that the library holds may be positive.
    const bool fits = json_.is_number_unsigned()
                          ? std::in_range<T>(json_.get<std::uint64_t>())
                          : json_.is_number_integer() &&
                                std::in_range<T>(json_.get<std::int64_t>());
    if (fits) {
      value = json_.get<T>();
    } else {
      Refuse("must be an integer");
    }
  }

  void ReadString(std::string& value) {
    if (json_.is_string()) {
      value = json_.get<std::string>();
    } else {
      Refuse("must be a string");
    }
  }

  template <typename T>
  void ReadClass(T& value) {
    if constexpr (json_fields::IsName<T>::value) {
      std::string text;
      ReadString(text);
      if (absl::StatusOr<T> name = T::Parse(text); name.ok()) {
        value = *std::move(name);
      } else if (json_.is_string()) {
        Refuse("is no name");
      }
    } else if constexpr (json_fields::NumberId<T>) {
      ReadInteger(value.value);
    } else if constexpr (json_fields::IsDuration<T>::value) {
      typename T::rep count = value.count();
      ReadInteger(count);
      value = T(count);
    } else if constexpr (std::is_same_v<T, WallTime>) {
      std::int64_t microseconds = 0;
      ReadInteger(microseconds);
      value = WallTime(std::chrono::duration_cast<WallTime::duration>(
          std::chrono::microseconds(microseconds)));
    } else {
      ReadStruct(value);
    }
  }

  template <typename T>
  void ReadStruct(T& value) {
    if (!json_.is_object()) {
      Refuse("must be an object");
      return;
    }
    ListFields(*this, value);
    RefuseUnknown();
  }

  const nlohmann::json& json_;
  const std::string path_;
  FieldViolations& violations_;
  std::vector<std::string> known_;
};

}  // namespace resnetd
