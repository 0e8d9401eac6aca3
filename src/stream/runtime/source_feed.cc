#include "stream/runtime/source_feed.h"

#include <chrono>

#include "base/check.h"

namespace laminar::stream {

namespace {
constexpr auto kIdlePause = std::chrono::milliseconds(2);
}

SourceFeed::SourceFeed(std::unique_ptr<SourceReader> reader, const data::Schema& schema, std::function<void()> wake)
    : reader_(std::move(reader)), wake_(std::move(wake)) {
  for (size_t i = 0; i < kBuffers; ++i) {
    buffers_.push_back(std::make_unique<data::BatchBuffer>(schema));
    CHECK(free_producer_.try_push(buffers_.back().get()));
  }
  thread_ = std::thread([this] { run(); });
}

SourceFeed::~SourceFeed() {
  stopping_.store(true);
  reader_->cancel();
  {
    std::lock_guard lock(mutex_);
    parked_.notify_all();
  }
  thread_.join();
}

bool SourceFeed::poll(Item& item) { return consumer_.try_pop(item); }

void SourceFeed::recycle(data::BatchBuffer* buffer) {
  buffer->clear();
  CHECK(free_producer_.try_push(std::move(buffer)));
  // Pairs with the fence of the parking reader: either it sees the buffer or we see it waiting.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (waiting_.load(std::memory_order_relaxed)) {
    std::lock_guard lock(mutex_);
    parked_.notify_one();
  }
}

void SourceFeed::run() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    data::BatchBuffer* buffer = nullptr;
    if (!free_consumer_.try_pop(buffer)) {
      std::unique_lock lock(mutex_);
      waiting_.store(true, std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_seq_cst);
      parked_.wait(lock, [this] { return stopping_.load() || !free_consumer_.empty(); });
      waiting_.store(false, std::memory_order_relaxed);
      continue;
    }
    Item item;
    item.buffer = buffer;
    for (;;) {
      Result<ReadState> state = reader_->read(*buffer, item.partition);
      if (!state.ok()) {
        item.error = std::make_unique<Error>(state.error());
        item.ended = true;
        break;
      }
      reader_->take_ended(item.ended_before);
      if (*state == ReadState::kEnded) {
        item.ended = true;
        break;
      }
      if (buffer->rows > 0) break;
      if (*state == ReadState::kIdle) {
        std::unique_lock lock(mutex_);
        parked_.wait_for(lock, kIdlePause, [this] { return stopping_.load(); });
      }
      if (stopping_.load()) return;
    }
    const bool ended = item.ended;
    while (!producer_.try_push(std::move(item))) std::this_thread::yield();  // as many slots as buffers: never full
    wake_();
    if (ended) return;
  }
}

}  // namespace laminar::stream
