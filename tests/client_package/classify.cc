// classify SERVER PICTURE: what the picture shows, with the client library as
// it is installed.
#include <resnetd/client.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>

namespace {

// Ends with 1 for an error of the server, with 2 for one of the caller.
int Classify(const std::string& server, const std::string& file) {
  std::ifstream picture(file, std::ios::binary);
  if (!picture) {
    std::cerr << "cannot read " << file << '\n';
    return 2;
  }
  auto client = resnetd::Client::Create({.server = server});
  if (!client.ok()) {
    std::cerr << client.status().message() << '\n';
    return 2;
  }
  resnetd::client::ClassifyRequest request;
  request.images.emplace_back(resnetd::client::EncodedImage{
      {std::istreambuf_iterator<char>(picture), {}}});
  const auto answer = client->Classify(std::move(request));
  if (!answer.ok() || !answer->results.front().ok()) {
    const auto& error =
        answer.ok() ? answer->results.front().status() : answer.status();
    std::cerr << resnetd::client::ErrorInfoOf(error).reason << ": "
              << error.message() << '\n';
    return 1;
  }
  const auto& best = answer->results.front()->predictions.front();
  std::cout << best.label << ' ' << best.probability << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "classify SERVER PICTURE\n";
    return 2;
  }
  return Classify(argv[1], argv[2]);
}
