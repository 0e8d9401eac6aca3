// What answers a left row of an ASOF join, when that is final, and what the sides still need.
#include <algorithm>
#include <utility>

#include "stream/joins/asof_operator.h"
#include "stream/joins/asof_time.h"

namespace laminar::stream {

using data::kWatermarkEnded;
using data::kWatermarkNone;
using Entry = TimeRing::Entry;
using Match = plan::AsofNode::Match;

namespace {
constexpr size_t kAhead = 8;  // of rows whose key is brought into the cache
}  // namespace

void AsofOperator::mark_dirty(uint32_t slot) {
  if (left_rows_[slot].dirty) return;
  left_rows_[slot].dirty = true;
  dirty_.push_back(slot);
}

void AsofOperator::mark_around(Group& group, const Entry* at) {
  TimeRing& left = group.left;
  if (left.empty()) return;
  // Up to the next rows that can be an answer; for the nearest, rows of one time are one.
  const auto passes = [&](const Entry& other) { return !counts(other) || (match_ == Match::kNearest && other.time == at->time); };
  int64_t from = at->time, to = at->time;
  if (match_ != Match::kBackward) {
    const Entry* before = at;
    while (before != group.right.begin_entry() && passes(before[-1])) --before;
    from = before == group.right.begin_entry() ? kTimeMin : before[-1].time;
  }
  if (left.back().time < from) return;
  if (match_ != Match::kForward) {
    const Entry* behind = at + 1;
    while (behind != group.right.end_entry() && passes(*behind)) ++behind;
    to = behind == group.right.end_entry() ? kTimeMax : behind->time;
  }
  for (const Entry* entry = left.at_or_after(from); entry != left.end_entry() && entry->time <= to; ++entry) mark_dirty(entry->slot);
}

void AsofOperator::insert_right(Group& group, int64_t time, uint64_t order, uint32_t slot) {
  TimeRing& ring = group.right;
  const auto comes_before = [&](const Entry& other) {
    if (other.time != time) return other.time > time;
    if (right_ordered_) return other.order > order;
    const auto ref = [this](uint32_t s) { return RowRef{right_->chunk_columns(s), s % RowStore::kChunkRows}; };
    return right_order_.compare_content(ref(slot), ref(other.slot)) < 0;
  };
  Entry* at = ring.end_entry();
  while (at != ring.begin_entry() && comes_before(at[-1])) --at;
  at = ring.insert(pool_, at, {time, order, slot, 0});
  if (!on_final_) mark_around(group, at);
}

// The entry that answers a left row of this time, or null.
const Entry* AsofOperator::find_match(const TimeRing& right, int64_t time) const {
  const Entry* first = right.begin_entry();
  const Entry* end = right.end_entry();
  if (first == end) return nullptr;
  const auto within = [&](const Entry& entry) {
    if (!tolerance_us_) return true;
    const uint64_t apart = entry.time <= time ? distance(entry.time, time) : distance(time, entry.time);
    return apart <= static_cast<uint64_t>(*tolerance_us_);
  };
  const Entry* behind = strict_ == (match_ == Match::kForward) ? right.after(time) : right.at_or_after(time);
  if (match_ == Match::kForward) {
    while (behind != end && !counts(*behind)) ++behind;
    return behind != end && within(*behind) ? behind : nullptr;
  }
  if (match_ == Match::kBackward) {
    while (behind != first && !counts(behind[-1])) --behind;
    return behind != first && within(behind[-1]) ? behind - 1 : nullptr;
  }
  // The nearest: the last row not behind `time`, of those of its time the first, against the first one behind it.
  behind = right.after(time);
  const Entry* before = behind;
  while (before != first && !counts(before[-1])) --before;
  while (behind != end && !counts(*behind)) ++behind;
  const Entry* earlier = nullptr;
  if (before != first) {
    earlier = --before;
    for (; before != first && before[-1].time == earlier->time; --before) {
      if (counts(before[-1])) earlier = before - 1;
    }
  }
  const Entry* nearest = earlier;
  if (behind != end && (!earlier || distance(time, behind->time) < distance(earlier->time, time))) nearest = behind;
  return nearest && within(*nearest) ? nearest : nullptr;
}

uint32_t AsofOperator::match_slot(const TimeRing& right, int64_t time) const {
  const Entry* match = find_match(right, time);
  return match && match->slot != kNoRow ? match->slot : kNone;
}

int64_t AsofOperator::deadline(const TimeRing& right, int64_t time) const {
  if (match_ == Match::kBackward) return std::min(kAtEnd, strict_ ? plus(time, -1) : time);
  const Entry* match = find_match(right, time);
  if (!match) return tolerance_us_ ? std::min(kAtEnd, plus(time, *tolerance_us_)) : kAtEnd;
  if (match_ == Match::kForward) return std::min(kAtEnd, match->time);
  const uint64_t apart = match->time <= time ? distance(match->time, time) : distance(time, match->time);
  return apart > static_cast<uint64_t>(kTimeMax) ? kAtEnd : std::min(kAtEnd, plus(time, static_cast<int64_t>(apart)));
}

void AsofOperator::schedule_left(char* row) {
  Group& group = group_of(row);
  const int64_t time = deadline(group.right, group.left.front().time);
  if (time >= group.left_due) return;
  group.left_due = time;
  ++group.items;
  left_due_.push(time, row);
}

// The watermark at which the first right row may go; kNever while it may not.
int64_t AsofOperator::next_release(const Group& group) const {
  const TimeRing& ring = group.right;
  if (ring.empty()) return kNever;
  const Entry& front = ring.front();
  if (match_ == Match::kForward) return std::min(kAtEnd, plus(front.time, 1));
  int64_t at = kNever;
  if (front.slot == kNoRow) at = front.time;
  if (tolerance_us_) {
    // A left row that is not final yet has its nearest row so far up to the tolerance before it, and waits as long again.
    const int64_t reach = match_ == Match::kNearest ? plus(*tolerance_us_, *tolerance_us_) : *tolerance_us_;
    at = std::min(at, plus(plus(front.time, reach), 1));
  }
  // Of rows of one time the nearest is the first: they go together.
  const Entry* next = match_ == Match::kNearest ? ring.after(front.time) : &front + 1;
  if (next != ring.end_entry()) at = std::min(at, plus(next->time, release_slack_us_));
  return at;
}

void AsofOperator::schedule_right(char* row) {
  Group& group = group_of(row);
  const int64_t time = next_release(group);
  if (time >= group.right_due) return;
  group.right_due = time;
  ++group.items;
  right_due_.push(time, row);
}

void AsofOperator::out(uint32_t left_slot, uint32_t right_slot, int64_t weight) {
  if (weight == 0 || (right_slot == kNone && !left_join_)) return;
  if (output_->full()) flush();
  output_->add(left_slot, right_slot, weight);
}

void AsofOperator::flush() {
  if (!output_->empty()) emit(output_->take(*left_, *right_));
}

// Answers what is new or may have changed.
void AsofOperator::settle() {
  for (size_t i = 0; i < dirty_.size(); ++i) {
    if (i + 2 * kAhead < dirty_.size()) {
      __builtin_prefetch(left_rows_[dirty_[i + 2 * kAhead]].group + group_at_);
      group_of(left_rows_[dirty_[i + kAhead]].group).right.prefetch();
    }
    const uint32_t slot = dirty_[i];
    LeftRow& left = left_rows_[slot];
    left.dirty = false;
    Group& group = group_of(left.group);
    const int64_t time = left.time;
    if (!on_final_) {
      const uint32_t match = match_slot(group.right, time);
      if (match == left.match) {
        out(slot, match, left.weight - left.emitted);
      } else {
        out(slot, left.match, -left.emitted);
        out(slot, match, left.weight);
      }
      left.match = match;
      left.emitted = left.weight;
    }
    if (left.weight != 0) continue;
    note_maybe_empty(left.group);
    Entry* at = const_cast<Entry*>(group.left.at_or_after(time));
    while (at->slot != slot) ++at;
    group.left.remove(at);
    left_free_.push_back(slot);
  }
}

// Left rows pass; only the right side is kept.
void AsofOperator::settle_current() {
  for (const uint32_t slot : dirty_) {
    const TimeRing& right = group_of(left_rows_[slot].group).right;
    out(slot, right.empty() ? kNone : right.back().slot, left_rows_[slot].weight);
    left_free_.push_back(slot);
    note_maybe_empty(left_rows_[slot].group);
  }
}

// Left rows whose time the right watermark has passed, in the order of time.
void AsofOperator::release_waiting(int64_t limit) {
  const bool ended = limit == kWatermarkEnded;
  const int64_t below = strict_ ? plus(limit, 1) : limit;
  final_.clear();
  waiting_.drain([](const Waiting& a, const Waiting& b) { return a.time < b.time; },
                 [&](const Waiting& row) { return ended || row.time < below; },
                 [&](const Waiting& row) {
                   final_.push_back(row);
                   if (final_.size() == data::kBatchRowsMax) answer_waiting();
                 });
  answer_waiting();
}

void AsofOperator::answer_waiting() {
  const size_t count = final_.size();
  for (size_t i = 0; i < count; ++i) {
    if (i + 2 * kAhead < count) {
      __builtin_prefetch(&group_of(final_[i + 2 * kAhead].group));
      group_of(final_[i + kAhead].group).right.prefetch();
    }
    const Waiting& row = final_[i];
    Group& group = group_of(row.group);
    out(row.slot, match_slot(group.right, row.time), row.weight);
    left_free_.push_back(row.slot);
    if (--group.items == 0) note_maybe_empty(row.group);
  }
  final_.clear();
}

void AsofOperator::release_left(int64_t limit) {
  const bool ended = limit == kWatermarkEnded;
  while (!left_due_.empty() && (ended || left_due_.next().time < limit)) {
    char* row = left_due_.pop().what;
    note_unsaved(row);
    Group& group = group_of(row);
    --group.items;
    group.left_due = kNever;
    TimeRing& ring = group.left;
    while (!ring.empty()) {
      const Entry front = ring.front();
      if (!ended && deadline(group.right, front.time) >= limit) break;
      if (on_final_) out(front.slot, match_slot(group.right, front.time), left_rows_[front.slot].weight);
      left_free_.push_back(front.slot);
      ring.pop_front();
    }
    if (!ring.empty()) schedule_left(row);
    else erase_if_empty(row);
  }
}

void AsofOperator::trim_right(Group& group, int64_t limit) {
  while (!group.right.empty() && next_release(group) <= limit) {
    if (group.right.front().slot != kNoRow) right_free_.push_back(group.right.front().slot);
    group.right.pop_front();
  }
}

void AsofOperator::release_right(int64_t limit) {
  while (!right_due_.empty() && right_due_.next().time <= limit) {
    char* row = right_due_.pop().what;
    note_unsaved(row);
    Group& group = group_of(row);
    --group.items;
    group.right_due = kNever;
    trim_right(group, limit);
    schedule_right(row);
    erase_if_empty(row);
  }
}

}  // namespace laminar::stream
