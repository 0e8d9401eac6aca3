// Runs a source reader on its own thread and hands full batches to the core, a bounded number at a time.
//
// Threads: the reader thread fills; the core polls and recycles. The two meet in SPSC rings only.
// Bounds:  `kBuffers` batches: when none is free the reader waits, so back-pressure reaches the source.
// Order:   rows come out in the order the reader gave them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "stream/edge/source.h"
#include "stream/ring/spsc_ring.h"

namespace laminar::stream {

class SourceFeed {
 public:
  static constexpr size_t kBuffers = 32;

  // `wake` is called on the reader thread when rows come to an empty ring.
  SourceFeed(std::unique_ptr<SourceReader> reader, const data::Schema& schema, std::function<void()> wake);
  ~SourceFeed();

  struct Item {
    data::BatchBuffer* buffer = nullptr;
    uint32_t partition = 0;
    std::vector<uint32_t> ended_before;  // partitions that ended before these rows
    bool ended = false;  // the last item
    std::unique_ptr<Error> error;
  };
  // The next batch, if one waits. Its buffer goes back by recycle(). A batch may have no rows.
  bool poll(Item& item);
  void recycle(data::BatchBuffer* buffer);
  bool has_rows() { return !consumer_.empty(); }
  SourceReader& reader() { return *reader_; }

 private:
  void run();

  std::unique_ptr<SourceReader> reader_;
  std::function<void()> wake_;
  std::vector<std::unique_ptr<data::BatchBuffer>> buffers_;
  SpscRing<Item> full_{kBuffers};
  SpscRing<data::BatchBuffer*> free_{kBuffers};
  SpscRing<Item>::Producer producer_{full_};
  SpscRing<Item>::Consumer consumer_{full_};
  SpscRing<data::BatchBuffer*>::Producer free_producer_{free_};
  SpscRing<data::BatchBuffer*>::Consumer free_consumer_{free_};
  std::mutex mutex_;  // guards parking only
  std::condition_variable parked_;
  std::atomic<bool> waiting_{false}, stopping_{false};
  std::thread thread_;
};

}  // namespace laminar::stream
