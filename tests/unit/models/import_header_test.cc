#include "server/models/import_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

constexpr std::int64_t kLimit = 1000;

ImportHeader Good() {
  ImportHeader header{.model = Named("digits")};
  header.sha256 = std::string(64, 'a');
  header.size_bytes = 10;
  return header;
}

TEST(CheckHeaderTest, TakesWhatIsRight) {
  EXPECT_TRUE(CheckHeader(Good(), kLimit).ok());
  for (const std::function<void(ImportHeader&)>& change :
       std::vector<std::function<void(ImportHeader&)>>{
           [](ImportHeader& h) { h.size_bytes = 1; },
           [](ImportHeader& h) { h.size_bytes = kLimit; },
           [](ImportHeader& h) { h.description = std::string(4096, 'd'); },
           [](ImportHeader& h) { h.architecture = "resnet50"; },
           [](ImportHeader& h) {
             h.labels = {"a", "b", "a"};
           },
           [](ImportHeader& h) { h.labels = {std::string(256, 'l')}; },
           [](ImportHeader& h) {
             h.evaluations = {{"d", 1, 0.5}};
           },
           [](ImportHeader& h) { h.preprocess = PreprocessSpec(); }}) {
    ImportHeader header = Good();
    change(header);
    const absl::Status status = CheckHeader(header, kLimit);
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST(CheckHeaderTest, RefusesEverythingElse) {
  using Change = std::function<void(ImportHeader&)>;
  for (const auto& [reason, change] :
       std::vector<std::pair<std::string, Change>>{
           {"REQUEST_INVALID", [](ImportHeader& h) { h.size_bytes = 0; }},
           {"REQUEST_INVALID", [](ImportHeader& h) { h.size_bytes = -1; }},
           {"LIMIT_EXCEEDED",
            [](ImportHeader& h) { h.size_bytes = kLimit + 1; }},
           {"REQUEST_INVALID", [](ImportHeader& h) { h.sha256 = ""; }},
           {"REQUEST_INVALID",
            [](ImportHeader& h) { h.sha256 = std::string(64, 'A'); }},
           {"REQUEST_INVALID",
            [](ImportHeader& h) { h.sha256 = std::string(65, 'a'); }},
           {"LIMIT_EXCEEDED",
            [](ImportHeader& h) { h.description = std::string(4097, 'd'); }},
           {"REQUEST_INVALID", [](ImportHeader& h) { h.description = "\xff"; }},
           {"MODEL_INVALID",
            [](ImportHeader& h) { h.architecture = "resnet51"; }},
           {"MODEL_INVALID",
            [](ImportHeader& h) {
              h.labels = {"a", ""};
            }},
           {"MODEL_INVALID", [](ImportHeader& h) { h.labels = {"a\nb"}; }},
           {"MODEL_INVALID", [](ImportHeader& h) { h.labels = {"a\n"}; }},
           {"MODEL_INVALID", [](ImportHeader& h) { h.labels = {"a\r"}; }},
           {"MODEL_INVALID", [](ImportHeader& h) { h.labels = {"\xff"}; }},
           {"MODEL_INVALID",
            [](ImportHeader& h) { h.labels = {"\xEF\xBB\xBF first"}; }},
           {"MODEL_INVALID",
            [](ImportHeader& h) { h.labels = {std::string(257, 'l')}; }},
           {"LIMIT_EXCEEDED",
            [](ImportHeader&
                   h) { h.labels = std::vector<std::string>(100'001, "l"); }},
           {"MODEL_INVALID",
            [](ImportHeader& h) { h.evaluations = {{"d", 1, std::nan("")}}; }},
           {"REQUEST_INVALID", [](ImportHeader& h) {
              h.preprocess = PreprocessSpec{.resize = 8, .crop = 9};
            }}}) {
    ImportHeader header = Good();
    change(header);
    const absl::Status status = CheckHeader(header, kLimit);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << reason;
    EXPECT_EQ(ReasonOf(status), reason) << status;
    EXPECT_FALSE(DetailsOf(status).violations.empty()) << status;
  }
}

TEST(CheckHeaderTest, NamesEveryWrongFieldAtOnce) {
  ImportHeader header = Good();
  header.sha256 = "A";
  header.size_bytes = 0;
  header.labels = {"good", "", "a\x7f"};
  header.preprocess = PreprocessSpec{.resize = 8, .crop = 9};
  header.architecture = "resnet51";
  header.description = "\xff";
  std::vector<std::string> fields;
  for (const auto& [field, text] :
       DetailsOf(CheckHeader(header, kLimit)).violations) {
    fields.push_back(field);
  }
  EXPECT_THAT(fields, testing::ElementsAre("sha256", "size_bytes", "labels[1]",
                                           "labels[2]", "preprocess.resize",
                                           "architecture", "description"));
}

}  // namespace
}  // namespace resnetd
