#pragma once

#include <chrono>
#include <concepts>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "server/base/ids.h"

namespace resnetd {

// JSON objects of plain structs, both ways from one list of members. For a
// struct S there is
//   template <typename Fields, typename AnyS>
//   OnlyFor<AnyS, S> ListFields(Fields& fields, AnyS& s) {
//     fields("name", s.name);
//     // A member that came when texts without it were stored already.
//     fields.Added("late", s.late, 0);
//   }
// and for an enumeration E one of
//   const std::vector<std::pair<E, absl::string_view>>& NamesOf(E);
//   const std::vector<E>& NumbersOf(E);
// which also says whether it is written as a name or as its number. They are
// members of the namespace resnetd, declared before they are used.
//
// Members may be bool, integers, double, strings, names and numbers of ids.h,
// durations (their count: the name has the unit), WallTime (microseconds),
// enumerations, structs, and vectors and optionals of them. An absent optional
// is an absent member. A double that is not finite is "NaN", "Infinity" or
// "-Infinity".
//
// JsonWriter and JsonReader: see json_writer.h and json_reader.h.

// The result of a ListFields() for a Struct or a const Struct.
template <typename T, typename Struct>
using OnlyFor =
    std::enable_if_t<std::is_same_v<std::remove_const_t<T>, Struct>>;

namespace json_fields {

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsName : std::false_type {};
template <typename Kind>
struct IsName<Name<Kind>> : std::true_type {};
template <typename T>
struct IsDuration : std::false_type {};
template <typename Rep, typename Period>
struct IsDuration<std::chrono::duration<Rep, Period>> : std::true_type {};

// Of ids.h, a struct around one number.
template <typename T>
concept NumberId = std::same_as<T, VersionNumber> || std::same_as<T, JobNumber>;

template <typename E>
concept Numbered = requires(E e) {
  NumbersOf(e);
};

}  // namespace json_fields

}  // namespace resnetd
