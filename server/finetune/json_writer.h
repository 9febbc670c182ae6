#pragma once

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/finetune/json_fields.h"

namespace resnetd {

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

  // Not when it is what its absence means: the texts, and digests of them, of
  // those who do not use it stay what they were.
  template <typename T>
  void Added(absl::string_view name, const T& value,
             const std::type_identity_t<T>& absent) {
    nlohmann::json json = Write(value);
    if (json != Write(absent)) {
      object_[std::string(name)] = std::move(json);
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
      return WriteEnum(value);
    } else if constexpr (std::is_floating_point_v<T>) {
      return WriteDouble(value);
    } else if constexpr (std::is_arithmetic_v<T> ||
                         std::is_same_v<T, std::string>) {
      return value;
    } else {
      return WriteClass(value);
    }
  }

 private:
  template <typename T>
  static nlohmann::json WriteEnum(T value) {
    if constexpr (json_fields::Numbered<T>) {
      return static_cast<int>(value);
    } else {
      for (const auto& [known, name] : NamesOf(value)) {
        if (known == value) {
          return std::string(name);
        }
      }
      return nullptr;
    }
  }

  // JSON has no numbers that are not finite, and the library writes null.
  static nlohmann::json WriteDouble(double value) {
    if (std::isfinite(value)) {
      return value;
    }
    if (std::isnan(value)) {
      return "NaN";
    }
    return value > 0 ? "Infinity" : "-Infinity";
  }

  template <typename T>
  static nlohmann::json WriteClass(const T& value) {
    if constexpr (json_fields::IsName<T>::value) {
      return value.text();
    } else if constexpr (json_fields::NumberId<T>) {
      return value.value;
    } else if constexpr (json_fields::IsDuration<T>::value) {
      return value.count();
    } else if constexpr (std::is_same_v<T, WallTime>) {
      return std::chrono::duration_cast<std::chrono::microseconds>(
                 value.time_since_epoch())
          .count();
    } else {
      JsonWriter writer;
      ListFields(writer, value);
      return std::move(writer.object_);
    }
  }

  nlohmann::json object_ = nlohmann::json::object();
};

}  // namespace resnetd
