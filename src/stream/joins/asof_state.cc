// An ASOF or temporal join in saved state. Tables: 0 what stands with each key, by its key: i32 rows of the right side now;
// u32 number of right rows, each i64 time, u64 order, i64 weight (0: a version that is nothing, without a row), the row;
// u32 number of left rows, each i64 time, i64 weight, the row. 1 what was seen. 2 the left rows that wait, in their order:
// text of the key, i64 time, i64 weight, the row; all are put at every save, for they pass within the delay of the watermark.
//
// Rows are their stored columns. Between ticks every left row has been answered, so what it met follows from its key's
// rows; schedules follow from them, too.
#include "data/codec.h"
#include "stream/joins/asof_operator.h"
#include "stream/state/group_key_io.h"

namespace laminar::stream {

using plan::AsofNode;

namespace {

constexpr uint32_t kRowsOfRecord = 1024;

void put_row(const RowStore& store, uint32_t slot, ByteWriter& out) {
  data::Batch chunk;
  chunk.columns = store.chunk_columns(slot);
  data::encode_row(chunk, slot % RowStore::kChunkRows, out);
}

std::vector<data::Type> types_at(const std::vector<data::Type>& types, const std::vector<uint32_t>& columns) {
  std::vector<data::Type> result;
  for (const uint32_t column : columns) result.push_back(types[column]);
  return result;
}

Status get_row(ByteReader& in, RowStore& store, data::BatchBuffer& row, uint32_t& slot) {
  row.clear();
  RETURN_IF_ERROR(data::decode_row(in, row));
  slot = store.insert(row.view().columns, 0);
  return {};
}

}  // namespace

void AsofOperator::save_group(char* row, StateSink& sink, ByteWriter& key, ByteWriter& value) {
  if (group_header(row).mark & kGroupFree) return;  // noted, then erased
  group_header(row).mark &= ~kGroupUnsaved;
  const Group& group = group_of(row);
  key.clear();
  put_group_key(shape_, row, key);
  if (group.current == 0 && group.left.empty() && group.right.empty()) return sink.erase(0, key.view());
  value.clear();
  value.put(group.current).put(group.right.size());
  for (const TimeRing::Entry* entry = group.right.begin_entry(); entry != group.right.end_entry(); ++entry) {
    const bool nothing = entry->slot == kNoRow;
    value.put(entry->time).put(entry->order).put(nothing ? int64_t{0} : right_unique_ ? int64_t{1} : right_weights_[entry->slot]);
    if (!nothing) put_row(*right_, entry->slot, value);
  }
  value.put(group.left.size());
  for (const TimeRing::Entry* entry = group.left.begin_entry(); entry != group.left.end_entry(); ++entry) {
    value.put(entry->time).put(left_rows_[entry->slot].weight);
    put_row(*left_, entry->slot, value);
  }
  sink.put(0, key.view(), value.view());
}

void AsofOperator::save_waiting(StateSink& sink) {
  sink.erase_prefix(2, "");
  ByteWriter number, key, value;
  uint64_t records = 0;
  uint32_t rows = 0;
  const auto finish_record = [&] {
    if (rows == 0) return;
    number.clear();
    put_ordered(records++, number);
    sink.put(2, number.view(), value.view());
    value.clear();
    rows = 0;
  };
  const auto put = [&](const char* group, int64_t time, int64_t weight, uint32_t slot) {
    key.clear();
    put_group_key(shape_, group, key);
    value.text(key.view()).put(time).put(weight);
    put_row(*left_, slot, value);
    if (++rows == kRowsOfRecord) finish_record();
  };
  TimeQueue<Waiting> waiting = waiting_;
  waiting.drain([](const Waiting& a, const Waiting& b) { return a.time < b.time; }, [](const Waiting&) { return true; },
                [&](const Waiting& row) { put(row.group, row.time, row.weight, row.slot); });
  // Those that the current rows have not come for yet.
  for (const uint32_t slot : dirty_) put(left_rows_[slot].group, 0, left_rows_[slot].weight, slot);
  finish_record();
}

void AsofOperator::save_state(StateSink& sink, bool full) {
  ByteWriter key, value;
  if (full || !noting_) {
    sink.erase_prefix(0, "");
    std::vector<char*> groups(data::kBatchRowsMax);
    GroupTable::Cursor cursor;
    while (const uint32_t n = groups_.next(cursor, groups.data(), data::kBatchRowsMax)) {
      for (uint32_t i = 0; i < n; ++i) save_group(groups[i], sink, key, value);
    }
  } else {
    ByteReader erased(erased_.view());
    while (!erased.at_end()) sink.erase(0, erased.text());
    for (char* row : unsaved_) save_group(row, sink, key, value);
  }
  noting_ = true;
  unsaved_.clear();
  erased_.clear();
  save_waiting(sink);
  value.clear();
  value.put(begun_).put(versions_made_).put(right_limit_).put(inputs_[0].last_watermark).put(inputs_[1].last_watermark).put(output_->sequence());
  sink.put(1, "", value.view());
}

Status AsofOperator::load_group(char* row, ByteReader& in, data::BatchBuffer& left, data::BatchBuffer& right) {
  Group& group = group_of(row);
  group.current = in.get<int32_t>();
  for (uint32_t n = in.get<uint32_t>(); n > 0 && in.ok(); --n) {
    TimeRing::Entry entry{in.get<int64_t>(), in.get<uint64_t>(), kNoRow, 0};
    const int64_t weight = in.get<int64_t>();
    if (weight != 0) {
      RETURN_IF_ERROR(get_row(in, *right_, right, entry.slot));
      if (!right_unique_) {
        if (entry.slot >= right_weights_.size()) right_weights_.resize(right_->slot_end());
        right_weights_[entry.slot] = weight;
      }
    }
    group.right.insert(pool_, group.right.end_entry(), entry);
  }
  for (uint32_t n = in.get<uint32_t>(); n > 0 && in.ok(); --n) {
    const int64_t time = in.get<int64_t>(), weight = in.get<int64_t>();
    uint32_t slot;
    RETURN_IF_ERROR(get_row(in, *left_, left, slot));
    insert_left(slot, time, weight, row);
    if (!on_final_) {
      left_rows_[slot].emitted = weight;
      left_rows_[slot].match = match_slot(group.right, time);
    }
    group.left.insert(pool_, group.left.end_entry(), {time, 0, slot, 0});
  }
  if (!in.ok()) return damaged_state(label);
  if (!timed_ || versions_ == AsofNode::Versions::kCurrent) return {};
  if (!group.left.empty()) schedule_left(row);
  schedule_right(row);
  return {};
}

// Of a saved key, which stays to be read.
bool AsofOperator::owns_key(ByteReader key, StateSource& source) const {
  if (!source.shared()) return true;
  std::vector<char> row = shape_.prototype;
  get_group_key(shape_, key, row.data());
  return owns_group(shape_, row.data(), source, inputs_[0].keys);
}

Status AsofOperator::load_waiting(ByteReader& in, data::BatchBuffer& buffer, StateSource& source) {
  ByteReader key(in.text());
  if (!owns_key(key, source)) {
    (void)in.get<int64_t>();
    (void)in.get<int64_t>();
    buffer.clear();
    return data::decode_row(in, buffer);
  }
  char* row = find_saved_group(shape_, groups_, key);
  const int64_t time = in.get<int64_t>(), weight = in.get<int64_t>();
  uint32_t slot;
  RETURN_IF_ERROR(get_row(in, *left_, buffer, slot));
  if (!in.ok() || !key.ok()) return damaged_state(label);
  if (versions_ == AsofNode::Versions::kCurrent) {
    insert_left(slot, time, weight, row);
    dirty_.push_back(slot);
  } else {
    ++group_of(row).items;
    waiting_.push({time, row, slot, static_cast<uint32_t>(weight)}, [](const Waiting& a, const Waiting& b) { return a.time < b.time; });
  }
  return {};
}

Status AsofOperator::load_state(StateSource& source) {
  data::BatchBuffer left(types_at(inputs_[0].types, inputs_[0].stored), 1), right(types_at(inputs_[1].types, inputs_[1].stored), 1);
  RETURN_IF_ERROR(source.scan(0, [&](std::string_view key_bytes, std::string_view bytes) -> Status {
    ByteReader key(key_bytes), in(bytes);
    if (!owns_key(key, source)) return {};
    return load_group(find_saved_group(shape_, groups_, key), in, left, right);
  }));
  RETURN_IF_ERROR(source.scan(2, [&](std::string_view, std::string_view bytes) -> Status {
    for (ByteReader in(bytes); !in.at_end();) RETURN_IF_ERROR(load_waiting(in, left, source));
    return {};
  }));
  return source.scan(1, [this](std::string_view, std::string_view bytes) -> Status {
    ByteReader in(bytes);
    begun_ |= in.get<bool>();
    versions_made_ = std::max(versions_made_, in.get<uint64_t>());
    right_limit_ = std::max(right_limit_, in.get<int64_t>());
    for (Input& input : inputs_) input.last_watermark = std::max(input.last_watermark, in.get<int64_t>());
    output_->set_sequence(std::max(output_->sequence(), in.get<uint64_t>()));
    return in.ok() ? Status() : damaged_state(label);
  });
}

}  // namespace laminar::stream
