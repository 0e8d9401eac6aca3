#include "engine/subscription.h"

#include <chrono>

namespace laminar::engine {

using data::BatchBuffer;

Subscription::Subscription(std::vector<data::Type> types, Callback callback, uint64_t rows_max)
    : Operator(std::move(types)), callback_(std::move(callback)), rows_max_(rows_max), current_(std::make_unique<TickRows>()), queue_(64) {
  label = "subscription";
  spares_.reserve(64);
}

void Subscription::push(uint32_t, const data::Batch& batch) {
  counters.rows_in += batch.rows;
  for (uint32_t i = 0; i < batch.rows; ++i) {
    if (current_->used == 0 || current_->buffers[current_->used - 1]->full()) {
      if (current_->used == current_->buffers.size()) current_->buffers.push_back(std::make_unique<BatchBuffer>(types()));
      ++current_->used;
    }
    BatchBuffer& to = *current_->buffers[current_->used - 1];
    to.append_row(batch, i, batch.weight(i));
    to.has_weights = true;
  }
}

void Subscription::finish(const stream::TickInfo& tick) {
  set_output_watermark(input_watermark());
  const bool end = output_watermark() == data::kWatermarkEnded;
  has_held_ |= held_ && current_->used > 0;
  if (tick.taken_back && !has_held_) {
    for (size_t i = 0; i < current_->used; ++i) current_->buffers[i]->clear();
    current_->used = 0;
  }
  if (current_->used > 0 && !held_) {
    has_held_ = false;
    current_->tick = tick.tick;
    current_->watermark = output_watermark();
    if (callback_) {
      callback_(*current_);
      for (size_t i = 0; i < current_->used; ++i) current_->buffers[i]->clear();
      current_->used = 0;
    } else {
      uint64_t rows = 0;
      for (size_t i = 0; i < current_->used; ++i) rows += current_->buffers[i]->rows;
      std::lock_guard lock(mutex_);
      if (queue_size_ == queue_.size()) {
        std::vector<std::unique_ptr<TickRows>> larger(queue_.size() * 2);
        for (size_t i = 0; i < queue_size_; ++i) larger[i] = std::move(queue_[(queue_head_ + i) % queue_.size()]);
        queue_.swap(larger);
        queue_head_ = 0;
      }
      queue_[(queue_head_ + queue_size_++) % queue_.size()] = std::move(current_);
      queued_rows_ += rows;
      current_ = take_spare();
      arrived_.notify_one();
    }
  }
  if (end) close();
}

std::unique_ptr<TickRows> Subscription::take_spare() {
  if (spares_.empty()) return std::make_unique<TickRows>();
  std::unique_ptr<TickRows> spare = std::move(spares_.back());
  spares_.pop_back();
  return spare;
}

Subscription::State Subscription::poll(std::unique_ptr<TickRows>& rows, int timeout_ms, uint64_t through) {
  if (rows) {
    for (size_t i = 0; i < rows->used; ++i) rows->buffers[i]->clear();
    rows->used = 0;
  }
  std::unique_lock lock(mutex_);
  if (rows) spares_.push_back(std::move(rows));
  const auto ready = [this] { return queue_size_ > 0 || ended_; };
  if (!ready() && (timeout_ms <= 0 || !arrived_.wait_for(lock, std::chrono::milliseconds(timeout_ms), ready))) return State::kTimeout;
  if (queue_size_ == 0) return State::kEnded;
  if (queue_[queue_head_]->tick > through) return State::kTimeout;
  rows = std::move(queue_[queue_head_]);
  queue_head_ = (queue_head_ + 1) % queue_.size();
  --queue_size_;
  for (size_t i = 0; i < rows->used; ++i) queued_rows_ -= rows->buffers[i]->rows;
  return State::kChanges;
}

bool Subscription::has_room() {
  if (callback_) return true;
  std::lock_guard lock(mutex_);
  return ended_ || queued_rows_ < rows_max_;
}

void Subscription::drop_through(uint64_t tick) {
  std::lock_guard lock(mutex_);
  while (queue_size_ > 0 && queue_[queue_head_]->tick <= tick) {
    std::unique_ptr<TickRows> rows = std::move(queue_[queue_head_]);
    queue_head_ = (queue_head_ + 1) % queue_.size();
    --queue_size_;
    for (size_t i = 0; i < rows->used; ++i) {
      queued_rows_ -= rows->buffers[i]->rows;
      rows->buffers[i]->clear();
    }
    rows->used = 0;
    spares_.push_back(std::move(rows));
  }
}

void Subscription::close() {
  std::lock_guard lock(mutex_);
  ended_ = true;
  arrived_.notify_all();
}

bool Subscription::ended() {
  std::lock_guard lock(mutex_);
  return ended_ && queue_size_ == 0;
}

}  // namespace laminar::engine
