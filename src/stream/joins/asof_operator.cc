#include "stream/joins/asof_operator.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "plan/properties.h"
#include "stream/operators/aggregate.h"

namespace laminar::stream {

using data::kWatermarkEnded;
using data::kWatermarkNone;
using Entry = TimeRing::Entry;
using Match = plan::AsofNode::Match;
using Versions = plan::AsofNode::Versions;

namespace {

constexpr int64_t kTimeMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kTimeMax = std::numeric_limits<int64_t>::max();
// In the queues this time comes due when a watermark has ended; never as left_due and right_due.
constexpr int64_t kAtEnd = kTimeMax - 1;
constexpr int64_t kNever = kTimeMax;
constexpr size_t kListRows = 4096;  // of a tick, before lists grow

int64_t plus(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? kTimeMin : kTimeMax;
}

// b - a of b >= a.
uint64_t distance(int64_t a, int64_t b) { return static_cast<uint64_t>(b) - static_cast<uint64_t>(a); }

std::vector<data::Type> key_types(const plan::AsofNode& node) {
  std::vector<data::Type> types;
  for (const plan::JoinNode::Key& key : node.keys) types.push_back(node.inputs[0]->columns[key.left].type);
  return types;
}

bool treats_rows(const plan::AsofNode& node) {
  return node.versions == Versions::kRows || (node.versions == Versions::kByTime && node.inputs[1]->append_only);
}

int64_t time_at(const RowStore& store, uint32_t slot, uint32_t column) {
  return store.column(slot, column).values<int64_t>()[slot % RowStore::kChunkRows];
}

}  // namespace

Result<std::unique_ptr<AsofOperator>> AsofOperator::make(const plan::AsofNode& node) {
  CHECK(node.inputs.size() == 2);
  CHECK(node.join == plan::JoinKind::kInner || node.join == plan::JoinKind::kLeft);
  return std::unique_ptr<AsofOperator>(new AsofOperator(node));
}

AsofOperator::AsofOperator(const plan::AsofNode& node)
    : Operator(node.types()), match_(node.match), versions_(node.versions), strict_(node.strict),
      left_join_(node.join == plan::JoinKind::kLeft), timed_(node.timed), on_final_(node.on_final), rows_(treats_rows(node)),
      right_unique_(!rows_ || node.inputs[1]->append_only), right_ordered_(!rows_ || plan::has_total_order(*node.inputs[1])),
      tolerance_us_(node.tolerance_us), left_condition_(node.left_condition), left_probe_(node.left_probe),
      probe_min_us_(node.probe_min_us), release_slack_us_(match_ == Match::kNearest || strict_ || !right_unique_ ? 1 : 0), shape_(key_types(node)),
      groups_(&shape_, &pool_), left_(node.inputs[0]->types()), right_(node.inputs[1]->types()),
      right_order_({}, node.inputs[1]->types()), key_columns_(node.keys.size()), hashes_(data::kBatchRowsMax),
      taking_part_(data::kBatchRowsMax), row_groups_(data::kBatchRowsMax), output_(types(), node.inputs[0]->columns.size()) {
  set_ports(2);
  label = std::string(node.versions == Versions::kRows ? "asof join " : "temporal join ") + plan::to_text(node.join);
  for (const plan::JoinNode::Key& key : node.keys) {
    inputs_[0].keys.push_back(key.left);
    inputs_[1].keys.push_back(key.right);
    null_equal_.push_back(key.null_equal);
  }
  inputs_[0].time = node.left_time;
  inputs_[1].time = node.right_time;
  for (uint32_t port = 0; port < 2; ++port) {
    const plan::Node& below = *node.inputs[port];
    inputs_[port].types = below.types();
    inputs_[port].unique = below.append_only;
    if (timed_ && (port == 0 || node.right_has_time())) {
      inputs_[port].time_offset_us = below.columns[inputs_[port].time].time_offset_us.value_or(0);
    }
  }
  group_at_ = shape_.append(sizeof(Group));
  Group empty{};
  empty.left_due = empty.right_due = kNever;
  std::memcpy(shape_.prototype.data() + group_at_, &empty, sizeof empty);
  if (!rows_ && !inputs_[1].unique) {
    right_changes_.emplace(inputs_[1].types);
    selector_.emplace(inputs_[1].types);
  }
  dirty_.reserve(kListRows);
  alone_.reserve(kListRows);
  left_free_.reserve(kListRows);
  right_free_.reserve(kListRows);
  fresh_versions_.reserve(kListRows);
  touched_.reserve(kListRows);
  maybe_empty_.reserve(kListRows);
}

bool AsofOperator::is_late(const Input& input, const data::Batch& batch, uint32_t row) const {
  const int64_t watermark = batch.row_watermark ? std::max(batch.row_watermark[row], input.last_watermark) : input.last_watermark;
  if (watermark == kWatermarkNone) return false;
  return batch.columns[input.time].values<int64_t>()[row] < shift_time(watermark, input.time_offset_us);
}

void AsofOperator::reject(const Input& input, const data::Batch& batch, uint32_t row, bool late) {
  ++(late ? counters.late : counters.null_time);
  if (!rejects()) return;
  Reject reject;
  reject.port = &input == &inputs_[1] ? 1 : 0;
  reject.reason = late ? RejectReason::kLate : RejectReason::kNullTime;
  if (late) reject.watermark = batch.row_watermark ? batch.row_watermark[row] : input.last_watermark;
  rejects()->reject(input.types, batch, row, reject);
}

bool AsofOperator::left_takes_part(const data::Batch& batch, uint32_t row) {
  const Input& input = inputs_[0];
  const bool has_time = versions_ != Versions::kCurrent;
  if (has_time && timed_ && !batch.columns[input.time].is_null(row) && is_late(input, batch, row)) {
    reject(input, batch, row, true);
    return false;
  }
  bool matches = true;
  for (size_t k = 0; k < input.keys.size(); ++k) matches &= null_equal_[k] || !batch.columns[input.keys[k]].is_null(row);
  if (left_condition_) {
    const data::Column& condition = batch.columns[*left_condition_];
    matches &= !condition.is_null(row) && condition.values<bool>()[row];
  }
  const bool null_time = has_time && (batch.columns[left_probe_].is_null(row) || batch.columns[input.time].is_null(row));
  if (matches && !null_time) return true;
  if (left_join_) {
    ++counters.rows_out;
    alone_.emplace_back(left_.insert(batch.columns, row), batch.weight(row));
  } else if (!matches || !timed_) {
    ++counters.filtered;
  } else {
    reject(input, batch, row, false);
  }
  return false;
}

AsofOperator::Part AsofOperator::right_part(const data::Batch& batch, uint32_t row) {
  const Input& input = inputs_[1];
  const bool has_time = versions_ == Versions::kRows || versions_ == Versions::kByTime;
  if (has_time && batch.columns[input.time].is_null(row)) {
    if (timed_) reject(input, batch, row, false);
    else ++counters.filtered;
    return Part::kNone;
  }
  // A row that leaves may be behind the watermark and still be held for what is to come.
  const bool late = has_time && timed_ && batch.weight(row) > 0 && is_late(input, batch, row);
  if (late) reject(input, batch, row, true);
  for (size_t k = 0; k < input.keys.size(); ++k) {
    if (null_equal_[k] || !batch.columns[input.keys[k]].is_null(row)) continue;
    if (!late) ++counters.filtered;
    return Part::kNone;
  }
  return late ? Part::kLate : Part::kFull;
}

void AsofOperator::find_groups(const Input& input, const data::Batch& batch, uint32_t count) {
  for (size_t k = 0; k < input.keys.size(); ++k) key_columns_[k] = batch.columns[input.keys[k]];
  hash_keys(shape_, key_columns_, batch.rows, hashes_.data());
  groups_.find_or_create(key_columns_, hashes_.data(), taking_part_.data(), count, row_groups_.data());
}

void AsofOperator::push(uint32_t port, const data::Batch& batch) {
  DCHECK(batch.rows <= data::kBatchRowsMax);
  if (batch.rows == 0) return;
  counters.rows_in += batch.rows;
  if (port == 0) push_left(batch);
  else if (right_changes_) push_versions(batch);
  else push_right(batch);
}

void AsofOperator::mark_dirty(uint32_t slot) {
  if (left_rows_[slot].dirty) return;
  left_rows_[slot].dirty = true;
  dirty_.push_back(slot);
}

uint32_t AsofOperator::insert_left(const data::Batch& batch, uint32_t row, char* group) {
  const uint32_t slot = left_.insert(batch.columns, row);
  if (slot >= left_rows_.size()) left_rows_.resize(std::max<size_t>(2 * left_rows_.size(), RowStore::kChunkRows));
  left_rows_[slot] = {group, batch.weight(row), 0, kNone, false};
  return slot;
}

void AsofOperator::push_left(const data::Batch& batch) {
  uint32_t count = 0;
  for (uint32_t row = 0; row < batch.rows; ++row) {
    if (left_takes_part(batch, row)) taking_part_[count++] = row;
  }
  counters.rows_out += count;
  find_groups(inputs_[0], batch, count);
  if (versions_ == Versions::kCurrent) {
    for (uint32_t i = 0; i < count; ++i) dirty_.push_back(insert_left(batch, taking_part_[i], row_groups_[i]));
    return;
  }
  const int64_t* times = batch.columns[left_probe_].values<int64_t>();
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t row = taking_part_[i];
    Group& group = group_of(row_groups_[i]);
    TimeRing& ring = group.left;
    const int64_t time = times[row];
    if (!inputs_[0].unique) {
      const Entry* known = ring.at_or_after(time);
      const Entry* end = ring.end_entry();
      while (known != end && known->time == time && !left_.equals(known->slot, batch.columns, row)) ++known;
      if (known != end && known->time == time) {
        left_rows_[known->slot].weight += batch.weight(row);
        mark_dirty(known->slot);
        continue;
      }
    }
    const uint32_t slot = insert_left(batch, row, row_groups_[i]);
    Entry* at = ring.end_entry();
    while (at != ring.begin_entry() && at[-1].time > time) --at;
    const bool first = at == ring.begin_entry();
    ring.insert(pool_, at, {time, 0, slot, 0});
    if (!on_final_ || !inputs_[0].unique) mark_dirty(slot);
    if (timed_ && first) schedule_left(row_groups_[i]);
  }
}

void AsofOperator::push_right(const data::Batch& batch) {
  uint32_t count = 0;
  for (uint32_t row = 0; row < batch.rows; ++row) {
    if (right_part(batch, row) == Part::kFull) taking_part_[count++] = row;
  }
  counters.rows_out += count;
  find_groups(inputs_[1], batch, count);
  if (!rows_) {  // of an input that only grows, in the order of the rows
    for (uint32_t i = 0; i < count; ++i) fresh_versions_.push_back({row_groups_[i], right_.insert(batch.columns, taking_part_[i])});
    return;
  }
  const int64_t* times = batch.columns[inputs_[1].time].values<int64_t>();
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t row = taking_part_[i];
    Group& group = group_of(row_groups_[i]);
    if (right_unique_) {
      insert_right(group, times[row], batch.sequence_of(row), right_.insert(batch.columns, row));
    } else {
      change_right(group, batch, row, times[row]);
      if (batch.weight(row) < 0) note_maybe_empty(row_groups_[i]);
    }
    if (!timed_) continue;
    schedule_right(row_groups_[i]);
    if (match_ != Match::kBackward && !group.left.empty()) schedule_left(row_groups_[i]);
  }
}

void AsofOperator::push_versions(const data::Batch& batch) {
  uint32_t count = 0;
  for (uint32_t row = 0; row < batch.rows; ++row) {
    const Part part = right_part(batch, row);
    if (part == Part::kFull) taking_part_[count++] = row;
    if (part != Part::kLate) continue;
    // No version, but there: what deletes it later will not end the version before it.
    const uint32_t late = std::exchange(taking_part_[0], row);
    find_groups(inputs_[1], batch, 1);
    taking_part_[0] = late;
    group_of(row_groups_[0]).current += static_cast<int32_t>(batch.weight(row));
  }
  counters.rows_out += count;
  if (count > 0) right_changes_->apply(count == batch.rows ? batch : selector_->select(batch, taking_part_.data(), count));
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
  Entry* at = ring.end_entry();
  const auto comes_before = [&](const Entry& other) {
    if (other.time != time) return other.time > time;
    if (right_ordered_) return other.order > order;
    const auto ref = [this](uint32_t s) { return RowRef{right_.chunk_columns(s), s % RowStore::kChunkRows}; };
    return right_order_.compare_content(ref(slot), ref(other.slot)) < 0;
  };
  while (at != ring.begin_entry() && comes_before(at[-1])) --at;
  at = ring.insert(pool_, at, {time, order, slot, 0});
  if (!on_final_) mark_around(group, at);
}

Entry* AsofOperator::find_right(Group& group, const data::Batch& batch, uint32_t row, int64_t time) {
  TimeRing& ring = group.right;
  for (Entry* at = const_cast<Entry*>(ring.at_or_after(time)); at != ring.end_entry() && at->time == time; ++at) {
    if (right_.equals(at->slot, batch.columns, row)) return at;
  }
  return nullptr;
}

void AsofOperator::change_right(Group& group, const data::Batch& batch, uint32_t row, int64_t time) {
  const int64_t change = batch.weight(row);
  TimeRing& ring = group.right;
  Entry* at = find_right(group, batch, row, time);
  if (!at) {
    // A row that has been released takes nothing with it.
    if (change < 0 && timed_ && is_late(inputs_[1], batch, row)) return;
    const uint32_t slot = right_.insert(batch.columns, row);
    if (slot >= right_weights_.size()) right_weights_.resize(std::max<size_t>(2 * right_weights_.size(), RowStore::kChunkRows));
    right_weights_[slot] = change;
    insert_right(group, time, batch.sequence_of(row), slot);
    return;
  }
  int64_t& weight = right_weights_[at->slot];
  const bool counted = weight > 0;
  weight += change;
  if (counted == (weight > 0) && weight != 0) return;
  if (!on_final_) mark_around(group, at);
  if (weight != 0) return;
  right_free_.push_back(at->slot);
  ring.remove(at);
}

void AsofOperator::note_maybe_empty(char* row) {
  if (group_header(row).mark & kGroupTouched) return;
  group_header(row).mark |= kGroupTouched;
  maybe_empty_.push_back(row);
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

// The tick's changes of the right side become versions.
void AsofOperator::begin_versions(const TickInfo& tick) {
  const bool first = !begun_;
  if (right_changes_) {
    right_changes_->drain([this](const data::Batch& batch) {
      for (uint32_t row = 0; row < batch.rows; ++row) taking_part_[row] = row;
      find_groups(inputs_[1], batch, batch.rows);
      for (uint32_t row = 0; row < batch.rows; ++row) {
        Group& group = group_of(row_groups_[row]);
        group.current += static_cast<int32_t>(batch.weight(row));
        if (batch.weight(row) > 0) {
          fresh_versions_.push_back({row_groups_[row], right_.insert(batch.columns, row)});
        } else if (!group.touched) {
          group.touched = true;
          touched_.push_back(row_groups_[row]);
        }
      }
    });
  }
  if (!fresh_versions_.empty() || !touched_.empty() || port_watermark(1) != kWatermarkNone) begun_ = true;
  const bool by_time = versions_ == Versions::kByTime;
  const int64_t now = first ? kTimeMin : tick.now_us;
  for (const FreshVersion& fresh : fresh_versions_) {
    Group& group = group_of(fresh.group);
    const int64_t time = by_time ? time_at(right_, fresh.slot, inputs_[1].time) : now;
    // A clock that goes back changes nothing of what was.
    const bool clocked = !by_time && !group.right.empty();
    insert_right(group, clocked ? std::max(time, group.right.back().time) : time, ++versions_made_, fresh.slot);
    if (timed_ && versions_ != Versions::kCurrent) schedule_right(fresh.group);
  }
  for (char* row : touched_) {
    Group& group = group_of(row);
    group.touched = false;
    if (group.current > 0) continue;
    const int64_t time = group.right.empty() ? now : std::max(now, group.right.back().time);
    insert_right(group, time, ++versions_made_, kNoRow);
    if (timed_ && versions_ != Versions::kCurrent) schedule_right(row);
  }
  if (versions_ == Versions::kCurrent) {
    const auto keep_newest = [this](char* row) {
      TimeRing& ring = group_of(row).right;
      while (ring.size() > 1 || (!ring.empty() && ring.front().slot == kNoRow)) {
        if (ring.front().slot != kNoRow) right_free_.push_back(ring.front().slot);
        ring.pop_front();
      }
    };
    for (const FreshVersion& fresh : fresh_versions_) keep_newest(fresh.group);
    for (char* row : touched_) {
      keep_newest(row);
      note_maybe_empty(row);
    }
  }
}

void AsofOperator::out(uint32_t left_slot, uint32_t right_slot, int64_t weight) {
  if (weight == 0 || (right_slot == kNone && !left_join_)) return;
  if (output_.full()) flush();
  output_.add(left_slot, right_slot, weight);
}

void AsofOperator::flush() {
  if (!output_.empty()) emit(output_.take(left_, right_));
}

// Answers what is new or may have changed.
void AsofOperator::settle() {
  for (const uint32_t slot : dirty_) {
    LeftRow& left = left_rows_[slot];
    left.dirty = false;
    Group& group = group_of(left.group);
    const int64_t time = time_at(left_, slot, left_probe_);
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

void AsofOperator::release_left(int64_t limit) {
  const bool ended = limit == kWatermarkEnded;
  while (!left_due_.empty() && (ended || left_due_.next().time < limit)) {
    char* row = left_due_.pop().what;
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
    Group& group = group_of(row);
    --group.items;
    group.right_due = kNever;
    trim_right(group, limit);
    schedule_right(row);
    erase_if_empty(row);
  }
}

void AsofOperator::erase_if_empty(char* row) {
  Group& group = group_of(row);
  if (group.items != 0 || group.current > 0 || !group.left.empty() || !group.right.empty()) return;
  if (group_header(row).mark & kGroupTouched) return;  // at the end of the tick
  group.left.release(pool_);
  group.right.release(pool_);
  groups_.erase(row);
}

void AsofOperator::finish(const TickInfo& tick) {
  if (!rows_) begin_versions(tick);
  for (const auto& [slot, weight] : alone_) {
    out(slot, kNone, weight);
    left_free_.push_back(slot);
  }
  int64_t output_limit = input_watermark();
  if (versions_ != Versions::kCurrent) {
    settle();
    dirty_.clear();
  } else if (begun_) {
    settle_current();
    dirty_.clear();
    output_limit = port_watermark(0);
  } else {
    output_limit = kWatermarkNone;
  }
  if (timed_) {
    const int64_t left_watermark = port_watermark(0);
    const int64_t left_limit = shift_time(left_watermark, inputs_[0].time_offset_us);
    if (versions_ == Versions::kByChange) {
      right_limit_ = begun_ ? std::max(right_limit_, tick.now_us) : kWatermarkNone;
      output_limit = begun_ ? std::min(left_watermark, shift_time(right_limit_, -inputs_[0].time_offset_us)) : kWatermarkNone;
    } else {
      right_limit_ = shift_time(port_watermark(1), inputs_[1].time_offset_us);
    }
    if (right_limit_ != kWatermarkNone) {
      release_left(right_limit_);
      if (left_limit != kWatermarkNone) release_right(std::min(shift_time(left_limit, probe_min_us_), right_limit_));
    }
    for (uint32_t port = 0; port < 2; ++port) inputs_[port].last_watermark = port_watermark(port);
  }
  flush();
  for (char* row : maybe_empty_) {
    group_header(row).mark &= ~kGroupTouched;
    erase_if_empty(row);
  }
  maybe_empty_.clear();
  for (const uint32_t slot : left_free_) left_.erase(slot);
  for (const uint32_t slot : right_free_) right_.erase(slot);
  left_free_.clear();
  right_free_.clear();
  alone_.clear();
  fresh_versions_.clear();
  touched_.clear();
  set_output_watermark(output_limit);
}

uint64_t AsofOperator::state_bytes() const {
  return groups_.held_bytes() + pool_.held_bytes() + left_.bytes() + right_.bytes() + left_due_.bytes() + right_due_.bytes() +
         left_rows_.capacity() * sizeof(LeftRow) + right_weights_.capacity() * sizeof(int64_t) +
         (right_changes_ ? right_changes_->bytes() : 0);
}

}  // namespace laminar::stream
