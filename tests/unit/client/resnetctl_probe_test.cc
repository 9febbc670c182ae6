// `resnetctl gradients probe` as a process of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/client/models_fixture.h"

namespace resnetd::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ProbeTest : public ModelsTest {
 protected:
  ProbeTest() {
    v1::ProbeReport& report = fake_.labs().report;
    report.set_version("models/cats/versions/1");
    report.set_examples(4);
    report.set_loss(0.5);
    report.set_depth_ratio(2);
    v1::ProbedBlock& block = *report.add_blocks();
    block.set_name("layer1.00");
    block.set_shortcut_is_identity(true);
    block.mutable_paths()->set_shortcut(1);
    block.mutable_paths()->set_main(0.5);
    block.mutable_paths()->set_main_share(0.2);
  }

  // A folder with so many pictures of each label.
  std::string Pictures(const std::vector<std::string>& labels, int each) {
    for (const std::string& label : labels) {
      folder_.MakeFolder(absl::StrCat("photos/", label));
      for (int i = 0; i < each; ++i) {
        folder_.Write(absl::StrCat("photos/", label, "/", i, ".png"),
                      absl::StrCat(label, i));
      }
    }
    return folder_.File("photos");
  }
};

TEST_F(ProbeTest, SendsPicturesAndShowsBlocks) {
  ImportCats();
  const ProcessResult result =
      Run({"gradients", "probe", "cats", "--data", Pictures({"0", "1"}, 2)});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("cats@1: 4 pictures, loss 0.5"));
  EXPECT_THAT(result.out, HasSubstr("layer1.00"));
  EXPECT_THAT(result.out, HasSubstr("depth ratio 2"));
  const auto messages = fake_.labs().messages();
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[0].header().version(), "models/cats/versions/1");
  EXPECT_FALSE(messages[0].header().options().fd_check());
  ASSERT_EQ(messages[1].batch().examples_size(), 4);
  for (const v1::ProbeExample& example : messages[1].batch().examples()) {
    EXPECT_THAT(example.image(), HasSubstr(example.label()));
  }
}

TEST_F(ProbeTest, AsksForWhatItIsTold) {
  ImportCats();
  const std::string data = Pictures({"0", "1"}, 10);
  const ProcessResult result =
      Run({"gradients", "probe", "cats@2", "--data", data, "--fd-check",
           "--split", "--path-passes", "12", "--paths", "--seed", "5",
           "--batch-statistics", "--pictures", "5"});
  EXPECT_EQ(result.code, 0) << result.err;
  const auto messages = fake_.labs().messages();
  const v1::ProbeHeader& header = messages[0].header();
  EXPECT_EQ(header.version(), "models/cats/versions/2");
  EXPECT_TRUE(header.options().fd_check());
  EXPECT_TRUE(header.options().split_parameters());
  EXPECT_TRUE(header.options().batch_statistics());
  EXPECT_EQ(header.options().path_passes(), 12);
  EXPECT_EQ(header.options().path_seed(), 5);
  // Evenly: of both classes.
  ASSERT_EQ(messages[1].batch().examples_size(), 5);
  EXPECT_NE(messages[1].batch().examples(0).label(),
            messages[1].batch().examples(4).label());
  EXPECT_EQ(Run({"gradients", "probe", "cats", "--data", data, "--paths"}).code,
            0);
  EXPECT_EQ(fake_.labs().messages()[0].header().options().path_passes(), 256);
}

TEST_F(ProbeTest, LargePicturesAreSentByThemselves) {
  ImportCats();
  folder_.MakeFolder("photos/0");
  for (int i = 0; i < 3; ++i) {
    folder_.Write(absl::StrCat("photos/0/", i, ".png"),
                  std::string(std::size_t{3} << 20U, 'x'));
  }
  EXPECT_EQ(
      Run({"gradients", "probe", "cats", "--data", folder_.File("photos")})
          .code,
      0);
  EXPECT_EQ(fake_.labs().messages().size(), 4U);
}

TEST_F(ProbeTest, IsJsonForPrograms) {
  ImportCats();
  const json document =
      RunJson({"gradients", "probe", "cats", "--data", Pictures({"0"}, 1)});
  const json& report = document["report"];
  EXPECT_EQ(report["version"], "models/cats/versions/1");
  EXPECT_EQ(report["blocks"][0]["paths"]["main"], 0.5);
  EXPECT_EQ(report["depth_ratio"], 2);
  EXPECT_EQ(report.count("paths"), 0U);
}

TEST_F(ProbeTest, SaysWhatIsWrong) {
  ImportCats();
  const std::string data = Pictures({"dog"}, 1);
  const ProcessResult label =
      Run({"gradients", "probe", "cats", "--data", data});
  EXPECT_EQ(label.code, 8);
  EXPECT_THAT(label.err, HasSubstr("does not know the label \"dog\""));
  EXPECT_EQ(fake_.labs().calls(), 0);
  EXPECT_EQ(
      Run({"gradients", "probe", "cats", "--data", folder_.File("nowhere")})
          .code,
      8);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--pictures", "0"},
                                             {"--pictures", "65"},
                                             {"--path-passes", "0"},
                                             {"--path-passes", "4097"},
                                             {"--seed", "-1"},
                                             {"--follow"}}) {
    std::vector<std::string> all = {"gradients", "probe", "cats", "--data",
                                    data};
    all.insert(all.end(), words.begin(), words.end());
    const ProcessResult result = Run(all);
    EXPECT_EQ(result.code, 2) << words.front();
    EXPECT_THAT(result.err, HasSubstr(words.front()));
  }
}

TEST_F(ProbeTest, ErrorsOfTheServerNameTheNextStep) {
  ImportCats();
  fake_.labs().fail = [] {
    return ToGrpc(RichError(grpc::StatusCode::INVALID_ARGUMENT,
                            "65 examples, a probe takes at most 64",
                            "LIMIT_EXCEEDED",
                            {{"limit_name", "probe-examples"}}));
  };
  const ProcessResult result =
      Run({"gradients", "probe", "cats", "--data", Pictures({"0"}, 1)});
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, HasSubstr("--pictures N for fewer"));
}

TEST_F(ProbeTest, GradientsOfJobsAreAskedForAsBefore) {
  const ProcessResult missing = Run({"gradients"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("JOB is missing"));
  EXPECT_THAT(Run({"gradients", "7"}).err, HasSubstr("jobs/7"));
  EXPECT_THAT(Run({"gradients", "probe"}).err, HasSubstr("MODEL is missing"));
  EXPECT_THAT(Run({"gradients", "--help"}).out,
              HasSubstr("resnetctl gradients COMMAND [OPTIONS]"));
}

}  // namespace
}  // namespace resnetd::test
