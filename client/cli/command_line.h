#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cli/bench_options.h"
#include "client/cli/data_options.h"
#include "client/cli/exit_code.h"
#include "client/cli/gradients_options.h"
#include "client/cli/model_options.h"
#include "client/cli/train_options.h"
#include "client/security.h"

namespace resnetd::cli {

enum class OutputFormat { kTable, kJson };

// Options that every command takes.
struct GlobalOptions {
  std::string server = "localhost:8001";
  OutputFormat output = OutputFormat::kTable;
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);
  // Of the calls that move files or run networks.
  std::chrono::nanoseconds long_timeout = std::chrono::minutes(10);
  client::SecurityOptions security;
  bool quiet = false;
  bool verbose = false;
  bool no_color = false;
};

struct ClassifyOptions {
  std::vector<std::string> images;
  std::string model;
  // 0: 5, or all classes of a model that has fewer.
  int top_k = 0;
  float min_probability = 0;
  bool fail_fast = false;
  bool logits = false;
  std::string request_id;
  // All over one stream, each by itself.
  bool stream = false;
  // With it: the file that names more of them, a line each; "-": standard
  // input.
  std::string files_from;
};

struct EmbedOptions {
  std::vector<std::string> images;
  std::string model;
  bool fail_fast = false;
  std::string request_id;
  // Where the features go, too; empty: nowhere.
  std::string npy;
  // Whether that file may be there already.
  bool force = false;
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

struct TopOptions {
  // HOST:PORT of the HTTP listener; empty: the host of the server, port 8002.
  std::string http;
  std::chrono::nanoseconds interval = std::chrono::seconds(2);
  // How often it shows; 0: until it is ended, with JSON once.
  std::int64_t count = 0;
};

struct TokenOptions {
  std::string name;
  std::string role;
  // As the file of tokens has it; empty: it never ends.
  std::string not_after;
  // File for the token; empty: it is printed.
  std::string out;
};

struct CompletionOptions {
  std::string shell;
};

enum class Command {
  kClassify,
  kEmbed,
  kModelsList,
  kModelsShow,
  kModelsVersions,
  kModelsImport,
  kModelsExport,
  kModelsPromote,
  kModelsRollback,
  kModelsAliasSet,
  kModelsAliasDelete,
  kModelsDelete,
  kModelsLoad,
  kModelsUnload,
  kModelsWarmUp,
  kModelsEvaluate,
  kModelsCompare,
  kModelsQuantize,
  kModelsCalibrate,
  kModelsVerify,
  kModelsWatch,
  kDataUpload,
  kDataList,
  kDataShow,
  kDataRejected,
  kDataSeal,
  kDataDelete,
  kTrainStart,
  kTrainList,
  kTrainShow,
  kTrainWatch,
  kTrainLogs,
  kTrainCheckpoints,
  kTrainCheckpointsDelete,
  kTrainPublish,
  kTrainRun,
  kTrainPause,
  kTrainResume,
  kTrainCancel,
  kTrainDelete,
  kGradients,
  kGradientsProbe,
  kBench,
  kTop,
  kHealth,
  kTokenNew,
  kVersion,
  kDoctor,
  kCompletion,
};

// A valid command line.
struct Arguments {
  Command command = Command::kHealth;
  GlobalOptions global;
  ClassifyOptions classify;
  EmbedOptions embed;
  ModelsOptions models;
  DataOptions data;
  TrainOptions train;
  GradientsOptions gradients;
  BenchOptions bench;
  TopOptions top;
  HealthOptions health;
  VersionOptions version;
  DoctorOptions doctor;
  TokenOptions token;
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
