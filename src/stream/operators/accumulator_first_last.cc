// first, last, any_value over append-only input: the row that is first or last by (ORDER BY keys, total order).
#include "stream/operators/accumulator_rows.h"
#include "stream/state/cell_io.h"

namespace laminar::stream {

using data::Column;
using data::Physical;
using data::StringArena;
using data::StringRef;
using plan::AggregateKind;

namespace {

// At most one ORDER BY key, of type int64, and a value of at most eight bytes: the OHLC case.
struct PickedWord {
  int64_t key;
  uint64_t sequence;
  uint64_t value;
  uint16_t set, null;
  uint32_t rank;  // of the key: 1, or 0 and 2 for a NULL that sorts first or last
};

template <class T, bool kLast>
class PickWord final : public Accumulator {
 public:
  PickWord(uint32_t value, std::optional<plan::SortKey> key, bool ignore_nulls)
      : Accumulator(sizeof(PickedWord)), value_(value), key_(key), ignore_nulls_(ignore_nulls) {}

  void update(const AggregateInput& in, StatePool&) override {
    const Column& column = in.columns[value_];
    const Column* key_column = key_ ? &in.columns[key_->column] : nullptr;
    const T* values = column.values<T>();
    const int64_t* keys = key_column ? key_column->values<int64_t>() : nullptr;
    // Descending order is ascending order of the complement.
    const int64_t flip = key_ && key_->descending ? -1 : 0;
    auto add = [&](uint32_t i, uint32_t row) {
      PickedWord& s = state<PickedWord>(in.groups[i]);
      PickedWord row_state{keys ? keys[row] ^ flip : 0, in.sequence_of(row), 0, 1, column.is_null(row), 1};
      if (key_column && key_column->is_null(row)) {
        row_state.rank = key_->nulls_first ? 0 : 2;
        row_state.key = 0;
      }
      if (s.set && !replaces(row_state, s)) return;
      std::memcpy(&row_state.value, &values[row], sizeof(T));
      s = row_state;
    };
    if (keys && !flip && !key_column->validity && !column.validity) {
      for_rows(in, [&](uint32_t i, uint32_t row) {
        PickedWord& s = state<PickedWord>(in.groups[i]);
        if (s.rank != 1) return add(i, row);  // empty, or its key is NULL
        if (kLast ? keys[row] < s.key : keys[row] > s.key) return;
        const uint64_t sequence = in.sequence_of(row);
        if (keys[row] == s.key && (kLast ? sequence < s.sequence : sequence > s.sequence)) return;
        s.key = keys[row];
        s.sequence = sequence;
        s.null = 0;
        std::memcpy(&s.value, &values[row], sizeof(T));
      });
      return;
    }
    if (ignore_nulls_) for_values(in, column, add);
    else for_rows(in, add);
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool&) override {
    for (uint32_t i = 0; i < count; ++i) {
      PickedWord& s = state<PickedWord>(into[i]);
      const PickedWord& f = state<PickedWord>(from[i]);
      if (f.set && (!s.set || replaces(f, s))) s = f;
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena&) override {
    for (uint32_t i = 0; i < count; ++i) {
      const PickedWord& s = state<PickedWord>(groups[i]);
      if (!s.set || s.null) store_null(out, at + i);
      else std::memcpy(&out.values<T>()[at + i], &s.value, sizeof(T));
    }
  }

 private:
  static bool replaces(const PickedWord& row, const PickedWord& held) {
    if (row.rank != held.rank) return kLast ? row.rank > held.rank : row.rank < held.rank;
    if (row.key != held.key) return kLast ? row.key > held.key : row.key < held.key;
    return kLast ? row.sequence >= held.sequence : row.sequence < held.sequence;
  }
  uint32_t value_;
  std::optional<plan::SortKey> key_;
  bool ignore_nulls_;
};

// Any keys, any value: cells behind a header of null bits.
struct Picked {
  uint64_t sequence;
  uint32_t set;
  uint32_t nulls;  // bit 0: the value, bit 1 + k: key k
};

class Pick final : public Accumulator {
 public:
  Pick(uint32_t value, Physical value_type, std::vector<plan::SortKey> order, std::vector<Physical> order_types, bool last,
       bool ignore_nulls)
      : Accumulator(static_cast<uint32_t>(sizeof(Picked) + 16 * (1 + order.size()))),
        last_(last), ignore_nulls_(ignore_nulls), order_(std::move(order)) {
    columns_.push_back(value);
    types_.push_back(value_type);
    for (const plan::SortKey& key : order_) columns_.push_back(key.column);
    types_.insert(types_.end(), order_types.begin(), order_types.end());
    scratch_.resize(types_.size());
  }

  bool holds_memory() const override {
    for (Physical type : types_)
      if (type == Physical::kString) return true;
    return false;
  }
  void destroy(char* const* groups, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) release(groups[i], pool);
  }
  bool saves_state() const override { return true; }
  void save(const char* group, ByteWriter& out) const override {
    const Picked& s = state<Picked>(group);
    out.put(s.set);
    if (!s.set) return;
    out.put(s.sequence).put(s.nulls);
    const Cell* held = reinterpret_cast<const Cell*>(group + offset_ + sizeof(Picked));
    for (size_t c = 0; c < types_.size(); ++c)
      if (!(s.nulls >> c & 1)) put_cell(types_[c], held[c], out);
  }
  void load(char* group, ByteReader& in, StatePool& pool) override {
    if (!in.get<uint32_t>()) return;
    const uint64_t sequence = in.get<uint64_t>();
    const uint32_t nulls = in.get<uint32_t>();
    for (size_t c = 0; c < types_.size(); ++c)
      if (!(nulls >> c & 1)) scratch_[c] = get_cell(types_[c], in);
    offer(group, scratch_.data(), nulls, sequence, pool);
  }
  void update(const AggregateInput& in, StatePool& pool) override {
    for_rows(in, [&](uint32_t i, uint32_t row) {
      if (ignore_nulls_ && in.columns[columns_[0]].is_null(row)) return;
      uint32_t nulls = 0;
      for (size_t c = 0; c < columns_.size(); ++c) {
        if (in.columns[columns_[c]].is_null(row)) nulls |= 1u << c;
        else scratch_[c] = Cell::load(in.columns[columns_[c]], row);
      }
      offer(in.groups[i], scratch_.data(), nulls, in.sequence_of(row), pool);
    });
  }
  void merge(char* const* into, const char* const* from, uint32_t count, StatePool& pool) override {
    for (uint32_t i = 0; i < count; ++i) {
      const Picked& f = state<Picked>(from[i]);
      if (f.set) offer(into[i], reinterpret_cast<const Cell*>(from[i] + offset_ + sizeof(Picked)), f.nulls, f.sequence, pool);
    }
  }
  void finalize(char* const* groups, uint32_t count, Column& out, uint32_t at, StringArena& strings) override {
    for (uint32_t i = 0; i < count; ++i) {
      const Picked& s = state<Picked>(groups[i]);
      if (!s.set || (s.nulls & 1)) store_null(out, at + i);
      else store_cell(cells(groups[i])[0], out, at + i, strings);
    }
  }

 private:
  Cell* cells(char* group) const { return reinterpret_cast<Cell*>(group + offset_ + sizeof(Picked)); }
  void release(char* group, StatePool& pool) {
    Picked& s = state<Picked>(group);
    if (!s.set) return;
    for (size_t c = 0; c < types_.size(); ++c)
      if (types_[c] == Physical::kString && !(s.nulls >> c & 1)) pool.free_string(cells(group)[c].as<StringRef>());
    s.set = 0;
  }
  void offer(char* group, const Cell* row, uint32_t nulls, uint64_t sequence, StatePool& pool) {
    Picked& s = state<Picked>(group);
    if (s.set) {
      int c = 0;
      for (size_t k = 0; k < order_.size() && c == 0; ++k) {
        const bool null = nulls >> (k + 1) & 1, held_null = s.nulls >> (k + 1) & 1;
        if (null != held_null) {
          c = null == order_[k].nulls_first ? -1 : 1;
        } else if (!null) {
          c = compare_cells(types_[k + 1], row[k + 1], cells(group)[k + 1]);
          if (order_[k].descending) c = -c;
        }
      }
      if (c == 0) c = sequence < s.sequence ? -1 : 1;
      if ((c > 0) != last_) return;
    }
    release(group, pool);
    for (size_t k = 0; k < types_.size(); ++k) {
      if (nulls >> k & 1) continue;
      cells(group)[k] = types_[k] == Physical::kString ? Cell::of(pool.copy_string(row[k].as<StringRef>())) : row[k];
    }
    s.sequence = sequence;
    s.nulls = nulls;
    s.set = 1;
  }

  bool last_, ignore_nulls_;
  std::vector<plan::SortKey> order_;
  std::vector<uint32_t> columns_;  // the value, then the keys
  std::vector<Physical> types_;
  std::vector<Cell> scratch_;
};

}  // namespace

Result<AccumulatorPtr> make_first_last(const CallContext& context) {
  const plan::AggregateCall& call = context.call;
  const bool last = call.kind == AggregateKind::kLast;
  const Physical value = context.arg_type(0).physical();
  std::vector<Physical> order_types;
  for (const plan::SortKey& key : call.order_by) {
    if (context.types[key.column].kind == data::TypeKind::kBoxed)
      return context.not_implemented("orders by " + context.types[key.column].text() + ", which has no order here");
    order_types.push_back(context.types[key.column].physical());
  }
  if (call.order_by.size() > 30) return context.not_implemented("has more than 30 ORDER BY keys");
  const bool word_order = order_types.empty() || (order_types.size() == 1 && order_types[0] == Physical::kI64);
  if (word_order && data::physical_size(value) <= 8) {
    std::optional<plan::SortKey> key;
    if (!call.order_by.empty()) key = call.order_by[0];
    return with_physical(value, [&]<class T>() -> AccumulatorPtr {
      if constexpr (sizeof(T) <= 8) {
        return last ? AccumulatorPtr(new PickWord<T, true>(call.args[0], key, call.ignore_nulls))
                    : AccumulatorPtr(new PickWord<T, false>(call.args[0], key, call.ignore_nulls));
      } else {
        return nullptr;
      }
    });
  }
  return AccumulatorPtr(new Pick(call.args[0], value, call.order_by, std::move(order_types), last, call.ignore_nulls));
}

}  // namespace laminar::stream
