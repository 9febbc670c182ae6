#include "client/cli/exposition.h"

#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/quote.h"

namespace resnetd::cli {
namespace {

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ||
         c == ':';
}

std::string TakeName(absl::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && IsNameCharacter(text[length])) {
    ++length;
  }
  std::string name(text.substr(0, length));
  text.remove_prefix(length);
  return name;
}

// What stands behind the first quote up to the second; false: there is none.
bool TakeValue(absl::string_view& text, std::string& value) {
  while (!text.empty()) {
    char c = text.front();
    text.remove_prefix(1);
    if (c == '"') {
      return true;
    }
    if (c == '\\' && !text.empty()) {
      c = text.front() == 'n' ? '\n' : text.front();
      text.remove_prefix(1);
    }
    value += c;
  }
  return false;
}

// {a="b",c="d"} behind its first brace.
bool TakeLabels(absl::string_view& text,
                std::map<std::string, std::string>& labels) {
  while (!absl::ConsumePrefix(&text, "}")) {
    const std::string name = TakeName(text);
    std::string value;
    if (name.empty() || !absl::ConsumePrefix(&text, "=\"") ||
        !TakeValue(text, value)) {
      return false;
    }
    labels.emplace(name, std::move(value));
    absl::ConsumePrefix(&text, ",");
  }
  return true;
}

bool ParseLine(absl::string_view line, MetricSample& sample) {
  sample.name = TakeName(line);
  if (sample.name.empty() ||
      (absl::ConsumePrefix(&line, "{") && !TakeLabels(line, sample.labels))) {
    return false;
  }
  line = absl::StripLeadingAsciiWhitespace(line);
  return absl::SimpleAtod(line.substr(0, line.find(' ')), &sample.value);
}

}  // namespace

std::string MetricSample::Label(const std::string& label) const {
  const auto found = labels.find(label);
  return found == labels.end() ? "" : found->second;
}

absl::StatusOr<MetricSamples> ParseExposition(absl::string_view text) {
  MetricSamples samples;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') {
      continue;
    }
    if (!ParseLine(line, samples.emplace_back())) {
      return absl::UnavailableError(
          absl::StrCat("what answers does not show metrics: ", Quoted(line)));
    }
  }
  return samples;
}

}  // namespace resnetd::cli
