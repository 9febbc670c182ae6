#include "server/app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<ParsedCommandLine> Parse(std::vector<std::string> arguments) {
  std::vector<const char*> argv = {"resnetd"};
  for (const std::string& argument : arguments) {
    argv.push_back(argument.c_str());
  }
  return ParseCommandLine(static_cast<int>(argv.size()), argv.data());
}

std::string ErrorOf(std::vector<std::string> arguments) {
  return std::string(Parse(std::move(arguments)).status().message());
}

TEST(ParseCommandLineTest, WithoutArgumentsEveryDefaultHolds) {
  const auto parsed = Parse({});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->command, Command::kServe);
  EXPECT_TRUE(parsed->config.models.empty());
  EXPECT_EQ(parsed->config.listen, "localhost:8001");
  EXPECT_EQ(parsed->config.max_images_per_request, 256);
}

TEST(ParseCommandLineTest, AServerThatStopsHasTimeForEveryDeadline) {
  const Config config;
  EXPECT_GE(config.drain_grace_ms, config.max_deadline_ms);
}

TEST(ParseCommandLineTest, ModelsCanBeRepeated) {
  const auto parsed = Parse({"--model=a", "--model", "b"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.models, (std::vector<std::string>{"a", "b"}));
}

TEST(ParseCommandLineTest, AnUnknownFlagNamesTheNearest) {
  EXPECT_EQ(ErrorOf({"--max-bach=3"}),
            "unknown flag \"--max-bach\"; did you mean \"max-batch\"?; see "
            "resnetd --help");
}

TEST(ParseCommandLineTest, AStrayArgumentIsRefused) {
  EXPECT_EQ(ErrorOf({"serve"}),
            "unknown argument \"serve\"; see resnetd --help");
}

TEST(ParseCommandLineTest, AnUnknownKeyOfTheFileNamesTheNearest) {
  const TempDir folder;
  const std::string file = folder.path() + "/c.toml";
  std::ofstream(file) << "workers = 2\nmax-bach = 3\n";
  EXPECT_EQ(ErrorOf({"--config", file}),
            "the configuration file has the unknown key \"max-bach\"; did "
            "you mean \"max-batch\"?; see resnetd --help");
}

TEST(ParseCommandLineTest, ASectionInTheFileIsRefused) {
  const TempDir folder;
  const std::string file = folder.path() + "/c.toml";
  std::ofstream(file) << "[limits]\nmax-batch = 2\n";
  EXPECT_EQ(ErrorOf({"--config", file}),
            "the configuration file has the unknown key \"limits\"; settings "
            "stand at the top of the file, not in a [section]; see resnetd "
            "--help");
}

TEST(ParseCommandLineTest, ReadsListsAndTextFromTheFile) {
  const TempDir folder;
  const std::string file = folder.path() + "/c.toml";
  std::ofstream(file) << "# models\nmodel = [\"a\", \"b\"]\n"
                      << "log-format = \"json\"\nworkers = 3\n";
  const auto parsed = Parse({"--config", file});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.models, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parsed->config.workers, 3);
  EXPECT_EQ(LogOptionsOf(parsed->config).format, LogFormat::kJson);
}

TEST(ParseCommandLineTest, RefusesSettingsThatContradictEachOther) {
  EXPECT_EQ(ErrorOf({"--device=cuda"}),
            "--device=cuda needs --backend=torch: the engine computes on the "
            "CPU");
  EXPECT_EQ(ErrorOf({"--precision=auto", "--backend=torch"}),
            "--precision=auto needs --backend=engine: torch computes in fp32 "
            "on the CPU");
  EXPECT_EQ(ErrorOf({"--precision=int8", "--backend=torch", "--device=cuda"}),
            "--precision=int8 needs --backend=engine: a GPU computes in fp32, "
            "bf16 or fp16");
  EXPECT_EQ(ErrorOf({"--precision=fp16"}),
            "--precision=fp16 needs a GPU, --backend=torch and --device=cuda: "
            "the engine computes in fp32, bf16 and int8");
  EXPECT_EQ(ErrorOf({"--precision=fp16", "--backend=torch"}),
            "--precision=fp16 needs --backend=engine: torch computes in fp32 "
            "on the CPU");
  EXPECT_TRUE(
      Parse({"--precision=fp16", "--backend=torch", "--device=cuda"}).ok());
  EXPECT_TRUE(
      Parse({"--precision=bf16", "--backend=torch", "--device=cuda:1"}).ok());
  EXPECT_EQ(
      ErrorOf({"--precision=int8", "--roles=serve", "--registry=localhost:1"}),
      "--precision=int8 needs --calibration-pictures FOLDER with "
      "--roles=serve, which has no datasets: without pictures nobody "
      "knows how large the activations are");
  EXPECT_TRUE(Parse({"--precision=int8"}).ok());
  EXPECT_EQ(ErrorOf({"--model-precision=a=bf16", "--backend=torch"}),
            "--model-precision needs --backend=engine: torch computes in fp32");
  EXPECT_EQ(ErrorOf({"--model-precision=a=fp8"}),
            "--model-precision \"a=fp8\" has none of fp32, bf16, int8 and "
            "auto");
  EXPECT_EQ(Parse({"--model-precision=a=bf16,b=auto"})
                ->config.model_precisions.size(),
            2U);
  EXPECT_TRUE(Parse({"--precision=int8", "--calibration-pictures=demo"}).ok());
  EXPECT_TRUE(Parse({"--precision=auto"}).ok());
  EXPECT_FALSE(Parse({"--precision=fp8"}).ok());
  EXPECT_EQ(ErrorOf({"--default-deadline-ms=60001"}),
            "--default-deadline-ms is 60001, over --max-deadline-ms, which is "
            "60000");
  EXPECT_TRUE(Parse({"--default-deadline-ms=60000"}).ok());
}

TEST(ParseCommandLineTest, ADeviceHasAKnownName) {
  for (const char* device : {"cpu", "cuda", "cuda:3", "cuda,cuda:1", "fake",
                             "fake:10", "fake,fake:10"}) {
    EXPECT_TRUE(
        Parse({"--backend=torch", absl::StrCat("--device=", device)}).ok())
        << device;
  }
  for (const char* device :
       {"gpu", "cuda:", "cuda:x", "cuda,", "cuda, cuda:1"}) {
    EXPECT_THAT(ErrorOf({"--backend=torch", absl::StrCat("--device=", device)}),
                HasSubstr("known are cpu, cuda, cuda:N"))
        << device;
  }
  EXPECT_TRUE(Parse({"--train-device=cuda:1"}).ok());
  EXPECT_TRUE(Parse({"--train-device=fake:3"}).ok());
  EXPECT_THAT(ErrorOf({"--train-device=gpu"}), HasSubstr("is unknown"));
}

TEST(ParseCommandLineTest, TheDeviceDecidesBatchesAndWhereJobsTrain) {
  struct Case {
    std::vector<std::string> flags;
    int max_batch;
    const char* train_device;
  };
  for (const Case& tested : {
           Case{{}, 4, "cpu"},
           Case{{"--backend=torch"}, 4, "cpu"},
           Case{{"--backend=torch", "--device=cuda:1"}, 32, "cuda:1"},
           Case{{"--backend=torch", "--device=cuda:1,cuda:0"}, 32, "cuda:1"},
           Case{{"--backend=torch", "--device=fake"}, 32, "cpu"},
           Case{{"--backend=torch", "--device=fake,fake"}, 32, "cpu"},
           Case{{"--backend=torch", "--device=cuda", "--max-batch=8"},
                8,
                "cuda"},
           Case{{"--backend=torch", "--device=cuda", "--train-device=cpu"},
                32,
                "cpu"},
           Case{{"--train-device=cuda"}, 4, "cuda"},
           Case{{"--max-batch=1"}, 1, "cpu"},
       }) {
    const auto parsed = Parse(tested.flags);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(MaxBatch(parsed->config), tested.max_batch);
    EXPECT_EQ(TrainDevice(parsed->config), tested.train_device);
  }
}

TEST(ParseCommandLineTest, AReplicaNeedsARegistryAndNothingOfItsOwn) {
  EXPECT_EQ(ErrorOf({"--roles=serve"}),
            "--roles=serve needs --registry HOST:PORT, the server whose models "
            "it serves");
  EXPECT_EQ(ErrorOf({"--registry=a:1"}),
            "--registry needs --roles=serve: only a server without a store of "
            "its own follows another one");
  for (const char* flag : {"--data-dir", "--model", "--weights",
                           "--models-file", "--default-model"}) {
    EXPECT_EQ(
        ErrorOf({"--roles=serve", "--registry=a:1", absl::StrCat(flag, "=x")}),
        absl::StrCat(flag,
                     " does not go with --roles=serve: the registry says "
                     "what is served"));
  }
  const auto parsed = Parse({"--roles=serve", "--registry=127.0.0.1:1"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(IsReplica(parsed->config));
  EXPECT_TRUE(Classifies(parsed->config));
}

TEST(ParseCommandLineTest, WhoControlsAndTrainsDoesNotClassify) {
  const auto parsed = Parse({"--roles=control,train"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_FALSE(IsReplica(parsed->config));
  EXPECT_FALSE(Classifies(parsed->config));
  EXPECT_FALSE(Parse({"--roles=train"}).ok());
}

TEST(ParseCommandLineTest, WhatDescribesWeightsNeedsThem) {
  EXPECT_EQ(ErrorOf({"--labels=l.txt"}),
            "--labels needs --weights FILE, which it describes");
  EXPECT_EQ(ErrorOf({"--architecture=resnet18"}),
            "--architecture needs --weights FILE, which it describes");
  EXPECT_EQ(ErrorOf({"--model-name=m"}),
            "--model-name needs --weights FILE, which it describes");
  const auto parsed = Parse({"--weights=a.pth", "--labels=l.txt",
                             "--architecture=resnet18", "--model-name=m"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.weights, "a.pth");
  EXPECT_EQ(parsed->config.labels, "l.txt");
  EXPECT_EQ(parsed->config.architecture, "resnet18");
  EXPECT_EQ(parsed->config.model_name, "m");
}

TEST(ParseCommandLineTest, VerifyingAStoreNeedsItsFolder) {
  EXPECT_EQ(ErrorOf({"--verify-store"}),
            "--verify-store needs --data-dir, which it verifies");
  const auto parsed = Parse({"--verify-store", "--data-dir=d"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->command, Command::kVerifyStore);
  EXPECT_EQ(parsed->config.data_dir, "d");
}

TEST(ParseCommandLineTest, BackingAStoreUpNeedsItsFolder) {
  EXPECT_EQ(ErrorOf({"--backup-store=b"}),
            "--backup-store needs --data-dir, which it copies");
  const auto parsed = Parse({"--backup-store=b", "--data-dir=d"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->command, Command::kBackUpStore);
  EXPECT_EQ(parsed->backup, "b");
  EXPECT_EQ(parsed->config.data_dir, "d");
}

TEST(ParseCommandLineTest, AllowedBatchSizesRiseToTheLargestBatch) {
  EXPECT_EQ(ErrorOf({"--allowed-batch-sizes=1,x,4"}),
            "--allowed-batch-sizes has \"x\", which is no number of images");
  EXPECT_EQ(ErrorOf({"--allowed-batch-sizes=0,4"}),
            "--allowed-batch-sizes has \"0\", which is no number of images");
  EXPECT_EQ(ErrorOf({"--allowed-batch-sizes=2,2,4"}),
            "--allowed-batch-sizes has 2 behind 2: write them from small to "
            "large");
  EXPECT_EQ(ErrorOf({"--allowed-batch-sizes=1,2"}),
            "--allowed-batch-sizes ends with 2, --max-batch is 4: both name "
            "the largest batch, so make them equal");
  const auto parsed = Parse({"--allowed-batch-sizes=1,2,4,8", "--max-batch=8"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(BatchSizesOf(parsed->config).value(),
            (std::vector<std::size_t>{1, 2, 4, 8}));
  EXPECT_TRUE(BatchSizesOf(Config()).value().empty());
  const auto gpu = Parse({"--backend=torch", "--device=fake", "--max-batch=6"});
  ASSERT_TRUE(gpu.ok()) << gpu.status();
  EXPECT_EQ(BatchSizesOf(gpu->config).value(),
            (std::vector<std::size_t>{1, 2, 4, 6}));
}

TEST(ParseCommandLineTest, AllowedBatchSizesAreWithinTheLargestBatch) {
  EXPECT_EQ(ErrorOf({"--allowed-batch-sizes=4,2", "--max-batch=4"}),
            "--allowed-batch-sizes has 2 behind 4: write them from small to "
            "large");
  EXPECT_EQ(ErrorOf({"--allowed-batch-sizes=-1,4"}),
            "--allowed-batch-sizes has \"-1\", which is no number of images");
  // One below the largest batch, at it, above it.
  EXPECT_EQ(ErrorOf({"--allowed-batch-sizes=1,3"}),
            "--allowed-batch-sizes ends with 3, --max-batch is 4: both name "
            "the largest batch, so make them equal");
  EXPECT_EQ(BatchSizesOf(Parse({"--allowed-batch-sizes=1,4"})->config).value(),
            (std::vector<std::size_t>{1, 4}));
  EXPECT_EQ(ErrorOf({"--allowed-batch-sizes=1,5"}),
            "--allowed-batch-sizes ends with 5, --max-batch is 4: both name "
            "the largest batch, so make them equal");
  EXPECT_EQ(BatchSizesOf(Parse({"--allowed-batch-sizes=4"})->config).value(),
            std::vector<std::size_t>{4});
}

// As they rise to the largest batch, there are no more of them than that.
TEST(ParseCommandLineTest, AllowedBatchSizesAreAtMostAsManyAsTheLargestBatch) {
  const auto sizes = [](int first, int last) {
    std::string flag = "--allowed-batch-sizes=";
    for (int size = first; size <= last; ++size) {
      absl::StrAppend(&flag, size == first ? "" : ",", size);
    }
    return flag;
  };
  for (const int count : {127, 128}) {
    const auto parsed = Parse({sizes(129 - count, 128), "--max-batch=128"});
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    const std::vector<std::size_t> found = BatchSizesOf(parsed->config).value();
    EXPECT_EQ(found.size(), static_cast<std::size_t>(count));
    EXPECT_EQ(found.back(), 128U);
  }
  EXPECT_EQ(ErrorOf({sizes(1, 129), "--max-batch=128"}),
            "--allowed-batch-sizes ends with 129, --max-batch is 128: both "
            "name the largest batch, so make them equal");
}

TEST(ParseCommandLineTest, PrintsTheSettingsInForce) {
  const auto parsed = Parse({"--max-batch=7", "--print-config"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->command, Command::kPrintConfig);
  EXPECT_NE(parsed->output.find("max-batch=7\n"), std::string::npos);
  EXPECT_NE(parsed->output.find("listen=\"localhost:8001\"\n"),
            std::string::npos);
}

TEST(LimitsOfTest, EveryLimitIsAFlag) {
  const auto help = Parse({"--help"});
  ASSERT_TRUE(help.ok());
  Config config;
  config.max_model_bytes = 1;
  config.store_quota_bytes = 1;
  for (const auto& [name, value] : LimitsOf(config)) {
    EXPECT_NE(help->output.find("--" + name), std::string::npos) << name;
    EXPECT_GT(value, 0) << name;
  }
}

TEST(LimitsOfTest, LeavesOutWhatIsNotLimited) {
  Config config;
  const std::size_t always = LimitsOf(config).size();
  config.max_model_bytes = 1;
  EXPECT_EQ(LimitsOf(config).size(), always + 1);
  config.store_quota_bytes = 1;
  EXPECT_EQ(LimitsOf(config).size(), always + 2);
}

}  // namespace
}  // namespace resnetd
