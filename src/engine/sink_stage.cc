#include "engine/sink_stage.h"

#include <chrono>

#include "base/clock.h"

namespace laminar::engine {

namespace {
constexpr int kPollMs = 20;
constexpr auto kRetryPause = std::chrono::milliseconds(200);
constexpr int kCloseAttempts = 3;
}  // namespace

SinkStage::SinkStage(std::shared_ptr<const sql::Object> object_, std::string from_, std::string connector_,
                     std::unique_ptr<stream::SinkDefinition> definition_, std::vector<data::Type> types, SinkOptions options)
    : object(std::move(object_)), from(std::move(from_)), connector(std::move(connector_)), definition(std::move(definition_)),
      options_(options), subscription_(std::move(types), nullptr, options.rows_max) {}

void SinkStage::start(std::unique_ptr<stream::SinkWriter> writer, Links links, Progress from) {
  writer_ = std::move(writer);
  links_ = std::move(links);
  progress_ = std::move(from);
  thread_ = std::thread([this] { run(); });
}

SinkStage::~SinkStage() { stop(); }

void SinkStage::stop() {
  subscription_.close();
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

SinkStage::Progress SinkStage::progress() {
  std::lock_guard lock(mutex_);
  return progress_;
}

Status SinkStage::flush(const std::function<bool()>& interrupted, int64_t patience_ms) {
  std::unique_lock lock(mutex_);
  const uint64_t request = ++flush_requested_;
  const uint64_t failures = progress_.failures;
  changed_.notify_all();
  int64_t failing_since_ms = 0;
  while (flush_done_ < request && !stopping_) {
    changed_.wait_for(lock, std::chrono::milliseconds(kPollMs));
    if (interrupted && interrupted()) return Status(ErrorCode::kInterrupted, "interrupted while sink " + object->name + " commits");
    if (progress_.failures > failures && !progress_.last_error.empty()) {
      const int64_t now_ms = monotonic_ns() / 1'000'000;
      if (failing_since_ms == 0) failing_since_ms = now_ms;
      if (now_ms - failing_since_ms > patience_ms) {
        return Status(ErrorCode::kFileWrite, "sink " + object->name + " cannot commit: " + progress_.last_error +
                                                 "; its rows are kept and tried again");
      }
    }
  }
  return {};
}

Status SinkStage::prepare_epoch(uint64_t epoch) {
  RETURN_IF_ERROR(writer_->begin(epoch));
  for (auto& tick : epoch_rows_) {
    for (size_t i = 0; i < tick->used; ++i) RETURN_IF_ERROR(writer_->write(tick->buffers[i]->view(), tick->tick));
  }
  RETURN_IF_ERROR(writer_->prepare());
  if (!links_.decide) return {};
  SinkDecision decision;
  decision.sink = object->name;
  decision.epoch = epoch;
  decision.tick = epoch_rows_.back()->tick;
  decision.rows = progress().rows_committed + epoch_row_count_;
  decision.prepared = writer_->prepared();
  ASSIGN_OR_RETURN(decided_, links_.decide(decision));
  return {};
}

Status SinkStage::bring_out() {
  uint64_t epoch;
  {
    std::lock_guard lock(mutex_);
    epoch = progress_.epoch + 1;
  }
  // Once recorded, a decision may become durable at any moment: from there the way is forward only.
  Status status = decided_ ? Status() : prepare_epoch(epoch);
  if (status.ok() && decided_) status = links_.wait(*decided_);
  if (status.ok()) status = writer_->commit();
  std::lock_guard lock(mutex_);
  if (!status.ok()) {
    if (!decided_) writer_->abort();
    ++progress_.failures;
    progress_.last_error = status.error().message;
    return status;
  }
  decided_.reset();
  progress_.epoch = epoch;
  progress_.rows_committed += epoch_row_count_;
  progress_.last_error.clear();
  epoch_row_count_ = 0;
  for (auto& rows : epoch_rows_) {
    for (size_t i = 0; i < rows->used; ++i) rows->buffers[i]->clear();
    rows->used = 0;
    if (spares_.size() < 64) spares_.push_back(std::move(rows));
  }
  epoch_rows_.clear();
  return {};
}

void SinkStage::run() {
  int64_t last_commit_ms = monotonic_ns() / 1'000'000;
  int attempts_while_stopping = 0;
  for (;;) {
    uint64_t request;
    bool stopping;
    {
      std::lock_guard lock(mutex_);
      request = flush_requested_;
      stopping = stopping_;
    }
    // Everything pushed before the request is in the queue by now.
    bool ended = false;
    while (epoch_row_count_ < options_.rows_max) {
      std::unique_ptr<TickRows> rows;
      if (!spares_.empty()) {
        rows = std::move(spares_.back());
        spares_.pop_back();
      }
      const Subscription::State state = subscription_.poll(rows, request > flush_done_ || stopping || !epoch_rows_.empty() ? 0 : kPollMs);
      if (state != Subscription::State::kChanges) {
        ended = state == Subscription::State::kEnded;
        break;
      }
      for (size_t i = 0; i < rows->used; ++i) epoch_row_count_ += rows->buffers[i]->rows;
      epoch_rows_.push_back(std::move(rows));
    }
    const int64_t now_ms = monotonic_ns() / 1'000'000;
    const bool due = request > flush_done_ || stopping || ended || epoch_row_count_ >= options_.rows_max ||
                     now_ms - last_commit_ms >= options_.commit_interval_ms;
    bool failed = false;
    if (due && !epoch_rows_.empty()) {
      failed = !bring_out().ok();
      last_commit_ms = now_ms;
    }
    if (failed) {
      if (stopping && ++attempts_while_stopping >= kCloseAttempts) break;
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kRetryPause);
      continue;
    }
    std::unique_lock lock(mutex_);
    if (request > flush_done_) {
      flush_done_ = request;
      changed_.notify_all();
    }
    if (stopping) break;
    if (ended || (!epoch_rows_.empty() && !due)) changed_.wait_for(lock, std::chrono::milliseconds(kPollMs));
  }
  if (decided_) writer_->leave();
  const Status status = writer_->close();
  std::lock_guard lock(mutex_);
  if (!status.ok()) progress_.last_error = status.error().message;
}

}  // namespace laminar::engine
