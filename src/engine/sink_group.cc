#include "engine/sink_group.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "engine/sink_stage.h"

namespace laminar::engine {

namespace {
constexpr int64_t kPollMs = 20;
constexpr auto kLeavePatience = std::chrono::seconds(5);
constexpr int kLeaveAttempts = 3;

int64_t now_ms() { return monotonic_ns() / 1'000'000; }
}  // namespace

SinkGroup::SinkGroup(bool transactional, SinkOptions options, SinkLinks links)
    : transactional_(transactional), options_(options), links_(std::move(links)) {}

SinkGroup::~SinkGroup() {
  if (thread_.joinable()) thread_.join();  // it ends with the last member
}

bool SinkGroup::has(const SinkStage& sink) const {
  return std::any_of(members_.begin(), members_.end(), [&](const Member& member) { return member.sink == &sink; });
}

void SinkGroup::add(SinkStage& sink) {
  std::lock_guard lock(mutex_);
  members_.push_back({&sink});
  if (running_) return;
  if (thread_.joinable()) thread_.join();
  running_ = true;
  thread_ = std::thread([this] { run(); });
}

void SinkGroup::remove(SinkStage& sink) {
  std::unique_lock lock(mutex_);
  for (Member& member : members_) member.leaving |= member.sink == &sink;
  changed_.notify_all();
  const auto gone = [&] { return !has(sink); };
  const bool all_leave = std::all_of(members_.begin(), members_.end(), [](const Member& member) { return member.leaving; });
  // A server that does not answer is not waited for at the end; the others of the group still need it.
  if (all_leave && session && !changed_.wait_for(lock, kLeavePatience, gone) && !sink.progress().last_error.empty()) session->cancel();
  changed_.wait(lock, gone);
}

Status SinkGroup::flush(SinkStage& sink, const std::function<bool()>& interrupted, int64_t patience_ms) {
  std::unique_lock lock(mutex_);
  const uint64_t request = ++flush_requested_;
  const uint64_t failures = sink.progress().failures;
  changed_.notify_all();
  int64_t failing_since_ms = -1;
  while (flush_done_ < request && has(sink)) {
    changed_.wait_for(lock, std::chrono::milliseconds(kPollMs));
    if (flush_done_ >= request) break;
    if (interrupted && interrupted()) return Status(ErrorCode::kInterrupted, "interrupted while sink " + sink.object->name + " commits");
    const SinkStage::Progress progress = sink.progress();
    if (progress.failures == failures || progress.last_error.empty()) continue;
    if (failing_since_ms < 0) failing_since_ms = now_ms();
    if (now_ms() - failing_since_ms >= patience_ms) {
      return Status(progress.last_code, "sink " + sink.object->name + " cannot commit: " + progress.last_error + "; its rows are kept and tried again");
    }
  }
  return {};
}

// Once recorded, a decision may become durable at any moment: from there the way is forward only.
Status SinkGroup::commit_decided(SinkStage& sink) {
  if (!sink.decided_) {
    RETURN_IF_ERROR(sink.writer_->begin(sink.place_.epoch + 1));
    RETURN_IF_ERROR(sink.write_epoch());
    if (links_.decide) {
      ASSIGN_OR_RETURN(sink.decided_, links_.decide(sink.decision(sink.next_place())));
    }
  }
  if (sink.decided_) RETURN_IF_ERROR(links_.wait(*sink.decided_));
  return sink.writer_->commit();
}

Status SinkGroup::commit_together(std::span<SinkStage* const> sinks) {
  for (SinkStage* sink : sinks) {
    RETURN_IF_ERROR(sink->writer_->begin(sink->place_.epoch + 1));
    RETURN_IF_ERROR(sink->take_place(sink->writer_->place()));
  }
  for (SinkStage* sink : sinks) RETURN_IF_ERROR(sink->write_epoch());
  // What the ticks came from is on disk before the outside sees them: a restart makes the same ticks again.
  if (links_.wait) RETURN_IF_ERROR(links_.wait(links_.appended()));
  for (SinkStage* sink : sinks) RETURN_IF_ERROR(sink->writer_->commit());
  for (SinkStage* sink : sinks) {
    // No more than a note: it spares the next start rows that the outside has.
    if (links_.decide && sink->epoch_row_count_ > 0) (void)links_.decide(sink->decision(sink->next_place()));
  }
  return {};
}

bool SinkGroup::bring_out(std::span<SinkStage* const> sinks) {
  const Status status = transactional_ ? commit_together(sinks) : commit_decided(*sinks.front());
  for (SinkStage* sink : sinks) {
    if (!status.ok() && !sink->decided_) sink->writer_->abort();
    sink->ended_attempt(status);
  }
  return status.ok();
}

// What cannot be brought out comes again after a restart; in a database in memory it is lost.
void SinkGroup::drop_leaving(std::unique_lock<std::mutex>& lock) {
  for (;;) {
    const auto found = std::find_if(members_.begin(), members_.end(), [](const Member& member) { return member.leaving; });
    if (found == members_.end()) return;
    SinkStage* sink = found->sink;
    lock.unlock();
    sink->close_writer();
    lock.lock();
    std::erase_if(members_, [sink](const Member& member) { return member.sink == sink; });
    changed_.notify_all();
  }
}

void SinkGroup::run() {
  int64_t last_commit_ms = now_ms();
  int attempts_left = kLeaveAttempts;
  bool failing = false;
  std::vector<SinkStage*> sinks, with_rows;
  std::unique_lock lock(mutex_);
  while (!members_.empty()) {
    const uint64_t request = flush_requested_;
    sinks.clear();
    bool leaving = false;
    for (const Member& member : members_) {
      sinks.push_back(member.sink);
      leaving |= member.leaving;
    }
    lock.unlock();
    // Everything pushed before the request is in the queues by now.
    const uint64_t through = links_.whole_tick();
    with_rows.clear();
    bool ended = false, all = true;
    int64_t interval_ms = INT64_MAX, look_ms = kPollMs;
    for (SinkStage* sink : sinks) {
      const SinkStage::Taken taken = sink->take(through, options_.rows_max);
      look_ms = std::min(look_ms, sink->commit_interval_ms);
      all &= taken != SinkStage::Taken::kPart;
      if (sink->epoch_rows_.empty()) continue;
      ended |= taken == SinkStage::Taken::kEnded;
      interval_ms = std::min(interval_ms, sink->commit_interval_ms);
      with_rows.push_back(sink);
    }
    const int64_t now = now_ms();
    const bool due = request > flush_done_ || leaving || ended || !all || now - last_commit_ms >= interval_ms;
    if (due && !with_rows.empty()) {
      if (leaving && failing) attempts_left = std::min(attempts_left, 1);
      failing = !bring_out(with_rows);
      last_commit_ms = now;
    }
    lock.lock();
    if (failing) {
      if (leaving && --attempts_left <= 0) {
        drop_leaving(lock);
        attempts_left = kLeaveAttempts;
        continue;
      }
      changed_.wait_for(lock, std::chrono::milliseconds(options_.retry_pause_ms));
      continue;
    }
    if (!all) continue;
    flush_done_ = std::max(flush_done_, request);
    changed_.notify_all();
    if (leaving) drop_leaving(lock);
    else changed_.wait_for(lock, std::chrono::milliseconds(look_ms), [&] { return flush_requested_ > flush_done_; });
  }
  running_ = false;
}

}  // namespace laminar::engine
