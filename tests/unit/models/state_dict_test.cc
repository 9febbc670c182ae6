#include "server/models/state_dict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/models/pickle_reader.h"
#include "tests/support/pth_writer.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

const std::string kTensor = TensorText({.elements = 1});
const std::string kTensors =
    pickle::Dict(pickle::Text("w") + kTensor + pickle::Text("b") + kTensor);

// The names of the state dict in the pickle of `value`, or the error.
std::string Names(const std::string& value,
                  const StateDictLimits& limits = {}) {
  const std::string bytes = pickle::kProto + value + ".";
  const std::vector<std::uint8_t> copy = ToBytes(bytes);
  const auto document = ReadPickle(copy);
  EXPECT_TRUE(document.ok()) << document.status();
  const auto entries = FindStateDict(*document, limits);
  if (!entries.ok()) {
    return absl::StrCat(DetailsOf(entries.status()).reason, ": ",
                        std::string(entries.status().message()));
  }
  std::string names;
  for (const StateDictEntry& entry : *entries) {
    absl::StrAppend(&names, entry.name, " ");
  }
  return names;
}

std::string Item(const std::string& key, const std::string& value) {
  return pickle::Text(key) + value;
}

TEST(StateDictTest, IsTheRootOrLiesUnderTheNamesOfCheckpoints) {
  EXPECT_EQ(Names(kTensors), "w b ");
  for (const char* key : {"state_dict", "model", "model_state_dict"}) {
    EXPECT_EQ(Names(pickle::Dict(Item("epoch", "K\3") + Item(key, kTensors) +
                                 Item("best", kTensor) +
                                 Item("optimizer", pickle::Dict("K\2K\1")))),
              "w b ")
        << key;
  }
}

TEST(StateDictTest, MayHoldATensorCalledLikeAWrapper) {
  EXPECT_EQ(Names(pickle::Dict(Item("model", kTensor) + Item("w", kTensor))),
            "model w ");
}

TEST(StateDictTest, RefusesTwoOfThem) {
  EXPECT_THAT(Names(pickle::Dict(Item("model", kTensors) +
                                 Item("state_dict", kTensors))),
              HasSubstr("MODEL_INVALID: holds weights under both \"model\" and "
                        "\"state_dict\""));
}

TEST(StateDictTest, RefusesWhatHoldsNone) {
  for (const std::string& value :
       {kTensor, std::string("]"), std::string("}"), std::string("N"),
        pickle::Dict(Item("epoch", "K\3")), pickle::Dict(Item("net", kTensors)),
        pickle::Dict(Item("model", pickle::Dict(Item("model", kTensors))))}) {
    EXPECT_THAT(Names(value), HasSubstr("MODEL_INVALID: holds no dict of "
                                        "tensors"));
  }
}

TEST(StateDictTest, RefusesOtherValuesAndOtherNames) {
  EXPECT_THAT(Names(pickle::Dict(Item("w", kTensor) + Item("x", "N"))),
              HasSubstr("MODEL_INVALID: \"x\" in the state dict is no tensor"));
  EXPECT_THAT(Names(pickle::Dict(Item("w", kTensor) + "K\1" + kTensor)),
              HasSubstr("MODEL_INVALID: a name in the state dict is no text"));
}

TEST(StateDictTest, RefusesANameThatOccursTwice) {
  EXPECT_EQ(Names(pickle::Dict(Item("w", kTensor) + Item("w", kTensor))),
            "WEIGHTS_CORRUPT: tensor \"w\" occurs twice");
}

TEST(StateDictTest, LimitsTheBytesOfAName) {
  const StateDictLimits limits = {.max_name_bytes = 4};
  EXPECT_EQ(Names(pickle::Dict(Item("abc", kTensor)), limits), "abc ");
  EXPECT_EQ(Names(pickle::Dict(Item("abcd", kTensor)), limits), "abcd ");
  EXPECT_THAT(Names(pickle::Dict(Item("abcde", kTensor)), limits),
              HasSubstr("LIMIT_EXCEEDED: a tensor's name has 5 bytes, at most "
                        "4"));
}

// A dict that holds itself is walked once.
TEST(StateDictTest, IsNotLedInCircles) {
  const std::string zero(1, '\0');
  EXPECT_THAT(Names("}q" + zero + pickle::Text("model") + "h" + zero + "s"),
              HasSubstr("MODEL_INVALID"));
}

}  // namespace
}  // namespace resnetd
