#include "stream/operators/window_aggregate.h"

#include <algorithm>

#include "base/hash.h"
#include "stream/operators/keyed_groups.h"
#include "stream/operators/window_grid.h"
#include "stream/state/column_store.h"
#include "stream/state/row_log_io.h"
#include "stream/time/key_watermarks.h"

namespace laminar::stream {

using data::Batch;
using data::kBatchRowsMax;
using plan::AggregateNode;
using plan::EmitPolicy;

namespace {

class WindowAggregate final : public AggregateOperator {
 public:
  WindowAggregate(const AggregateNode& node, std::unique_ptr<AggregateLayout> layout)
      : AggregateOperator(node, std::move(layout)), grid_(*node.window), time_column_(node.window->time_column),
        changes_(layout_.get(), types(),
                 [](const GroupChanges::Entry* entries, uint32_t count, int64_t* starts, int64_t* ends) {
                   for (uint32_t i = 0; i < count; ++i) {
                     const Window& window = *static_cast<const Window*>(entries[i].owner);
                     starts[i] = window.start;
                     ends[i] = window.end;
                   }
                 }),
        erase_([this](const GroupChanges::Entry& entry) { layout_->erase(*static_cast<Window*>(entry.owner)->table, entry.group); }),
        store_([this](const Batch& batch) { closed_rows_.append(batch); }),
        emit_and_store_([this](const Batch& batch) {
          emit(batch);
          closed_rows_.append(batch);
        }),
        groups_(kBatchRowsMax), starts_(kBatchRowsMax), ends_(kBatchRowsMax), run_of_row_(kBatchRowsMax), run_rows_(kBatchRowsMax),
        run_index_(kRunIndexSize, 0) {
    time_offset_us_ = node.inputs[0]->columns[time_column_].time_offset_us.value_or(0);
    label = std::string("aggregate window=") + plan::to_text(node.window->kind);
    retain_us_ = node.retain_us;
    can_slice_ = !grid_.tumbles() && layout_->mergeable() && !layout_->retracts() && retain_us_ == 0 && !grid_.zone;
    if (!node.close_key.empty()) {
      // Where closing a group tells nobody anything, it can wait until many are due: no list is kept.
      lists_ = policy_ != EmitPolicy::kOnUpdate;
      keyed_ = std::make_unique<KeyedGroups>(node, layout_->shape(), lists_);
      can_slice_ = false;
      // With no lateness the first result is the last one.
      if (policy_ == EmitPolicy::kAfterWatermark && lateness_us_ == 0) policy_ = EmitPolicy::kOnWindowClose;
    }
    outputs_changed();
  }
  ~WindowAggregate() override {
    for (auto& table : tables_) layout_->clear(*table);
  }

  void push(uint32_t, const Batch& batch) override {
    counters.rows_in += batch.rows;
    if (batch.rows == 0) return;
    layout_->begin(batch);
    if (!push_whole(batch)) push_split(batch);
    if (!layout_->faults().empty()) report_faults();
  }

  void push_moves(uint32_t, KeyMoves moves) override { moves_ = moves; }

  void finish(const TickInfo&) override {
    if (keyed_ && policy_ == EmitPolicy::kAfterWatermark) fire_keys(open_from(column_time(input_watermark())));
    changes_.flush(tracking_, emit_, erase_);
    last_watermark_ = input_watermark();
    if (lists_) close_keys();
    else if (keyed_ && !moves_.empty()) sweep_keys();
    moves_ = {};
    const int64_t watermark = column_time(last_watermark_);
    if (watermark == data::kWatermarkNone) return;
    if (policy_ == EmitPolicy::kAfterWatermark && !sliced_ && !keyed_) fire(open_from(watermark));
    const int64_t from = open_from(shift_time(watermark, -lateness_us_));
    if (sliced_) close_sliced(from);
    else close_direct(retain_us_ == 0 ? from : released_before(watermark));
    if (last_watermark_ == data::kWatermarkEnded || from == kAllClosed) set_output_watermark(last_watermark_);
    else if (from != kNoneClosed) set_output_watermark(grid_.cumulates() ? grid_.end(from) : grid_.start(from));
  }

  bool can_correct(int64_t back_us) const override { return retain_us_ >= back_us && policy_ != EmitPolicy::kOnWindowClose; }
  bool retains(int64_t start, int64_t end) const override {
    return retain_us_ > 0 && grid_.number(start, end) >= released_before(column_time(last_watermark_));
  }
  void reapply(const Batch& batch, const int64_t* starts, const int64_t* ends) override {
    counters.rows_in += batch.rows;
    counters.rows_out += batch.rows;
    layout_->begin(batch);
    const int64_t watermark = column_time(last_watermark_);
    for (uint32_t row = 0; row < batch.rows; ++row) {
      Window& window = find_window(grid_.number(starts[row], ends[row]));
      if (policy_ == EmitPolicy::kAfterWatermark && window.end <= watermark) window.fired = true;
      update_window(window, &row, 1);
    }
    if (!layout_->faults().empty()) report_faults();
  }

  void scan_open(const BatchVisitor& visit) override {
    if (policy_ == EmitPolicy::kOnWindowClose) return;
    if (sliced_) {
      if (policy_ == EmitPolicy::kOnUpdate) each_sliced_window(kNoneClosed, kAllClosed, visit);
      return;
    }
    for (const auto& window : windows_) {
      if (keyed_ && policy_ != EmitPolicy::kOnUpdate) visit_shown(*window, visit);
      else if (policy_ == EmitPolicy::kOnUpdate || window->fired) visit_groups(*window->table, window->start, window->end, visit);
    }
  }
  uint64_t state_bytes() const override {
    uint64_t bytes = closed_rows_.held_bytes() + changes_.held_bytes() + (keyed_ ? keyed_->held_bytes() : 0);
    for (const auto& table : tables_) bytes += table->pool.held_bytes() + table->groups.held_bytes();
    return bytes;
  }
  uint64_t state_rows() const override {
    uint64_t rows = closed_rows_.rows();
    for (const auto& window : windows_) rows += window->table->groups.size();
    for (const Slice& slice : slices_) rows += slice.table->groups.size();
    return rows;
  }

  // Tables: 0 groups by window (in slices: by slice and first window), 1 the windows themselves, 2 what was seen,
  // 3 rows of closed windows.
  bool saves_state() const override { return layout_->saves_state(); }
  void save_state(StateSink& sink, bool full) override {
    full |= saved_sliced_ != sliced_;
    saved_sliced_ = sliced_;
    noting_closed_ = true;
    if (full) {
      sink.erase_prefix(0, "");
      sink.erase_prefix(1, "");
    } else {
      erase_closed(sink);
    }
    closed_prefixes_.clear();
    ByteWriter prefix, value;
    auto put = [&](StateTable& table, bool fired) {
      layout_->save(table, prefix.view(), 0, sink, full);
      value.clear();
      value.put(fired);
      sink.put(1, prefix.view(), value.view());
    };
    for (const Window* window : windows_) {
      put_prefix(window->number, 0, prefix);
      put(*window->table, window->fired);
    }
    for (const Slice& slice : slices_) {
      put_prefix(slice.slice, slice.first, prefix);
      put(*slice.table, false);
    }
    value.clear();
    value.put(last_watermark_).put(closed_before_).put(sliced_);
    sink.put(2, "", value.view());
    save_log(closed_rows_, saved_rows_, 3, sink, full);
  }
  bool saves_ahead() const override { return true; }
  bool save_ahead(StateSink& sink, Ahead how, uint64_t& records) override {
    if (how == Ahead::kAll) {
      saved_rows_ = 0;
      saved_sliced_ = sliced_;
      noting_closed_ = true;
      closed_prefixes_.clear();
    }
    if (saved_sliced_ != sliced_) return false;  // save_state() does it all
    erase_closed(sink);  // before a window of that number comes again
    closed_prefixes_.clear();
    bool more = false;
    ByteWriter prefix;
    for (const Window* window : windows_) {
      put_prefix(window->number, 0, prefix);
      more |= layout_->save_ahead(*window->table, prefix.view(), 0, sink, how, records);
    }
    for (const Slice& slice : slices_) {
      put_prefix(slice.slice, slice.first, prefix);
      more |= layout_->save_ahead(*slice.table, prefix.view(), 0, sink, how, records);
    }
    return more || save_log_ahead(closed_rows_, saved_rows_, 3, sink, records);
  }
  Status load_state(StateSource& source) override {
    bool sliced = sliced_;
    RETURN_IF_ERROR(source.scan(2, [&](std::string_view, std::string_view bytes) -> Status {
      ByteReader in(bytes);
      last_watermark_ = std::max(last_watermark_, in.get<int64_t>());
      closed_before_ = std::max(closed_before_, in.get<int64_t>());
      sliced = in.get<bool>();
      return in.ok() ? Status() : damaged_state(label);
    }));
    if (sliced && !can_slice_) return damaged_state(label);
    // Whoever wants changes of open windows may be gone or have come: slices can be left, not entered.
    const bool leave = sliced && !sliced_;
    sliced_ = sliced;
    RETURN_IF_ERROR(source.scan(1, [&](std::string_view key, std::string_view bytes) -> Status {
      ByteReader in(key);
      const int64_t number = get_signed(in), first = get_signed(in);
      if (sliced_) find_slice(number, first);
      else find_window(number).fired |= ByteReader(bytes).get<bool>();
      return in.ok() ? Status() : damaged_state(label);
    }));
    RETURN_IF_ERROR(source.scan(0, [&](std::string_view key_bytes, std::string_view bytes) -> Status {
      ByteReader key(key_bytes), state(bytes);
      const int64_t number = get_signed(key), first = get_signed(key);
      if (sliced_) {
        layout_->load(*find_slice(number, first).table, key, state, source);
      } else {
        Window& window = find_window(number);
        char* group = layout_->load(*window.table, key, state, source);
        if (!group) return {};
        if (lists_) keyed_->insert(group, &window);
        // The first result of the window told of all its groups, also of those whose records are older.
        if (window.fired && !keyed_ && layout_->alive(group)) group_header(group).mark |= kGroupEmitted;
      }
      return key.ok() && state.ok() ? Status() : damaged_state(label);
    }));
    if (leave) leave_slices();
    return load_log(closed_rows_, saved_rows_, 3, types(), source);
  }

  void send_open_windows() override {
    if (!closed_only_) return;
    const OperatorCounters before = counters;
    if (sliced_) {
      each_sliced_window(kNoneClosed, kAllClosed, emit_);
    } else {
      for (const Window* window : windows_) visit_groups(*window->table, window->start, window->end, emit_);
    }
    counters = before;
  }

  void outputs_changed() override {
    const bool had = tracking_;
    closed_only_ = policy_ == EmitPolicy::kOnUpdate && retain_us_ == 0 && !keyed_ && closed_windows_do();
    tracking_ = has_outputs() && !closed_only_;
    // Overlapping windows whose changes are wanted need tables of their own.
    const bool slice = can_slice_ && (policy_ == EmitPolicy::kOnWindowClose || (policy_ == EmitPolicy::kAfterWatermark && lateness_us_ == 0) ||
                                      (policy_ == EmitPolicy::kOnUpdate && !tracking_));
    if (sliced_ && !slice) leave_slices();
    if (!had && !tracking_ && windows_.empty() && slices_.empty()) sliced_ = slice;
    // Without outputs nobody is told of a new group: it counts as told, for the day when an output comes.
    uint32_t& mark = group_header(layout_->shape().prototype.data()).mark;
    const bool told = policy_ == EmitPolicy::kOnUpdate && !tracking_;
    mark = told ? mark | kGroupEmitted : mark & ~kGroupEmitted;
  }

 private:
  static constexpr int64_t kNoneClosed = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kAllClosed = std::numeric_limits<int64_t>::max();
  static constexpr uint32_t kRunIndexSize = 4 * kBatchRowsMax;

  struct Window {
    int64_t number, start, end;
    bool fired;  // kAfterWatermark: its first result is out
    StateTable* table;
  };
  // Rows of one slice that count in the windows from `first` on: those before it were closed for them.
  struct Slice {
    int64_t slice, first;
    StateTable* table;
    bool operator<(const Slice& other) const { return slice != other.slice ? slice < other.slice : first < other.first; }
  };
  struct Run {
    int64_t slice, first;
    uint32_t rows;
  };

  // The first window that is open for a watermark in column time (lateness already taken off).
  int64_t open_from(int64_t time) const {
    if (time <= -WindowGrid::kTimeMax) return kNoneClosed;
    if (time >= WindowGrid::kTimeMax) return kAllClosed;
    return grid_.first_ending_after(time);
  }
  // Windows before it have let go of their state, for a watermark in column time.
  int64_t released_before(int64_t watermark) const { return open_from(shift_time(shift_time(watermark, -lateness_us_), -retain_us_)); }
  int64_t open_for_row(int64_t row_watermark) const {
    if (correcting()) return released_before(column_time(last_watermark_));
    return open_from(shift_time(column_time(std::max(row_watermark, last_watermark_)), -lateness_us_));
  }

  // All rows in one slice, none of them late for any window: no work per row.
  bool push_whole(const Batch& batch) {
    const data::Column& column = batch.columns[time_column_];
    if (column.validity) return false;
    int64_t least, greatest;
    least_and_greatest(column.values<int64_t>(), batch.rows, &least, &greatest);
    if (least <= -WindowGrid::kTimeMax || greatest >= WindowGrid::kTimeMax) return false;
    const int64_t slice = grid_.slice_of(least);
    if (greatest >= grid_.slice_start(slice + 1)) return false;
    int64_t watermark = data::kWatermarkNone;
    if (batch.row_watermark) {
      int64_t unused;
      least_and_greatest(batch.row_watermark, batch.rows, &unused, &watermark);
    }
    const int64_t first = grid_.first_window(slice);
    if (first > grid_.last_window(slice) || open_for_row(watermark) > first) return false;
    counters.rows_out += batch.rows;
    add(slice, first, nullptr, batch.rows);
    return true;
  }

  void push_split(const Batch& batch) {
    split(batch);
    // Rows by run, each run in order of arrival.
    uint32_t at = 0;
    for (uint32_t r = 0; r < runs_.size(); ++r) {
      const uint32_t n = runs_[r].rows;
      runs_[r].rows = at;
      at += n;
    }
    for (uint32_t i = 0; i < batch.rows; ++i)
      if (run_of_row_[i] != kNoRun) run_rows_[runs_[run_of_row_[i]].rows++] = i;
    uint32_t begin = 0;
    for (const Run& run : runs_) {
      counters.rows_out += run.rows - begin;
      add(run.slice, run.first, run_rows_.data() + begin, run.rows - begin);
      begin = run.rows;
    }
  }

  // Fills runs_ and run_of_row_; refused rows are counted and reported.
  void split(const Batch& batch) {
    const data::Column& column = batch.columns[time_column_];
    const int64_t* times = column.values<int64_t>();
    for (const Run& run : runs_) run_index_[run_hash(run.slice, run.first)] = 0;
    runs_.clear();
    if (batch.rows > run_of_row_.size()) {
      run_of_row_.resize(batch.rows);
      run_rows_.resize(batch.rows);
    }
    int64_t slice = 0, slice_begin = 0, slice_end = 0, first_of_slice = 0, last_of_slice = 0;
    int64_t judged = data::kWatermarkNone, open = open_for_row(judged);
    uint32_t run = kNoRun;
    for (uint32_t i = 0; i < batch.rows; ++i) {
      run_of_row_[i] = kNoRun;
      const int64_t time = times[i];
      if (column.is_null(i) || time <= -WindowGrid::kTimeMax || time >= WindowGrid::kTimeMax) {
        ++counters.null_time;
        if (rejects()) rejects()->reject(layout_->input_types(), batch, i, Reject{RejectReason::kNullTime, input_watermark(), 0, 0, {}});
        continue;
      }
      if (time < slice_begin || time >= slice_end) {
        slice = grid_.slice_of(time);
        slice_begin = grid_.slice_start(slice);
        slice_end = grid_.slice_start(slice + 1);
        first_of_slice = grid_.first_window(slice);
        last_of_slice = grid_.last_window(slice);
        run = kNoRun;
      }
      if (batch.row_watermark && batch.row_watermark[i] != judged) {
        judged = batch.row_watermark[i];
        open = open_for_row(judged);
      }
      if (first_of_slice > last_of_slice) {  // between two windows
        ++counters.filtered;
        continue;
      }
      const int64_t first = std::max(first_of_slice, open);
      if (first > first_of_slice) {
        for (int64_t w = first_of_slice; w < first && w <= last_of_slice; ++w) reject_late(batch, i, grid_.start(w), grid_.end(w));
        if (first > last_of_slice) {
          ++counters.late;
          continue;
        }
      }
      if (run == kNoRun || runs_[run].first != first) run = find_run(slice, first);
      run_of_row_[i] = run;
      ++runs_[run].rows;
    }
  }
  static uint32_t run_hash(int64_t slice, int64_t first) {
    return static_cast<uint32_t>(hash_combine(static_cast<uint64_t>(slice), static_cast<uint64_t>(first)) & (kRunIndexSize - 1));
  }
  uint32_t find_run(int64_t slice, int64_t first) {
    // An index of one probe; runs that meet in it are found by looking through the list.
    uint32_t& entry = run_index_[run_hash(slice, first)];
    if (entry) {
      if (runs_[entry - 1].slice == slice && runs_[entry - 1].first == first) return entry - 1;
      for (uint32_t r = 0; r < runs_.size(); ++r)
        if (runs_[r].slice == slice && runs_[r].first == first) return r;
    }
    runs_.push_back({slice, first, 0});
    entry = static_cast<uint32_t>(runs_.size());
    return entry - 1;
  }

  // Rows of one slice, accepted by the windows from `first` on.
  void add(int64_t slice, int64_t first, const uint32_t* rows, uint32_t count) {
    if (sliced_) {
      StateTable& table = *find_slice(slice, first).table;
      char** groups = layout_->find(table, rows, count);
      layout_->update(table.pool, rows, groups, count);
      return;
    }
    const int64_t last = grid_.last_window(slice);
    for (int64_t w = first; w <= last; ++w) {
      if (grid_.skipped(w)) continue;
      update_window(find_window(w), rows, count);
    }
  }
  void update_window(Window& window, const uint32_t* rows, uint32_t count) {
    char** groups = layout_->find(*window.table, rows, count);
    if (lists_) follow_keys(window, rows, groups, count);
    if (policy_ == EmitPolicy::kOnUpdate) {
      if (tracking_ || layout_->retracts()) changes_.touch(groups, count, &window, tracking_);
    } else if (window.fired && !keyed_) {
      changes_.touch(groups, count, &window, tracking_);
    }
    layout_->update(window.table->pool, rows, groups, count);
  }

  Window& find_window(int64_t number) {
    if (last_window_ && last_window_->number == number) return *last_window_;
    auto at = std::lower_bound(windows_.begin(), windows_.end(), number, [](const Window* w, int64_t n) { return w->number < n; });
    if (at == windows_.end() || (*at)->number != number) {
      if (free_windows_.empty()) {
        owned_windows_.push_back(std::make_unique<Window>());
        free_windows_.push_back(owned_windows_.back().get());
        // Room to give every window back without a heap call at closing time.
        free_windows_.reserve(owned_windows_.size());
      }
      Window* window = free_windows_.back();
      free_windows_.pop_back();
      *window = Window{number, grid_.start(number), grid_.end(number), false, take_table()};
      at = windows_.insert(at, window);
      fired_before_ = std::min(fired_before_, number);
    }
    last_window_ = *at;
    return **at;
  }
  Slice& find_slice(int64_t slice, int64_t first) {
    const Slice wanted{slice, first, nullptr};
    if (last_slice_ < slices_.size() && slices_[last_slice_].slice == slice && slices_[last_slice_].first == first) return slices_[last_slice_];
    auto at = std::lower_bound(slices_.begin(), slices_.end(), wanted);
    if (at == slices_.end() || at->slice != slice || at->first != first) at = slices_.insert(at, Slice{slice, first, take_table()});
    last_slice_ = static_cast<size_t>(at - slices_.begin());
    return *at;
  }
  StateTable* take_table() {
    if (free_tables_.empty()) {
      tables_.push_back(std::make_unique<StateTable>(&layout_->shape()));
      free_tables_.reserve(tables_.capacity());
      return tables_.back().get();
    }
    StateTable* table = free_tables_.back();
    free_tables_.pop_back();
    return table;
  }
  // A window or slice before its key: most significant byte first, so that keys come in order of time.
  static void put_prefix(int64_t number, int64_t first, ByteWriter& out) {
    out.clear();
    put_ordered(static_cast<uint64_t>(number) ^ uint64_t{1} << 63, out);
    put_ordered(static_cast<uint64_t>(first) ^ uint64_t{1} << 63, out);
  }
  static int64_t get_signed(ByteReader& in) { return static_cast<int64_t>(get_ordered(in) ^ uint64_t{1} << 63); }
  void erase_closed(StateSink& sink) const {
    ByteReader gone(closed_prefixes_.view());
    while (!gone.at_end()) {
      const std::string_view prefix = gone.text();
      sink.erase_prefix(0, prefix);
      sink.erase(1, prefix);
    }
  }
  void note_closed(int64_t number, int64_t first) {
    if (!noting_closed_) return;
    ByteWriter prefix;
    put_prefix(number, first, prefix);
    closed_prefixes_.text(prefix.view());
  }
  void give_back(StateTable* table) {
    layout_->clear(*table);
    free_tables_.push_back(table);
  }

  void visit_groups(const StateTable& table, int64_t start, int64_t end, const BatchVisitor& visit) {
    std::fill(starts_.begin(), starts_.end(), start);
    std::fill(ends_.begin(), ends_.end(), end);
    GroupTable::Cursor cursor;
    while (uint32_t n = table.groups.next(cursor, groups_.data(), kBatchRowsMax))
      emit_groups(groups_.data(), starts_.data(), ends_.data(), n, visit);
  }

  // Of groups that rows come for: new ones are put under their keys. With kAfterWatermark a group is hidden until the
  // watermark of its key has passed the window; for one that comes later that is now.
  void follow_keys(Window& window, const uint32_t* rows, char* const* groups, uint32_t count) {
    const int64_t* row_watermark = layout_->batch().row_watermark;
    added_.clear();
    for (uint32_t i = 0; i < count; ++i) {
      if (keyed_->linked(groups[i])) continue;
      keyed_->prefetch(keyed_->key_of(groups[i]));
      added_.push_back(groups[i]);
    }
    for (char* group : added_) {
      if (keyed_->linked(group)) continue;  // it came twice
      keyed_->insert(group, &window);
      if (policy_ == EmitPolicy::kAfterWatermark) group_header(group).mark |= kGroupHidden;
    }
    if (policy_ != EmitPolicy::kAfterWatermark) return;
    for (uint32_t i = 0; i < count; ++i) {
      uint32_t& mark = group_header(groups[i]).mark;
      if ((mark & kGroupHidden) && row_watermark && column_time(row_watermark[rows ? rows[i] : i]) >= window.end) mark &= ~kGroupHidden;
      if (!(mark & kGroupHidden)) changes_.touch_one(groups[i], &window, tracking_);
    }
  }
  // Whether no window ends between two watermarks, lateness taken off already.
  bool no_end_between(int64_t before, int64_t after) {
    if (before >= same_from_ && after < same_to_) return true;
    const int64_t from = open_from(before);
    if (from != open_from(after)) return false;
    if (from == kNoneClosed || from == kAllClosed) return true;
    same_from_ = before;
    same_to_ = grid_.end(from);
    return true;
  }
  // Calls with each key whose watermark has passed the end of a window, and that watermark in column time.
  template <class Visit>
  void each_passed(int64_t lateness_us, const Visit& visit) {
    if (windows_.empty()) return;
    const int64_t least = windows_.front()->end;
    for (size_t i = 0; i < moves_.size(); ++i) {
      const int64_t after = shift_time(column_time(moves_[i].after), -lateness_us);
      if (after < least || no_end_between(shift_time(column_time(moves_[i].before), -lateness_us), after)) continue;
      visit(moves_[i].key, after);
    }
  }
  void show(char* group, Window& window) {
    uint32_t& mark = group_header(group).mark;
    if (!(mark & kGroupHidden)) return;
    mark &= ~kGroupHidden;
    layout_->note_changed(*window.table, group);
    changes_.touch_one(group, &window, tracking_);
  }
  // First results: of the keys that have passed a window, and of the windows before `from`, which all have.
  void fire_keys(int64_t from) {
    each_passed(0, [this](uint64_t key, int64_t watermark) {
      keyed_->each(key, [&](char* group, void* owner) {
        Window& window = *static_cast<Window*>(owner);
        if (window.end <= watermark) show(group, window);
      });
    });
    for (Window* window : windows_) {
      if (window->number >= from) break;
      if (window->fired) continue;
      window->fired = true;
      GroupTable::Cursor cursor;
      while (uint32_t n = window->table->groups.next(cursor, groups_.data(), kBatchRowsMax))
        for (uint32_t i = 0; i < n; ++i) show(groups_[i], *window);
    }
  }
  void visit_shown(const Window& window, const BatchVisitor& visit) {
    std::fill(starts_.begin(), starts_.end(), window.start);
    std::fill(ends_.begin(), ends_.end(), window.end);
    GroupTable::Cursor cursor;
    while (uint32_t n = window.table->groups.next(cursor, groups_.data(), kBatchRowsMax)) {
      uint32_t shown = 0;
      for (uint32_t i = 0; i < n; ++i)
        if (!(group_header(groups_[i]).mark & kGroupHidden)) groups_[shown++] = groups_[i];
      emit_groups(groups_.data(), starts_.data(), ends_.data(), shown, visit);
    }
  }
  // Groups whose key has passed their window and the lateness.
  void close_keys() {
    closing_.clear();
    passed_.clear();
    each_passed(lateness_us_, [this](uint64_t key, int64_t watermark) { passed_.push_back({key, 0, watermark}); });
    for (size_t i = 0; i < passed_.size(); ++i) {
      if (i + 2 * kPrefetchAhead < passed_.size()) {
        keyed_->prefetch(passed_[i + 2 * kPrefetchAhead].key);
        keyed_->prefetch_first(passed_[i + kPrefetchAhead].key);
      }
      const int64_t watermark = passed_[i].after;
      keyed_->take(passed_[i].key, [watermark](char*, void* owner) { return static_cast<Window*>(owner)->end <= watermark; }, closing_);
      if (closing_.size() < kBatchRowsMax) continue;  // no more at once than stay in the cache
      close_groups();
      closing_.clear();
    }
    close_groups();
  }
  // From time to time, when there are twice as many groups as were left the last time: those whose keys have passed their
  // window. Groups are looked at in the order of their tables.
  void sweep_keys() {
    if (++ticks_since_sweep_ * 16 < windows_.size()) return;
    ticks_since_sweep_ = 0;
    uint64_t groups = 0;
    for (const Window* window : windows_) groups += window->table->groups.size();
    if (groups < sweep_at_) return;
    for (Window* window : windows_) {
      if (window->end > column_time(moves_.watermarks->greatest())) break;
      closing_.clear();
      GroupTable::Cursor cursor;
      while (uint32_t n = window->table->groups.next(cursor, groups_.data(), kBatchRowsMax)) {
        for (uint32_t i = 0; i < n; ++i) keys_[i] = keyed_->key_of(groups_[i]);
        for (uint32_t i = 0; i < n; ++i) {
          if (i + kPrefetchAhead < n) moves_.watermarks->prefetch(keys_[i + kPrefetchAhead]);
          const int64_t closes = shift_time(column_time(moves_.watermarks->of(keys_[i])), -lateness_us_);
          if (window->end <= closes) closing_.push_back({groups_[i], window});
        }
      }
      const uint64_t size = window->table->groups.size();
      if (closing_.size() == size) {
        if (const BatchVisitor* visit = closing()) visit_groups(*window->table, window->start, window->end, *visit);
        layout_->clear(*window->table);
        any_empty_ = true;
      } else if (closing_.size() * 4 >= size) {
        close_groups();
      }
    }
    drop_empty();
    groups = 0;
    for (const Window* window : windows_) groups += window->table->groups.size();
    sweep_at_ = std::max<uint64_t>(kSweepMin, 2 * groups);
  }
  // Those in closing_.
  void close_groups() {
    if (closing_.empty()) return;
    const BatchVisitor* visit = closing();
    for (size_t begin = 0; visit && begin < closing_.size(); begin += kBatchRowsMax) {
      const uint32_t n = static_cast<uint32_t>(std::min<size_t>(kBatchRowsMax, closing_.size() - begin));
      for (uint32_t i = 0; i < n; ++i) {
        const Window& window = *static_cast<Window*>(closing_[begin + i].owner);
        groups_[i] = closing_[begin + i].group;
        starts_[i] = window.start;
        ends_[i] = window.end;
      }
      emit_groups(groups_.data(), starts_.data(), ends_.data(), n, *visit);
    }
    for (size_t i = 0; i < closing_.size(); ++i) {
      if (i + kPrefetchAhead < closing_.size()) {
        const KeyedGroups::Entry& ahead = closing_[i + kPrefetchAhead];
        static_cast<Window*>(ahead.owner)->table->groups.prefetch(ahead.group);
      }
      Window& window = *static_cast<Window*>(closing_[i].owner);
      layout_->erase(*window.table, closing_[i].group);
      any_empty_ |= window.table->groups.size() == 0;
    }
    if (lists_) drop_empty();
  }
  void drop_empty() {
    if (!any_empty_) return;
    any_empty_ = false;
    std::erase_if(windows_, [this](Window* window) {
      if (window->table->groups.size() != 0) return false;
      release(window);
      return true;
    });
    last_window_ = nullptr;
  }
  void release(Window* window) {
    note_closed(window->number, 0);
    give_back(window->table);
    free_windows_.push_back(window);
  }

  // First results of the windows before `from`.
  void fire(int64_t from) {
    auto at = std::lower_bound(windows_.begin(), windows_.end(), fired_before_, [](const Window* w, int64_t n) { return w->number < n; });
    for (; at != windows_.end() && (*at)->number < from; ++at) {
      Window* window = *at;
      if (window->fired) continue;
      window->fired = true;
      visit_groups(*window->table, window->start, window->end, emit_);
      GroupTable::Cursor cursor;
      while (uint32_t n = window->table->groups.next(cursor, groups_.data(), kBatchRowsMax))
        for (uint32_t i = 0; i < n; ++i)
          if (layout_->alive(groups_[i])) group_header(groups_[i]).mark |= kGroupEmitted;
    }
    fired_before_ = std::max(fired_before_, from);
  }

  // What becomes of the rows of a window that closes; null: nothing.
  const BatchVisitor* closing() const {
    const bool send = closed_only_ || policy_ == EmitPolicy::kOnWindowClose || (policy_ == EmitPolicy::kAfterWatermark && sliced_);
    return send ? (keep_content_ ? &emit_and_store_ : &emit_) : keep_content_ ? &store_ : nullptr;
  }

  void close_direct(int64_t from) {
    size_t n = 0;
    while (n < windows_.size() && windows_[n]->number < from) {
      Window* window = windows_[n++];
      if (const BatchVisitor* visit = closing()) visit_groups(*window->table, window->start, window->end, *visit);
      if (lists_) forget_keys(*window);
      release(window);
    }
    if (n == 0) return;
    windows_.erase(windows_.begin(), windows_.begin() + static_cast<ptrdiff_t>(n));
    last_window_ = nullptr;
  }

  void forget_keys(const Window& window) {
    GroupTable::Cursor cursor;
    while (uint32_t n = window.table->groups.next(cursor, groups_.data(), kBatchRowsMax))
      for (uint32_t i = 0; i < n; ++i) keyed_->erase(groups_[i]);
  }

  void close_sliced(int64_t from) {
    if (slices_.empty()) {
      closed_before_ = std::max(closed_before_, from);
      return;
    }
    if (const BatchVisitor* visit = closing()) each_sliced_window(closed_before_, from, *visit);
    closed_before_ = std::max(closed_before_, from);
    size_t kept = 0;
    for (const Slice& slice : slices_) {
      if (grid_.last_window(slice.slice) < from) {
        note_closed(slice.slice, slice.first);
        give_back(slice.table);
      } else {
        slices_[kept++] = slice;
      }
    }
    slices_.resize(kept);
    last_slice_ = 0;
  }

  // Merges and visits the windows with rows in [from, to), in order.
  void each_sliced_window(int64_t from, int64_t to, const BatchVisitor& visit) {
    from = std::max(from, closed_before_);
    int64_t w = next_sliced_window(from);
    for (; w < to; w = next_sliced_window(w + 1)) {
      StateTable* merged = merge_window(w);
      visit_groups(*merged, grid_.start(w), grid_.end(w), visit);
      give_back(merged);
    }
  }
  // The first window >= w that a slice counts in; kAllClosed when there is none.
  int64_t next_sliced_window(int64_t w) const {
    int64_t best = kAllClosed;
    for (const Slice& slice : slices_) {
      if (std::max(grid_.first_window(slice.slice), w) >= best) break;  // slices are in order: later ones start later
      const int64_t first = std::max(slice.first, w);
      if (first <= grid_.last_window(slice.slice)) best = std::min(best, first);
    }
    return best;
  }
  StateTable* merge_window(int64_t w) {
    StateTable* merged = take_table();
    auto slice = std::lower_bound(slices_.begin(), slices_.end(), Slice{grid_.first_slice(w), kNoneClosed, nullptr});
    const int64_t last = grid_.last_slice(w);
    for (; slice != slices_.end() && slice->slice <= last; ++slice)
      if (slice->first <= w) layout_->merge(*merged, *slice->table);
    return merged;
  }
  // From slices to a table for each open window.
  void leave_slices() {
    sliced_ = false;
    for (int64_t w = next_sliced_window(closed_before_); w != kAllClosed; w = next_sliced_window(w + 1)) {
      StateTable* merged = merge_window(w);
      Window& window = find_window(w);
      give_back(window.table);
      window.table = merged;
    }
    for (const Slice& slice : slices_) give_back(slice.table);
    slices_.clear();
  }

  static constexpr uint32_t kNoRun = ~0u;

  WindowGrid grid_;
  uint32_t time_column_;
  bool can_slice_ = false, sliced_ = false, tracking_ = false;
  int64_t retain_us_ = 0;
  int64_t fired_before_ = kNoneClosed;  // kAfterWatermark: windows before it have had their first result
  bool closed_only_ = false;  // the outputs are told of windows when they close
  int64_t last_watermark_ = data::kWatermarkNone;  // of the last finish(), stream time
  int64_t closed_before_ = kNoneClosed;            // sliced: windows before it are closed

  // PER KEY; null: the input's watermark alone closes windows.
  std::unique_ptr<KeyedGroups> keyed_;
  bool lists_ = false;
  KeyMoves moves_;
  std::vector<KeyMove> passed_;
  std::vector<KeyedGroups::Entry> closing_;
  std::vector<char*> added_;
  bool any_empty_ = false;  // a window has lost its last group
  static constexpr uint32_t kPrefetchAhead = 12;
  static constexpr uint64_t kSweepMin = 1 << 16;
  uint64_t sweep_at_ = kSweepMin, ticks_since_sweep_ = 0;
  std::vector<uint64_t> keys_ = std::vector<uint64_t>(kBatchRowsMax);
  int64_t same_from_ = 0, same_to_ = 0;  // no window ends between them

  std::vector<std::unique_ptr<StateTable>> tables_;
  std::vector<StateTable*> free_tables_;
  std::vector<std::unique_ptr<Window>> owned_windows_;
  std::vector<Window*> free_windows_;
  std::vector<Window*> windows_;  // by number
  Window* last_window_ = nullptr;
  std::vector<Slice> slices_;     // by (slice, first)
  size_t last_slice_ = 0;
  uint64_t saved_rows_ = 0;
  // Checkpoints: windows and slices that went since the last one.
  bool noting_closed_ = false, saved_sliced_ = false;
  ByteWriter closed_prefixes_;
  GroupChanges changes_;
  std::function<void(const GroupChanges::Entry&)> erase_;
  BatchVisitor store_, emit_and_store_;

  std::vector<char*> groups_;
  std::vector<int64_t> starts_, ends_;
  std::vector<Run> runs_;
  std::vector<uint32_t> run_of_row_, run_rows_, run_index_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_window_aggregate(const AggregateNode& node, std::unique_ptr<AggregateLayout> layout) {
  const plan::WindowSpec& window = *node.window;
  const bool slides = window.kind != plan::WindowKind::kTumble;
  if (window.size_us <= 0 || (slides && window.slide_us <= 0))
    return Status(ErrorCode::kInvalidInterval, "a window needs a positive size and slide", node.offset);
  if (window.kind == plan::WindowKind::kCumulate && window.size_us % window.slide_us != 0)
    return Status(ErrorCode::kInvalidInterval, "the size of CUMULATE must be a multiple of its step", node.offset);
  return std::unique_ptr<Operator>(new WindowAggregate(node, std::move(layout)));
}

}  // namespace laminar::stream
