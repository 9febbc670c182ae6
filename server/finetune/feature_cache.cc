#include "server/finetune/feature_cache.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "server/base/status_macros.h"

namespace resnetd {

FeatureCache::FeatureCache(const FeatureExtractor& extractor, Source source,
                           std::size_t batch)
    : extractor_(&extractor),
      source_(std::move(source)),
      batch_(batch),
      values_(extractor.shape().values()) {}

absl::StatusOr<FeatureCache> FeatureCache::Load(
    const FeatureExtractor& extractor, Source source, std::size_t batch,
    std::int64_t max_bytes, const std::function<absl::Status()>& before_batch) {
  FeatureCache cache(extractor, std::move(source), batch);
  const std::size_t room =
      static_cast<std::size_t>(max_bytes) / (cache.values_ * sizeof(float));
  std::vector<std::size_t> kept(std::min(room, cache.size()));
  std::iota(kept.begin(), kept.end(), std::size_t{0});
  cache.kept_.reserve(kept.size() * cache.values_);
  for (std::size_t at = 0; at < kept.size(); at += batch) {
    RETURN_IF_ERROR(before_batch());
    RETURN_IF_ERROR(cache.Append(absl::MakeConstSpan(kept).subspan(at, batch),
                                 cache.kept_));
  }
  return cache;
}

absl::Status FeatureCache::Append(absl::Span<const std::size_t> pictures,
                                  std::vector<float>& to) const {
  for (std::size_t at = 0; at < pictures.size(); at += batch_) {
    const auto indices = pictures.subspan(at, batch_);
    std::vector<Pixels> read;
    read.reserve(indices.size());
    std::vector<const Pixels*> batch;
    for (const std::size_t index : indices) {
      ASSIGN_OR_RETURN(Pixels picture, source_.picture(index));
      read.push_back(std::move(picture));
      batch.push_back(&read.back());
    }
    ASSIGN_OR_RETURN(const std::vector<float> features,
                     extractor_->Features(batch));
    to.insert(to.end(), features.begin(), features.end());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Features>> FeatureCache::Get(
    absl::Span<const std::size_t> pictures) {
  std::vector<std::size_t> missing;
  std::copy_if(pictures.begin(), pictures.end(), std::back_inserter(missing),
               [this](std::size_t index) { return index >= kept(); });
  computed_.clear();
  computed_.reserve(missing.size() * values_);
  RETURN_IF_ERROR(Append(missing, computed_));
  std::vector<Features> features;
  features.reserve(pictures.size());
  std::size_t taken = 0;
  for (const std::size_t index : pictures) {
    const bool is_kept = index < kept();
    const float* first = is_kept ? kept_.data() + index * values_
                                 : computed_.data() + taken * values_;
    taken += is_kept ? 0 : 1;
    features.emplace_back(first, values_);
  }
  return features;
}

}  // namespace resnetd
