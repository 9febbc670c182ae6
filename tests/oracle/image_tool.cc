// Lets a script call the image module. Reads commands, one a line:
//   decode PATH
//   preprocess RESIZE CROP PATH        decode, then resize and crop
//   preprocess-scalar RESIZE CROP PATH the same without vector instructions
//   time RESIZE CROP PATH              seconds of one resize and crop
// and answers each on standard output with one of
//   ok WIDTH HEIGHT, a line end, and WIDTH * HEIGHT * 3 bytes
//   seconds NUMBER
//   error REASON CAUSE TEXT

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "server/image/image_decoder.h"
#include "server/image/preprocess.h"
#include "server/image/resize_geometry.h"

namespace {

using resnetd::Pixels;

absl::StatusOr<Pixels> DecodeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  return resnetd::DecodeImage(
      {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, {});
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
  const auto start = std::chrono::steady_clock::now();
  const Pixels cut = resnetd::ResizeAndCrop(*pixels, spec, kernels);
  const std::chrono::duration<double> taken =
      std::chrono::steady_clock::now() - start;
  if (is_timed) {
    std::cout << "seconds " << taken.count() << std::endl;
  } else {
    Answer(cut);
  }
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
    } else {
      std::cerr << "image_tool: unknown command: " << line << '\n';
      return 2;
    }
  }
  return 0;
}
