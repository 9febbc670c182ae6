#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace resnetd::cli {

// Turns the text of an option into its value; returns what is wrong with the
// text, as CLI11 wants it of a check.
template <typename Parse>
CLI::Validator Check(Parse parse) {
  return CLI::Validator(
      [parse](std::string& text) -> std::string { return parse(text); }, "");
}

}  // namespace resnetd::cli
