#include "server/models/json_object.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/suggest.h"

namespace resnetd {
namespace {

using Json = nlohmann::json;

// Watches the parse for members that occur twice, which the tree would hide.
class DuplicateFinder {
 public:
  // As nlohmann::json::parse calls it; returns whether to keep the value.
  bool operator()(int /*depth*/, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) {
      open_.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      open_.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const auto& name = value.get_ref<const std::string&>();
      if (!open_.back().insert(name).second && duplicate_.empty()) {
        duplicate_ = Quoted(name);
      }
    }
    return true;
  }

  // The first name that occurs twice in one object, quoted; empty: none.
  const std::string& duplicate() const { return duplicate_; }

 private:
  std::vector<std::set<std::string>> open_;
  std::string duplicate_;
};

// "line 3, column 7" of the byte `position`, counted from 1.
std::string LineAndColumn(absl::string_view text, std::size_t position) {
  const absl::string_view before =
      text.substr(0, position == 0 ? 0 : position - 1);
  const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is 0
  return absl::StrCat("line ",
                      1 + std::count(before.begin(), before.end(), '\n'),
                      ", column ", before.size() - start + 1);
}

}  // namespace

absl::Status MemberError(absl::string_view member, absl::string_view what) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
               member.empty() ? std::string(what)
                              : absl::StrCat("\"", member, "\" ", what))
      .Violation(member.empty() ? "file" : member, what);
}

absl::StatusOr<Json> ParseStrictJson(absl::string_view text,
                                     std::size_t max_bytes) {
  if (text.size() > max_bytes) {
    return MemberError("", absl::StrCat("has ", text.size(), " bytes, at most ",
                                        max_bytes, " are accepted"));
  }
  // The parser would take it for the end.
  if (const std::size_t zero = text.find('\0');
      zero != absl::string_view::npos) {
    return MemberError(
        "", absl::StrCat("has a zero byte at ", LineAndColumn(text, zero + 1)));
  }
  DuplicateFinder duplicates;
  Json json;
  try {
    json = Json::parse(text.begin(), text.end(), std::ref(duplicates));
  } catch (const Json::parse_error& error) {
    return MemberError("", absl::StrCat("is not valid JSON at ",
                                        LineAndColumn(text, error.byte)));
  } catch (const Json::exception&) {
    return MemberError("", "is not valid JSON: a number is too large");
  }
  if (!duplicates.duplicate().empty()) {
    return MemberError(
        "", absl::StrCat("has the member ", duplicates.duplicate(), " twice"));
  }
  return json;
}

absl::StatusOr<ObjectReader> ObjectReader::Open(
    const Json& value, std::string path,
    const std::vector<std::string>& known) {
  if (!value.is_object()) {
    return MemberError(
        path, path.empty() ? "is not a JSON object" : "must be an object");
  }
  const ObjectReader reader(value, std::move(path));
  for (const auto& [name, unused] : value.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return reader.UnknownMember(name, known);
    }
  }
  return reader;
}

std::string ObjectReader::Path(absl::string_view name) const {
  return path_.empty() ? std::string(name) : absl::StrCat(path_, ".", name);
}

const Json* ObjectReader::Find(absl::string_view name) const {
  const auto found = object_->find(std::string(name));
  return found == object_->end() ? nullptr : &*found;
}

absl::StatusOr<std::optional<std::string>> ObjectReader::Text(
    absl::string_view name, std::size_t max_bytes) const {
  const Json* value = Find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_string()) {
    return MemberError(Path(name), "must be a string");
  }
  const auto& text = value->get_ref<const std::string&>();
  if (text.size() > max_bytes) {
    return MemberError(Path(name),
                       absl::StrCat("has ", text.size(), " bytes, at most ",
                                    max_bytes, " are accepted"));
  }
  return text;
}

absl::StatusOr<std::optional<std::int64_t>> ObjectReader::Integer(
    absl::string_view name, std::int64_t least, std::int64_t most) const {
  const Json* value = Find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  // A number over 2^63 would become a negative one.
  const bool is_huge =
      value->is_number_unsigned() &&
      value->get<std::uint64_t>() > static_cast<std::uint64_t>(most);
  if (!value->is_number_integer() || is_huge ||
      value->get<std::int64_t>() < least || value->get<std::int64_t>() > most) {
    return MemberError(Path(name), absl::StrCat("must be an integer from ",
                                                least, " to ", most));
  }
  return value->get<std::int64_t>();
}

absl::StatusOr<std::optional<double>> ObjectReader::Number(
    absl::string_view name, double least, double most) const {
  const Json* value = Find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_number() || value->get<double>() < least ||
      value->get<double>() > most) {
    return MemberError(Path(name), absl::StrCat("must be a number from ", least,
                                                " to ", most));
  }
  return value->get<double>();
}

absl::StatusOr<std::optional<std::array<float, 3>>> ObjectReader::Channels(
    absl::string_view name) const {
  const Json* value = Find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  std::array<float, 3> channels{};
  bool fits = value->is_array() && value->size() == channels.size();
  for (std::size_t i = 0; fits && i < channels.size(); ++i) {
    const Json& number = (*value)[i];
    fits = number.is_number() && std::abs(number.get<double>()) <= FLT_MAX;
    channels[i] = fits ? number.get<float>() : 0;
  }
  if (!fits) {
    return MemberError(Path(name),
                       "must be an array of 3 numbers, for R, G, B");
  }
  return channels;
}

absl::Status ObjectReader::UnknownMember(
    const std::string& name, const std::vector<std::string>& known) const {
  const std::string hint = DidYouMean(name, known);
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
               absl::StrCat("unknown member ", Quoted(name),
                            path_.empty() ? "" : " in ", path_,
                            hint.empty() ? "; there are " : hint,
                            hint.empty() ? absl::StrJoin(known, ", ") : ""))
      .Violation(Path(Quoted(name)), "unknown member");
}

}  // namespace resnetd
