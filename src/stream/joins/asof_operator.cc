#include "stream/joins/asof_operator.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "plan/properties.h"
#include "stream/joins/asof_time.h"
#include "stream/operators/aggregate.h"
#include "stream/state/group_key_io.h"

namespace laminar::stream {

using data::kWatermarkEnded;
using data::kWatermarkNone;
using Entry = TimeRing::Entry;
using Match = plan::AsofNode::Match;
using Versions = plan::AsofNode::Versions;

namespace {

constexpr size_t kListRows = 4096;  // of a tick, before lists grow

std::vector<data::Type> key_types(const plan::AsofNode& node) {
  std::vector<data::Type> types;
  for (const plan::JoinNode::Key& key : node.keys) types.push_back(node.inputs[0]->columns[key.left].type);
  return types;
}

bool treats_rows(const plan::AsofNode& node) {
  return node.versions == Versions::kRows || (node.versions == Versions::kByTime && node.inputs[1]->append_only);
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
      queued_(on_final_ && timed_ && match_ == Match::kBackward && versions_ != Versions::kCurrent && node.inputs[0]->append_only),
      tolerance_us_(node.tolerance_us), left_condition_(node.left_condition), left_probe_(node.left_probe),
      probe_min_us_(node.probe_min_us), release_slack_us_(match_ == Match::kNearest || strict_ || !right_unique_ ? 1 : 0), shape_(key_types(node)),
      groups_(&shape_, &pool_), right_order_({}, node.inputs[1]->types()), key_columns_(node.keys.size()), hashes_(data::kBatchRowsMax),
      taking_part_(data::kBatchRowsMax), slots_(data::kBatchRowsMax), row_groups_(data::kBatchRowsMax) {
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
  arriving_.reserve(data::kBatchRowsMax);
  final_.reserve(data::kBatchRowsMax);
  need_only(std::vector<bool>(types().size(), true));
}

void AsofOperator::need_only(const std::vector<bool>& needed) {
  const size_t left_width = inputs_[0].types.size();
  std::vector<uint32_t> stored_at(types().size(), PairOutput::kNotStored);
  for (uint32_t port = 0; port < 2; ++port) {
    Input& input = inputs_[port];
    // Rows that leave are found by all their columns, and so are rows ordered that have no other order.
    const bool all = port == 0 ? !input.unique : !right_unique_ || !right_ordered_;
    input.stored.clear();
    std::vector<data::Type> stored_types;
    for (uint32_t c = 0; c < input.types.size(); ++c) {
      const size_t column = port * left_width + c;
      if (needed[column]) stored_at[column] = static_cast<uint32_t>(input.stored.size());
      if (!all && !needed[column]) continue;
      input.stored.push_back(c);
      stored_types.push_back(input.types[c]);
    }
    (port == 0 ? left_ : right_).emplace(stored_types);
  }
  stored_columns_.resize(std::max(inputs_[0].stored.size(), inputs_[1].stored.size()));
  output_.emplace(types(), left_width, std::move(stored_at));
}

std::span<const data::Column> AsofOperator::stored_columns(const Input& input, const data::Batch& batch) {
  for (size_t i = 0; i < input.stored.size(); ++i) stored_columns_[i] = batch.columns[input.stored[i]];
  return {stored_columns_.data(), input.stored.size()};
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
    alone_.emplace_back(left_->insert(stored_columns(input, batch), row), batch.weight(row));
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

bool AsofOperator::none_late(const Input& input, const data::Batch& batch) const {
  const int64_t* times = batch.columns[input.time].values<int64_t>();
  const int64_t last = shift_time(input.last_watermark, input.time_offset_us);
  bool late = false;
  if (!batch.row_watermark) {
    for (uint32_t row = 0; row < batch.rows; ++row) late |= times[row] < last;
  } else if (input.time_offset_us == 0) {
    for (uint32_t row = 0; row < batch.rows; ++row) late |= times[row] < std::max(batch.row_watermark[row], last);
  } else {
    for (uint32_t row = 0; row < batch.rows; ++row) late |= is_late(input, batch, row);
  }
  return !late;
}

bool AsofOperator::select_left(const data::Batch& batch, uint32_t& count) {
  const Input& input = inputs_[0];
  const bool has_time = versions_ != Versions::kCurrent;
  bool plain = !left_condition_;
  for (const uint32_t key : input.keys) plain &= !batch.columns[key].validity;
  if (has_time) plain &= !batch.columns[left_probe_].validity && !batch.columns[input.time].validity;
  count = batch.rows;
  if (plain && (!has_time || !timed_ || none_late(input, batch))) return false;
  count = 0;
  for (uint32_t row = 0; row < batch.rows; ++row) {
    if (left_takes_part(batch, row)) taking_part_[count++] = row;
  }
  return true;
}

bool AsofOperator::select_right(const data::Batch& batch, uint32_t& count) {
  const Input& input = inputs_[1];
  const bool has_time = versions_ == Versions::kRows || versions_ == Versions::kByTime;
  bool plain = !batch.weights;
  for (const uint32_t key : input.keys) plain &= !batch.columns[key].validity;
  if (has_time) plain &= !batch.columns[input.time].validity;
  count = batch.rows;
  if (plain && (!has_time || !timed_ || none_late(input, batch))) return false;
  count = 0;
  for (uint32_t row = 0; row < batch.rows; ++row) {
    if (right_part(batch, row) == Part::kFull) taking_part_[count++] = row;
  }
  return true;
}

void AsofOperator::find_groups(const Input& input, const data::Batch& batch, const uint32_t* rows, uint32_t count) {
  for (size_t k = 0; k < input.keys.size(); ++k) key_columns_[k] = batch.columns[input.keys[k]];
  hash_keys(shape_, key_columns_, batch.rows, hashes_.data());
  groups_.find_or_create(key_columns_, hashes_.data(), rows, count, row_groups_.data());
  if (!noting_) return;
  for (uint32_t i = 0; i < count; ++i) note_unsaved(row_groups_[i]);
}

void AsofOperator::push(uint32_t port, const data::Batch& batch) {
  DCHECK(batch.rows <= data::kBatchRowsMax);
  if (batch.rows == 0) return;
  counters.rows_in += batch.rows;
  if (port == 0) push_left(batch);
  else if (right_changes_) push_versions(batch);
  else push_right(batch);
}

void AsofOperator::push_left(const data::Batch& batch) {
  uint32_t count;
  const uint32_t* rows = select_left(batch, count) ? taking_part_.data() : nullptr;
  counters.rows_out += count;
  find_groups(inputs_[0], batch, rows, count);
  if (inputs_[0].unique) left_->insert(stored_columns(inputs_[0], batch), rows, count, slots_.data());
  if (versions_ == Versions::kCurrent) {
    for (uint32_t i = 0; i < count; ++i) {
      insert_left(slots_[i], 0, batch.weight(rows ? rows[i] : i), row_groups_[i]);
      dirty_.push_back(slots_[i]);
    }
    return;
  }
  const int64_t* times = batch.columns[left_probe_].values<int64_t>();
  if (queued_) return wait_for_time(times, batch, rows, count);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t row = rows ? rows[i] : i;
    Group& group = group_of(row_groups_[i]);
    TimeRing& ring = group.left;
    const int64_t time = times[row];
    if (!inputs_[0].unique) {
      const Entry* known = ring.at_or_after(time);
      const Entry* end = ring.end_entry();
      while (known != end && known->time == time && !left_->equals(known->slot, batch.columns, row)) ++known;
      if (known != end && known->time == time) {
        left_rows_[known->slot].weight += batch.weight(row);
        mark_dirty(known->slot);
        continue;
      }
      slots_[i] = left_->insert(batch.columns, row);
    }
    insert_left(slots_[i], time, batch.weight(row), row_groups_[i]);
    const bool first = ring.empty() || time < ring.front().time;
    ring.insert_by_time(pool_, {time, 0, slots_[i], 0});
    if (!on_final_ || !inputs_[0].unique) mark_dirty(slots_[i]);
    if (timed_ && first) schedule_left(row_groups_[i]);
  }
}

void AsofOperator::wait_for_time(const int64_t* times, const data::Batch& batch, const uint32_t* rows, uint32_t count) {
  constexpr int64_t kWeightMax = std::numeric_limits<uint32_t>::max();
  arriving_.clear();
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t row = rows ? rows[i] : i;
    ++group_of(row_groups_[i]).items;
    int64_t weight = batch.weight(row);
    for (; weight > kWeightMax; weight -= kWeightMax) {  // as rows of their own
      ++group_of(row_groups_[i]).items;
      const uint32_t slot = left_->insert(stored_columns(inputs_[0], batch), row);
      arriving_.push_back({times[row], row_groups_[i], slot, static_cast<uint32_t>(kWeightMax)});
    }
    arriving_.push_back({times[row], row_groups_[i], slots_[i], static_cast<uint32_t>(weight)});
  }
  waiting_.push_all(arriving_, [](const Waiting& a, const Waiting& b) { return a.time < b.time; });
}

void AsofOperator::push_right(const data::Batch& batch) {
  const Input& input = inputs_[1];
  uint32_t count;
  const uint32_t* rows = select_right(batch, count) ? taking_part_.data() : nullptr;
  counters.rows_out += count;
  find_groups(input, batch, rows, count);
  if (right_unique_) right_->insert(stored_columns(input, batch), rows, count, slots_.data());
  const int64_t* times = versions_ == Versions::kRows || versions_ == Versions::kByTime ? batch.columns[input.time].values<int64_t>() : nullptr;
  if (!rows_) {  // of an input that only grows, in the order of the rows
    for (uint32_t i = 0; i < count; ++i) fresh_versions_.push_back({row_groups_[i], times ? times[rows ? rows[i] : i] : 0, slots_[i]});
    return;
  }
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t row = rows ? rows[i] : i;
    Group& group = group_of(row_groups_[i]);
    if (right_unique_) {
      insert_right(group, times[row], batch.sequence_of(row), slots_[i]);
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
    find_groups(inputs_[1], batch, taking_part_.data(), 1);
    taking_part_[0] = late;
    group_of(row_groups_[0]).current += static_cast<int32_t>(batch.weight(row));
  }
  counters.rows_out += count;
  if (count > 0) right_changes_->apply(count == batch.rows ? batch : selector_->select(batch, taking_part_.data(), count));
}

Entry* AsofOperator::find_right(Group& group, const data::Batch& batch, uint32_t row, int64_t time) {
  TimeRing& ring = group.right;
  for (Entry* at = const_cast<Entry*>(ring.at_or_after(time)); at != ring.end_entry() && at->time == time; ++at) {
    if (right_->equals(at->slot, batch.columns, row)) return at;
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
    const uint32_t slot = right_->insert(batch.columns, row);
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

// The tick's changes of the right side become versions.
void AsofOperator::begin_versions(const TickInfo& tick) {
  const bool first = !begun_;
  if (right_changes_) {
    right_changes_->drain([this](const data::Batch& batch) {
      const bool timed = versions_ == Versions::kByTime;
      const int64_t* times = timed ? batch.columns[inputs_[1].time].values<int64_t>() : nullptr;
      find_groups(inputs_[1], batch, nullptr, batch.rows);
      const std::span<const data::Column> columns = stored_columns(inputs_[1], batch);
      for (uint32_t row = 0; row < batch.rows; ++row) {
        Group& group = group_of(row_groups_[row]);
        group.current += static_cast<int32_t>(batch.weight(row));
        if (batch.weight(row) > 0) {
          fresh_versions_.push_back({row_groups_[row], times ? times[row] : 0, right_->insert(columns, row)});
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
    const int64_t time = by_time ? fresh.time : now;
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

void AsofOperator::note_unsaved(char* row) {
  if (!noting_ || group_header(row).mark & kGroupUnsaved) return;
  group_header(row).mark |= kGroupUnsaved;
  unsaved_.push_back(row);
}

void AsofOperator::note_maybe_empty(char* row) {
  if (group_header(row).mark & kGroupTouched) return;
  group_header(row).mark |= kGroupTouched;
  maybe_empty_.push_back(row);
}

void AsofOperator::erase_if_empty(char* row) {
  Group& group = group_of(row);
  if (group.items != 0 || group.current > 0 || !group.left.empty() || !group.right.empty()) return;
  if (group_header(row).mark & kGroupTouched) return;  // at the end of the tick
  group.left.release(pool_);
  group.right.release(pool_);
  if (noting_) {
    ByteWriter key;
    put_group_key(shape_, row, key);
    erased_.text(key.view());
  }
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
      queued_ ? release_waiting(right_limit_) : release_left(right_limit_);
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
  left_->erase(left_free_.data(), static_cast<uint32_t>(left_free_.size()));
  right_->erase(right_free_.data(), static_cast<uint32_t>(right_free_.size()));
  left_free_.clear();
  right_free_.clear();
  alone_.clear();
  fresh_versions_.clear();
  touched_.clear();
  set_output_watermark(output_limit);
}

uint64_t AsofOperator::state_bytes() const {
  return groups_.held_bytes() + pool_.held_bytes() + left_->bytes() + right_->bytes() + waiting_.bytes() + left_due_.bytes() + right_due_.bytes() +
         left_rows_.capacity() * sizeof(LeftRow) + right_weights_.capacity() * sizeof(int64_t) +
         (right_changes_ ? right_changes_->bytes() : 0);
}

}  // namespace laminar::stream
