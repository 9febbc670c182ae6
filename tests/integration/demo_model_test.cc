// The model that ships, from picture files to classes, by the server's own
// code. Its training and its oracles: docs/demo-model.md.
#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "server/engine/cpu_engine.h"
#include "server/image/image_decoder.h"
#include "server/image/preprocess.h"
#include "server/models/manifest.h"
#include "server/models/model.h"
#include "server/models/model_package.h"

namespace resnetd {
namespace {

constexpr int kSide = 8;
constexpr int kClasses = 10;
constexpr std::size_t kBatch = 32;

std::string Source(absl::string_view path) {
  return absl::StrCat(RESNETD_SOURCE_DIR, "/", path);
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

struct Digit {
  std::vector<std::uint8_t> grey;  // 8x8, 0 paper to 255 ink
  int label = 0;
};

Digit ParseDigit(const std::string& line) {
  Digit digit;
  for (const absl::string_view field : absl::StrSplit(line, ',')) {
    int value = -1;
    EXPECT_TRUE(absl::SimpleAtoi(field, &value)) << line;
    digit.grey.push_back(static_cast<std::uint8_t>((value * 255 + 8) / 16));
    digit.label = value;
  }
  EXPECT_EQ(digit.grey.size(), 65U) << line;
  digit.grey.pop_back();
  return digit;
}

std::vector<Digit> AllDigits() {
  const std::string path = Source("data/digits/digits.csv.gz");
  const std::unique_ptr<gzFile_s, decltype(&gzclose)> file(
      gzopen(path.c_str(), "rb"), &gzclose);
  EXPECT_NE(file, nullptr) << path;
  std::vector<Digit> digits;
  std::vector<char> line(1024);
  while (gzgets(file.get(), line.data(), static_cast<int>(line.size())) !=
         nullptr) {
    digits.push_back(ParseDigit(
        std::string(absl::StripTrailingAsciiWhitespace(line.data()))));
  }
  return digits;
}

std::vector<std::size_t> HeldOutRows() {
  std::ifstream file(Source("data/digits/held-out.txt"));
  return {std::istream_iterator<std::size_t>(file),
          std::istream_iterator<std::size_t>()};
}

std::vector<Digit> HeldOutDigits() {
  const std::vector<Digit> all = AllDigits();
  std::vector<Digit> held_out;
  for (const std::size_t row : HeldOutRows()) {
    held_out.push_back(all.at(row));
  }
  return held_out;
}

// A PNG file of one sample a pixel.
std::vector<std::uint8_t> EncodePng(const std::vector<std::uint8_t>& grey,
                                    int side) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(side);
  image.height = static_cast<png_uint_32>(side);
  image.format = PNG_FORMAT_GRAY;
  std::vector<std::uint8_t> file(PNG_IMAGE_PNG_SIZE_MAX(image));
  png_alloc_size_t size = file.size();
  EXPECT_NE(png_image_write_to_memory(&image, file.data(), &size, 0,
                                      grey.data(), 0, nullptr),
            0)
      << image.message;
  file.resize(size);
  return file;
}

using Look = std::function<std::vector<std::uint8_t>(const Digit&)>;

std::vector<std::uint8_t> AsItIs(const Digit& digit) {
  return EncodePng(digit.grey, kSide);
}

std::vector<std::uint8_t> DarkOnLight(const Digit& digit) {
  std::vector<std::uint8_t> negative = digit.grey;
  for (std::uint8_t& value : negative) {
    value = static_cast<std::uint8_t>(255 - value);
  }
  return EncodePng(negative, kSide);
}

// The digit at side x side, one value a pixel.
std::vector<std::uint8_t> Resized(const Digit& digit, int side) {
  Pixels small{.width = kSide, .height = kSide, .rgb = {}};
  for (const std::uint8_t value : digit.grey) {
    small.rgb.insert(small.rgb.end(), 3, value);
  }
  const Pixels large = ResizeAndCrop(small, {.resize = side, .crop = side});
  std::vector<std::uint8_t> grey;
  for (std::size_t i = 0; i < large.rgb.size(); i += 3) {
    grey.push_back(large.rgb[i]);
  }
  return grey;
}

std::vector<std::uint8_t> Enlarged(const Digit& digit) {
  return EncodePng(Resized(digit, 128), 128);
}

std::vector<std::uint8_t> WithMargin(const Digit& digit) {
  const std::vector<std::uint8_t> half = Resized(digit, 64);
  std::vector<std::uint8_t> whole(std::size_t{128} * 128, 0);
  for (std::ptrdiff_t row = 0; row < 64; ++row) {
    std::copy_n(half.begin() + row * 64, 64,
                whole.begin() + (row + 32) * 128 + 32);
  }
  return EncodePng(whole, 128);
}

// How the data sets that the manifest names are made.
const std::map<std::string, Look>& Looks() {
  static const auto& looks = *new std::map<std::string, Look>{
      {"held-out digits, 8x8", AsItIs},
      {"held-out digits, 8x8, dark on light", DarkOnLight},
      {"held-out digits, enlarged to 128x128", Enlarged},
      {"held-out digits, 64x64 amid 128x128", WithMargin},
  };
  return looks;
}

int Best(absl::Span<const float> logits) {
  return static_cast<int>(std::max_element(logits.begin(), logits.end()) -
                          logits.begin());
}

double ProbabilityOf(int label, absl::Span<const float> logits) {
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(logit - logits.at(static_cast<std::size_t>(label)));
  }
  return 1 / sum;
}

class DemoModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<ModelPackage> package =
        ReadModelFolder(Source("models/digits"));
    ASSERT_TRUE(package.ok()) << package.status();
    facts_ = package->facts;
    absl::StatusOr<std::unique_ptr<ModelLoader>> engine =
        CreateCpuEngine({.threads = 1});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    absl::StatusOr<std::unique_ptr<Model>> model =
        engine_->Load(*package, kBatch);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }

  // From the bytes of a picture file to what the network takes.
  Pixels Prepare(absl::Span<const std::uint8_t> encoded) const {
    const absl::StatusOr<Pixels> decoded = DecodeImage(encoded, {});
    EXPECT_TRUE(decoded.ok()) << decoded.status();
    return decoded.ok() ? ResizeAndCrop(*decoded, facts_->preprocess)
                        : Pixels();
  }

  // kClasses logits of each picture.
  std::vector<float> Logits(const std::vector<Pixels>& pictures) const {
    std::vector<float> all;
    for (std::size_t i = 0; i < pictures.size(); i += kBatch) {
      std::vector<const Pixels*> batch;
      for (std::size_t j = i; j < std::min(i + kBatch, pictures.size()); ++j) {
        batch.push_back(&pictures[j]);
      }
      const absl::StatusOr<std::vector<float>> logits = model_->Logits(batch);
      EXPECT_TRUE(logits.ok()) << logits.status();
      if (logits.ok()) {
        all.insert(all.end(), logits->begin(), logits->end());
      }
    }
    return all;
  }

  std::optional<VersionFacts> facts_;
  std::unique_ptr<ModelLoader> engine_;
  std::unique_ptr<Model> model_;
};

TEST_F(DemoModelTest, RecognisesHeldOutDigitsAsOftenAsTheManifestSays) {
  const std::vector<Digit> digits = HeldOutDigits();
  ASSERT_EQ(digits.size(), 360U);
  ASSERT_EQ(facts_->evaluations.size(), Looks().size());
  for (const Evaluation& evaluation : facts_->evaluations) {
    SCOPED_TRACE(evaluation.dataset);
    ASSERT_EQ(Looks().count(evaluation.dataset), 1U);
    const Look& look = Looks().at(evaluation.dataset);
    std::vector<Pixels> pictures;
    for (const Digit& digit : digits) {
      pictures.push_back(Prepare(look(digit)));
    }
    const std::vector<float> logits = Logits(pictures);
    ASSERT_EQ(logits.size(), digits.size() * kClasses);
    int right = 0;
    for (std::size_t i = 0; i < digits.size(); ++i) {
      const auto row =
          absl::MakeConstSpan(logits).subspan(i * kClasses, kClasses);
      right += Best(row) == digits[i].label ? 1 : 0;
    }
    EXPECT_EQ(evaluation.examples, 360);
    EXPECT_DOUBLE_EQ(right / 360.0, evaluation.accuracy);
    EXPECT_GE(right / 360.0, 0.98);
  }
}

// Rows of the data set and their logits, as PyTorch computes them in float64.
std::map<std::size_t, std::vector<double>> GoldenLogits() {
  std::map<std::size_t, std::vector<double>> golden;
  std::vector<double>* row = nullptr;
  for (absl::string_view line :
       absl::StrSplit(ReadText(Source("tests/golden/demo/logits.txt")), '\n')) {
    double value = 0;
    std::size_t number = 0;
    if (absl::ConsumePrefix(&line, "picture ")) {
      EXPECT_TRUE(absl::SimpleAtoi(line, &number)) << line;
      row = &golden[number];
    } else if (absl::SimpleAtod(line, &value) && row != nullptr) {
      row->push_back(value);
    }
  }
  return golden;
}

TEST_F(DemoModelTest, LogitsEqualThoseOfPyTorch) {
  const std::vector<Digit> digits = AllDigits();
  const auto all_golden = GoldenLogits();
  ASSERT_EQ(all_golden.size(), 3U);
  for (const auto& [row, golden] : all_golden) {
    SCOPED_TRACE(absl::StrCat("row ", row));
    ASSERT_EQ(golden.size(), std::size_t{kClasses});
    const std::vector<float> logits = Logits({Prepare(AsItIs(digits.at(row)))});
    ASSERT_EQ(logits.size(), golden.size());
    double scale = 0;
    for (const double value : golden) {
      scale = std::max(scale, std::abs(value));
    }
    for (std::size_t i = 0; i < golden.size(); ++i) {
      EXPECT_NEAR(logits[i], golden[i], 1e-5 * scale) << "class " << i;
    }
  }
}

TEST_F(DemoModelTest, RecognisesThePicturesOfTheDemoClearly) {
  const auto expected =
      nlohmann::json::parse(ReadText(Source("demo/expected.json")));
  std::set<std::string> pictures;
  for (const auto& entry :
       std::filesystem::directory_iterator(Source("demo"))) {
    const std::string name = entry.path().filename().string();
    if (name == "expected.json" || name == "README.md") {
      continue;
    }
    SCOPED_TRACE(name);
    ASSERT_TRUE(expected.contains(name));
    pictures.insert(name);
    const std::string bytes = ReadText(entry.path().string());
    const std::vector<std::uint8_t> encoded(bytes.begin(), bytes.end());
    const std::vector<float> logits = Logits({Prepare(encoded)});
    ASSERT_EQ(logits.size(), std::size_t{kClasses});
    const int best = Best(logits);
    EXPECT_EQ(facts_->labels.at(static_cast<std::size_t>(best)),
              expected.at(name).get<std::string>());
    EXPECT_GE(ProbabilityOf(best, logits), 0.9);
  }
  EXPECT_EQ(pictures.size(), expected.size());
}

TEST(DemoDataTest, HeldOutPartHas36DigitsOfEachClass) {
  EXPECT_EQ(AllDigits().size(), 1797U);
  const std::vector<std::size_t> rows = HeldOutRows();
  EXPECT_EQ(std::set<std::size_t>(rows.begin(), rows.end()).size(), 360U);
  std::map<int, int> of_class;
  for (const Digit& digit : HeldOutDigits()) {
    ++of_class[digit.label];
  }
  EXPECT_EQ(of_class.size(), std::size_t{kClasses});
  for (const auto& [label, count] : of_class) {
    EXPECT_EQ(count, 36) << label;
  }
}

TEST(DemoModelFolderTest, ManifestIsCanonicalAndWeightsAreSmall) {
  const std::string text = ReadText(Source("models/digits/manifest.json"));
  const absl::StatusOr<Manifest> manifest = ParseManifest(text);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(FormatManifest(*manifest), text);
  EXPECT_TRUE(manifest->weights_sha256.has_value());
  EXPECT_LT(
      std::filesystem::file_size(Source("models/digits/model.safetensors")),
      1'000'000U);
}

}  // namespace
}  // namespace resnetd
