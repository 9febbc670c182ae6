// The whole way of a picture, through the wire and back.

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/integration/wire_fixture.h"

namespace resnetd {
namespace {

class ClassifyTest : public WireTest {};

TEST_F(ClassifyTest, AnswersWithLabelsVersionTimesAndId) {
  StartServer();
  v1::ClassifyRequest request;
  request.add_images()->set_encoded(DemoPicture());
  request.set_top_k(3);
  request.set_request_id("my-id");
  request.mutable_options()->set_logits(true);
  request.mutable_options()->set_timing(true);
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(request, response).ok());
  const v1::Classification& classification =
      response.results(0).classification();
  ASSERT_EQ(classification.predictions_size(), 3);
  EXPECT_EQ(classification.predictions(0).label(), "3");
  EXPECT_EQ(classification.predictions(0).index(), 3);
  EXPECT_GT(classification.predictions(0).probability(), 0.5);
  ASSERT_EQ(classification.logits_size(), 10);
  EXPECT_EQ(classification.logits(3), classification.predictions(0).logit());
  EXPECT_EQ(response.served_by().model(), "models/digits");
  EXPECT_EQ(response.served_by().version(), 1);
  EXPECT_EQ(response.served_by().weights_sha256().size(), 64U);
  EXPECT_EQ(response.served_by().backend(), "engine");
  EXPECT_GT(response.timing().total().nanos(), 0);
  EXPECT_GE(response.timing().batch_size(), 1);
  EXPECT_EQ(response.request_id(), "my-id");
}

TEST_F(ClassifyTest, RawPixelsGetTheAnswerOfTheSamePictureEncoded) {
  StartServer();
  // 32 x 32, dark with one bright bar: what it shows does not matter.
  std::string rgb(32 * 32 * 3, '\x10');
  for (std::size_t y = 4; y < 28; ++y) {
    for (std::size_t c = 0; c < 3; ++c) {
      rgb[(y * 32 + 16) * 3 + c] = '\x7f';
    }
  }
  std::string bgr = rgb;
  std::string gray;
  for (std::size_t i = 0; i < rgb.size(); i += 3) {
    gray.push_back(rgb[i]);
  }
  v1::ClassifyRequest request;
  request.mutable_options()->set_logits(true);
  const auto add = [&request](const std::string& data,
                              v1::RawImage::Format format) {
    v1::RawImage* raw = request.add_images()->mutable_raw();
    raw->set_data(data);
    raw->set_width(32);
    raw->set_height(32);
    raw->set_format(format);
  };
  add(rgb, v1::RawImage::FORMAT_RGB8);
  add(bgr, v1::RawImage::FORMAT_BGR8);
  add(gray, v1::RawImage::FORMAT_GRAY8);
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(request, response).ok());
  for (int i = 1; i < 3; ++i) {
    for (int c = 0; c < 10; ++c) {
      EXPECT_EQ(response.results(i).classification().logits(c),
                response.results(0).classification().logits(c));
    }
  }
}

TEST_F(ClassifyTest, ManyCallersGetTheirOwnAnswers) {
  Config config = TestConfig();
  config.workers = 2;
  config.threads = 1;
  StartServer(config);
  const std::vector<std::string> digits = {"0", "1", "3", "7"};
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      v1::ClassifyRequest request;
      request.add_images()->set_encoded(DemoPicture());
      for (int i = 0; i < 25; ++i) {
        v1::ClassifyResponse response;
        const bool ok = Classify(request, response).ok();
        wrong +=
            !ok ||
            response.results(0).classification().predictions(0).label() != "3";
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(wrong.load(), 0);
}

TEST_F(ClassifyTest, ListsAndShowsTheModel) {
  StartServer();
  grpc::ClientContext list_context;
  v1::ListModelsResponse models;
  ASSERT_TRUE(models_->ListModels(&list_context, {}, &models).ok());
  ASSERT_EQ(models.models_size(), 1);
  EXPECT_EQ(models.models(0).name(), "models/digits");
  EXPECT_EQ(models.models(0).residency(), v1::RESIDENCY_READY);
  EXPECT_TRUE(models.models(0).is_default());
  grpc::ClientContext version_context;
  v1::GetVersionRequest request;
  request.set_name("models/digits/versions/1");
  v1::GetVersionResponse version;
  ASSERT_TRUE(models_->GetVersion(&version_context, request, &version).ok());
  EXPECT_EQ(version.version().architecture(), "cifar_resnet8");
  EXPECT_EQ(version.version().labels_size(), 10);
  EXPECT_GE(version.version().evaluations(0).accuracy(), 0.98);
  EXPECT_GT(version.version().resident_bytes(), 0);
}

TEST_F(ClassifyTest, TellsWhatItIs) {
  StartServer();
  grpc::ClientContext context;
  v1::GetServerInfoResponse info;
  ASSERT_TRUE(info_->GetServerInfo(&context, {}, &info).ok());
  EXPECT_TRUE(info.ready());
  EXPECT_FALSE(info.version().empty());
  EXPECT_EQ(info.backends_size(), 2);
  EXPECT_GE(info.cpu_cores(), 1);
  std::map<std::string, std::int64_t> limits;
  for (const v1::Limit& limit : info.limits()) {
    limits[limit.name()] = limit.value();
  }
  EXPECT_EQ(limits["max-images-per-request"], 256);
  EXPECT_EQ(limits["max-image-bytes"], 20 << 20);
}

TEST_F(ClassifyTest, ADrainedServerRefusesAndSaysWhy) {
  StartServer();
  std::thread drain([this] { server_->Drain(); });
  drain.join();
  v1::ClassifyRequest request;
  request.add_images()->set_encoded(DemoPicture());
  EXPECT_EQ(ClassifyError(request).code, grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace resnetd
