#include "server/models/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

using Json = nlohmann::json;

constexpr char kFull[] = R"({
  "format": "resnetd-model/1",
  "name": "digits",
  "version": 3,
  "architecture": "cifar_resnet8",
  "num_classes": 10,
  "preprocess": {
    "resize": 40,
    "crop": 32,
    "mean": [0.1, 0.2, 0.3],
    "std": [0.4, 0.5, 1]
  },
  "weights_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "description": "Handwritten \"digits\", é",
  "evaluations": [
    {"dataset": "held out", "examples": 360, "accuracy": 0.9875},
    {"dataset": "other", "examples": 1, "accuracy": 1}
  ],
  "temperature": 1.372,
  "labels_sha256": "1111111111111111111111111111111111111111111111111111111111111111",
  "golden_sha256": "2222222222222222222222222222222222222222222222222222222222222222",
  "source": {"format": "pth", "sha256": "3333333333333333333333333333333333333333333333333333333333333333"},
  "parent_version": 2,
  "lineage": [
    "4444444444444444444444444444444444444444444444444444444444444444",
    "5555555555555555555555555555555555555555555555555555555555555555"
  ],
  "gate": {"failed": [{"name": "not_worse", "text": "12 \"and\" 3"}, {"name": "better", "text": ""}]}
}
)";

// The smallest manifest, with one member set to `value`.
Json With(const std::string& member, Json value) {
  Json json = {{"format", "resnetd-model/1"},
               {"architecture", "resnet50"},
               {"num_classes", 1000}};
  json[Json::json_pointer("/" + member)] = std::move(value);
  return json;
}

absl::Status ErrorOf(absl::string_view text) {
  const absl::Status status = ParseManifest(text).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID") << text;
  return status;
}

std::string TextOf(absl::string_view text) {
  return std::string(ErrorOf(text).message());
}
std::string TextOfJson(const Json& json) { return TextOf(json.dump()); }

std::string FieldOf(const Json& json) {
  const auto violations = DetailsOf(ErrorOf(json.dump())).violations;
  return violations.empty() ? "" : violations[0].first;
}

TEST(ManifestTest, ReadsEveryMember) {
  const auto manifest = ParseManifest(kFull);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->name->text(), "digits");
  EXPECT_EQ(manifest->version, VersionNumber{3});
  EXPECT_EQ(manifest->architecture, "cifar_resnet8");
  EXPECT_EQ(manifest->num_classes, 10);
  EXPECT_EQ(manifest->preprocess, (PreprocessSpec{.resize = 40,
                                                  .crop = 32,
                                                  .mean = {0.1F, 0.2F, 0.3F},
                                                  .std = {0.4F, 0.5F, 1.0F}}));
  EXPECT_EQ(manifest->weights_sha256->substr(0, 6), "e3b0c4");
  EXPECT_EQ(manifest->description, "Handwritten \"digits\", é");
  ASSERT_EQ(manifest->evaluations.size(), 2U);
  EXPECT_EQ(manifest->evaluations[0].dataset, "held out");
  EXPECT_EQ(manifest->evaluations[0].examples, 360);
  EXPECT_EQ(manifest->evaluations[0].accuracy, 0.9875);
  EXPECT_EQ(manifest->labels_sha256, std::string(64, '1'));
  EXPECT_EQ(manifest->golden_sha256, std::string(64, '2'));
  EXPECT_EQ(manifest->source->format, "pth");
  EXPECT_EQ(manifest->source->sha256, std::string(64, '3'));
  EXPECT_EQ(manifest->parent_version, VersionNumber{2});
  EXPECT_EQ(
      manifest->lineage,
      (std::vector<std::string>{std::string(64, '4'), std::string(64, '5')}));
}

TEST(ManifestTest, ReadsTemperatureAndGate) {
  const Manifest manifest = ParseManifest(kFull).value();
  EXPECT_EQ(manifest.temperature, 1.372);
  EXPECT_FALSE(manifest.gate->passed());
  EXPECT_EQ(manifest.gate->failed[0],
            (FailedCriterion{"not_worse", "12 \"and\" 3"}));
  const Manifest plain = ParseManifest(With("num_classes", 7).dump()).value();
  EXPECT_EQ(plain.temperature, 1);
  EXPECT_EQ(plain.gate, std::nullopt);
  const Manifest passed =
      ParseManifest(With("gate", {{"failed", Json::array()}}).dump()).value();
  EXPECT_TRUE(passed.gate->passed());
  EXPECT_EQ(ParseManifest(FormatManifest(passed))->gate, passed.gate);
}

TEST(ManifestTest, ATemperatureOfOneIsNotWritten) {
  Manifest manifest = ParseManifest(kFull).value();
  manifest.temperature = 1;
  EXPECT_EQ(FormatManifest(manifest).find("temperature"), std::string::npos);
}

TEST(ManifestTest, BoundsTheTemperature) {
  for (const double good : {0.01, 0.5, 100.0}) {
    EXPECT_EQ(ParseManifest(With("temperature", good).dump())->temperature,
              good);
    EXPECT_TRUE(CheckTemperature(good).ok()) << good;
  }
  for (const double bad : {0.0, -1.0, 0.0099, 100.01}) {
    EXPECT_EQ(FieldOf(With("temperature", bad)), "temperature");
    EXPECT_FALSE(CheckTemperature(bad).ok()) << bad;
  }
  EXPECT_FALSE(CheckTemperature(std::nan("")).ok());
  EXPECT_EQ(FieldOf(With("temperature", "1")), "temperature");
}

TEST(ManifestTest, BoundsTheGate) {
  const auto gate = [](std::size_t criteria, std::size_t text) {
    Json failed = Json::array();
    for (std::size_t i = 0; i < criteria; ++i) {
      failed.push_back({{"name", "n"}, {"text", std::string(text, 'x')}});
    }
    return With("gate", {{"failed", failed}});
  };
  EXPECT_TRUE(ParseManifest(gate(99, 1).dump()).ok());
  EXPECT_TRUE(ParseManifest(gate(100, 1024).dump()).ok());
  EXPECT_EQ(FieldOf(gate(101, 1)), "gate.failed");
  EXPECT_EQ(FieldOf(gate(1, 1025)), "gate.failed[0].text");
  EXPECT_EQ(FieldOf(With("gate", Json::object())), "gate.failed");
  EXPECT_EQ(FieldOf(With("gate", {{"failed", {{{"name", "n"}}}}})),
            "gate.failed[0].text");
}

TEST(ManifestTest, NeedsOnlyThreeMembers) {
  const auto manifest = ParseManifest(With("num_classes", 7).dump());
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->name, std::nullopt);
  EXPECT_EQ(manifest->version, std::nullopt);
  EXPECT_EQ(manifest->num_classes, 7);
  EXPECT_EQ(manifest->preprocess, PreprocessSpec());
  EXPECT_EQ(manifest->weights_sha256, std::nullopt);
  EXPECT_TRUE(manifest->evaluations.empty());
}

TEST(ManifestTest, KeepsTheDefaultsOfPreprocessMembersLeftOut) {
  const auto manifest =
      ParseManifest(With("preprocess", {{"crop", 200}}).dump());
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->preprocess.crop, 200);
  EXPECT_EQ(manifest->preprocess.resize, PreprocessSpec().resize);
  EXPECT_EQ(manifest->preprocess.mean, PreprocessSpec().mean);
}

TEST(ManifestTest, IsWrittenAsItIsRead) {
  EXPECT_EQ(FormatManifest(ParseManifest(kFull).value()), kFull);
}

TEST(ManifestTest, SurvivesWritingAndReadingForAnyNumbers) {
  std::mt19937 random(5);
  for (int i = 0; i < 500; ++i) {
    Manifest manifest = ParseManifest(kFull).value();
    std::uniform_real_distribution<float> value(-3, 3);
    std::uniform_real_distribution<float> positive(1e-6F, 3);
    for (int c = 0; c < 3; ++c) {
      manifest.preprocess.mean[static_cast<std::size_t>(c)] = value(random);
      manifest.preprocess.std[static_cast<std::size_t>(c)] = positive(random);
    }
    manifest.evaluations[0].accuracy =
        std::uniform_real_distribution<double>(0, 1)(random);
    const auto read = ParseManifest(FormatManifest(manifest));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->preprocess, manifest.preprocess);
    EXPECT_EQ(read->evaluations[0].accuracy, manifest.evaluations[0].accuracy);
  }
}

TEST(ManifestTest, NamesTheLineOfBrokenJson) {
  EXPECT_EQ(TextOf("{\n  \"format\": \"resnetd-model/1\",\n  nonsense\n}"),
            "is not valid JSON at line 3, column 4");
  EXPECT_EQ(TextOf(""), "is not valid JSON at line 1, column 1");
  EXPECT_THAT(TextOf(absl::StrCat(kFull, "x")),
              HasSubstr("is not valid JSON at line 30"));
  EXPECT_EQ(TextOf(absl::string_view("{}\0", 3)),
            "has a zero byte at line 1, column 3");
  EXPECT_EQ(TextOf("{\"a\": \"\xff\"}"),
            "is not valid JSON at line 1, column 8");
  EXPECT_EQ(TextOf("[1e999]"), "is not valid JSON: a number is too large");
}

TEST(ManifestTest, MustBeAnObject) {
  EXPECT_EQ(TextOf("[]"), "is not a JSON object");
  EXPECT_EQ(TextOf("3"), "is not a JSON object");
}

TEST(ManifestTest, RefusesMembersThatOccurTwice) {
  EXPECT_EQ(TextOf(R"({"version": 1, "version": 2})"),
            "has the member \"version\" twice");
  EXPECT_EQ(TextOf(R"({"preprocess": {"crop": 1, "cr\u006fp": 2}})"),
            "has the member \"crop\" twice");
  // The same name in two objects is no duplicate.
  EXPECT_TRUE(ParseManifest(kFull).ok());
}

TEST(ManifestTest, SuggestsTheNearestMember) {
  EXPECT_EQ(TextOfJson(With("achitecture", "resnet50")),
            "unknown member \"achitecture\"; did you mean \"architecture\"?");
  EXPECT_EQ(TextOfJson(With("preprocess", {{"resise", 256}})),
            "unknown member \"resise\" in preprocess; did you mean "
            "\"resize\"?");
  EXPECT_EQ(TextOfJson(With("preprocess", {{"zoom", 256}})),
            "unknown member \"zoom\" in preprocess; there are resize, crop, "
            "mean, std");
}

TEST(ManifestTest, SuggestsTheNearestArchitecture) {
  EXPECT_THAT(TextOfJson(With("architecture", "resnet5")),
              HasSubstr("did you mean \"resnet50\""));
}

TEST(ManifestTest, NamesWhatIsMissing) {
  for (const char* member : {"format", "architecture", "num_classes"}) {
    Json json = With("version", 1);
    json.erase(member);
    EXPECT_THAT(TextOfJson(json), HasSubstr(absl::StrCat("\"", member, "\" ")));
    EXPECT_THAT(TextOfJson(json), HasSubstr("is missing"));
    EXPECT_EQ(FieldOf(json), member);
  }
  EXPECT_EQ(TextOfJson(With("evaluations", Json::array({Json::object()}))),
            "\"evaluations[0].dataset\" is missing");
}

TEST(ManifestTest, RefusesEveryOtherType) {
  const std::vector<Json> values = {
      nullptr,         true, 1, -1, 1.5, "text", Json::array(), Json::object(),
      Json::array({1})};
  const std::vector<std::pair<std::string, std::vector<std::string>>> taken = {
      {"format", {}},
      {"name", {"string"}},
      {"version", {"1"}},
      {"architecture", {}},
      {"num_classes", {"1"}},
      {"preprocess", {"object"}},
      {"weights_sha256", {}},
      {"description", {"string"}},
      {"evaluations", {"empty array"}},
      {"labels_sha256", {}},
      {"golden_sha256", {}},
      {"source", {}},
      {"parent_version", {"1"}},
      {"lineage", {"empty array"}},
  };
  for (const auto& [member, kinds] : taken) {
    for (const Json& value : values) {
      const std::string kind = value == 1 && value.is_number_integer() ? "1"
                               : value.is_array() && value.empty()
                                   ? "empty array"
                               : value.is_array() ? "array"
                                                  : value.type_name();
      const bool is_taken =
          std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
      const Json json = With(member, value);
      EXPECT_EQ(ParseManifest(json.dump()).ok(), is_taken) << json;
      if (!is_taken) {
        EXPECT_EQ(FieldOf(json).substr(0, member.size()), member) << json;
      }
    }
  }
}

TEST(ManifestTest, RefusesValuesOutOfRange) {
  const auto refused = [](const std::string& member, const Json& value) {
    EXPECT_FALSE(ParseManifest(With(member, value).dump()).ok())
        << member << " " << value;
  };
  const auto taken = [](const std::string& member, const Json& value) {
    const auto manifest = ParseManifest(With(member, value).dump());
    EXPECT_TRUE(manifest.ok()) << member << " " << value << manifest.status();
  };
  refused("format", "resnetd-model/2");
  refused("name", "Digits");
  refused("version", 0);
  taken("version", 1);
  taken("version", std::int64_t{1} << 53);
  refused("version", (std::int64_t{1} << 53) + 1);
  refused("version", 18446744073709551615U);
  refused("num_classes", 0);
  taken("num_classes", 1);
  taken("num_classes", 100'000);
  refused("num_classes", 100'001);
  taken("weights_sha256", std::string(64, 'a'));
  refused("weights_sha256", std::string(63, 'a'));
  refused("weights_sha256", std::string(65, 'a'));
  refused("weights_sha256", std::string(64, 'A'));
  refused("weights_sha256", std::string(64, 'g'));
  taken("description", std::string(4096, 'd'));
  refused("description", std::string(4097, 'd'));
  const Json evaluation = {
      {"dataset", "d"}, {"examples", 1}, {"accuracy", 0.5}};
  taken("evaluations", std::vector<Json>(100, evaluation));
  refused("evaluations", std::vector<Json>(101, evaluation));
  for (const Json& accuracy : std::vector<Json>{-0.01, 1.01, "1", nullptr}) {
    Json wrong = evaluation;
    wrong["accuracy"] = accuracy;
    refused("evaluations", {wrong});
  }
  refused("labels_sha256", std::string(64, 'A'));
  refused("golden_sha256", std::string(63, 'a'));
  refused("source", {{"format", "pth"}});
  refused("source", {{"format", "pth"}, {"sha256", "x"}});
  refused("parent_version", 0);
  const Json digest = std::string(64, 'a');
  taken("lineage", std::vector<Json>(100, digest));
  refused("lineage", std::vector<Json>(101, digest));
  refused("lineage", std::vector<Json>{"a"});
  refused("lineage", std::vector<Json>{1});
  refused("preprocess", {{"crop", 7}});
  refused("preprocess", {{"resize", 300}, {"crop", 301}});
  refused("preprocess", {{"std", {0, 1, 1}}});
  refused("preprocess", {{"std", {1, 1}}});
  refused("preprocess", {{"mean", {1, 1, 1, 1}}});
  refused("preprocess", {{"mean", {1e39, 0, 0}}});
  refused("preprocess", {{"mean", {"0", 0, 0}}});
  refused("preprocess", {{"crop", 99999999999}});
  refused("preprocess", {{"crop", 224.0}});
}

TEST(ManifestTest, SaysWhichMemberIsOutOfRange) {
  EXPECT_EQ(TextOfJson(With("num_classes", 0)),
            "\"num_classes\" must be an integer from 1 to 100000");
  EXPECT_EQ(TextOfJson(With("preprocess", {{"mean", {1, 1}}})),
            "\"preprocess.mean\" must be an array of 3 numbers, for R, G, B");
  EXPECT_EQ(TextOfJson(With("format", "v2")),
            "\"format\" must be \"resnetd-model/1\", is \"v2\"");
  EXPECT_EQ(FieldOf(With("preprocess", {{"crop", 4}})), "preprocess");
}

TEST(ManifestTest, LimitsItsSize) {
  const std::string text = With("version", 1).dump();
  constexpr std::size_t kLimit = 256U << 10U;
  EXPECT_TRUE(
      ParseManifest(text + std::string(kLimit - text.size(), ' ')).ok());
  EXPECT_EQ(TextOf(text + std::string(kLimit - text.size() + 1, ' ')),
            "has 262145 bytes, at most 262144 are accepted");
}

TEST(ManifestTest, SurvivesDeepNestingAndDamage) {
  EXPECT_THAT(TextOf(std::string(100'000, '[')), HasSubstr("not valid JSON"));
  EXPECT_EQ(TextOf(std::string(100'000, '[') + std::string(100'000, ']')),
            "is not a JSON object");
  std::mt19937 random(6);
  for (int i = 0; i < 5000; ++i) {
    std::string text = kFull;
    for (unsigned edit = 0; edit <= random() % 3; ++edit) {
      text[random() % text.size()] =
          "{}[]\":,0123456789-.eE\\u\n\xff"[random() % 25];
    }
    const auto manifest = ParseManifest(text);
    if (!manifest.ok()) {
      EXPECT_NE(std::string(ErrorOf(text).message()), "");
    } else {
      EXPECT_TRUE(ParseManifest(FormatManifest(*manifest)).ok()) << text;
    }
  }
}

TEST(CheckEvaluationsTest, TakesWhatAManifestTakes) {
  EXPECT_TRUE(CheckEvaluations({}).ok());
  EXPECT_TRUE(CheckEvaluations({{"held out", 360, 0.5}}).ok());
  for (const Evaluation& wrong :
       {Evaluation{"d", 0, 0.5}, Evaluation{"d", 1, 1.5},
        Evaluation{"d", 1, std::nan("")}, Evaluation{"d", 1, -0.5},
        Evaluation{std::string(257, 'd'), 1, 0.5}}) {
    EXPECT_EQ(CheckEvaluations({wrong}).code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_TRUE(
      CheckEvaluations(std::vector<Evaluation>(100, {"d", 1, 0.5})).ok());
  EXPECT_FALSE(
      CheckEvaluations(std::vector<Evaluation>(101, {"d", 1, 0.5})).ok());
}

}  // namespace
}  // namespace resnetd
