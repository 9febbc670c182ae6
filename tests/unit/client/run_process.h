#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace resnetd::test {

// How to start a program.
struct ProcessOptions {
  // Its path and its arguments.
  std::vector<std::string> words;
  // The whole environment beside PATH.
  std::map<std::string, std::string> environment = {};
  // What it reads from standard input.
  std::string input = {};
  // Its stdin is a terminal, on which `input` is typed.
  bool in_is_tty = false;
  // Its stdout or stderr is a terminal 80 columns wide, not a pipe.
  bool out_is_tty = false;
  bool err_is_tty = false;
  // Its stdout is this file, e.g. "/dev/full".
  std::string out_file = {};
};

struct ProcessResult {
  // As a shell reports it: 128 + signal for a process that died of one.
  int code = -1;
  std::string out;
  std::string err;
};

// A running program whose output is collected. Killed and reaped on
// destruction. Not thread-safe.
class Process {
 public:
  explicit Process(const ProcessOptions& options);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  void Signal(int signal) const;
  // Waits for its end. Once.
  ProcessResult Wait();

 private:
  void Collect();

  std::string input_;
  bool in_is_tty_ = false;
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int err_ = -1;
  ProcessResult result_;
};

// Runs it from beginning to end.
ProcessResult RunProcess(const ProcessOptions& options);

}  // namespace resnetd::test
