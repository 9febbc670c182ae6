#include "server/models/pickle_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/pth_writer.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Ended(const std::string& value) {
  return pickle::kProto + value + ".";
}

// What ReadPickle says; empty: it is read.
std::string Verdict(const std::string& text, const PickleLimits& limits = {}) {
  const std::vector<std::uint8_t> bytes = ToBytes(text);
  const absl::Status status = ReadPickle(bytes, limits).status();
  return status.ok() ? ""
                     : absl::StrCat(DetailsOf(status).reason, ": ",
                                    std::string(status.message()));
}

std::int64_t IntOf(const std::string& value) {
  const std::vector<std::uint8_t> bytes = ToBytes(Ended(value));
  const PickleDocument document = ReadPickle(bytes).value();
  EXPECT_EQ(document.at(document.root).kind, PickleKind::kInt);
  return document.at(document.root).number;
}

TEST(PickleReaderTest, ReadsIntegersOfEveryLength) {
  EXPECT_EQ(IntOf("K\xFF"), 255);
  EXPECT_EQ(IntOf(std::string("M\0\1", 3)), 256);
  EXPECT_EQ(IntOf("J\xFF\xFF\xFF\xFF"), -1);
  EXPECT_EQ(IntOf(std::string("J\0\0\0\x80", 5)),
            std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(IntOf(std::string("\x8A\0", 2)), 0);
  EXPECT_EQ(IntOf("\x8A\1\xFF"), -1);
  EXPECT_EQ(IntOf(std::string("\x8A\2\xFF\0", 4)), 255);
  EXPECT_EQ(IntOf(pickle::Int(std::int64_t{1} << 40)), std::int64_t{1} << 40);
  for (const std::int64_t number : {std::numeric_limits<std::int64_t>::min(),
                                    std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(IntOf(pickle::Int(number)), number);
  }
}

TEST(PickleReaderTest, ReadsNestedContainers) {
  const std::vector<std::uint8_t> bytes =
      ToBytes(Ended("}(" + pickle::Text("a") + "]q\2(K\1K\2eN\x85K\4N\x86" +
                    pickle::Text("b") + "h\2u"));
  const PickleDocument document = ReadPickle(bytes).value();
  const PickleValue& dict = document.at(document.root);
  ASSERT_EQ(dict.kind, PickleKind::kDict);
  ASSERT_EQ(dict.items.size(), 6U);
  EXPECT_EQ(document.at(dict.items[0]).text, "a");
  EXPECT_EQ(document.at(dict.items[1]).kind, PickleKind::kList);
  EXPECT_EQ(document.at(dict.items[1]).items.size(), 2U);
  EXPECT_EQ(document.at(dict.items[2]).kind, PickleKind::kTuple);
  EXPECT_EQ(document.at(dict.items[2]).items.size(), 1U);
  EXPECT_EQ(document.at(dict.items[3]).items.size(), 2U);
  // The memo gives the same value again.
  EXPECT_EQ(dict.items[5], dict.items[1]);
}

TEST(PickleReaderTest, DropsTheAttributesOfAnOrderedDict) {
  EXPECT_EQ(
      Verdict(Ended(pickle::OrderedDict() + "}" + pickle::Text("_metadata") +
                    pickle::OrderedDict() + "sb")),
      "");
  EXPECT_THAT(Verdict(Ended("}}b")), HasSubstr("no OrderedDict"));
  EXPECT_THAT(Verdict(Ended(pickle::OrderedDict() + "Nb")),
              HasSubstr("no OrderedDict"));
  EXPECT_THAT(Verdict(Ended("]}b")), HasSubstr("there is no dict"));
}

// Every byte that is no opcode of the list.
TEST(PickleReaderTest, RefusesEveryOtherOpcodeByItsByte) {
  const std::string known =
      ".(JKMNQRXabceh]jqrstu)}G\x80\x85\x86\x87\x88\x89\x8A";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string opcode(1, static_cast<char>(byte));
    const std::string verdict = Verdict(pickle::kProto + opcode);
    if (known.find(opcode) == std::string::npos || byte == 0x80) {
      EXPECT_THAT(verdict, StartsWith("MODEL_INVALID: at byte 2: opcode \""));
    } else if (opcode != "N") {
      EXPECT_THAT(verdict, testing::Not(StartsWith("MODEL_INVALID")));
    }
  }
  EXPECT_THAT(Verdict(pickle::kProto + "\x81"),
              HasSubstr("opcode \"\\x81\" is not one"));
}

TEST(PickleReaderTest, ReadsProtocolTwoOnly) {
  EXPECT_THAT(Verdict("\x80\4N."),
              HasSubstr("MODEL_INVALID: at byte 0: this is pickle protocol 4"));
  EXPECT_THAT(Verdict("(lp0\n."), HasSubstr("this is no pickle"));
  EXPECT_THAT(Verdict(""), HasSubstr("WEIGHTS_CORRUPT"));
}

TEST(PickleReaderTest, RefusesEveryCutOffPickle) {
  const std::string whole = PickleOf(
      {{.name = "weight", .elements = 6, .shape = {2, 3}, .strides = {3, 1}}});
  ASSERT_EQ(Verdict(whole), "");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(Verdict(whole.substr(0, length)),
                StartsWith("WEIGHTS_CORRUPT: at byte "))
        << length;
  }
  EXPECT_THAT(Verdict(whole + "N"), HasSubstr("bytes behind it"));
}

TEST(PickleReaderTest, RefusesAStackThatDoesNotFit) {
  for (const char* text :
       {"", "NN", "(N", "\x85", "N\x86", "t", "e", "u", "a", "Na", "Ns", "NNs",
        "}(Nu", "](NNu", "}Na", "R", "NR", "Q", "b", "q\1",
        // A mark hides what lies below it.
        "N(\x85", "N(.", "]N(a"}) {
    EXPECT_THAT(Verdict(Ended(text)), StartsWith("WEIGHTS_CORRUPT: at byte "))
        << text;
  }
}

TEST(PickleReaderTest, RefusesMemoEntriesThatCannotBe) {
  const std::string zero(1, '\0');
  EXPECT_EQ(Verdict(Ended("Nq" + zero + "h" + zero + "\x86")), "");
  EXPECT_THAT(Verdict(Ended("Nh\1\x86")), HasSubstr("the memo has no entry 1"));
  EXPECT_THAT(Verdict(Ended("Nq\1")), HasSubstr("the memo has no place 1"));
  EXPECT_THAT(Verdict(Ended("Nr\xFF\xFF\xFF\xFF")),
              HasSubstr("the memo has no place 4294967295"));
  EXPECT_THAT(Verdict(Ended("Nj\xFF\xFF\xFF\xFF")),
              HasSubstr("the memo has no entry 4294967295"));
}

TEST(PickleReaderTest, RefusesTextsThatAreNoUtf8) {
  EXPECT_THAT(Verdict(Ended(pickle::Text("\xC3"))),
              HasSubstr("a text is no UTF-8"));
}

TEST(PickleReaderTest, RefusesGlobalsWithoutEnd) {
  EXPECT_THAT(Verdict(Ended("cos\nsystem")), HasSubstr("has no end"));
  EXPECT_THAT(Verdict(Ended("c" + std::string(2000, 'a') + "\nb\n")),
              HasSubstr("has no end"));
}

TEST(PickleReaderTest, LimitsLong1) {
  EXPECT_EQ(Verdict(Ended("\x8A\x08" + std::string(8, 'a'))), "");
  EXPECT_THAT(Verdict(Ended("\x8A\x09" + std::string(9, 'a'))),
              HasSubstr("LIMIT_EXCEEDED: at byte 2: an integer has 9 bytes"));
  EXPECT_THAT(Verdict(Ended("\x8A\xFF" + std::string(255, 'a'))),
              HasSubstr("LIMIT_EXCEEDED"));
}

// Each limit at limit - 1, limit and limit + 1.
TEST(PickleReaderTest, LimitsTheBytes) {
  const std::string text = Ended("N");
  EXPECT_EQ(Verdict(text, {.max_bytes = 5}), "");
  EXPECT_EQ(Verdict(text, {.max_bytes = 4}), "");
  EXPECT_THAT(Verdict(text, {.max_bytes = 3}), HasSubstr("LIMIT_EXCEEDED"));
}

TEST(PickleReaderTest, LimitsTheValues) {
  const auto verdict = [](std::size_t count) {
    return Verdict(Ended("(" + std::string(count - 1, 'N') + "t"),
                   {.max_values = 10});
  };
  EXPECT_EQ(verdict(9), "");
  EXPECT_EQ(verdict(10), "");
  EXPECT_THAT(verdict(11), HasSubstr("LIMIT_EXCEEDED: at byte 13: too many "
                                     "values"));
  // A value that the memo gives again counts again.
  EXPECT_THAT(Verdict(Ended("(Nq\1h\1h\1h\1t"), {.max_values = 3}),
              HasSubstr("WEIGHTS_CORRUPT"));
}

TEST(PickleReaderTest, CountsValuesOfTheMemo) {
  std::string text = std::string("(Nq\0", 4);
  for (int i = 0; i < 8; ++i) {
    text += std::string("h\0", 2);
  }
  EXPECT_EQ(Verdict(Ended(text + "t"), {.max_values = 10}), "");
  EXPECT_THAT(Verdict(Ended(text + "t"), {.max_values = 9}),
              HasSubstr("LIMIT_EXCEEDED"));
}

TEST(PickleReaderTest, LimitsTheStack) {
  const auto verdict = [](std::size_t count) {
    return Verdict(Ended("(" + std::string(count, 'N') + "t"),
                   {.max_stack = 10});
  };
  EXPECT_EQ(verdict(9), "");
  EXPECT_EQ(verdict(10), "");
  EXPECT_THAT(verdict(11), HasSubstr("LIMIT_EXCEEDED"));
}

TEST(PickleReaderTest, LimitsTheMarks) {
  const auto verdict = [](std::size_t count) {
    return Verdict(Ended(std::string(count, '(') + std::string(count, 't')));
  };
  EXPECT_EQ(verdict(63), "");
  EXPECT_EQ(verdict(64), "");
  EXPECT_THAT(verdict(65), HasSubstr("LIMIT_EXCEEDED: at byte 66: containers "
                                     "are nested too deep"));
}

TEST(PickleReaderTest, LimitsTexts) {
  const auto verdict = [](std::size_t bytes) {
    return Verdict(Ended(pickle::Text(std::string(bytes, 'a'))));
  };
  EXPECT_EQ(verdict(65535), "");
  EXPECT_EQ(verdict(65536), "");
  EXPECT_THAT(verdict(65537), HasSubstr("LIMIT_EXCEEDED: at byte 2: a text has "
                                        "65537 bytes, at most 65536"));
  EXPECT_THAT(Verdict(Ended("X\xFF\xFF\xFF\xFF")), HasSubstr("LIMIT_EXCEEDED"));
}

TEST(PickleReaderTest, LimitsTheTensors) {
  const auto verdict = [](std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      text += TensorText({.elements = 1});
    }
    return Verdict(Ended(pickle::Tuple(text)), {.max_tensors = 3});
  };
  EXPECT_EQ(verdict(2), "");
  EXPECT_EQ(verdict(3), "");
  EXPECT_THAT(verdict(4), HasSubstr("LIMIT_EXCEEDED"));
}

// 3 million lists in each other cost neither stack nor time.
TEST(PickleReaderTest, TakesDepthWithoutRecursion) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) {
    text += "]\x85";
  }
  EXPECT_THAT(Verdict(Ended(text)), HasSubstr("LIMIT_EXCEEDED"));
  text.clear();
  for (int i = 0; i < 300'000; ++i) {
    text += "\x85";
  }
  EXPECT_EQ(Verdict(Ended("N" + text)), "");
}

}  // namespace
}  // namespace resnetd
