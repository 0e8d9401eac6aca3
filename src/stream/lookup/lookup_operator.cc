#include "stream/lookup/lookup_operator.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "data/codec.h"
#include "data/string_ref.h"

namespace laminar::stream {

namespace {

constexpr uint32_t kNone = LookupIndex::kNone;
constexpr uint32_t kPairsMax = data::kBatchRowsMax;

std::vector<uint32_t> left_keys(const plan::LookupJoinNode& node) {
  std::vector<uint32_t> columns;
  for (const auto& key : node.keys) columns.push_back(key.left);
  return columns;
}

std::vector<uint32_t> lookup_keys(const plan::LookupJoinNode& node) {
  std::vector<uint32_t> columns;
  for (const auto& key : node.keys) columns.push_back(key.column);
  return columns;
}

std::vector<data::Type> right_types(const plan::LookupJoinNode& node) {
  const std::vector<data::Type> types = node.types();
  return {types.begin() + static_cast<ptrdiff_t>(node.inputs[0]->columns.size()), types.end()};
}

template <class T>
void gather(const RowStore& rows, uint32_t column, const uint32_t* slots, uint32_t count, data::Column& to) {
  T* target = to.values<T>();
  for (uint32_t i = 0; i < count; ++i) {
    if (slots[i] == kNone) {
      target[i] = T();
      data::set_null(to.validity, i);
      continue;
    }
    const data::Column& from = rows.column(slots[i], column);
    const uint32_t row = slots[i] % RowStore::kChunkRows;
    target[i] = from.values<T>()[row];
    if (from.is_null(row)) data::set_null(to.validity, i);
  }
}

struct Bytes16 {
  uint64_t a = 0, b = 0;
};

void gather_column(const RowStore& rows, uint32_t column, const uint32_t* slots, uint32_t count, data::Column& to) {
  switch (data::physical_size(to.physical)) {
    case 1: return gather<uint8_t>(rows, column, slots, count, to);
    case 2: return gather<uint16_t>(rows, column, slots, count, to);
    case 4: return gather<uint32_t>(rows, column, slots, count, to);
    case 8: return gather<uint64_t>(rows, column, slots, count, to);
    default: return gather<Bytes16>(rows, column, slots, count, to);
  }
}

}  // namespace

Result<std::unique_ptr<LookupOperator>> LookupOperator::make(const plan::LookupJoinNode& node) {
  std::unique_ptr<expr::Program> residual;
  if (node.residual) {
    ASSIGN_OR_RETURN(residual, expr::Program::compile({node.residual}, node.types()));
  }
  return std::unique_ptr<LookupOperator>(new LookupOperator(node, std::move(residual)));
}

LookupOperator::LookupOperator(const plan::LookupJoinNode& node, std::unique_ptr<expr::Program> residual)
    : Operator(node.types()), object_(node.object), left_join_(node.join == plan::JoinKind::kLeft),
      append_only_(node.inputs[0]->append_only), left_types_(node.inputs[0]->types()), right_types_(right_types(node)),
      lookup_types_(node.lookup_types),
      left_keys_(left_keys(node)), lookup_keys_(lookup_keys(node)), right_columns_(node.source_columns),
      residual_(std::move(residual)), held_left_(left_types_), held_right_(node.lookup_types), key_columns_(node.keys.size()),
      columns_(node.columns.size()), hashes_(data::kBatchRowsMax), pair_rows_(kPairsMax), pair_slots_(kPairsMax), pair_groups_(kPairsMax),
      kept_rows_(2 * kPairsMax), kept_slots_(2 * kPairsMax), selection_(kPairsMax), pair_weights_(kPairsMax),
      kept_weights_(2 * kPairsMax), selector_(left_types_), right_(right_types_), joined_types_(node.types()) {
  label = std::string("lookup ") + node.object;
  errors_.items.reserve(kPairsMax);
  released_.reserve(data::kBatchRowsMax);
}

LookupOperator::~LookupOperator() = default;

void LookupOperator::bind(LookupIndex* index, const TickInfo* now, uint64_t waiting_max) {
  index_ = index;
  now_ = now;
  waiting_max_ = waiting_max;
}

void LookupOperator::unbind() {
  if (!index_) return;
  for (const auto& segment : segments_) {
    for (uint32_t row = segment->head; row < segment->rows.rows; ++row) {
      if (segment->tickets[row] != kNone) index_->release(segment->tickets[row]);
    }
  }
  segments_.clear();
  waiting_ = 0;
  index_ = nullptr;
}

void LookupOperator::prepare(const data::Batch& batch) {
  for (size_t k = 0; k < left_keys_.size(); ++k) key_columns_[k] = batch.columns[left_keys_[k]];
  hash_rows(key_columns_, batch.rows, hashes_.data());
}

bool LookupOperator::has_null_key(uint32_t row) const {
  return std::any_of(key_columns_.begin(), key_columns_.end(), [row](const data::Column& column) { return column.is_null(row); });
}

bool LookupOperator::pass(const data::Batch& batch, uint32_t row, uint32_t& ticket) {
  if (batch.weight(row) < 0) {
    add_retraction(batch, row);
    return true;
  }
  if (has_null_key(row)) {
    add_pairs(batch, row, kNone);
    return true;
  }
  const LookupIndex::Found found = index_->find(key_columns_, row, hashes_[row], *now_);
  if (!found.known) {
    ticket = found.ticket;
    return false;
  }
  add_pairs(batch, row, found.first);
  return true;
}

void LookupOperator::push(uint32_t, const data::Batch& batch) {
  DCHECK(batch.rows <= data::kBatchRowsMax);
  CHECK(index_);
  if (batch.rows == 0) return;
  prepare(batch);
  uint32_t row = 0, ticket = kNone;
  for (; waiting_ == 0 && row < batch.rows; ++row) {
    if (pass(batch, row, ticket)) continue;
    flush(batch);
    wait(batch, row++, ticket);
    break;
  }
  if (waiting_ == 0) return flush(batch);
  flush(batch);
  // Those behind ask at once, so that their answers are under way together. Retractions ask nothing.
  for (; row < batch.rows; ++row) {
    ticket = kNone;
    if (batch.weight(row) > 0 && !has_null_key(row)) ticket = index_->find(key_columns_, row, hashes_[row], *now_).ticket;
    wait(batch, row, ticket);
  }
}

void LookupOperator::wait(const data::Batch& batch, uint32_t row, uint32_t ticket) {
  if (segments_.empty() || segments_.back()->rows.full()) {
    if (spare_.empty()) {
      segments_.push_back(std::make_unique<Segment>(left_types_));
    } else {
      segments_.push_back(std::move(spare_.back()));
      spare_.pop_back();
    }
  }
  Segment& segment = *segments_.back();
  data::BatchBuffer& rows = segment.rows;
  rows.append_row(batch, row, batch.weight(row));
  const uint32_t at = rows.rows - 1;
  rows.sequence()[at] = batch.sequence_of(row);
  rows.row_watermark()[at] = batch.row_watermark ? batch.row_watermark[row] : data::kWatermarkNone;
  rows.has_weights = !append_only_;
  rows.has_sequence = true;
  rows.has_row_watermark |= batch.row_watermark != nullptr;
  segment.tickets.push_back(ticket);
  ++waiting_;
  ++queued_;
}

// Rows that can leave, from the oldest on.
void LookupOperator::drain() {
  while (!segments_.empty()) {
    Segment& segment = *segments_.front();
    const data::Batch batch = segment.rows.view();
    prepare(batch);
    bool stopped = false;
    released_.clear();
    while (segment.head < batch.rows) {
      const uint32_t row = segment.head;
      const uint32_t ticket = segment.tickets[row];
      if (ticket != kNone) {
        const LookupIndex::Found found = index_->peek(ticket);
        if (!found.known) {
          stopped = true;
          break;
        }
        add_pairs(batch, row, found.first);
        released_.push_back(ticket);
      } else {
        uint32_t asked = kNone;
        if (!pass(batch, row, asked)) {
          segment.tickets[row] = asked;
          stopped = true;
          break;
        }
      }
      ++segment.head;
      --waiting_;
      ++left_queue_;
    }
    flush(batch);
    for (const uint32_t ticket : released_) index_->release(ticket);
    if (segment.head == batch.rows) {
      segment.rows.clear();
      segment.rows.has_row_watermark = false;
      segment.tickets.clear();
      segment.head = 0;
      if (spare_.size() < 4) spare_.push_back(std::move(segments_.front()));
      segments_.pop_front();
    }
    if (stopped) break;
  }
}

void LookupOperator::finish(const TickInfo&) {
  if (index_) {
    drain();
    index_->send_asks();
  }
  const int64_t watermark = input_watermark();
  if (waiting_ == 0) {
    marks_.clear();
    last_mark_ = watermark;
    set_output_watermark(watermark);
    return;
  }
  if (watermark != last_mark_) {
    marks_.push_back({queued_, watermark});
    last_mark_ = watermark;
  }
  while (!marks_.empty() && marks_.front().rows_before <= left_queue_) {
    set_output_watermark(marks_.front().watermark);
    marks_.pop_front();
  }
}

void LookupOperator::add_pair(const data::Batch& batch, uint32_t row, uint32_t slot, int64_t weight) {
  if (pairs_ == kPairsMax) flush(batch, pair_groups_[pairs_ - 1] == group_ ? group_ : kNone);
  pair_rows_[pairs_] = row;
  pair_slots_[pairs_] = slot;
  pair_groups_[pairs_] = group_;
  pair_weights_[pairs_] = weight;
  ++pairs_;
}

void LookupOperator::add_pairs(const data::Batch& batch, uint32_t row, uint32_t first) {
  ++counters.rows_in;
  if (!append_only_) return hold(batch, row, first);
  // With a condition it is known later whether something matches.
  if (first == kNone && !left_join_) {
    ++counters.filtered;
    return;
  }
  ++counters.rows_out;
  ++group_;
  const int64_t weight = batch.weight(row);
  if (first == kNone) return add_pair(batch, row, kNone, weight);
  for (uint32_t slot = first; slot != kNone; slot = index_->next(slot)) add_pair(batch, row, slot, weight);
}

// A held row equal to this one: one that is there, or one that was taken back before it came.
uint32_t LookupOperator::find_held(const data::Batch& batch, uint32_t row, uint64_t hash, bool debt) const {
  return held_index_.find(hash, [&](uint32_t slot) {
    return (held_[slot].weight < 0) == debt && held_[slot].weight != 0 && held_left_.equals(slot, batch.columns, row);
  });
}

// Copies the answer for as long as the row lives.
void LookupOperator::hold(const data::Batch& batch, uint32_t row, uint32_t first) {
  const uint64_t hash = hash_row(batch.columns, row);
  int64_t weight = batch.weight(row);
  ++counters.rows_out;
  while (weight > 0) {
    const uint32_t debt = find_held(batch, row, hash, true);
    if (debt == kNone) break;
    const int64_t paid = std::min(weight, -held_[debt].weight);
    held_[debt].weight += paid;
    weight -= paid;
    if (held_[debt].weight == 0) erase_held(debt, hash);
  }
  if (weight == 0) return;
  const uint32_t slot = add_held(batch, weight, hash, row);
  uint32_t last = kNone;
  for (uint32_t from = first; from != kNone; from = index_->next(from)) {
    add_held_right(slot, last, index_->rows().chunk_columns(from), from % RowStore::kChunkRows);
  }
  add_held_pairs(batch, row, slot, weight);
}

uint32_t LookupOperator::add_held(const data::Batch& batch, int64_t weight, uint64_t hash, uint32_t row) {
  const uint32_t slot = held_left_.insert(batch.columns, row);
  if (slot >= held_.size()) held_.resize(slot + 1);
  held_[slot] = {weight, kNone};
  held_index_.insert(hash, slot);
  if (weight > 0) ++held_rows_;
  return slot;
}

void LookupOperator::add_held_right(uint32_t slot, uint32_t& last, std::span<const data::Column> columns, uint32_t row) {
  const uint32_t copy = held_right_.insert(columns, row);
  if (copy >= held_next_.size()) held_next_.resize(copy + 1);
  held_next_[copy] = kNone;
  (last == kNone ? held_[slot].first : held_next_[last]) = copy;
  last = copy;
}

void LookupOperator::add_held_pairs(const data::Batch& batch, uint32_t row, uint32_t slot, int64_t weight) {
  ++group_;
  if (held_[slot].first == kNone && left_join_) add_pair(batch, row, kNone, weight);
  for (uint32_t right = held_[slot].first; right != kNone; right = held_next_[right]) add_pair(batch, row, right, weight);
}

void LookupOperator::add_retraction(const data::Batch& batch, uint32_t row) {
  CHECK(!append_only_);
  ++counters.rows_in;
  ++counters.rows_out;
  const uint64_t hash = hash_row(batch.columns, row);
  int64_t weight = -batch.weight(row);
  while (weight > 0) {
    const uint32_t slot = find_held(batch, row, hash, false);
    if (slot == kNone) {
      add_held(batch, -weight, hash, row);
      return;
    }
    const int64_t taken = std::min(weight, held_[slot].weight);
    held_[slot].weight -= taken;
    weight -= taken;
    add_held_pairs(batch, row, slot, -taken);
    if (held_[slot].weight == 0) {
      --held_rows_;
      ended_.emplace_back(slot, hash);
    }
  }
}

void LookupOperator::erase_held(uint32_t slot, uint64_t hash) {
  for (uint32_t right = held_[slot].first; right != kNone;) {
    const uint32_t following = held_next_[right];
    held_right_.erase(right);
    right = following;
  }
  held_[slot] = Held();
  held_index_.erase(hash, slot);
  held_left_.erase(slot);
}

// The first `count` kept pairs as one batch of left and right columns.
data::Batch LookupOperator::joined(const data::Batch& batch, uint32_t count) {
  data::Batch result = selector_.select(batch, kept_rows_.data(), count);
  right_.clear();
  for (size_t c = 0; c < right_columns_.size(); ++c) {
    gather_column(right_rows(), right_columns_[c], kept_slots_.data(), count, right_.column(static_cast<uint32_t>(c)));
  }
  right_.rows = count;
  const data::Batch right = right_.view();
  std::copy(result.columns.begin(), result.columns.end(), columns_.begin());
  std::copy(right.columns.begin(), right.columns.end(), columns_.begin() + static_cast<ptrdiff_t>(result.columns.size()));
  result.columns = columns_;
  if (!append_only_) result.weights = kept_weights_.data();
  return result;
}

// Keeps the pairs that the condition lets through; a left row without any gets NULLs once.
void LookupOperator::settle_residual(const data::Batch& batch, uint32_t going_on) {
  std::copy_n(pair_rows_.begin(), pairs_, kept_rows_.begin());
  std::copy_n(pair_slots_.begin(), pairs_, kept_slots_.begin());
  std::copy_n(pair_weights_.begin(), pairs_, kept_weights_.begin());
  errors_.items.clear();
  const data::Batch pairs = joined(batch, pairs_);
  const uint32_t matched = residual_->select(pairs, selection_.data(), errors_);
  for (const expr::RowErrors::Item& item : errors_.items) {
    if (pair_slots_[item.row] == kNone) continue;
    ++counters.errors;
    if (!rejects()) continue;
    Reject reject;
    reject.reason = RejectReason::kError;
    reject.message = *item.message;
    rejects()->reject(joined_types_, pairs, item.row, reject);
  }
  uint32_t kept = 0, next = 0;
  for (uint32_t i = 0; i < pairs_;) {
    const uint32_t group = pair_groups_[i], row = pair_rows_[i];
    const int64_t weight = pair_weights_[i];
    bool any = group == open_group_ && open_matched_;
    for (; i < pairs_ && pair_groups_[i] == group; ++i) {
      while (next < matched && selection_[next] < i) ++next;
      if (next == matched || selection_[next] != i || pair_slots_[i] == kNone) continue;
      any = true;
      kept_rows_[kept] = row;
      kept_slots_[kept] = pair_slots_[i];
      kept_weights_[kept++] = weight;
    }
    if (group == going_on) {
      open_matched_ = any;
      continue;
    }
    if (any || !left_join_) continue;
    kept_rows_[kept] = row;
    kept_slots_[kept] = kNone;
    kept_weights_[kept++] = weight;
  }
  for (uint32_t done = 0; done < kept;) {
    const uint32_t count = std::min(kept - done, data::kBatchRowsMax);
    if (done > 0) {
      std::copy_n(kept_rows_.begin() + done, count, kept_rows_.begin());
      std::copy_n(kept_slots_.begin() + done, count, kept_slots_.begin());
      std::copy_n(kept_weights_.begin() + done, count, kept_weights_.begin());
    }
    emit(joined(batch, count));
    done += count;
  }
}

// Emits the pairs of rows of `batch`.
void LookupOperator::flush(const data::Batch& batch, uint32_t going_on) {
  if (pairs_ > 0 && residual_) {
    settle_residual(batch, going_on);
  } else if (pairs_ > 0) {
    std::copy_n(pair_rows_.begin(), pairs_, kept_rows_.begin());
    std::copy_n(pair_slots_.begin(), pairs_, kept_slots_.begin());
    std::copy_n(pair_weights_.begin(), pairs_, kept_weights_.begin());
    emit(joined(batch, pairs_));
  }
  open_group_ = going_on;
  pairs_ = 0;
  for (const auto& [slot, hash] : ended_) erase_held(slot, hash);
  ended_.clear();
}

void LookupOperator::save_state(StateSink& sink, bool) {
  ByteWriter key, value;
  uint64_t number = 0;
  sink.erase_prefix(0, "");
  for (const auto& segment : segments_) {
    const data::Batch batch = segment->rows.view();
    for (uint32_t row = segment->head; row < batch.rows; ++row) {
      const uint32_t ticket = segment->tickets[row];
      key.clear();
      put_ordered(number++, key);
      value.clear();
      value.put(ticket == kNone ? uint64_t{0} : index_->saved_ticket(ticket)).put(batch.weight(row)).put(batch.sequence_of(row));
      value.put(batch.row_watermark ? batch.row_watermark[row] : data::kWatermarkNone).put(batch.row_watermark != nullptr);
      data::encode_row(batch, row, value);
      sink.put(0, key.view(), value.view());
    }
  }
  value.clear();
  value.put(queued_).put(left_queue_).put(last_mark_).put(static_cast<uint32_t>(marks_.size()));
  for (const Mark& mark : marks_) value.put(mark.rows_before).put(mark.watermark);
  sink.put(1, "", value.view());
  if (append_only_) return;
  sink.erase_prefix(2, "");
  data::Batch chunk;
  for (uint32_t slot = 0; slot < held_.size(); ++slot) {
    if (held_[slot].weight == 0) continue;
    key.clear();
    put_ordered(slot, key);
    value.clear();
    value.put(held_[slot].weight);
    chunk.columns = held_left_.chunk_columns(slot);
    data::encode_row(chunk, slot % RowStore::kChunkRows, value);
    uint32_t count = 0;
    for (uint32_t right = held_[slot].first; right != kNone; right = held_next_[right]) ++count;
    value.put(count);
    for (uint32_t right = held_[slot].first; right != kNone; right = held_next_[right]) {
      chunk.columns = held_right_.chunk_columns(right);
      data::encode_row(chunk, right % RowStore::kChunkRows, value);
    }
    sink.put(2, key.view(), value.view());
  }
}

Status LookupOperator::load_state(StateSource& source) {
  data::BatchBuffer left(left_types_, 1), right(lookup_types_, 1);
  RETURN_IF_ERROR(source.scan(0, [&](std::string_view, std::string_view bytes) -> Status {
    ByteReader in(bytes);
    const uint64_t saved = in.get<uint64_t>();
    const int64_t weight = in.get<int64_t>();
    const uint64_t sequence = in.get<uint64_t>();
    const int64_t watermark = in.get<int64_t>();
    const bool has_watermark = in.get<bool>();
    left.clear();
    RETURN_IF_ERROR(data::decode_row(in, left));
    data::Batch batch = left.view();
    batch.weights = &weight;
    batch.sequence_base = sequence;
    batch.row_watermark = has_watermark ? &watermark : nullptr;
    const uint32_t ticket = saved == 0 ? kNone : index_->restored_ticket(saved);
    if (saved != 0 && ticket == kNone) return damaged_state(label);
    wait(batch, 0, ticket);
    return {};
  }));
  RETURN_IF_ERROR(source.scan(1, [&](std::string_view, std::string_view bytes) -> Status {
    ByteReader in(bytes);
    queued_ = in.get<uint64_t>();
    left_queue_ = in.get<uint64_t>();
    last_mark_ = in.get<int64_t>();
    for (uint32_t count = in.get<uint32_t>(); count > 0 && in.ok(); --count) {
      const uint64_t rows_before = in.get<uint64_t>();
      marks_.push_back({rows_before, in.get<int64_t>()});
    }
    return in.ok() ? Status() : damaged_state(label);
  }));
  return source.scan(2, [&](std::string_view, std::string_view bytes) -> Status {
    ByteReader in(bytes);
    const int64_t weight = in.get<int64_t>();
    left.clear();
    RETURN_IF_ERROR(data::decode_row(in, left));
    const data::Batch batch = left.view();
    const uint32_t slot = add_held(batch, weight, hash_row(batch.columns, 0), 0);
    uint32_t last = kNone;
    for (uint32_t count = in.get<uint32_t>(); count > 0; --count) {
      right.clear();
      RETURN_IF_ERROR(data::decode_row(in, right));
      add_held_right(slot, last, right.view().columns, 0);
    }
    return in.ok() ? Status() : damaged_state(label);
  });
}

uint64_t LookupOperator::state_bytes() const {
  uint64_t row = 16;
  for (const data::Type& type : left_types_) row += data::physical_size(type.physical());
  return segments_.size() * row * data::kBatchRowsMax + held_left_.bytes() + held_right_.bytes() + held_index_.bytes();
}

}  // namespace laminar::stream
