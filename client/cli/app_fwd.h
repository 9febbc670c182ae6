#pragma once

// The type that holds commands and options, without the 10,000 lines that
// define it.
namespace CLI {  // NOLINT(readability-identifier-naming): the library's name.
class App;
}  // namespace CLI
