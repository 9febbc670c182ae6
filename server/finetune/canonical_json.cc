#include "server/finetune/canonical_json.h"

#include <array>
#include <charconv>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace resnetd {
namespace {

using Json = nlohmann::json;

void AppendText(absl::string_view text, std::string& out) {
  constexpr absl::string_view kHex = "0123456789abcdef";
  constexpr unsigned char kFirstPlain = 0x20;
  out.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < kFirstPlain) {
      absl::StrAppend(&out, "\\u00", kHex.substr(byte / 16, 1),
                      kHex.substr(byte % 16, 1));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void AppendNumber(double value, std::string& out) {
  std::array<char, 32> digits{};
  // Adding 0 takes the sign from -0.
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), value + 0.0);
  out.append(digits.data(), end.ptr);
}

void Append(const Json& value, std::string& out);

void AppendArray(const Json& array, std::string& out) {
  char before = '[';
  for (const Json& element : array) {
    out.push_back(before);
    Append(element, out);
    before = ',';
  }
  out.append(array.empty() ? "[]" : "]");
}

void AppendObject(const Json& object, std::string& out) {
  // nlohmann::json keeps its members in a std::map of strings: sorted by bytes.
  char before = '{';
  for (const auto& [name, member] : object.items()) {
    out.push_back(before);
    AppendText(name, out);
    out.push_back(':');
    Append(member, out);
    before = ',';
  }
  out.append(object.empty() ? "{}" : "}");
}

void Append(const Json& value, std::string& out) {
  if (value.is_object()) {
    AppendObject(value, out);
  } else if (value.is_array()) {
    AppendArray(value, out);
  } else if (value.is_string()) {
    AppendText(value.get_ref<const std::string&>(), out);
  } else if (value.is_number_float()) {
    AppendNumber(value.get<double>(), out);
  } else {
    out.append(value.dump());
  }
}

}  // namespace

std::string CanonicalJson(const Json& value) {
  std::string out;
  Append(value, out);
  return out;
}

}  // namespace resnetd
