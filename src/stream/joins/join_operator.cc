#include "stream/joins/join_operator.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "stream/operators/aggregate.h"

namespace laminar::stream {

using data::kWatermarkEnded;
using data::kWatermarkNone;
using plan::JoinKind;

namespace {

constexpr uint32_t kGroupMaybeEmpty = kGroupTouched;

std::vector<data::Type> key_types(const plan::JoinNode& node) {
  std::vector<data::Type> types;
  for (const plan::JoinNode::Key& key : node.keys) types.push_back(node.inputs[0]->columns[key.left].type);
  return types;
}

std::vector<data::Type> both_types(const plan::JoinNode& node) {
  std::vector<data::Type> types = node.inputs[0]->types();
  for (const data::Type& type : node.inputs[1]->types()) types.push_back(type);
  return types;
}

template <uint32_t kSize>
void gather_rows(const data::Column& from, const uint32_t* rows, uint32_t count, data::Column& to) {
  const char* source = static_cast<const char*>(from.data);
  char* target = static_cast<char*>(to.data);
  for (uint32_t i = 0; i < count; ++i) std::memcpy(target + size_t{i} * kSize, source + size_t{rows[i]} * kSize, kSize);
  if (!from.validity) return;
  for (uint32_t i = 0; i < count; ++i) {
    if (!from.is_null(rows[i])) continue;
    data::set_null(to.validity, i);
    std::memset(target + size_t{i} * kSize, 0, kSize);
  }
}

void gather_rows(const data::Column& from, const uint32_t* rows, uint32_t count, data::Column& to) {
  switch (data::physical_size(to.physical)) {
    case 1: return gather_rows<1>(from, rows, count, to);
    case 2: return gather_rows<2>(from, rows, count, to);
    case 4: return gather_rows<4>(from, rows, count, to);
    case 8: return gather_rows<8>(from, rows, count, to);
    default: return gather_rows<16>(from, rows, count, to);
  }
}

void copy_value(const data::Column& from, uint32_t from_row, data::Column& to, uint32_t to_row) {
  const uint32_t size = data::physical_size(to.physical);
  char* target = static_cast<char*>(to.data) + size_t{to_row} * size;
  if (from.is_null(from_row)) {
    data::set_null(to.validity, to_row);
    std::memset(target, 0, size);
    return;
  }
  const char* source = static_cast<const char*>(from.data) + size_t{from_row} * size;
  switch (size) {
    case 1: *target = *source; break;
    case 4: std::memcpy(target, source, 4); break;
    case 8: std::memcpy(target, source, 8); break;
    case 16: std::memcpy(target, source, 16); break;
    default: std::memcpy(target, source, size);
  }
}

}  // namespace

Result<std::unique_ptr<JoinOperator>> JoinOperator::make(const plan::JoinNode& node) {
  CHECK(node.inputs.size() == 2);
  std::unique_ptr<expr::Program> residual;
  if (node.residual) {
    ASSIGN_OR_RETURN(residual, expr::Program::compile({node.residual}, both_types(node)));
  }
  return std::unique_ptr<JoinOperator>(new JoinOperator(node, std::move(residual)));
}

JoinOperator::JoinOperator(const plan::JoinNode& node, std::unique_ptr<expr::Program> residual)
    : Operator(node.types()), kind_(node.join), pairs_out_(node.pairs()), timed_(node.time.has_value()),
      waits_(timed_ && node.unmatched_at_close), shape_(key_types(node)), groups_(&shape_, &pool_), residual_(std::move(residual)), pair_types_(both_types(node)),
      key_columns_(node.keys.size()), hashes_(data::kBatchRowsMax), taking_part_(data::kBatchRowsMax),
      selection_(data::kBatchRowsMax), pair_slots_(data::kBatchRowsMax), pair_changes_(data::kBatchRowsMax),
      pair_rows_(data::kBatchRowsMax),
      row_groups_(data::kBatchRowsMax), pairs_(pair_types_), single_(types()), selector_(pair_types_) {
  set_ports(2);
  label = std::string("join ") + plan::to_text(kind_);
  for (const plan::JoinNode::Key& key : node.keys) {
    inputs_[0].keys.push_back(key.left);
    inputs_[1].keys.push_back(key.right);
    null_equal_.push_back(key.null_equal);
  }
  inputs_[0].counts = kind_ == JoinKind::kLeft || kind_ == JoinKind::kFull || !pairs_out_;
  inputs_[1].counts = kind_ == JoinKind::kRight || kind_ == JoinKind::kFull;
  if (timed_) {
    inputs_[0].time = node.time->left;
    inputs_[1].time = node.time->right;
    inputs_[0].release_after_us = node.time->upper_us;
    inputs_[1].release_after_us = -node.time->lower_us;
    lower_us_ = node.time->lower_us;
    upper_us_ = node.time->upper_us;
    for (uint32_t port = 0; port < 2; ++port) {
      inputs_[port].released = true;
      inputs_[port].released_by = 1 - port;
    }
  } else if (node.retention) {
    inputs_[0].time = node.retention->left;
    inputs_[1].time = node.retention->right;
    for (uint32_t port = 0; port < 2; ++port) {
      inputs_[port].released = inputs_[port].time.has_value();
      inputs_[port].released_by = port;
      inputs_[port].release_after_us = node.retention->us;
    }
  }
  for (uint32_t port = 0; port < 2; ++port) {
    Input& input = inputs_[port];
    const plan::Node& below = *node.inputs[port];
    input.types = below.types();
    if (input.time) input.time_offset_us = below.columns[*input.time].time_offset_us.value_or(0);
    heads_[port] = shape_.append(8);
    std::memset(shape_.prototype.data() + heads_[port], 0xff, 8);
    JoinSide::Options options;
    options.head = heads_[port];
    options.unique = below.append_only;
    options.counts = input.counts;
    if (input.released) options.time = input.time;
    sides_[port] = std::make_unique<JoinSide>(input.types, options);
    if (timed_ && options.unique && !input.counts && !input.keys.empty()) {
      logs_[port] = std::make_unique<JoinLog>(input.types, input.keys, *input.time);
    }
  }
  if (!node.append_only) tick_.emplace(types());
  changes_.reserve(data::kBatchRowsMax);
  maybe_empty_.reserve(data::kBatchRowsMax);
  errors_.items.reserve(data::kBatchRowsMax);
  need_only(std::vector<bool>(types().size(), true));
}

void JoinOperator::need_only(const std::vector<bool>& needed) {
  pair_needed_ = needed;
  pair_needed_.resize(pair_types_.size(), false);  // a semi join's pairs are looked at by the residual alone
  if (!pairs_out_) pair_needed_.assign(pair_types_.size(), false);
  if (residual_) pair_needed_.assign(pair_types_.size(), true);  // what fails is shown whole
}

bool JoinOperator::is_late(const Input& input, const data::Batch& batch, uint32_t row) const {
  const int64_t watermark = batch.row_watermark ? std::max(batch.row_watermark[row], input.last_watermark) : input.last_watermark;
  if (watermark == kWatermarkNone) return false;
  return batch.columns[*input.time].values<int64_t>()[row] < shift_time(watermark, input.time_offset_us);
}

// Whether the row can match at all; what becomes of one that cannot is settled here.
bool JoinOperator::takes_part(uint32_t port, const data::Batch& batch, uint32_t row) {
  const Input& input = inputs_[port];
  bool null_key = false, null_time = false;
  for (size_t k = 0; k < input.keys.size(); ++k) null_key |= !null_equal_[k] && batch.columns[input.keys[k]].is_null(row);
  if (timed_) {
    null_time = batch.columns[*input.time].is_null(row);
    if (!null_time && is_late(input, batch, row)) {
      ++counters.late;
      if (rejects()) {
        Reject reject;
        reject.port = port;
        reject.watermark = batch.row_watermark ? batch.row_watermark[row] : input.last_watermark;
        rejects()->reject(input.types, batch, row, reject);
      }
      return false;
    }
  }
  if (!null_key && !null_time) return true;
  if (input.counts && kind_ != JoinKind::kSemi) {
    ++counters.rows_out;
    append_single(port, batch.columns, row, batch.weight(row));
  } else if (null_key) {
    ++counters.filtered;
  } else {
    ++counters.null_time;
    if (rejects()) {
      Reject reject;
      reject.reason = RejectReason::kNullTime;
      reject.port = port;
      rejects()->reject(input.types, batch, row, reject);
    }
  }
  return false;
}

// The rows of the batch that can match go to taking_part_.
uint32_t JoinOperator::select_rows(uint32_t port, const data::Batch& batch) {
  const Input& input = inputs_[port];
  bool nulls = false;
  for (const uint32_t key : input.keys) nulls |= batch.columns[key].validity != nullptr;
  if (timed_) nulls |= batch.columns[*input.time].validity != nullptr;
  uint32_t count = 0;
  if (nulls || input.time_offset_us != 0) {
    for (uint32_t row = 0; row < batch.rows; ++row) {
      if (takes_part(port, batch, row)) taking_part_[count++] = row;
    }
    return count;
  }
  const int64_t* times = timed_ ? batch.columns[*input.time].values<int64_t>() : nullptr;
  const int64_t last = input.last_watermark;
  for (uint32_t row = 0; row < batch.rows; ++row) {
    const bool late = times && times[row] < (batch.row_watermark ? std::max(batch.row_watermark[row], last) : last);
    if (late && !takes_part(port, batch, row)) continue;
    taking_part_[count++] = row;
  }
  return count;
}

// Of rows that only come, equal ones may come as one with a weight: each is a row of its own here.
void JoinOperator::push_repeated(uint32_t port, const data::Batch& batch) {
  RowSelector one(inputs_[port].types);
  for (uint32_t row = 0; row < batch.rows; ++row) {
    data::Batch single = one.select(batch, &row, 1);
    single.weights = nullptr;
    for (int64_t i = 0; i < batch.weights[row]; ++i) push(port, single);
  }
}

void JoinOperator::push(uint32_t port, const data::Batch& batch) {
  DCHECK(batch.rows <= data::kBatchRowsMax);
  if (batch.rows == 0) return;
  if (batch.weights && !sides_[port]->has_weights() && std::any_of(batch.weights, batch.weights + batch.rows, [](int64_t w) { return w != 1; })) {
    return push_repeated(port, batch);
  }
  if (change() && !change()->begin_push()) return;
  counters.rows_in += batch.rows;
  const Input& input = inputs_[port];
  JoinSide& own = *sides_[port];
  const JoinSide& other = *sides_[1 - port];
  const uint32_t count = select_rows(port, batch);
  counters.rows_out += count;
  for (size_t k = 0; k < input.keys.size(); ++k) key_columns_[k] = batch.columns[input.keys[k]];
  hash_keys(shape_, key_columns_, batch.rows, hashes_.data());
  changes_.clear();
  if (logs_[port]) {
    groups_.find(key_columns_, hashes_.data(), taking_part_.data(), count, row_groups_.data());
    for (uint32_t i = 0; i < count; ++i) {
      if (!row_groups_[i]) continue;
      if (const uint32_t met = other.first(row_groups_[i]); met != JoinSide::kNone) other.prefetch(met);
    }
    for (uint32_t i = 0; i < count; ++i) changes_.push_back({taking_part_[i], 0, 1, 0, true});
  } else {
    groups_.find_or_create(key_columns_, hashes_.data(), taking_part_.data(), count, row_groups_.data());
    own.prepare(batch);
  }
  for (uint32_t i = 0; !logs_[port] && i < count; ++i) {
    const uint32_t row = taking_part_[i];
    char* group = row_groups_[i];
    if (const uint32_t met = other.first(group); met != JoinSide::kNone) other.prefetch(met);
    const JoinSide::Applied applied = own.apply(group, batch, row);
    const int64_t weight = batch.weight(row);
    if (weight < 0 && !(group_header(group).mark & kGroupMaybeEmpty)) {
      group_header(group).mark |= kGroupMaybeEmpty;
      maybe_empty_.push_back(group);
    }
    changes_.push_back({row, applied.slot, weight, 0, applied.fresh});
  }
  settled_ = 0;
  stopped_ = false;
  meet_all(port, batch, count);
  if (stopped_) take_back(port, batch, count);
  else settle(port, batch, count);
  deliver(single_);
  own.sweep();
  erase_empty_groups();
  if (logs_[port]) logs_[port]->append(batch, hashes_.data(), taking_part_.data(), count);
  if (logs_[1 - port]) index_log(1 - port);
}

void JoinOperator::meet_all(uint32_t port, const data::Batch& batch, uint32_t count) {
  for (uint32_t i = 0; i < count && !stopped_; ++i) {
    // The row of a semi or anti join that was there before knows its matches.
    if (!row_groups_[i] || (!pairs_out_ && port == 0 && !changes_[i].fresh)) continue;
    timed_ ? meet_in_time(port, batch, i, row_groups_[i]) : meet(port, batch, i, row_groups_[i]);
  }
  if (logs_[1 - port] && !logs_[1 - port]->empty()) meet_log(port, batch, count);
}

// The push has been stopped between two batches of pairs: those before go out once more with weights reversed, and the rows of
// the batch leave their side, the last one first.
void JoinOperator::take_back(uint32_t port, const data::Batch& batch, uint32_t count) {
  JoinSide& own = *sides_[port];
  std::vector<int64_t> weights(batch.rows);
  data::Batch reversed = batch;
  reversed.weights = weights.data();
  for (uint32_t row = 0; row < batch.rows; ++row) weights[row] = -batch.weight(row);
  for (Change& change : changes_) {
    change.weight = -change.weight;
    change.matches = 0;
  }
  select_rows(port, reversed);  // rows that take no part have come out alone
  settled_max_ = settled_;
  settled_ = 0;
  stopped_ = false;
  if (settled_max_ > 0) meet_all(port, reversed, count);
  CHECK(settled_ == settled_max_ && pairs_.rows == 0);
  settled_max_ = kUnlimited;
  for (uint32_t i = count; i-- > 0;) {
    const JoinSide::Applied applied = own.apply(row_groups_[i], reversed, changes_[i].row);
    if (applied.fresh && inputs_[port].counts) own.matches(applied.slot) = own.matches(changes_[i].slot);
  }
  deliver(single_);
  change()->refuse();
}

// The partners that the log of the other side has.
void JoinOperator::meet_log(uint32_t port, const data::Batch& batch, uint32_t count) {
  settle_pairs(port, batch);
  pairs_logged_ = true;
  const JoinLog::Probe probe{.keys = key_columns_,
                             .hashes = hashes_.data(),
                             .rows = taking_part_.data(),
                             .count = count,
                             .times = batch.columns[*inputs_[port].time].values<int64_t>(),
                             .after_us = port == 0 ? lower_us_ : -upper_us_,
                             .before_us = port == 0 ? upper_us_ : -lower_us_};
  logs_[1 - port]->find(probe, [&](uint32_t change, uint32_t row) {
    if (pairs_out_ || port != 0 || changes_[change].fresh) add_pair(port, batch, change, row);
  });
  settle_pairs(port, batch);
  pairs_logged_ = false;
}

void JoinOperator::index_log(uint32_t port) {
  JoinSide& side = *sides_[port];
  logs_[port]->take_costly(kChunksPerPush, [&](const JoinLog::Chunk& chunk) {
    const data::Batch batch = chunk.batch();
    for (size_t k = 0; k < inputs_[port].keys.size(); ++k) key_columns_[k] = batch.columns[inputs_[port].keys[k]];
    const uint32_t count = chunk.end - chunk.begin;
    for (uint32_t i = 0; i < count; ++i) taking_part_[i] = chunk.begin + i;
    groups_.find_or_create(key_columns_, chunk.hashes, taking_part_.data(), count, row_groups_.data());
    side.prepare(batch);
    for (uint32_t i = 0; i < count; ++i) side.apply(row_groups_[i], batch, taking_part_[i]);
  });
}

// Lines up the partners that the key gives a change; whether they match is found for many at once.
void JoinOperator::meet(uint32_t port, const data::Batch& batch, uint32_t change, const char* group) {
  const JoinSide& other = *sides_[1 - port];
  for (uint32_t slot = other.first(group); slot != JoinSide::kNone; slot = other.next(slot)) {
    if (!add_pair(port, batch, change, slot)) return;
  }
}

// The same for the part of the chain that lies within the time bound, from its nearer end.
void JoinOperator::meet_in_time(uint32_t port, const data::Batch& batch, uint32_t change, const char* group) {
  const JoinSide& other = *sides_[1 - port];
  uint32_t slot = other.first(group);
  if (slot == JoinSide::kNone) return;
  const int64_t time = batch.columns[*inputs_[port].time].values<int64_t>()[changes_[change].row];
  const int64_t least = port == 0 ? time_plus(time, lower_us_) : time_plus(time, -upper_us_);
  const int64_t greatest = port == 0 ? time_plus(time, upper_us_) : time_plus(time, -lower_us_);
  const int64_t newest = other.time(slot);
  if (newest <= greatest) {
    for (; slot != JoinSide::kNone && other.time(slot) >= least; slot = other.next(slot)) {
      if (!add_pair(port, batch, change, slot)) return;
    }
    return;
  }
  const uint32_t end = other.last(group);
  const int64_t oldest = other.time(end);
  if (oldest > greatest || newest < least) return;
  // Whose distance to the bound is less; as doubles, for times may lie at the ends of time.
  if (static_cast<double>(least) - static_cast<double>(oldest) < static_cast<double>(newest) - static_cast<double>(greatest)) {
    for (slot = end; slot != JoinSide::kNone; slot = other.previous(slot)) {
      const int64_t at = other.time(slot);
      if (at > greatest) return;
      if (at >= least && !add_pair(port, batch, change, slot)) return;
    }
    return;
  }
  for (; slot != JoinSide::kNone; slot = other.next(slot)) {
    const int64_t at = other.time(slot);
    if (at < least) return;
    if (at <= greatest && !add_pair(port, batch, change, slot)) return;
  }
}

inline bool JoinOperator::add_pair(uint32_t port, const data::Batch& batch, uint32_t change, uint32_t slot) {
  if (pairs_.full()) settle_pairs(port, batch);
  if (stopped_) [[unlikely]] return false;
  const uint32_t at = pairs_.rows++;
  pair_slots_[at] = slot;
  pair_changes_[at] = change;
  return true;
}

// The columns of the pairs lined up, one by one.
void JoinOperator::fill_pairs(uint32_t port, const data::Batch& batch) {
  const JoinSide& other = *sides_[1 - port];
  const uint32_t left_width = static_cast<uint32_t>(inputs_[0].types.size());
  const uint32_t own_first = port == 0 ? 0 : left_width, other_first = port == 0 ? left_width : 0;
  const uint32_t count = pairs_.rows;
  for (uint32_t i = 0; i < count; ++i) pair_rows_[i] = changes_[pair_changes_[i]].row;
  for (uint32_t c = 0; c < inputs_[port].types.size(); ++c) {
    if (pair_needed_[own_first + c]) gather_rows(batch.columns[c], pair_rows_.data(), count, pairs_.column(own_first + c));
  }
  for (uint32_t c = 0; c < inputs_[1 - port].types.size(); ++c) {
    if (!pair_needed_[other_first + c]) continue;
    if (pairs_logged_) logs_[1 - port]->gather(c, pair_slots_.data(), count, pairs_.column(other_first + c));
    else other.rows().gather(c, pair_slots_.data(), count, pairs_.column(other_first + c));
  }
  if (!batch.weights && !other.has_weights()) return;
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t weight = changes_[pair_changes_[i]].weight * other.weight(pair_slots_[i]);
    pairs_.weights()[i] = weight;
    pairs_.has_weights |= weight != 1;
  }
}

void JoinOperator::settle_pairs(uint32_t port, const data::Batch& batch) {
  if (pairs_.rows == 0) return;
  pairs_.sequence_base = sequence_;
  sequence_ += pairs_.rows;
  fill_pairs(port, batch);
  const data::Batch view = pairs_.view();
  uint32_t matched = view.rows;
  if (residual_) {
    errors_.items.clear();
    matched = residual_->select(view, selection_.data(), errors_);
    for (const expr::RowErrors::Item& item : errors_.items) {
      ++counters.errors;
      if (!rejects()) break;
      Reject reject;
      reject.reason = RejectReason::kError;
      reject.message = *item.message;
      rejects()->reject(pair_types_, view, item.row, reject);
    }
  }
  if (pairs_out_ && matched > 0) deliver(matched == view.rows ? view : selector_.select(view, selection_.data(), matched));
  JoinSide& other = *sides_[1 - port];
  const bool count_own = inputs_[port].counts, count_other = inputs_[1 - port].counts;
  for (uint32_t i = 0; i < matched && (count_own || count_other); ++i) {
    const uint32_t pair = residual_ ? selection_[i] : i;
    Change& change = changes_[pair_changes_[pair]];
    const uint32_t slot = pair_slots_[pair];
    const int64_t weight = other.weight(slot);
    change.matches += weight;
    if (!count_other) continue;
    const bool before = other.matches(slot) > 0;
    const bool after = (other.matches(slot) += change.weight) > 0;
    if (before == after) continue;
    if (kind_ == JoinKind::kSemi) {
      append_single(1 - port, slot, after ? weight : -weight);
    } else if (!waits_) {
      append_single(1 - port, slot, after ? -weight : weight);
    }
  }
  if (ChangeRun* run = change()) {
    settled_ += pairs_.rows;
    stopped_ = settled_max_ != kUnlimited ? settled_ >= settled_max_ : run->should_stop(pairs_.rows) && sides_[port]->has_weights();
  }
  pairs_.clear();
}

// All partners of the changes have been lined up.
void JoinOperator::settle(uint32_t port, const data::Batch& batch, uint32_t complete) {
  settle_pairs(port, batch);
  if (!inputs_[port].counts) return;
  JoinSide& own = *sides_[port];
  for (uint32_t i = 0; i < complete; ++i) {
    const Change& change = changes_[i];
    if (change.fresh) own.matches(change.slot) = change.matches;
    const bool matched = own.matches(change.slot) > 0;
    if (kind_ == JoinKind::kSemi ? matched : !matched && !waits_) append_single(port, batch.columns, change.row, change.weight);
  }
}

void JoinOperator::append_single(uint32_t port, uint32_t slot, int64_t weight) {
  const PackedRows& rows = sides_[port]->rows();
  append_single(port, weight, [&](uint32_t column, data::Column& to, uint32_t at) { rows.copy(slot, column, to, at); });
}

void JoinOperator::append_single(uint32_t port, std::span<const data::Column> columns, uint32_t row, int64_t weight) {
  append_single(port, weight, [&](uint32_t column, data::Column& to, uint32_t at) { copy_value(columns[column], row, to, at); });
}

template <class Copy>
void JoinOperator::append_single(uint32_t port, int64_t weight, const Copy& copy) {
  if (weight == 0) return;
  if (single_.full()) deliver(single_);
  const uint32_t left_width = static_cast<uint32_t>(inputs_[0].types.size());
  const uint32_t first = port == 0 ? 0 : left_width;
  const uint32_t end = first + static_cast<uint32_t>(inputs_[port].types.size());
  const uint32_t at = single_.rows++;
  for (uint32_t c = 0; c < single_.column_count(); ++c) {
    data::Column& to = single_.column(c);
    if (c >= first && c < end) {
      copy(c - first, to, at);
      continue;
    }
    const uint32_t size = data::physical_size(to.physical);
    data::set_null(to.validity, at);
    std::memset(static_cast<char*>(to.data) + size_t{at} * size, 0, size);
  }
  single_.weights()[at] = weight;
  single_.has_weights |= weight != 1;
}

void JoinOperator::deliver(data::BatchBuffer& buffer) {
  if (buffer.rows == 0) return;
  buffer.sequence_base = sequence_;
  sequence_ += buffer.rows;
  deliver(buffer.view());
  buffer.clear();
}

void JoinOperator::deliver(const data::Batch& batch) {
  if (!tick_) return emit(batch);
  tick_->apply(batch);
  if (tick_->distinct_rows() >= kHeldRowsMax) emit_held();
}

void JoinOperator::emit_held() {
  tick_->drain([this](const data::Batch& batch) { emit(batch); });
}

void JoinOperator::erase_empty_groups() {
  for (char* group : maybe_empty_) {
    group_header(group).mark &= ~kGroupMaybeEmpty;
    if (sides_[0]->first(group) == JoinSide::kNone && sides_[1]->first(group) == JoinSide::kNone) groups_.erase(group);
  }
  maybe_empty_.clear();
}

// Rows of `port` that no row to come of the other input can meet.
void JoinOperator::release(uint32_t port) {
  const Input& input = inputs_[port];
  if (!input.released) return;
  const int64_t watermark = port_watermark(input.released_by);
  if (watermark == kWatermarkNone) return;
  const int64_t limit = watermark == kWatermarkEnded
                            ? watermark
                            : shift_time(shift_time(watermark, inputs_[input.released_by].time_offset_us), -input.release_after_us);
  if (logs_[port]) logs_[port]->release(limit);
  JoinSide& side = *sides_[port];
  const bool unmatched_out = waits_ && input.counts && kind_ != JoinKind::kSemi;
  uint32_t slots[64];
  while (const uint32_t count = side.due(limit, slots, 64)) {
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t slot = slots[i];
      if (unmatched_out && side.matches(slot) <= 0) append_single(port, slot, side.weight(slot));
      char* group = side.group(slot);
      side.remove(slot);
      if (!(group_header(group).mark & kGroupMaybeEmpty)) {
        group_header(group).mark |= kGroupMaybeEmpty;
        maybe_empty_.push_back(group);
      }
    }
  }
  deliver(single_);
  side.sweep();
}

void JoinOperator::finish(const TickInfo&) {
  release(0);
  release(1);
  erase_empty_groups();
  for (uint32_t port = 0; port < 2; ++port) inputs_[port].last_watermark = port_watermark(port);
  if (tick_) emit_held();
  // A side that holds its content is beside time.
  const bool one_sided = !timed_ && inputs_[0].released != inputs_[1].released;
  set_output_watermark(one_sided ? port_watermark(inputs_[0].released ? 0 : 1) : input_watermark());
}

uint64_t JoinOperator::state_bytes() const {
  uint64_t bytes = groups_.held_bytes() + pool_.held_bytes() + sides_[0]->bytes() + sides_[1]->bytes() + (tick_ ? tick_->bytes() : 0);
  for (const auto& log : logs_) bytes += log ? log->bytes() : 0;
  return bytes;
}

}  // namespace laminar::stream
