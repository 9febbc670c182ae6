#include "client/cli/option_values.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "server/base/quote.h"
#include "server/base/suggest.h"

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

std::string ParseChoice(const std::string& text,
                        const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) {
    return "";
  }
  return absl::StrCat(Quoted(text), " is not one of ",
                      absl::StrJoin(choices, ", "), DidYouMean(text, choices));
}

}  // namespace resnetd::cli
