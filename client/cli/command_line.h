#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cli/exit_code.h"

namespace resnetd::cli {

enum class OutputFormat { kTable, kJson };

// Options that every command takes.
struct GlobalOptions {
  std::string server = "localhost:8001";
  OutputFormat output = OutputFormat::kTable;
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);
  bool quiet = false;
  bool verbose = false;
  bool no_color = false;
};

struct ClassifyOptions {
  std::vector<std::string> images;
  std::string model;
  int top_k = 5;
  float min_probability = 0;
  bool fail_fast = false;
  bool logits = false;
  std::string request_id;
};

struct ModelsShowOptions {
  std::string name;
};

struct HealthOptions {
  std::string service;
};

struct VersionOptions {
  bool client_only = false;
};

struct DoctorOptions {
  // HOST:PORT of the HTTP listener; empty: not checked.
  std::string http;
};

struct CompletionOptions {
  std::string shell;
};

enum class Command {
  kClassify,
  kModelsList,
  kModelsShow,
  kHealth,
  kVersion,
  kDoctor,
  kCompletion,
};

// A valid command line.
struct Arguments {
  Command command = Command::kHealth;
  GlobalOptions global;
  ClassifyOptions classify;
  ModelsShowOptions models_show;
  HealthOptions health;
  VersionOptions version;
  DoctorOptions doctor;
  CompletionOptions completion;
};

// A command line after which there is nothing left to do but to print: help,
// or what is wrong with it.
struct Ending {
  ExitCode code = ExitCode::kOk;
  std::string out = {};
  std::string err = {};
};

// Parses the words behind the name of the program. RESNETD_SERVER counts where
// --server is absent.
std::variant<Arguments, Ending> ParseCommandLine(
    std::vector<std::string> words);

}  // namespace resnetd::cli
