#include "stream/operators/aggregate_layout.h"

#include <algorithm>

#include "base/check.h"
#include "stream/state/group_key_io.h"

namespace laminar::stream {

using data::Column;
using plan::AggregateNode;

namespace {

std::vector<data::Type> key_types_of(const AggregateNode& node, const std::vector<data::Type>& input_types) {
  std::vector<data::Type> types;
  for (const AggregateNode::GroupOutput& group : node.groups)
    if (group.kind == AggregateNode::GroupOutput::Kind::kKey) types.push_back(input_types[group.column]);
  return types;
}

}  // namespace

AggregateLayout::AggregateLayout(const AggregateNode& node, std::span<const data::Type> key_types)
    : outputs_(node.groups), shape_(key_types), hashes_(data::kBatchRowsMax), found_(data::kBatchRowsMax), merged_from_(data::kBatchRowsMax) {
  for (const AggregateNode::GroupOutput& group : outputs_) {
    key_of_output_.push_back(static_cast<uint32_t>(key_inputs_.size()));
    if (group.kind == AggregateNode::GroupOutput::Kind::kKey) key_inputs_.push_back(group.column);
  }
  key_columns_.resize(key_inputs_.size());
  faults_.reserve(data::kBatchRowsMax);
}

AggregateLayout::~AggregateLayout() = default;

Result<std::unique_ptr<AggregateLayout>> AggregateLayout::make(const AggregateNode& node) {
  const std::vector<data::Type> input_types = node.inputs[0]->types();
  const std::vector<data::Type> key_types = key_types_of(node, input_types);
  if (key_types.size() > GroupShape::kKeysMax)
    return Status(ErrorCode::kLimitExceeded, "more than 32 GROUP BY keys: " + std::to_string(key_types.size()), node.offset);
  std::unique_ptr<AggregateLayout> layout(new AggregateLayout(node, key_types));
  layout->input_types_ = input_types;
  layout->retracts_ = !node.inputs[0]->append_only;
  if (layout->retracts_) layout->weight_offset_ = layout->shape_.append(8);
  AccumulatorNeeds needs;
  needs.append_only = !layout->retracts_;
  needs.keeps_order = node.inputs[0]->keeps_order;
  needs.merge = node.window && node.window->kind == plan::WindowKind::kSession;
  for (const plan::AggregateCall& call : node.aggregates) {
    ASSIGN_OR_RETURN(AccumulatorPtr accumulator, make_accumulator(call, input_types, needs));
    accumulator->set_offset(layout->shape_.append(accumulator->state_bytes()));
    layout->mergeable_ &= accumulator->mergeable();
    layout->holds_memory_ |= accumulator->holds_memory();
    layout->holds_foreign_memory_ |= accumulator->holds_foreign_memory();
    layout->needs_initialize_ |= accumulator->needs_initialize();
    layout->accumulators_.push_back(std::move(accumulator));
  }
  // An erased row keeps a link behind its header.
  if (layout->shape_.row_bytes < sizeof(GroupHeader) + 8) layout->shape_.append(8);
  if (layout->needs_initialize_) group_header(layout->shape_.prototype.data()).mark = kGroupRaw;
  return layout;
}

void AggregateLayout::begin(const data::Batch& batch) {
  batch_ = &batch;
  for (size_t k = 0; k < key_inputs_.size(); ++k) key_columns_[k] = batch.columns[key_inputs_[k]];
  if (batch.rows > hashes_.size()) {
    hashes_.resize(batch.rows);
    found_.resize(batch.rows);
  }
  hash_keys(shape_, key_columns_, batch.rows, hashes_.data());
  faults_.clear();
}

char** AggregateLayout::find(StateTable& table, const uint32_t* rows, uint32_t count) {
  table.groups.find_or_create(key_columns_, hashes_.data(), rows, count, found_.data());
  if (needs_initialize_) initialize_raw(found_.data(), count);
  if (noting_changes_) {
    for (uint32_t i = 0; i < count; ++i) note_changed(table, found_[i]);
  }
  return found_.data();
}

void AggregateLayout::note_changed(StateTable& table, char* group) {
  uint32_t& mark = group_header(group).mark;
  if (!noting_changes_ || (mark & kGroupUnsaved)) return;
  mark |= kGroupUnsaved;
  table.unsaved.push_back(group);
}

void AggregateLayout::initialize_raw(char* const* groups, uint32_t count) {
  if (!needs_initialize_) return;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t& mark = group_header(groups[i]).mark;
    if (!(mark & kGroupRaw)) continue;
    mark &= ~kGroupRaw;
    for (AccumulatorPtr& accumulator : accumulators_) accumulator->initialize(&groups[i], 1);
  }
}

void AggregateLayout::update(StatePool& pool, const uint32_t* rows, char* const* groups, uint32_t count) {
  AggregateInput input;
  input.columns = batch_->columns;
  input.weights = batch_->weights;
  input.sequence = batch_->sequence;
  input.sequence_base = batch_->sequence_base;
  input.rows = rows;
  input.groups = groups;
  input.count = count;
  input.faults = &faults_;
  if (retracts_) {
    for (uint32_t i = 0; i < count; ++i) weight(groups[i]) += batch_->weight(rows ? rows[i] : i);
  }
  for (AccumulatorPtr& accumulator : accumulators_) accumulator->update(input, pool);
}

void AggregateLayout::merge_states(char* const* into, const char* const* from, uint32_t count, StatePool& pool) {
  if (retracts_) {
    for (uint32_t i = 0; i < count; ++i) weight(into[i]) += weight(const_cast<char*>(from[i]));
  }
  for (AccumulatorPtr& accumulator : accumulators_) accumulator->merge(into, from, count, pool);
}

void AggregateLayout::merge(StateTable& into, const StateTable& from) {
  GroupTable::Cursor cursor;
  while (uint32_t n = from.groups.next(cursor, merged_from_.data(), data::kBatchRowsMax)) {
    into.groups.find_or_create_like(merged_from_.data(), n, found_.data());
    initialize_raw(found_.data(), n);
    merge_states(found_.data(), merged_from_.data(), n, into.pool);
  }
}

void AggregateLayout::destroy(char* const* groups, uint32_t count, StatePool& pool) {
  if (!holds_memory_) return;
  for (AccumulatorPtr& accumulator : accumulators_)
    if (accumulator->holds_memory()) accumulator->destroy(groups, count, pool);
}

void AggregateLayout::clear(StateTable& table) {
  if (holds_foreign_memory_) {
    GroupTable::Cursor cursor;
    while (uint32_t n = table.groups.next(cursor, merged_from_.data(), data::kBatchRowsMax)) {
      for (AccumulatorPtr& accumulator : accumulators_)
        if (accumulator->holds_foreign_memory()) accumulator->destroy(merged_from_.data(), n, table.pool);
    }
  }
  table.groups.clear();
  table.pool.reset();
  table.unsaved.clear();
  table.erased.clear();
  table.ahead_all = false;
  table.ahead_done = table.ahead_end = 0;
}

void AggregateLayout::erase(StateTable& table, char* group) {
  if (noting_changes_) {
    ByteWriter key;
    save_key(group, key);
    table.erased.text(key.view());
  }
  destroy(&group, 1, table.pool);
  table.groups.erase(group);
}

bool AggregateLayout::saves_state() const {
  return std::all_of(accumulators_.begin(), accumulators_.end(), [](const AccumulatorPtr& accumulator) { return accumulator->saves_state(); });
}

void AggregateLayout::save_key(const char* group, ByteWriter& out) const { put_group_key(shape_, group, out); }

void AggregateLayout::save_group(char* group, ByteWriter& out) {
  out.put(group_header(group).mark & ~(kGroupTouched | kGroupUnsaved));
  if (retracts_) out.put(weight(group));
  for (const AccumulatorPtr& accumulator : accumulators_) accumulator->save(group, out);
}

void AggregateLayout::save_one(char* group, std::string_view prefix, uint8_t number, StateSink& sink) {
  if (group_header(group).mark & kGroupFree) return;  // noted, then erased
  group_header(group).mark &= ~kGroupUnsaved;
  save_key_.clear();
  save_value_.clear();
  save_key_.raw(prefix.data(), prefix.size());
  save_key(group, save_key_);
  save_group(group, save_value_);
  sink.put(number, save_key_.view(), save_value_.view());
}

void AggregateLayout::save_erased(StateTable& table, std::string_view prefix, uint8_t number, StateSink& sink) {
  ByteWriter key;
  ByteReader erased(table.erased.view());
  while (!erased.at_end()) {
    key.clear();
    key.raw(prefix.data(), prefix.size());
    const std::string_view gone = erased.text();
    key.raw(gone.data(), gone.size());
    sink.erase(number, key.view());
  }
  table.erased.clear();
}

void AggregateLayout::save(StateTable& table, std::string_view prefix, uint8_t number, StateSink& sink, bool all) {
  noting_changes_ = true;
  const auto put = [&](char* group) { save_one(group, prefix, number, sink); };
  if (all || table.ahead_all) {
    save_erased(table, prefix, number, sink);
    GroupTable::Cursor cursor;
    std::vector<char*> groups(data::kBatchRowsMax);
    while (uint32_t n = table.groups.next(cursor, groups.data(), data::kBatchRowsMax)) std::for_each_n(groups.begin(), n, put);
  } else {
    save_erased(table, prefix, number, sink);
    std::for_each(table.unsaved.begin() + static_cast<ptrdiff_t>(table.ahead_done), table.unsaved.end(), put);
  }
  table.unsaved.clear();
  table.ahead_all = false;
  table.ahead_done = table.ahead_end = 0;
}

bool AggregateLayout::save_ahead(StateTable& table, std::string_view prefix, uint8_t number, StateSink& sink, Operator::Ahead how, uint64_t& records) {
  if (how != Operator::Ahead::kGoOn) {
    noting_changes_ = true;
    table.ahead_all |= how == Operator::Ahead::kAll;
    if (how == Operator::Ahead::kAll) table.ahead_at = {};
    table.unsaved.erase(table.unsaved.begin(), table.unsaved.begin() + static_cast<ptrdiff_t>(table.ahead_done));
    table.ahead_done = 0;
    table.ahead_end = table.unsaved.size();
  }
  // First: a group that is made again comes after what it was before.
  save_erased(table, prefix, number, sink);
  while (table.ahead_all && records > 0) {
    char* groups[256];
    const uint32_t n = table.groups.next(table.ahead_at, groups, static_cast<uint32_t>(std::min<uint64_t>(records, 256)));
    for (uint32_t i = 0; i < n; ++i) save_one(groups[i], prefix, number, sink);
    records -= n;
    table.ahead_all = n > 0;
  }
  for (; records > 0 && table.ahead_done < table.ahead_end; --records) save_one(table.unsaved[table.ahead_done++], prefix, number, sink);
  return table.ahead_all || table.ahead_done < table.ahead_end;
}

void AggregateLayout::load_key(ByteReader& key, char* row) const { get_group_key(shape_, key, row); }

void AggregateLayout::load_group(char* group, ByteReader& in, StatePool& pool) {
  group_header(group).mark = in.get<uint32_t>();
  if (retracts_) weight(group) = in.get<int64_t>();
  for (AccumulatorPtr& accumulator : accumulators_) accumulator->load(group, in, pool);
}

bool AggregateLayout::owned(const char* row, StateSource& source) { return owns_group(shape_, row, source, key_inputs_); }

char* AggregateLayout::load(StateTable& table, ByteReader& key, ByteReader& in, StateSource& source) {
  std::vector<char> row = shape_.prototype;
  load_key(key, row.data());
  if (!owned(row.data(), source)) return nullptr;
  char* from = row.data();
  char* group;
  table.groups.find_or_create_like(&from, 1, &group);
  load_group(group, in, table.pool);
  return group;
}

void AggregateLayout::finalize(char* const* groups, const int64_t* starts, const int64_t* ends, uint32_t count,
                               data::BatchBuffer& out, uint32_t at) {
  using Kind = AggregateNode::GroupOutput::Kind;
  uint32_t c = 0;
  for (size_t g = 0; g < outputs_.size(); ++g, ++c) {
    Column& column = out.column(c);
    if (outputs_[g].kind != Kind::kKey) {
      const int64_t* times = outputs_[g].kind == Kind::kWindowStart ? starts : ends;
      DCHECK(times);
      std::copy(times, times + count, column.values<int64_t>() + at);
      continue;
    }
    const uint32_t k = key_of_output_[g];
    const uint32_t offset = shape_.keys[k].offset;
    with_physical(shape_.keys[k].physical, [&]<class T>() {
      T* values = column.values<T>() + at;
      for (uint32_t i = 0; i < count; ++i) {
        if (group_header(groups[i]).nulls >> k & 1) {
          store_null(column, at + i);
          continue;
        }
        T value;
        std::memcpy(&value, groups[i] + offset, sizeof value);
        if constexpr (std::is_same_v<T, data::StringRef>) values[i] = out.strings().copy(value);
        else values[i] = value;
      }
    });
  }
  for (AccumulatorPtr& accumulator : accumulators_) accumulator->finalize(groups, count, out.column(c++), at, out.strings());
  out.rows = std::max(out.rows, at + count);
}

}  // namespace laminar::stream
