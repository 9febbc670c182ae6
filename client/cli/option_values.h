#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/evaluation_types.h"

namespace resnetd::cli {

// The texts of options as values. Each function returns what is wrong with the
// text, for the end of "--option: ", or nothing; the value is set only when
// nothing is wrong.

// "10s", "500ms", "1m30s" or seconds as a number; above 0, at most an hour.
std::string ParseTimeout(const std::string& text,
                         std::chrono::nanoseconds& timeout);
// A whole number from 1 on. The server knows how many classes its model has.
std::string ParseTopK(const std::string& text, int& top_k);
// 0 to 1.
std::string ParseProbability(const std::string& text, float& probability);
// 1 to 128 bytes of printable ASCII without spaces.
std::string ParseRequestId(const std::string& text);
// A whole number of pixels, 1 to 16,384.
std::string ParsePixels(const std::string& text, std::optional<int>& pixels);
// Three numbers for red, green and blue: "0.485,0.456,0.406".
std::string ParseChannels(const std::string& text, std::vector<float>& values);
// A number from `least` on.
std::string ParseNumber(const std::string& text, std::int64_t least,
                        std::int64_t& number);
// At most 4096 bytes of UTF-8.
std::string ParseDescription(const std::string& text);
// 1 to 256 bytes of UTF-8 without control characters, not of spaces alone.
std::string ParseReason(const std::string& text);
// "train", "val", "validation", "test" or "all"; false: none of them.
bool ParsePart(const std::string& text, client::DatasetPart& part);
// One of `choices`.
std::string ParseChoice(const std::string& text,
                        const std::vector<std::string>& choices);

}  // namespace resnetd::cli
