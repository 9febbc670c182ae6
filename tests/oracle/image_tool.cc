// Lets a script call the image module. Reads commands, one a line:
//   decode PATH
//   preprocess RESIZE CROP PATH        decode, then resize and crop
//   preprocess-scalar RESIZE CROP PATH the same without vector instructions
//   time RESIZE CROP PATH              CPU seconds of one resize and crop
//   time-decode PATH                   CPU seconds of one decode
//   make-jpeg COLOUR PROGRESSIVE RESTART SEPARATE PATH
//                                      writes a JPEG of a kind that Pillow
//                                      cannot write: ycc rgb grey cmyk ycck,
//                                      0 or 1, MCUs between restarts, 0 or 1
// and answers each on standard output with one of
//   ok WIDTH HEIGHT, a line end, and WIDTH * HEIGHT * 3 bytes
//   seconds NUMBER
//   made
//   error REASON CAUSE TEXT

#include <cstdint>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "server/image/image_decoder.h"
#include "server/image/preprocess.h"
#include "server/image/resize_geometry.h"
#include "tests/unit/image/picture_factory.h"

namespace {

using resnetd::Pixels;

// What this thread has computed so far: other programs do not count.
double ThreadSeconds() {
  std::timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         static_cast<double>(time.tv_nsec) * 1e-9;
}

std::vector<std::uint8_t> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The last picture is kept: scripts ask for several cuts of each.
absl::StatusOr<Pixels> DecodeFile(const std::string& path) {
  static std::string last_path;
  static absl::StatusOr<Pixels> last;
  if (path != last_path) {
    last_path = path;
    last = resnetd::DecodeImage(ReadFile(path), {});
  }
  return last;
}

void Answer(const absl::StatusOr<Pixels>& pixels) {
  if (pixels.ok()) {
    std::cout << "ok " << pixels->width << ' ' << pixels->height << '\n';
    std::cout.write(reinterpret_cast<const char*>(pixels->rgb.data()),
                    static_cast<std::streamsize>(pixels->rgb.size()));
  } else {
    const resnetd::ErrorDetails details = resnetd::DetailsOf(pixels.status());
    std::string cause = "-";
    for (const auto& [key, value] : details.metadata) {
      if (key == "cause" || key == "limit_name") {
        cause = value;
      }
    }
    std::cout << "error " << details.reason << ' ' << cause << ' '
              << pixels.status().message() << '\n';
  }
  std::cout.flush();
}

void Preprocess(std::istringstream& arguments,
                const resnetd::ResampleKernels& kernels, bool is_timed) {
  resnetd::PreprocessSpec spec;
  std::string path;
  arguments >> spec.resize >> spec.crop >> std::ws;
  std::getline(arguments, path);
  absl::StatusOr<Pixels> pixels = DecodeFile(path);
  if (!pixels.ok()) {
    Answer(pixels);
    return;
  }
  const double start = ThreadSeconds();
  const Pixels cut = resnetd::ResizeAndCrop(*pixels, spec, kernels);
  const double taken = ThreadSeconds() - start;
  if (is_timed) {
    std::cout << "seconds " << taken << std::endl;
  } else {
    Answer(cut);
  }
}

void TimeDecode(std::istringstream& arguments) {
  std::string path;
  std::getline(arguments, path);
  const std::vector<std::uint8_t> bytes = ReadFile(path);
  const double start = ThreadSeconds();
  const absl::StatusOr<Pixels> pixels = resnetd::DecodeImage(bytes, {});
  const double taken = ThreadSeconds() - start;
  if (pixels.ok()) {
    std::cout << "seconds " << taken << std::endl;
  } else {
    Answer(pixels);
  }
}

void MakeJpeg(std::istringstream& arguments) {
  using Colour = resnetd::testing::JpegOptions::Colour;
  const std::map<std::string, Colour> colours = {{"ycc", Colour::kYcc},
                                                 {"rgb", Colour::kRgb},
                                                 {"grey", Colour::kGrey},
                                                 {"cmyk", Colour::kCmyk},
                                                 {"ycck", Colour::kYcck}};
  std::string colour;
  std::string path;
  resnetd::testing::JpegOptions options;
  arguments >> colour >> options.progressive >> options.restart_interval >>
      options.separate_scans >> std::ws;
  std::getline(arguments, path);
  options.colour = colours.at(colour);
  const std::vector<std::uint8_t> jpeg = resnetd::testing::EncodeJpeg(
      resnetd::testing::MakePhoto(317, 205), options);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(jpeg.data()),
             static_cast<std::streamsize>(jpeg.size()));
  std::cout << "made" << std::endl;
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream arguments(line);
    std::string command;
    arguments >> command >> std::ws;
    if (command == "decode") {
      std::string path;
      std::getline(arguments, path);
      Answer(DecodeFile(path));
    } else if (command == "preprocess" || command == "time") {
      Preprocess(arguments, resnetd::BestKernels(), command == "time");
    } else if (command == "preprocess-scalar") {
      Preprocess(arguments, resnetd::ScalarKernels(), false);
    } else if (command == "time-decode") {
      TimeDecode(arguments);
    } else if (command == "make-jpeg") {
      MakeJpeg(arguments);
    } else {
      std::cerr << "image_tool: unknown command: " << line << '\n';
      return 2;
    }
  }
  return 0;
}
