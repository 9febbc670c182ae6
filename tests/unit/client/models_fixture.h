#pragma once

#include <fstream>
#include <sstream>
#include <string>

#include "tests/unit/client/resnetctl_fixture.h"

namespace resnetd::test {

inline std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class ModelsTest : public ResnetctlTest {
 protected:
  std::string File(const std::string& name, const std::string& content) const {
    return folder_.Write(name, content);
  }
  std::string InFolder(const std::string& name) const {
    return folder_.path() + "/" + name;
  }
  // Brings version 1 of "cats", which answers, and version 2, which does not;
  // both have the labels "0" and "1".
  void ImportCats() const {
    Run({"models", "import", File("a.pth", FakeWeights(2, "first")), "--name",
         "cats"});
    Run({"models", "import", File("b.pth", FakeWeights(2, "second")), "--name",
         "cats"});
  }
  // A server that fails `method` as said.
  void Fail(const std::string& method, const google::rpc::Status& error) {
    fake_.models().before = [=](const std::string& called) {
      return called == method ? ToGrpc(error) : grpc::Status::OK;
    };
  }
};

}  // namespace resnetd::test
