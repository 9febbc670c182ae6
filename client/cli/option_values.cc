#include "client/cli/option_values.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "server/base/quote.h"
#include "server/base/suggest.h"
#include "server/base/utf8.h"

namespace resnetd::cli {

std::string ParseTimeout(const std::string& text,
                         std::chrono::nanoseconds& timeout) {
  absl::Duration duration;
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds)) {
    duration = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &duration)) {
    return absl::StrCat(Quoted(text),
                        " is not a time; write for example 10s, 500ms or 2m");
  }
  if (!(duration > absl::ZeroDuration()) || duration > absl::Hours(1)) {
    return absl::StrCat(Quoted(text), " is not above 0 and at most 1h");
  }
  timeout = absl::ToChronoNanoseconds(duration);
  return "";
}

std::string ParseTopK(const std::string& text, int& top_k) {
  int number = 0;
  if (!absl::SimpleAtoi(text, &number) || number < 1) {
    return absl::StrCat(Quoted(text), " is not a whole number from 1 on");
  }
  top_k = number;
  return "";
}

std::string ParseProbability(const std::string& text, float& probability) {
  float number = 0;
  // Written so that it also refuses what is not a number.
  if (!absl::SimpleAtof(text, &number) || !(number >= 0 && number <= 1)) {
    return absl::StrCat(Quoted(text), " is not a number from 0 to 1");
  }
  probability = number;
  return "";
}

std::string ParseRequestId(const std::string& text) {
  constexpr std::size_t kMaxBytes = 128;
  if (text.empty() || text.size() > kMaxBytes ||
      !std::all_of(text.begin(), text.end(),
                   [](char c) { return c > ' ' && c < 0x7F; })) {
    return absl::StrCat(Quoted(text), " is not 1 to ", kMaxBytes,
                        " printable ASCII characters without spaces");
  }
  return "";
}

std::string ParsePixels(const std::string& text, std::optional<int>& pixels) {
  constexpr int kMaxPixels = 16'384;
  int number = 0;
  if (!absl::SimpleAtoi(text, &number) || number < 1 || number > kMaxPixels) {
    return absl::StrCat(Quoted(text), " is not a whole number from 1 to ",
                        kMaxPixels);
  }
  pixels = number;
  return "";
}

std::string ParseChannels(const std::string& text, std::vector<float>& values) {
  constexpr std::size_t kChannels = 3;
  std::vector<float> numbers;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    float number = 0;
    if (!absl::SimpleAtof(part, &number) || !std::isfinite(number)) {
      break;
    }
    numbers.push_back(number);
  }
  if (numbers.size() != kChannels ||
      std::count(text.begin(), text.end(), ',') != kChannels - 1) {
    return absl::StrCat(Quoted(text),
                        " is not three numbers for red, green and blue; write "
                        "for example 0.485,0.456,0.406");
  }
  values = std::move(numbers);
  return "";
}

std::string ParseNumber(const std::string& text, std::int64_t least,
                        std::int64_t& number) {
  std::int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < least) {
    return absl::StrCat(Quoted(text), " is not a whole number from ", least,
                        " on");
  }
  number = value;
  return "";
}

std::string ParseDescription(const std::string& text) {
  constexpr std::size_t kMaxBytes = 4096;
  if (text.size() > kMaxBytes) {
    return absl::StrCat("the text has ", text.size(), " bytes, at most ",
                        kMaxBytes, " are accepted");
  }
  return IsUtf8(text) ? "" : absl::StrCat(Quoted(text), " is not UTF-8");
}

std::string ParseReason(const std::string& text) {
  constexpr std::size_t kMaxBytes = 256;
  if (absl::StripAsciiWhitespace(text).empty()) {
    return "says nothing: write down why, for those who look later";
  }
  if (text.size() > kMaxBytes) {
    return absl::StrCat("the reason has ", text.size(), " bytes, at most ",
                        kMaxBytes, " are accepted");
  }
  const bool has_control = std::any_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_iscntrl(static_cast<unsigned char>(c));
  });
  return IsUtf8(text) && !has_control
             ? ""
             : absl::StrCat(Quoted(text),
                            " is not UTF-8 without control characters");
}

bool ParsePart(const std::string& text, client::DatasetPart& part) {
  const std::string lower = absl::AsciiStrToLower(text);
  if (lower == "all") {
    part = client::DatasetPart::kAll;
  } else if (lower == "train") {
    part = client::DatasetPart::kTrain;
  } else if (lower == "val" || lower == "valid" || lower == "validation") {
    part = client::DatasetPart::kValidation;
  } else if (lower == "test") {
    part = client::DatasetPart::kTest;
  } else {
    return false;
  }
  return true;
}

std::string ParseChoice(const std::string& text,
                        const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) {
    return "";
  }
  return absl::StrCat(Quoted(text), " is not one of ",
                      absl::StrJoin(choices, ", "), DidYouMean(text, choices));
}

}  // namespace resnetd::cli
