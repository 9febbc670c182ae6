#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "server/image/pixels.h"
#include "tests/unit/image/picture_factory.h"

// Whole pictures of all kinds, and ways to damage them.
namespace resnetd::testing {

enum class Format { kJpeg, kPng, kWebp };
const char* FormatName(Format format);

struct CorpusPicture {
  std::string name;
  Format format = Format::kJpeg;
  Encoded encoded;
  // What it decodes to.
  Pixels pixels;
};

// Every format in all colour models; about 100 x 70 pixels each.
const std::vector<CorpusPicture>& Corpus();

// Whether an edit that leaves `at` as the first changed byte may give another
// valid picture: the byte is entropy-coded data, or a table or a parameter that
// says how to read it, or it names the colour model or the orientation; or it
// is part of a JPEG's or WebP's size and the number of blocks stays the same.
bool MayBeValid(const CorpusPicture& picture, const Encoded& damaged,
                std::size_t at);

// The picture with another width or height in its headers, checksums right.
Encoded WithSide(const CorpusPicture& picture, bool is_width, int side);

struct Surgery {
  std::string what;
  Encoded damaged;
  bool may_be_valid = false;
};
// Critical parts dropped, doubled or in another order.
std::vector<Surgery> Surgeries(const CorpusPicture& picture);

}  // namespace resnetd::testing
