#include "engine/sink_stage.h"

#include <algorithm>

namespace laminar::engine {

namespace {
constexpr size_t kSparesMax = 64;

uint64_t row_count(const TickRows& rows) {
  uint64_t count = 0;
  for (size_t i = 0; i < rows.used; ++i) count += rows.buffers[i]->rows;
  return count;
}
}  // namespace

SinkStage::SinkStage(std::shared_ptr<const sql::Object> object_, std::string from_, std::string connector_,
                     std::unique_ptr<stream::SinkDefinition> definition_, std::vector<data::Type> types, uint64_t rows_max)
    : object(std::move(object_)), from(std::move(from_)), connector(std::move(connector_)), definition(std::move(definition_)),
      subscription_(std::move(types), nullptr, rows_max) {}

SinkStage::~SinkStage() { stop(); }

void SinkStage::prepare(std::shared_ptr<SinkGroup> group, std::unique_ptr<stream::SinkWriter> writer) {
  group_ = std::move(group);
  writer_ = std::move(writer);
}

void SinkStage::start(const stream::SinkPlace& from_place, uint64_t tick) {
  place_ = from_place;
  tried_tick_ = tick;
  progress_.epoch = place_.epoch;
  progress_.tick = place_.tick;
  progress_.rows_committed = place_.rows;
  started_ = true;
  group_->add(*this);
}

void SinkStage::stop() {
  subscription_.close();
  if (started_) group_->remove(*this);
  started_ = false;
}

void SinkStage::show_error(const Error& error) {
  std::lock_guard lock(mutex_);
  ++progress_.failures;
  progress_.last_error = "cannot be opened: " + error.message;
  progress_.last_code = error.code;
}

SinkStage::Progress SinkStage::progress() {
  std::lock_guard lock(mutex_);
  return progress_;
}

void SinkStage::recycle(std::unique_ptr<TickRows> rows) {
  for (size_t i = 0; i < rows->used; ++i) rows->buffers[i]->clear();
  rows->used = 0;
  if (spares_.size() < kSparesMax) spares_.push_back(std::move(rows));
}

SinkStage::Taken SinkStage::take(uint64_t through, uint64_t rows_max) {
  if (decided_) return Taken::kPart;
  while (epoch_row_count_ < rows_max) {
    std::unique_ptr<TickRows> rows;
    if (!spares_.empty()) {
      rows = std::move(spares_.back());
      spares_.pop_back();
    }
    const Subscription::State state = subscription_.poll(rows, 0, through);
    if (state != Subscription::State::kChanges) return state == Subscription::State::kEnded ? Taken::kEnded : Taken::kAll;
    epoch_row_count_ += row_count(*rows);
    epoch_rows_.push_back(std::move(rows));
  }
  return Taken::kPart;
}

Status SinkStage::take_place(const stream::SinkPlace& there) {
  if (there.epoch < place_.epoch) {
    return Status(ErrorCode::kServerRefused, "the server has epoch " + std::to_string(there.epoch) + " of sink " + object->name + ", and epoch " +
                                                 std::to_string(place_.epoch) + " was committed: it has lost rows, or it is another server; bring it "
                                                 "back as it was, or drop the sink and create it anew");
  }
  if (there.tick > tried_tick_) {
    return Status(ErrorCode::kServerRefused, "the server has tick " + std::to_string(there.tick) + " of sink " + object->name + ", and the database was at tick " +
                                                 std::to_string(tried_tick_) + " when it was opened: it is an older copy; drop the sink and create it anew");
  }
  if (there.epoch == place_.epoch) return {};
  // A commit whose answer was lost, or one before a restart.
  size_t done = 0;
  while (done < epoch_rows_.size() && epoch_rows_[done]->tick <= there.tick) {
    epoch_row_count_ -= row_count(*epoch_rows_[done]);
    recycle(std::move(epoch_rows_[done++]));
  }
  epoch_rows_.erase(epoch_rows_.begin(), epoch_rows_.begin() + static_cast<std::ptrdiff_t>(done));
  place_ = there;
  return {};
}

Status SinkStage::write_epoch() {
  if (!epoch_rows_.empty()) tried_tick_ = std::max(tried_tick_, epoch_rows_.back()->tick);
  for (auto& tick : epoch_rows_) {
    for (size_t i = 0; i < tick->used; ++i) RETURN_IF_ERROR(writer_->write(tick->buffers[i]->view(), tick->tick));
  }
  return writer_->prepare();
}

stream::SinkPlace SinkStage::next_place() const {
  if (epoch_rows_.empty()) return place_;
  return {place_.epoch + 1, epoch_rows_.back()->tick, place_.rows + epoch_row_count_};
}

SinkDecision SinkStage::decision(const stream::SinkPlace& place) const {
  SinkDecision decision;
  decision.sink = object->name;
  decision.epoch = place.epoch;
  decision.tick = place.tick;
  decision.rows = place.rows;
  decision.prepared = writer_->prepared();
  return decision;
}

void SinkStage::ended_attempt(const Status& status) {
  if (status.ok()) {
    place_ = next_place();
    decided_.reset();
    epoch_row_count_ = 0;
    for (auto& rows : epoch_rows_) recycle(std::move(rows));
    epoch_rows_.clear();
  }
  std::lock_guard lock(mutex_);
  progress_.epoch = place_.epoch;
  progress_.tick = place_.tick;
  progress_.rows_committed = place_.rows;
  if (status.ok()) {
    progress_.last_error.clear();
  } else {
    ++progress_.failures;
    progress_.last_error = status.error().message;
    progress_.last_code = status.error().code;
  }
}

void SinkStage::close_writer() {
  if (decided_) writer_->leave();
  const Status status = writer_->close();
  if (status.ok()) return;
  std::lock_guard lock(mutex_);
  progress_.last_error = status.error().message;
}

}  // namespace laminar::engine
