#include "stream/operators/session_recompute.h"

#include <algorithm>

#include "stream/operators/window_grid.h"
#include "stream/state/column_store.h"
#include "stream/state/row_log_io.h"
#include "stream/state/row_order.h"
#include "stream/state/timer_wheel.h"

namespace laminar::stream {

using data::Batch;
using data::BatchBuffer;
using data::kBatchRowsMax;
using plan::AggregateNode;
using plan::EmitPolicy;

namespace {

// Behind the states in a point's row.
struct Point {
  int64_t time;
  char* next;   // the key's other points, in no order; of a free row: the next free one
  char* entry;  // row of the table of points
};
// Behind the keys in a row of the key table.
struct KeyState {
  char* points;
  uint64_t timer_serial;  // of the key's latest timer, the only one that counts
  uint64_t touched;
};

std::vector<data::Type> key_types(const AggregateNode& node, bool with_time) {
  const std::vector<data::Type> input = node.inputs[0]->types();
  std::vector<data::Type> types;
  for (const AggregateNode::GroupOutput& group : node.groups)
    if (group.kind == AggregateNode::GroupOutput::Kind::kKey) types.push_back(input[group.column]);
  if (with_time) types.push_back(input[node.window->time_column]);
  return types;
}

// Output rows in any number.
class RowList {
 public:
  explicit RowList(std::vector<data::Type> types) : types_(std::move(types)) {}
  uint32_t size() const { return size_; }
  void add(const Batch& row, int64_t weight) {
    if (size_ / kBatchRowsMax == buffers_.size()) buffers_.push_back(std::make_unique<BatchBuffer>(types_));
    buffers_[size_++ / kBatchRowsMax]->append_row(row, 0, weight);
  }
  RowRef row(uint32_t i) const {
    const BatchBuffer& buffer = *buffers_[i / kBatchRowsMax];
    return {{&buffer.column(0), buffer.column_count()}, i % kBatchRowsMax};
  }
  const std::vector<std::unique_ptr<BatchBuffer>>& buffers() const { return buffers_; }
  void clear() {
    for (const auto& buffer : buffers_) buffer->clear();
    size_ = 0;
  }
  size_t held_bytes() const {
    size_t row = 24;
    for (const data::Type& type : types_) row += data::physical_size(type.physical());
    return buffers_.size() * row * kBatchRowsMax;
  }

 private:
  std::vector<data::Type> types_;
  std::vector<std::unique_ptr<BatchBuffer>> buffers_;
  uint32_t size_ = 0;
};

class SessionRecompute final : public AggregateOperator {
 public:
  SessionRecompute(const AggregateNode& node, std::unique_ptr<AggregateLayout> layout)
      : AggregateOperator(node, std::move(layout)), gap_(node.window->gap_us), time_column_(node.window->time_column),
        point_offset_(layout_->shape().append(sizeof(Point))), key_shape_(key_types(node, false)),
        key_offset_(key_shape_.append(sizeof(KeyState))), entry_shape_(key_types(node, true)), entry_offset_(entry_shape_.append(8)),
        keys_(&key_shape_, &pool_), entries_(&entry_shape_, &pool_),
        timers_(std::max<int64_t>(1, (2 * node.window->gap_us + node.lateness_us) / 64)), old_(types()),
        new_(types()), row_(types(), 1), order_({}, types()), entry_columns_(entry_shape_.keys.size()), entry_hashes_(kBatchRowsMax),
        key_rows_(kBatchRowsMax), entry_rows_(kBatchRowsMax), groups_(kBatchRowsMax), rows_(kBatchRowsMax), selected_(kBatchRowsMax) {
    time_offset_us_ = node.inputs[0]->columns[time_column_].time_offset_us.value_or(0);
    label = "aggregate window=session";
    merged_ = static_cast<char*>(rows_pool_.allocate(layout_->shape().row_bytes));
    outputs_changed();
  }
  ~SessionRecompute() override {
    each_key([this](char* key) {
      for (char* point = state(key).points; point; point = at(point).next) layout_->destroy(&point, 1, pool_);
    });
  }

  void push(uint32_t, const Batch& batch) override {
    counters.rows_in += batch.rows;
    if (batch.rows == 0) return;
    layout_->begin(batch);
    const uint32_t count = pick_on_time(batch);
    if (count == 0) return;
    counters.rows_out += count;
    keys_.find_or_create(layout_->key_columns(), layout_->hashes(), rows_.data(), count, key_rows_.data());
    for (uint32_t i = 0; i < count; ++i) touch(key_rows_[i]);
    find_points(batch, count);
    layout_->update(pool_, rows_.data(), groups_.data(), count);
    if (!layout_->faults().empty()) report_faults();
  }

  void finish(const TickInfo&) override {
    const int64_t stream_watermark = input_watermark(), watermark = column_time(stream_watermark);
    due_.clear();
    if (watermark != data::kWatermarkNone) timers_.advance(watermark, due_);
    for (const TimerWheel::Timer& timer : due_)
      if (state(timer.owner).timer_serial == timer.serial) touch(timer.owner);
    last_watermark_ = stream_watermark;
    cancelled_.assign(old_.size(), 0);
    for (const Touched& touched : touched_) settle(touched, watermark);
    touched_.clear();
    ++tick_;
    send();
    if (watermark == data::kWatermarkNone) return;
    set_output_watermark(stream_watermark == data::kWatermarkEnded ? stream_watermark : shift_time(watermark, 1 - lateness_us_ - gap_));
  }

  void scan_open(const BatchVisitor& visit) override {
    if (policy_ == EmitPolicy::kOnWindowClose) return;
    const int64_t watermark = column_time(last_watermark_);
    each_key([&](char* key) {
      gather(key);
      each_session([&](size_t begin, size_t end) {
        if (!visible(end, watermark)) return;
        make_row(begin, end);
        visit(row_.view());
      });
    });
  }
  uint64_t state_bytes() const override {
    return pool_.held_bytes() + rows_pool_.held_bytes() + keys_.held_bytes() + entries_.held_bytes() + timers_.held_bytes() +
           closed_rows_.held_bytes() + old_.held_bytes() + new_.held_bytes();
  }
  uint64_t state_rows() const override { return entries_.size() + closed_rows_.rows(); }

  // Tables: 0 points, 1 what was seen, 2 rows of closed sessions. Points are put all at once.
  bool saves_state() const override { return layout_->saves_state(); }
  void save_state(StateSink& sink, bool full) override {
    sink.erase_prefix(0, "");
    ByteWriter key, value, group_key;
    uint64_t number = 0;
    each_key([&](char* row) {
      for (char* point = state(row).points; point; point = at(point).next) {
        key.clear();
        put_ordered(number++, key);
        value.clear();
        value.put(at(point).time).put(group_header(at(point).entry).hash);
        group_key.clear();
        layout_->save_key(point, group_key);
        value.text(group_key.view());
        layout_->save_group(point, value);
        sink.put(0, key.view(), value.view());
      }
    });
    value.clear();
    value.put(last_watermark_);
    sink.put(1, "", value.view());
    save_log(closed_rows_, saved_rows_, 2, sink, full);
  }
  Status load_state(StateSource& source) override {
    std::vector<char> key_row = key_shape_.prototype, entry_row = entry_shape_.prototype;
    RETURN_IF_ERROR(source.scan(0, [&](std::string_view, std::string_view bytes) -> Status {
      ByteReader in(bytes);
      const int64_t time = in.get<int64_t>();
      const uint64_t entry_hash = in.get<uint64_t>();
      ByteReader group_key(in.text());
      layout_->load_key(group_key, key_row.data());
      if (!layout_->owned(key_row.data(), source)) return {};
      char *from = key_row.data(), *key, *entry;
      keys_.find_or_create_like(&from, 1, &key);
      // The keys lie as in the key's row, then the time.
      std::memcpy(entry_row.data(), key_row.data(), key_offset_);
      std::memcpy(entry_row.data() + entry_shape_.keys.back().offset, &time, sizeof time);
      from = entry_row.data();
      group_header(from).hash = entry_hash;
      entries_.find_or_create_like(&from, 1, &entry);
      char* point = add_point(key, entry, time);
      layout_->load_group(point, in, pool_);
      // Goes off with the next watermark, whatever sessions the key has, and is set anew.
      set_timer(key, -WindowGrid::kTimeMax);
      return in.ok() && group_key.ok() ? Status() : damaged_state(label);
    }));
    RETURN_IF_ERROR(source.scan(1, [&](std::string_view, std::string_view bytes) -> Status {
      ByteReader in(bytes);
      last_watermark_ = std::max(last_watermark_, in.get<int64_t>());
      return in.ok() ? Status() : damaged_state(label);
    }));
    return load_log(closed_rows_, saved_rows_, 2, types(), source);
  }

  void outputs_changed() override { tracking_ = has_outputs() && policy_ != EmitPolicy::kOnWindowClose; }

 private:
  struct Touched {
    char* key;
    uint32_t begin, end;  // its rows in old_
  };
  KeyState& state(char* key) const { return *reinterpret_cast<KeyState*>(key + key_offset_); }
  Point& at(char* point) const { return *reinterpret_cast<Point*>(point + point_offset_); }
  char*& point_of(char* entry) const { return *reinterpret_cast<char**>(entry + entry_offset_); }

  template <class F>
  void each_key(F&& f) {
    char* keys[256];
    GroupTable::Cursor cursor;
    while (uint32_t n = keys_.next(cursor, keys, 256))
      for (uint32_t i = 0; i < n; ++i) f(keys[i]);
  }

  // Rows whose own window is open for them, into rows_.
  uint32_t pick_on_time(const Batch& batch) {
    const data::Column& column = batch.columns[time_column_];
    const int64_t* times = column.values<int64_t>();
    uint32_t n = 0;
    for (uint32_t i = 0; i < batch.rows; ++i) {
      const int64_t time = times[i];
      const int64_t own = batch.row_watermark ? std::max(batch.row_watermark[i], last_watermark_) : last_watermark_;
      if (column.is_null(i) || time <= -WindowGrid::kTimeMax || time >= WindowGrid::kTimeMax) {
        ++counters.null_time;
        if (rejects()) rejects()->reject(layout_->input_types(), batch, i, Reject{RejectReason::kNullTime, input_watermark(), 0, 0, {}});
      } else if (column_time(own) >= time + gap_ + lateness_us_) {
        ++counters.late;
        reject_late(batch, i, time, time + gap_);
      } else {
        rows_[n++] = i;
      }
    }
    return n;
  }

  // Before a key's first change in a tick: notes what was told of it.
  void touch(char* key) {
    if (state(key).touched == tick_) return;
    state(key).touched = tick_;
    const uint32_t begin = old_.size();
    if (tracking_) {
      const int64_t watermark = column_time(last_watermark_);
      gather(key);
      each_session([&](size_t first, size_t end) {
        if (!visible(end, watermark)) return;
        make_row(first, end);
        old_.add(row_.view(), -1);
      });
    }
    touched_.push_back({key, begin, old_.size()});
  }

  // groups_[i] = the point of row rows_[i].
  void find_points(const Batch& batch, uint32_t count) {
    const auto keys = layout_->key_columns();
    std::copy(keys.begin(), keys.end(), entry_columns_.begin());
    entry_columns_.back() = batch.columns[time_column_];
    if (batch.rows > entry_hashes_.size()) entry_hashes_.resize(batch.rows);
    hash_keys(entry_shape_, entry_columns_, batch.rows, entry_hashes_.data());
    entries_.find_or_create(entry_columns_, entry_hashes_.data(), rows_.data(), count, entry_rows_.data());
    const int64_t* times = batch.columns[time_column_].values<int64_t>();
    for (uint32_t i = 0; i < count; ++i) {
      char* point = point_of(entry_rows_[i]);
      groups_[i] = point ? point : add_point(key_rows_[i], entry_rows_[i], times[rows_[i]]);
    }
  }
  char* add_point(char* key, char* entry, int64_t time) {
    char* point = free_points_;
    if (point) free_points_ = at(point).next;
    else point = static_cast<char*>(rows_pool_.allocate(layout_->shape().row_bytes));
    start(point, key);
    at(point) = Point{time, state(key).points, entry};
    state(key).points = point;
    point_of(entry) = point;
    return point;
  }
  void set_timer(char* key, int64_t time) {
    state(key).timer_serial = ++timer_serial_;
    timers_.add({time, key, timer_serial_});
  }
  // A fresh row of states: header and keys as in the key's row, whose bytes it shares.
  void start(char* group, const char* key) {
    std::memcpy(group, key, key_offset_);
    std::memcpy(group + key_offset_, layout_->shape().prototype.data() + key_offset_, layout_->shape().row_bytes - key_offset_);
    group_header(group).mark = group_header(layout_->shape().prototype.data()).mark;
    layout_->initialize_raw(&group, 1);
  }

  // The key's points by time into points_; those that hold no row any more go.
  void gather(char* key) {
    key_ = key;
    points_.clear();
    for (char** link = &state(key).points; *link;) {
      char* point = *link;
      if (layout_->weight(point) == 0) {
        *link = at(point).next;
        release(point);
        continue;
      }
      if (layout_->alive(point)) points_.push_back(point);
      link = &at(point).next;
    }
    std::sort(points_.begin(), points_.end(), [this](char* a, char* b) { return at(a).time < at(b).time; });
  }
  void release(char* point) {
    layout_->destroy(&point, 1, pool_);
    entries_.erase(at(point).entry);
    at(point).next = free_points_;
    free_points_ = point;
  }
  // f(begin, end) for each run of points_ no more than a gap apart.
  template <class F>
  void each_session(F&& f) {
    for (size_t begin = 0; begin < points_.size();) {
      size_t end = begin + 1;
      while (end < points_.size() && at(points_[end]).time - at(points_[end - 1]).time <= gap_) ++end;
      f(begin, end);
      begin = end;
    }
  }
  int64_t session_end(size_t end) const { return at(points_[end - 1]).time + gap_; }
  int64_t close_time(size_t end) const { return session_end(end) + gap_ + lateness_us_; }
  bool visible(size_t end, int64_t watermark) const {
    return policy_ == EmitPolicy::kOnUpdate || (policy_ == EmitPolicy::kAfterWatermark && session_end(end) <= watermark);
  }
  // The output row of a session into row_.
  void make_row(size_t begin, size_t end) {
    const int64_t from = at(points_[begin]).time, to = session_end(end);
    start(merged_, key_);
    for (size_t i = begin; i < end; ++i) {
      const char* point = points_[i];
      layout_->merge_states(&merged_, &point, 1, pool_);
    }
    row_.clear();
    layout_->finalize(&merged_, &from, &to, 1, row_, 0);
    layout_->destroy(&merged_, 1, pool_);
  }

  // The key's sessions now: what is new of them, those that close, the next timer.
  void settle(const Touched& touched, int64_t watermark) {
    gather(touched.key);
    int64_t next = data::kWatermarkEnded;
    size_t closed = 0;  // points of closed sessions: the first ones
    each_session([&](size_t begin, size_t end) {
      const bool closes = close_time(end) <= watermark;
      const bool told = policy_ == EmitPolicy::kOnWindowClose ? closes : tracking_ && visible(end, watermark);
      if (told || (closes && keep_content_)) {
        make_row(begin, end);
        const Batch row = row_.view();
        if (told && !cancel(touched, {row.columns, 0})) new_.add(row, 1);
        if (closes && keep_content_) closed_rows_.append(row);
      }
      if (closes) {
        closed = end;
      } else {
        const bool waits = policy_ == EmitPolicy::kAfterWatermark && session_end(end) > watermark;
        next = std::min(next, waits ? session_end(end) : close_time(end));
      }
    });
    if (closed > 0) {
      const int64_t last = at(points_[closed - 1]).time;
      for (char** link = &state(key_).points; *link;) {
        char* point = *link;
        if (at(point).time > last) {
          link = &at(point).next;
          continue;
        }
        *link = at(point).next;
        release(point);
      }
    }
    state(key_).timer_serial = 0;
    if (!state(key_).points) {
      keys_.erase(key_);
    } else if (next != data::kWatermarkEnded) {
      set_timer(key_, next);
    }
  }
  // Whether the row was told before as it is: then neither is.
  bool cancel(const Touched& touched, const RowRef& row) {
    for (uint32_t i = touched.begin; i < touched.end; ++i) {
      if (cancelled_[i] || order_.compare_content(old_.row(i), row) != 0) continue;
      cancelled_[i] = 1;
      return true;
    }
    return false;
  }
  void send() {
    for (size_t b = 0; b < old_.buffers().size(); ++b) {
      BatchBuffer& buffer = *old_.buffers()[b];
      uint32_t n = 0;
      for (uint32_t i = 0; i < buffer.rows; ++i)
        if (!cancelled_[b * kBatchRowsMax + i]) selected_[n++] = i;
      if (n == 0) continue;
      keep_rows(buffer, selected_.data(), n);
      std::fill(buffer.weights(), buffer.weights() + n, -1);
      pass(buffer);
    }
    for (const auto& buffer : new_.buffers())
      if (buffer->rows > 0) pass(*buffer);
    old_.clear();
    new_.clear();
  }
  void pass(BatchBuffer& buffer) {
    buffer.has_sequence = false;
    buffer.sequence_base = sequence_;
    sequence_ += buffer.rows;
    emit_(buffer.view());
  }

  int64_t gap_;
  uint32_t time_column_;
  uint32_t point_offset_;
  StatePool pool_, rows_pool_;
  GroupShape key_shape_;
  uint32_t key_offset_;
  GroupShape entry_shape_;
  uint32_t entry_offset_;
  GroupTable keys_, entries_;
  TimerWheel timers_;
  uint64_t saved_rows_ = 0;
  RowList old_, new_;
  std::vector<uint8_t> cancelled_;  // of old_
  BatchBuffer row_;
  RowOrder order_;
  bool tracking_ = false;
  int64_t last_watermark_ = data::kWatermarkNone;  // of the last finish(), stream time
  uint64_t tick_ = 1, timer_serial_ = 0, sequence_ = 0;
  char* key_ = nullptr;              // whose points are in points_
  std::vector<char*> points_;
  char* merged_ = nullptr;
  char* free_points_ = nullptr;
  std::vector<Touched> touched_;
  std::vector<TimerWheel::Timer> due_;
  std::vector<data::Column> entry_columns_;
  std::vector<uint64_t> entry_hashes_;
  std::vector<char*> key_rows_, entry_rows_, groups_;
  std::vector<uint32_t> rows_, selected_;
};

}  // namespace

std::unique_ptr<Operator> make_session_recompute(const AggregateNode& node, std::unique_ptr<AggregateLayout> layout) {
  return std::make_unique<SessionRecompute>(node, std::move(layout));
}

}  // namespace laminar::stream
