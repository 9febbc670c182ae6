#pragma once

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/unit/client/fake_server.h"
#include "tests/unit/client/run_process.h"

namespace resnetd::test {

// The real resnetctl as a process of its own, against a server in this one.
class ResnetctlTest : public testing::Test {
 protected:
  // How resnetctl is started with `words`: a UTF-8 locale, RESNETD_SERVER
  // naming the fake.
  ProcessOptions Command(const std::vector<std::string>& words) const {
    ProcessOptions options;
    options.words = {RESNETD_BINARY_DIR "/bin/resnetctl"};
    options.words.insert(options.words.end(), words.begin(), words.end());
    options.environment = {{"RESNETD_SERVER", fake_.address()},
                           {"LC_ALL", "C.UTF-8"},
                           {"TERM", "xterm"}};
    return options;
  }
  ProcessResult Run(const std::vector<std::string>& words) const {
    return RunProcess(Command(words));
  }
  // Runs with -o json and reads the document.
  nlohmann::json RunJson(std::vector<std::string> words, int code = 0) const {
    words.insert(words.end(), {"-o", "json"});
    const ProcessResult result = Run(words);
    EXPECT_EQ(result.code, code) << result.err;
    nlohmann::json document =
        nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
    EXPECT_FALSE(document.is_discarded()) << result.out;
    return document;
  }

  // A file that the fake takes as a picture.
  std::string Picture(const std::string& name,
                      const std::string& content = "pixels") const {
    return folder_.Write(name, content);
  }

  // Lets Classify fail with a rich error.
  void FailClassify(grpc::StatusCode code, const std::string& message,
                    const std::string& reason) {
    fake_.hooks().classify = [=](grpc::ServerContext& /*context*/,
                                 const v1::ClassifyRequest& /*request*/,
                                 v1::ClassifyResponse& /*response*/) {
      return ToGrpc(RichError(code, message, reason));
    };
  }

  FakeServer fake_;
  TempDir folder_;
};

}  // namespace resnetd::test
