#include "server/serving/batch_queue.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace resnetd {

BatchQueue::BatchQueue(std::size_t max_batch, std::size_t workers)
    : max_batch_(max_batch), workers_(workers), busy_workers_(workers) {}

void BatchQueue::Push(QueuedImage image) {
  {
    const MutexLock lock(mutex_);
    const ServedVersion* version = image.request->version().get();
    const Urgency urgency{.priority = image.request->request().priority,
                          .deadline = image.request->request().deadline,
                          .sequence = next_sequence_++};
    Heap& heap = queues_[version];
    heap.push_back({.urgency = urgency, .image = std::move(image)});
    // The heap's top is its largest element: the most urgent must sort last.
    std::push_heap(
        heap.begin(), heap.end(),
        [](const Entry& a, const Entry& b) { return b.urgency < a.urgency; });
  }
  changed_.NotifyOne();
}

std::vector<QueuedImage> BatchQueue::NextBatch() {
  std::vector<QueuedImage> batch;
  BatchClose close{};
  {
    const MutexLock lock(mutex_);
    // Workers count as busy from the start, until they first ask.
    --busy_workers_;
    while (queues_.empty() && !closed_) {
      changed_.Wait(mutex_);
    }
    if (!queues_.empty()) {
      batch = TakeBatch(close);
    }
    ++busy_workers_;
  }
  if (!batch.empty()) {
    batch.front().request->account().metrics().CountBatchClosed(close);
  }
  return batch;
}

std::vector<QueuedImage> BatchQueue::TakeBatch(BatchClose& close) {
  std::vector<std::optional<Urgency>> heads;
  heads.reserve(queues_.size());
  for (const auto& [version, heap] : queues_) {
    heads.emplace_back(heap.front().urgency);
  }
  const auto chosen = std::next(
      queues_.begin(), static_cast<std::ptrdiff_t>(*ChooseQueue(heads)));
  Heap& heap = chosen->second;
  const std::size_t count =
      DecideBatch(max_batch_, heap.size(), workers_ - busy_workers_);
  close = WhyClosed(max_batch_, heap.size(), count);
  std::vector<QueuedImage> batch;
  batch.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::pop_heap(heap.begin(), heap.end(), [](const Entry& a, const Entry& b) {
      return b.urgency < a.urgency;
    });
    batch.push_back(std::move(heap.back().image));
    heap.pop_back();
  }
  if (heap.empty()) {
    queues_.erase(chosen);
  }
  return batch;
}

void BatchQueue::Close() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
  }
  changed_.NotifyAll();
}

}  // namespace resnetd
