#include "server/models/pickle_rebuild.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/models/pickle_reader.h"
#include "tests/support/pth_writer.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What ReadPickle says about the pickle of `value`; empty: it is read.
std::string Verdict(const std::string& value, const PickleLimits& limits = {}) {
  const std::vector<std::uint8_t> bytes = ToBytes(pickle::kProto + value + ".");
  const absl::Status status = ReadPickle(bytes, limits).status();
  return status.ok() ? ""
                     : absl::StrCat(DetailsOf(status).reason, ": ",
                                    std::string(status.message()));
}

TEST(PickleRebuildTest, KnowsFourKindsOfGlobals) {
  EXPECT_EQ(FindPickleGlobal("collections", "OrderedDict")->global,
            PickleGlobal::kOrderedDict);
  EXPECT_EQ(FindPickleGlobal("torch._utils", "_rebuild_tensor_v2")->global,
            PickleGlobal::kRebuildTensor);
  EXPECT_EQ(FindPickleGlobal("torch._utils", "_rebuild_parameter")->global,
            PickleGlobal::kRebuildParameter);
  EXPECT_EQ(FindPickleGlobal("torch", "FloatStorage")->global,
            PickleGlobal::kStorageType);
}

TEST(PickleRebuildTest, RefusesEveryOtherGlobalByName) {
  for (const auto& [module, name] :
       std::vector<std::pair<std::string, std::string>>{
           {"os", "system"},
           {"posix", "system"},
           {"builtins", "eval"},
           {"__builtin__", "set"},
           {"torch", "load"},
           {"torch", "Storage"},
           {"torch.cuda", "FloatStorage"},
           {"torch._utils", "_rebuild_tensor"},
           {"torch._utils", "_rebuild_tensor_v2 "},
           {"collections", "OrderedDict\r"},
           {"", ""},
           {"argparse", "Namespace"}}) {
    const absl::Status status = FindPickleGlobal(module, name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("asks for the Python object \""));
    EXPECT_THAT(std::string(status.message()), HasSubstr(kSaveStateDict));
  }
}

TEST(PickleRebuildTest, SaysThatAFileHoldsAWholeNetwork) {
  for (const char* module :
       {"torch.nn.modules.conv", "torchvision.models.resnet",
        "timm.models.resnet"}) {
    EXPECT_THAT(std::string(FindPickleGlobal(module, "X").status().message()),
                HasSubstr("holds a whole pickled network"));
  }
}

TEST(PickleRebuildTest, KeepsLongNamesOutOfTheText) {
  const absl::Status status =
      FindPickleGlobal(std::string(500, 'a') + "\x01", "b").status();
  EXPECT_LT(status.message().size(), 300U);
}

TEST(PickleRebuildTest, MakesATensorOfItsParts) {
  const std::vector<std::uint8_t> bytes =
      ToBytes(pickle::kProto +
              TensorText({.type = "HalfStorage",
                          .key = "k",
                          .elements = 24,
                          .offset = 2,
                          .shape = {3, 4},
                          .strides = {4, 1}}) +
              ".");
  const PickleDocument document = ReadPickle(bytes).value();
  ASSERT_EQ(document.tensors.size(), 1U);
  const PickledTensor& tensor = document.tensors[0];
  EXPECT_EQ(tensor.storage.key, "k");
  EXPECT_EQ(tensor.storage.type, "HalfStorage");
  EXPECT_EQ(tensor.storage.dtype, DType::kF16);
  EXPECT_EQ(tensor.storage.elements, 24);
  EXPECT_EQ(tensor.offset, 2);
  EXPECT_THAT(tensor.shape, ElementsAre(3, 4));
  EXPECT_THAT(tensor.strides, ElementsAre(4, 1));
}

TEST(PickleRebuildTest, UnwrapsParameters) {
  const std::string rebuild =
      pickle::Global("torch._utils", "_rebuild_parameter");
  const std::string tensor = TensorText({.elements = 1});
  EXPECT_EQ(
      Verdict(rebuild + "(" + tensor + "\x88" + pickle::OrderedDict() + "tR"),
      "");
  for (const std::string& arguments :
       {std::string(), tensor, tensor + "\x88",
        tensor + "N" + pickle::OrderedDict(), "N\x88" + pickle::OrderedDict(),
        tensor + "\x88" + pickle::OrderedDict() + "N"}) {
    EXPECT_THAT(Verdict(rebuild + pickle::Tuple(arguments) + "R"),
                HasSubstr("WEIGHTS_CORRUPT: at byte"));
  }
}

TEST(PickleRebuildTest, RefusesDamagedTensors) {
  EXPECT_EQ(Verdict(TensorText({.elements = 1})), "");
  for (const PickledView& view : std::vector<PickledView>{
           {.elements = 1, .offset = -1},
           {.elements = 1, .shape = {1}},
           {.elements = 1, .strides = {1}},
           {.elements = 1, .shape = {-1}, .strides = {1}},
           {.elements = 1, .shape = {1}, .strides = {-1}}}) {
    EXPECT_THAT(Verdict(TensorText(view)),
                HasSubstr("WEIGHTS_CORRUPT: at byte"));
  }
  EXPECT_THAT(Verdict(TensorText({.elements = -1})),
              HasSubstr("a persistent id is not that of a storage"));
}

TEST(PickleRebuildTest, RefusesTensorsOfOtherParts) {
  const std::string rebuild =
      pickle::Global("torch._utils", "_rebuild_tensor_v2");
  const std::string storage = StorageText({.elements = 1});
  const std::string dict = pickle::OrderedDict();
  for (const std::string& arguments :
       {std::string(), storage, storage + "K\0))\x89", storage + "K\1))\x89N",
        storage + "N))\x89" + dict, storage + "K\1N)\x89" + dict,
        "K\1K\1))\x89" + dict, storage + "K\1)(Nt\x89" + dict,
        // The seventh may turn signs.
        storage + "K\1))\x89" + dict + dict}) {
    EXPECT_THAT(Verdict(rebuild + pickle::Tuple(arguments) + "R"),
                HasSubstr("WEIGHTS_CORRUPT: at byte"))
        << arguments;
  }
}

TEST(PickleRebuildTest, RefusesPersistentIdsOfOtherParts) {
  const std::string type = pickle::Global("torch", "FloatStorage");
  const std::string good = pickle::Text("storage") + type + pickle::Text("0") +
                           pickle::Text("cpu") + "K\1";
  EXPECT_EQ(Verdict(pickle::Tuple(good) + "Q"), "");
  for (const std::string& id :
       {std::string("K\1"), pickle::Tuple(good + "N"),
        pickle::Tuple(pickle::Text("module") + type + pickle::Text("0") +
                      pickle::Text("cpu") + "K\1"),
        pickle::Tuple(pickle::Text("storage") +
                      pickle::Global("collections", "OrderedDict") +
                      pickle::Text("0") + pickle::Text("cpu") + "K\1"),
        pickle::Tuple(pickle::Text("storage") + type + "K\1" +
                      pickle::Text("cpu") + "K\1")}) {
    EXPECT_THAT(Verdict(id + "Q"),
                HasSubstr("a persistent id is not that of a storage"));
  }
}

TEST(PickleRebuildTest, CallsNothingElse) {
  EXPECT_THAT(Verdict("N)R"), HasSubstr("something is called"));
  EXPECT_THAT(Verdict(pickle::Global("torch", "FloatStorage") + ")R"),
              HasSubstr("WEIGHTS_CORRUPT"));
  EXPECT_THAT(Verdict(pickle::Global("collections", "OrderedDict") + "(NtR"),
              HasSubstr("WEIGHTS_CORRUPT"));
  EXPECT_THAT(Verdict(pickle::Global("collections", "OrderedDict") + "NR"),
              HasSubstr("WEIGHTS_CORRUPT"));
}

TEST(PickleRebuildTest, LimitsTheRank) {
  const auto verdict = [](std::size_t rank) {
    const std::vector<std::int64_t> ones(rank, 1);
    return Verdict(TensorText({.elements = 1, .shape = ones, .strides = ones}));
  };
  EXPECT_EQ(verdict(7), "");
  EXPECT_EQ(verdict(8), "");
  EXPECT_THAT(verdict(9), HasSubstr("LIMIT_EXCEEDED"));
}

}  // namespace
}  // namespace resnetd
