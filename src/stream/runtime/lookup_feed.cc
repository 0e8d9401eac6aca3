#include "stream/runtime/lookup_feed.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/clock.h"
#include "data/value.h"

namespace laminar::stream {

namespace {
constexpr int64_t kPauseFirstMs = 100, kPauseMaxMs = 5000;
constexpr int kPollMs = 250;
}  // namespace

LookupFeed::LookupFeed(std::unique_ptr<LookupReader> reader, std::vector<data::Type> types, std::vector<data::Type> key_types,
                       Options options, DeadLetters dead_letters, std::function<void()> wake)
    : reader_(std::move(reader)), types_(std::move(types)), key_types_(std::move(key_types)),
      answer_types_(LookupCache::answer_types(types_)), options_(options), dead_letters_(std::move(dead_letters)),
      wake_(std::move(wake)), wake_descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), answer_(types_) {
  CHECK(wake_descriptor_ >= 0);
  thread_ = std::thread([this] { run(); });
}

LookupFeed::~LookupFeed() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  reader_->cancel();
  signal();
  thread_.join();
  ::close(wake_descriptor_);
}

void LookupFeed::signal() {
  changed_.notify_all();
  const uint64_t one = 1;
  (void)!::write(wake_descriptor_, &one, sizeof one);
}

void LookupFeed::ask(std::vector<std::unique_ptr<LookupKeys>> keys) {
  if (keys.empty()) return;
  {
    std::lock_guard lock(mutex_);
    for (auto& batch : keys) queue_.push_back(std::move(batch));
  }
  signal();
}

std::vector<std::unique_ptr<data::BatchBuffer>> LookupFeed::take_answers() {
  std::lock_guard lock(mutex_);
  return std::exchange(answers_, {});
}

void LookupFeed::load(std::vector<std::vector<uint32_t>> indexes) {
  {
    std::lock_guard lock(mutex_);
    load_ = std::move(indexes);
    loading_ = true;
  }
  signal();
}

std::optional<LookupFeed::Loaded> LookupFeed::take_copy() {
  std::lock_guard lock(mutex_);
  return std::exchange(loaded_, std::nullopt);
}

bool LookupFeed::is_loading() {
  std::lock_guard lock(mutex_);
  return loading_ || loaded_.has_value();
}

LookupFeed::Progress LookupFeed::progress() {
  std::lock_guard lock(mutex_);
  return progress_;
}

void LookupFeed::fail(const Status& status) {
  progress_.failure = status.error();
  progress_.last_error = status.error().message;
  loading_ = false;
}

// False when the feed ends because of it.
bool LookupFeed::report_bad(const std::vector<LookupAnswer::BadRow>& bad) {
  for (const LookupAnswer::BadRow& row : bad) {
    if (!options_.skip_bad) {
      std::lock_guard lock(mutex_);
      fail(Status(ErrorCode::kBadRecord, row.reason + ": " + row.text));
      return false;
    }
    if (dead_letters_) dead_letters_({"", 0, row.reason, row.text});
  }
  return true;
}

void LookupFeed::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (progress_.failure) {
      changed_.wait(lock, [this] { return stopping_; });
    } else if (load_) {
      run_load(lock);
    } else if (!queue_.empty() || !in_flight_.empty()) {
      run_asks(lock);
    } else {
      changed_.wait(lock, [this] { return stopping_ || load_ || !queue_.empty(); });
    }
  }
  lock.unlock();
  reader_->close();
}

// The server is away: says so, and waits before the next try.
void LookupFeed::outage(std::unique_lock<std::mutex>& lock, const Status& status) {
  const int64_t now_ns = monotonic_ns();
  if (outage_since_ns_ == 0) outage_since_ns_ = now_ns;
  progress_.connected = false;
  progress_.last_error = status.error().message;
  ++progress_.retries;
  const bool patient = now_ns - outage_since_ns_ < options_.retry_for_us * 1000;
  if (options_.when_away == WhenAway::kFail && !patient) {
    fail(status);
    wake_();
    return;
  }
  away_ = options_.when_away == WhenAway::kNull && !patient;
  pause_ms_ = pause_ms_ == 0 ? kPauseFirstMs : std::min(2 * pause_ms_, kPauseMaxMs);
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(pause_ms_);
  if (!away_) {
    changed_.wait_until(lock, until, [this] { return stopping_; });
    return;
  }
  // Until then whoever asks hears at once that there is nothing.
  for (;;) {
    if (load_ && !loaded_ && loading_) {
      loaded_.emplace();
      loading_ = false;
      lock.unlock();
      wake_();
      lock.lock();
    }
    deliver_nothing();
    if (!answers_.empty()) {
      lock.unlock();
      wake_();
      lock.lock();
    }
    if (!changed_.wait_until(lock, until, [this] { return stopping_ || !queue_.empty(); })) return;
    if (stopping_) return;
  }
}

void LookupFeed::run_load(std::unique_lock<std::mutex>& lock) {
  const std::vector<std::vector<uint32_t>> indexes = *load_;
  lock.unlock();
  auto copy = std::make_unique<LookupCopy>(types_);
  uint64_t rows = 0;
  Status status = reader_->load([&](const data::Batch& batch) {
    copy->add(batch);
    rows += batch.rows;
    return Status();
  });
  if (status.ok()) {
    for (const auto& keys : indexes) copy->add_index(keys);
  }
  lock.lock();
  if (stopping_) return;
  if (!status.ok()) {
    const ErrorCode code = status.error().code;
    // What another try would not change.
    if (code == ErrorCode::kBadRecord || code == ErrorCode::kTypeMismatch) {
      fail(status);
      lock.unlock();
      wake_();
      lock.lock();
      return;
    }
    return outage(lock, status);
  }
  outage_since_ns_ = pause_ms_ = 0;
  away_ = false;
  progress_.connected = true;
  progress_.last_error.clear();
  progress_.rows = rows;
  ++progress_.loads;
  load_.reset();
  loading_ = false;
  loaded_ = Loaded{std::move(copy)};
  lock.unlock();
  wake_();
  lock.lock();
}

void LookupFeed::run_asks(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  Status status;
  if (!connected_) {
    status = reader_->connect();
    connected_ = status.ok();
    for (Batch& batch : in_flight_) {
      if (!status.ok()) break;
      batch.sent_ns = monotonic_ns();
      status = reader_->send(*batch.keys);
    }
  }
  lock.lock();
  if (status.ok() && !stopping_) status = exchange(lock);
  if (status.ok() || stopping_) return;
  connected_ = false;
  lock.unlock();
  reader_->close();
  lock.lock();
  if (!progress_.failure) outage(lock, status);
}

// The next keys to send: what waits in the queue, put together up to a batch.
std::unique_ptr<LookupKeys> LookupFeed::next_batch() {
  std::unique_ptr<LookupKeys> first = std::move(queue_.front());
  queue_.pop_front();
  while (!queue_.empty() && first->keys.rows + queue_.front()->keys.rows <= std::min(options_.batch_keys, first->keys.rows_max())) {
    LookupKeys& more = *queue_.front();
    const data::Batch keys = more.keys.view();
    for (uint32_t row = 0; row < keys.rows; ++row) first->keys.append_row(keys, row, 1);
    first->requests.insert(first->requests.end(), more.requests.begin(), more.requests.end());
    queue_.pop_front();
  }
  return first;
}

Status LookupFeed::send_waiting(std::unique_lock<std::mutex>& lock) {
  while (!queue_.empty() && in_flight_.size() < options_.batches_in_flight) {
    in_flight_.push_back({next_batch(), monotonic_ns()});
    ++progress_.batches;
    progress_.requests += in_flight_.back().keys->keys.rows;
    lock.unlock();
    Status status = reader_->send(*in_flight_.back().keys);
    lock.lock();
    if (!status.ok()) return status;
  }
  return {};
}

void LookupFeed::wait_descriptor(int timeout_ms) {
  const int descriptor = reader_->descriptor();
  pollfd polled[2] = {{wake_descriptor_, POLLIN, 0}, {descriptor, static_cast<short>(POLLIN | (reader_->wants_write() ? POLLOUT : 0)), 0}};
  (void)::poll(polled, descriptor >= 0 ? 2 : 1, timeout_ms);
  uint64_t count;
  if (polled[0].revents & POLLIN) (void)!::read(wake_descriptor_, &count, sizeof count);
}

// Sends and receives until nothing is under way, or there is something to give to the core.
Status LookupFeed::exchange(std::unique_lock<std::mutex>& lock) {
  progress_.connected = true;
  while (!stopping_) {
    RETURN_IF_ERROR(send_waiting(lock));
    if (in_flight_.empty()) return {};
    lock.unlock();
    const Result<bool> complete = reader_->receive(answer_);
    if (complete.ok() && !*complete) {
      const int64_t waited_us = (monotonic_ns() - in_flight_.front().sent_ns) / 1000;
      if (waited_us >= options_.timeout_us) {
        lock.lock();
        return Status(ErrorCode::kServerUnavailable, "no answer within " + std::to_string(options_.timeout_us / 1000) + " ms");
      }
      wait_descriptor(static_cast<int>(std::clamp<int64_t>((options_.timeout_us - waited_us) / 1000 + 1, 1, kPollMs)));
      lock.lock();
      continue;
    }
    if (!complete.ok()) {
      lock.lock();
      return complete.status();
    }
    const bool good = report_bad(answer_.bad);
    lock.lock();
    outage_since_ns_ = pause_ms_ = 0;
    away_ = false;
    if (!good) {
      lock.unlock();
      wake_();
      lock.lock();
      return Status(*progress_.failure);
    }
    progress_.last_error.clear();
    deliver(*in_flight_.front().keys);
    in_flight_.pop_front();
    // The next answers count their time from now: they were behind this one.
    if (!in_flight_.empty()) in_flight_.front().sent_ns = std::max(in_flight_.front().sent_ns, monotonic_ns());
    answer_.clear();
    lock.unlock();
    wake_();
    lock.lock();
  }
  return {};
}

data::BatchBuffer& LookupFeed::answer_buffer() {
  if (answers_.empty() || answers_.back()->full()) answers_.push_back(std::make_unique<data::BatchBuffer>(answer_types_));
  return *answers_.back();
}

// The answer as rows of (request, kind, columns), the rows of a key together.
void LookupFeed::deliver(const LookupKeys& keys) {
  const uint32_t count = keys.keys.rows;
  constexpr uint32_t kNone = ~uint32_t{0};
  std::vector<uint32_t> head(count, kNone), tail(count, kNone), next(answer_.key_of_row.size(), kNone);
  for (uint32_t row = 0; row < next.size(); ++row) {
    const uint32_t key = answer_.key_of_row[row];
    CHECK(key < count);
    (head[key] == kNone ? head[key] : next[tail[key]]) = row;
    tail[key] = row;
  }
  std::vector<data::Batch> rows;
  for (size_t i = 0; i < answer_.buffer_count(); ++i) rows.push_back(answer_.buffer(i).view());
  std::vector<data::Column> columns(answer_types_.size());
  for (uint32_t key = 0; key < count; ++key) {
    int64_t request = static_cast<int64_t>(keys.requests[key]);
    int8_t kind = static_cast<int8_t>(LookupAnswerKind::kRow);
    for (uint32_t row = head[key]; row != kNone; row = next[row]) {
      // A batch whose first two columns stand before the row's.
      const data::Batch& from = rows[row / data::kBatchRowsMax];
      const uint32_t at = row % data::kBatchRowsMax;
      data::BatchBuffer& to = answer_buffer();
      to.column(0).values<int64_t>()[to.rows] = request;
      to.column(1).values<int8_t>()[to.rows] = kind;
      for (size_t c = 0; c < types_.size(); ++c) {
        data::Value::from_column(types_[c], from.columns[c], at).to_column(to.column(static_cast<uint32_t>(c) + 2), to.rows, to.strings());
      }
      ++to.rows;
      ++progress_.rows;
    }
    data::BatchBuffer& to = answer_buffer();
    to.column(0).values<int64_t>()[to.rows] = request;
    to.column(1).values<int8_t>()[to.rows] = static_cast<int8_t>(LookupAnswerKind::kEnd);
    for (uint32_t c = 0; c < types_.size(); ++c) data::Value::null(types_[c]).to_column(to.column(c + 2), to.rows, to.strings());
    ++to.rows;
  }
}

// Everything that waits is answered: nobody is there.
void LookupFeed::deliver_nothing() {
  const auto add = [this](const LookupKeys& keys) {
    for (const uint64_t request : keys.requests) {
      data::BatchBuffer& to = answer_buffer();
      to.column(0).values<int64_t>()[to.rows] = static_cast<int64_t>(request);
      to.column(1).values<int8_t>()[to.rows] = static_cast<int8_t>(LookupAnswerKind::kAway);
      for (uint32_t c = 0; c < types_.size(); ++c) data::Value::null(types_[c]).to_column(to.column(c + 2), to.rows, to.strings());
      ++to.rows;
      ++progress_.unavailable;
    }
  };
  for (const Batch& batch : in_flight_) add(*batch.keys);
  in_flight_.clear();
  for (const auto& keys : queue_) add(*keys);
  queue_.clear();
}

}  // namespace laminar::stream
