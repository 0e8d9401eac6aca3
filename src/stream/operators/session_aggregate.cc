#include "stream/operators/session_aggregate.h"

#include <algorithm>

#include "stream/operators/keyed_groups.h"
#include "stream/operators/session_recompute.h"
#include "stream/operators/window_grid.h"
#include "stream/state/column_store.h"
#include "stream/state/row_log_io.h"
#include "stream/state/timer_wheel.h"

namespace laminar::stream {

using data::Batch;
using data::kBatchRowsMax;
using plan::AggregateNode;
using plan::EmitPolicy;

namespace {

// Which rows are one session must not depend on how the partitions of the input interleave. So it is a matter of two
// rows a, b of a key, a not after b: they are linked when b lies within a gap of a, and when the watermark of b's own
// partition before b had not closed a session that ends with a. In other words: a's time >= least_link(b). A session is
// what links connect. It can be closed by the least watermark over the partitions, because no row after that links to it.
// Of one partition this says: a row joins the open sessions within a gap of it.

// The bounds of a session, behind the group's row proper.
struct Session {
  int64_t start, last;
  int64_t reach;      // the least time before `start` that still belongs to it
  char* next;         // the key's other sessions, in no order
  char* key;          // row of the key table
  char* merged_into;  // while a batch is under way: where the rows given to this one go
  int64_t timer;      // the time of its latest timer, the only one that counts
  uint64_t timer_serial;
  uint64_t serial;    // order of creation; 0: free
};

class SessionAggregate final : public AggregateOperator {
 public:
  SessionAggregate(const AggregateNode& node, std::unique_ptr<AggregateLayout> layout)
      : AggregateOperator(node, std::move(layout)), gap_(node.window->gap_us), time_column_(node.window->time_column),
        session_offset_(layout_->shape().append(sizeof(Session))), key_shape_(key_types(node)), head_offset_(key_shape_.append(8)),
        keys_(&key_shape_, &pool_), timers_(std::max<int64_t>(1, (node.window->gap_us + node.lateness_us) / 64)),
        changes_(layout_.get(), types(),
                 [this](const GroupChanges::Entry* entries, uint32_t count, int64_t* starts, int64_t* ends) {
                   for (uint32_t i = 0; i < count; ++i) {
                     starts[i] = session(entries[i].group).start;
                     ends[i] = end_of(entries[i].group);
                   }
                 }),
        erase_([this](const GroupChanges::Entry& entry) { release(entry.group); }),
        store_([this](const Batch& batch) { closed_rows_.append(batch); }), key_rows_(kBatchRowsMax), groups_(kBatchRowsMax),
        rows_(kBatchRowsMax), starts_(kBatchRowsMax), ends_(kBatchRowsMax) {
    time_offset_us_ = node.inputs[0]->columns[time_column_].time_offset_us.value_or(0);
    label = "aggregate window=session";
    // With no lateness the first result is the last one.
    if (policy_ == EmitPolicy::kAfterWatermark && lateness_us_ == 0) policy_ = EmitPolicy::kOnWindowClose;
    if (!node.close_key.empty()) {
      keyed_ = std::make_unique<KeyedGroups>(node, layout_->shape());
      timed_ = !node.inputs[0]->time_by_key_only;
      if (policy_ == EmitPolicy::kAfterWatermark) key_watermark_offset_ = layout_->shape().append(sizeof(int64_t));
    }
    outputs_changed();
  }
  ~SessionAggregate() override {
    each_session([this](char* group) { layout_->destroy(&group, 1, pool_); });
  }

  void push(uint32_t, const Batch& batch) override {
    counters.rows_in += batch.rows;
    if (batch.rows == 0) return;
    layout_->begin(batch);
    const uint32_t count = pick_on_time(batch);
    if (count == 0) return;
    counters.rows_out += count;
    const uint32_t* rows = count < batch.rows ? rows_.data() : nullptr;
    keys_.find_or_create(layout_->key_columns(), layout_->hashes(), rows, count, key_rows_.data());
    assign(batch, rows, count);
    layout_->update(pool_, rows, groups_.data(), count);
    if (!layout_->faults().empty()) report_faults();
  }

  void push_moves(uint32_t, KeyMoves moves) override { moves_ = moves; }

  void finish(const TickInfo&) override {
    const bool moved = last_watermark_ != input_watermark();
    last_watermark_ = input_watermark();
    const int64_t watermark = column_time(last_watermark_);
    due_.clear();
    if (timed_ && watermark != data::kWatermarkNone) timers_.advance(watermark, due_);
    if (!timed_ && moved) find_due(watermark);
    if (policy_ == EmitPolicy::kAfterWatermark) fire(watermark);
    changes_.flush(tracking_, emit_, erase_);
    free_merged();
    close(watermark);
    moves_ = {};
    if (watermark == data::kWatermarkNone) return;
    // An end after the watermark less the lateness is the least that a change can still have.
    set_output_watermark(last_watermark_ == data::kWatermarkEnded ? last_watermark_ : shift_time(watermark, 1 - lateness_us_));
  }

  void scan_open(const BatchVisitor& visit) override {
    if (policy_ == EmitPolicy::kOnWindowClose) return;
    uint32_t n = 0;
    auto pass = [&] {
      if (n) visit_sessions(scan_groups_.data(), n, visit);
      n = 0;
    };
    scan_groups_.resize(kBatchRowsMax);
    each_session([&](char* group) {
      if (group_header(group).mark & kGroupHidden) return;
      scan_groups_[n++] = group;
      if (n == kBatchRowsMax) pass();
    });
    pass();
  }
  uint64_t state_bytes() const override {
    return pool_.held_bytes() + keys_.held_bytes() + timers_.held_bytes() + closed_rows_.held_bytes() + changes_.held_bytes() +
           (keyed_ ? keyed_->held_bytes() : 0);
  }
  uint64_t state_rows() const override { return open_sessions_ + closed_rows_.rows(); }

  // Tables: 0 sessions by order of creation, 1 what was seen, 2 rows of closed sessions. Sessions are put all at once.
  bool saves_state() const override { return layout_->saves_state(); }
  void save_state(StateSink& sink, bool full) override {
    sink.erase_prefix(0, "");
    ByteWriter key, value, group_key;
    each_session([&](char* group) {
      const Session& s = session(group);
      key.clear();
      put_ordered(s.serial, key);
      value.clear();
      value.put(s.start).put(s.last).put(s.reach);
      group_key.clear();
      layout_->save_key(group, group_key);
      value.text(group_key.view());
      layout_->save_group(group, value);
      sink.put(0, key.view(), value.view());
    });
    value.clear();
    value.put(last_watermark_).put(serial_);
    sink.put(1, "", value.view());
    save_log(closed_rows_, saved_rows_, 2, sink, full);
  }
  Status load_state(StateSource& source) override {
    std::vector<char> key_row = key_shape_.prototype;
    RETURN_IF_ERROR(source.scan(0, [&](std::string_view key_bytes, std::string_view bytes) -> Status {
      ByteReader key(key_bytes), in(bytes);
      serial_ = std::max(serial_, get_ordered(key) - 1);
      const int64_t start = in.get<int64_t>(), last = in.get<int64_t>(), reach = in.get<int64_t>();
      ByteReader group_key(in.text());
      layout_->load_key(group_key, key_row.data());
      if (!layout_->owned(key_row.data(), source)) return {};
      char* from = key_row.data();
      char* held;
      keys_.find_or_create_like(&from, 1, &held);
      char* group = make(held, start, last, reach);
      layout_->load_group(group, in, pool_);
      const bool waits_for_first = group_header(group).mark & kGroupHidden;
      set_timer(group, waits_for_first ? end_of(group) : close_time(group));
      return in.ok() && group_key.ok() ? Status() : damaged_state(label);
    }));
    RETURN_IF_ERROR(source.scan(1, [&](std::string_view, std::string_view bytes) -> Status {
      ByteReader in(bytes);
      last_watermark_ = std::max(last_watermark_, in.get<int64_t>());
      serial_ = std::max(serial_, in.get<uint64_t>());
      return in.ok() ? Status() : damaged_state(label);
    }));
    return load_log(closed_rows_, saved_rows_, 2, types(), source);
  }
  bool can_correct(int64_t) const override { return false; }

  void outputs_changed() override { tracking_ = has_outputs() && policy_ != EmitPolicy::kOnWindowClose; }

 private:
  static std::vector<data::Type> key_types(const AggregateNode& node) {
    const std::vector<data::Type> input = node.inputs[0]->types();
    std::vector<data::Type> types;
    for (const AggregateNode::GroupOutput& group : node.groups)
      if (group.kind == AggregateNode::GroupOutput::Kind::kKey) types.push_back(input[group.column]);
    return types;
  }
  Session& session(char* group) const { return *reinterpret_cast<Session*>(group + session_offset_); }
  char*& head(char* key) const { return *reinterpret_cast<char**>(key + head_offset_); }
  // With kAfterWatermark PER KEY: the watermark of its key, as far as it matters to the session.
  int64_t& key_watermark(char* group) const { return *reinterpret_cast<int64_t*>(group + key_watermark_offset_); }
  int64_t end_of(char* group) const { return session(group).last + gap_; }
  int64_t close_time(char* group) const { return session(group).last + gap_ + lateness_us_; }

  template <class F>
  void each_session(F&& f) {
    char* keys[256];
    GroupTable::Cursor cursor;
    while (uint32_t n = keys_.next(cursor, keys, 256))
      for (uint32_t i = 0; i < n; ++i)
        for (char* group = head(keys[i]); group;) {
          char* next = session(group).next;
          f(group);
          group = next;
        }
  }

  int64_t effective(const Batch& batch, uint32_t row) const {
    return column_time(batch.row_watermark ? std::max(batch.row_watermark[row], last_watermark_) : last_watermark_);
  }
  // The least time of an earlier row that a row is linked to.
  int64_t least_link(const Batch& batch, uint32_t row, int64_t time) const {
    return std::max(time - gap_, batch.row_watermark ? link_floor(effective(batch, row)) : link_floor_);
  }
  int64_t link_floor(int64_t watermark) const { return shift_time(watermark, 1 - gap_ - lateness_us_); }
  static bool belongs(const Session& s, int64_t time, int64_t link) {
    if (time < s.start) return time >= s.reach;
    return time <= s.last || s.last >= link;
  }
  // Rows whose own window is open for them, into rows_ unless all of them are.
  uint32_t pick_on_time(const Batch& batch) {
    const data::Column& column = batch.columns[time_column_];
    const int64_t* times = column.values<int64_t>();
    int64_t least, greatest, unused;
    least_and_greatest(times, batch.rows, &least, &greatest);
    int64_t newest = last_watermark_;  // the greatest watermark of the batch's rows
    if (batch.row_watermark) {
      least_and_greatest(batch.row_watermark, batch.rows, &unused, &newest);
      newest = std::max(newest, last_watermark_);
    }
    newest = column_time(newest);
    if (!column.validity && least > -WindowGrid::kTimeMax && greatest < WindowGrid::kTimeMax && newest < least + gap_ + lateness_us_)
      return batch.rows;
    uint32_t n = 0;
    for (uint32_t i = 0; i < batch.rows; ++i) {
      const int64_t time = times[i];
      if (column.is_null(i) || time <= -WindowGrid::kTimeMax || time >= WindowGrid::kTimeMax) {
        ++counters.null_time;
        if (rejects()) rejects()->reject(layout_->input_types(), batch, i, Reject{RejectReason::kNullTime, input_watermark(), 0, 0, {}});
      } else if (effective(batch, i) >= time + gap_ + lateness_us_) {
        ++counters.late;
        reject_late(batch, i, time, time + gap_);
      } else {
        rows_[n++] = i;
      }
    }
    return n;
  }

  // groups_[i] = the session that row rows[i] goes to, bounds already extended.
  void assign(const Batch& batch, const uint32_t* rows, uint32_t count) {
    const int64_t* times = batch.columns[time_column_].values<int64_t>();
    bool merged = false;
    link_floor_ = link_floor(column_time(last_watermark_));
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t row = rows ? rows[i] : i;
      const int64_t time = times[row];
      char* group = head(key_rows_[i]);
      if (i + kPrefetchAhead < count) {
        const char* ahead = head(key_rows_[i + kPrefetchAhead]);
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + session_offset_);
      }
      const int64_t link = least_link(batch, row, time);
      // Nearly always the key has one session, and the row belongs to it.
      if (group && !session(group).next && belongs(session(group), time, link)) {
        Session& s = session(group);
        s.reach = std::min(s.reach, link);
        if (time < s.start || time > s.last || tracking_) extend(group, time);
        groups_[i] = group;
      } else {
        groups_[i] = find_session(key_rows_[i], time, link, &merged);
      }
      if (!key_watermark_offset_ || !batch.row_watermark) continue;
      int64_t& passed = key_watermark(groups_[i]);
      passed = std::max(passed, effective(batch, row));
    }
    if (!merged) return;
    for (uint32_t i = 0; i < count; ++i)
      while (session(groups_[i]).merged_into) groups_[i] = session(groups_[i]).merged_into;
  }
  void touch(char* group) {
    if (tracking_ || policy_ == EmitPolicy::kAfterWatermark) changes_.touch_one(group, nullptr, tracking_);
  }
  void extend(char* group, int64_t time) {
    touch(group);
    Session& s = session(group);
    s.start = std::min(s.start, time);
    s.last = std::max(s.last, time);
    // A session that had its first result may have to wait for its new end, which lies before its timer.
    if (policy_ == EmitPolicy::kAfterWatermark && end_of(group) < s.timer) set_timer(group, end_of(group));
  }
  // The sessions that the row belongs to become one, or a new one starts.
  char* find_session(char* key, int64_t time, int64_t least_link, bool* merged) {
    char* target = nullptr;
    for (char** link = &head(key); *link;) {
      char* group = *link;
      Session& s = session(group);
      if (!belongs(s, time, least_link)) {
        link = &s.next;
        continue;
      }
      if (!target) {
        target = group;
        extend(target, time);
        s.reach = std::min(s.reach, least_link);
        link = &s.next;
        continue;
      }
      // Merge: `group` leaves the list; rows of this batch that it got already follow merged_into.
      touch(group);
      *link = s.next;
      extend(target, s.start);
      extend(target, s.last);
      session(target).reach = std::min(session(target).reach, s.reach);
      const char* from = group;
      layout_->merge_states(&target, &from, 1, pool_);
      group_header(group).mark |= kGroupDead;
      if (keyed_) keyed_->erase(group);
      if (key_watermark_offset_) key_watermark(target) = std::max(key_watermark(target), key_watermark(group));
      s.merged_into = target;
      dead_.push_back(group);
      *merged = true;
      --open_sessions_;
    }
    return target ? target : create(key, time, least_link);
  }
  char* create(char* key, int64_t time, int64_t reach) {
    char* group = make(key, time, time, reach);
    touch(group);
    set_timer(group, policy_ == EmitPolicy::kAfterWatermark ? end_of(group) : close_time(group));
    return group;
  }
  // A session of a key, in its list, without a timer.
  char* make(char* key, int64_t start, int64_t last, int64_t reach) {
    const uint32_t row_bytes = layout_->shape().row_bytes;
    char* group = free_sessions_;
    if (group) {
      free_sessions_ = session(group).next;
    } else {
      group = static_cast<char*>(session_rows_.allocate(row_bytes));
    }
    // Header and keys as in the key's row, whose bytes they share; then fresh states.
    const uint32_t keys_end = head_offset_;
    std::memcpy(group, key, keys_end);
    std::memcpy(group + keys_end, layout_->shape().prototype.data() + keys_end, row_bytes - keys_end);
    group_header(group).mark = group_header(layout_->shape().prototype.data()).mark;
    layout_->initialize_raw(&group, 1);
    if (policy_ == EmitPolicy::kAfterWatermark) group_header(group).mark |= kGroupHidden;
    else if (!tracking_) group_header(group).mark |= kGroupEmitted;
    session(group) = Session{start, last, reach, head(key), key, nullptr, 0, 0, ++serial_};
    head(key) = group;
    ++open_sessions_;
    if (keyed_) keyed_->insert(group, key);
    if (key_watermark_offset_) key_watermark(group) = data::kWatermarkNone;
    return group;
  }
  void set_timer(char* group, int64_t time) {
    if (!timed_) return;
    session(group).timer = time;
    session(group).timer_serial = ++timer_serial_;
    timers_.add({time, group, timer_serial_});
  }
  // The timer belongs to this session and is the last one set.
  bool valid(const TimerWheel::Timer& timer) const {
    const Session& s = session(timer.owner);
    return s.serial != 0 && s.timer_serial == timer.serial && !(group_header(timer.owner).mark & kGroupDead);
  }

  // kAfterWatermark: sessions are seen from their end on. One that grew beyond the watermark again hides until its new
  // end.
  void fire(int64_t watermark) {
    for (const TimerWheel::Timer& timer : due_)
      if (valid(timer) && end_of(timer.owner) <= watermark) changes_.touch_one(timer.owner, nullptr, tracking_);
    for (const KeyMove& move : moves_) {
      const int64_t after = column_time(move.after);
      keyed_->each(move.key, [&](char* group, void*) {
        key_watermark(group) = std::max(key_watermark(group), after);
        if (end_of(group) <= after && (group_header(group).mark & kGroupHidden)) changes_.touch_one(group, nullptr, tracking_);
      });
    }
    for (const GroupChanges::Entry& entry : changes_.entries()) {
      uint32_t& mark = group_header(entry.group).mark;
      const int64_t passed = key_watermark_offset_ ? std::max(watermark, key_watermark(entry.group)) : watermark;
      mark = end_of(entry.group) <= passed ? mark & ~kGroupHidden : mark | kGroupHidden;
    }
  }
  // Without timers, those that they would have found: for a watermark that moves by the user's word or at the end.
  void find_due(int64_t watermark) {
    each_session([&](char* group) {
      if (end_of(group) <= watermark) due_.push_back({end_of(group), group, session(group).timer_serial});
    });
  }
  // Sessions that the watermark of their key has passed, into closing_.
  void close_keys() {
    constexpr size_t kAhead = 16;
    for (size_t i = 0; i < moves_.size(); ++i) {
      if (i + kAhead < moves_.size()) keyed_->prefetch(moves_[i + kAhead].key);
      const int64_t after = column_time(moves_[i].after);
      taken_.clear();
      keyed_->take(moves_[i].key, [&](char* group, void*) { return close_time(group) <= after; }, taken_);
      for (const KeyedGroups::Entry& entry : taken_) {
        group_header(entry.group).mark |= kGroupDead;  // its timer is nobody's any more
        closing_.push_back(entry.group);
      }
    }
  }
  // Sessions whose timer went off: closed, or given a new timer where they have grown since.
  void close(int64_t watermark) {
    closing_.clear();
    if (keyed_) close_keys();
    for (size_t i = 0; i < due_.size(); ++i) {
      if (i + kPrefetchAhead < due_.size()) __builtin_prefetch(due_[i + kPrefetchAhead].owner + session_offset_);
      const TimerWheel::Timer& timer = due_[i];
      if (!valid(timer)) continue;
      char* group = timer.owner;
      if (close_time(group) <= watermark) {
        closing_.push_back(group);
        continue;
      }
      const bool waits_for_first = policy_ == EmitPolicy::kAfterWatermark && end_of(group) > watermark;
      set_timer(group, waits_for_first ? end_of(group) : close_time(group));
    }
    if (closing_.empty()) return;
    std::sort(closing_.begin(), closing_.end(), [this](char* a, char* b) {
      const Session &x = session(a), &y = session(b);
      return x.last != y.last ? x.last < y.last : x.start != y.start ? x.start < y.start : x.serial < y.serial;
    });
    for (size_t begin = 0; begin < closing_.size(); begin += kBatchRowsMax) {
      const uint32_t n = static_cast<uint32_t>(std::min<size_t>(kBatchRowsMax, closing_.size() - begin));
      if (policy_ == EmitPolicy::kOnWindowClose) visit_sessions(closing_.data() + begin, n, emit_);
      if (keep_content_) visit_sessions(closing_.data() + begin, n, store_);
    }
    for (size_t i = 0; i < closing_.size(); ++i) {
      if (i + kPrefetchAhead < closing_.size()) keys_.prefetch(session(closing_[i + kPrefetchAhead]).key);
      char* group = closing_[i];
      unlink(group);
      --open_sessions_;
      release(group);
    }
  }
  void visit_sessions(char* const* groups, uint32_t count, const BatchVisitor& visit) {
    for (uint32_t i = 0; i < count; ++i) {
      starts_[i] = session(groups[i]).start;
      ends_[i] = end_of(groups[i]);
    }
    emit_groups(groups, starts_.data(), ends_.data(), count, visit);
  }
  void unlink(char* group) {
    char** link = &head(session(group).key);
    while (*link != group) link = &session(*link).next;
    *link = session(group).next;
    if (keyed_ && keyed_->linked(group)) keyed_->erase(group);
    forget_key(session(group).key);
  }
  void forget_key(char* key) {
    if (!head(key)) keys_.erase(key);
  }
  // States of a session that is in no list any more, and its row.
  void release(char* group) {
    if (session(group).serial == 0) return;
    layout_->destroy(&group, 1, pool_);
    session(group).serial = 0;
    session(group).next = free_sessions_;
    free_sessions_ = group;
  }
  // Merged sessions that no list of changes has released.
  void free_merged() {
    for (char* group : dead_) release(group);
    dead_.clear();
  }

  static constexpr uint32_t kPrefetchAhead = 16;

  int64_t gap_;
  int64_t link_floor_ = data::kWatermarkNone;  // of rows that have no watermark of their own
  uint32_t time_column_;
  uint32_t session_offset_;
  StatePool pool_, session_rows_;
  GroupShape key_shape_;
  uint32_t head_offset_;
  GroupTable keys_;
  TimerWheel timers_;
  // PER KEY; null: the input's watermark alone closes sessions. Where only keys have watermarks there are no timers.
  std::unique_ptr<KeyedGroups> keyed_;
  bool timed_ = true;
  uint32_t key_watermark_offset_ = 0;
  KeyMoves moves_;
  std::vector<KeyedGroups::Entry> taken_;
  uint64_t saved_rows_ = 0;
  GroupChanges changes_;
  std::function<void(const GroupChanges::Entry&)> erase_;
  BatchVisitor store_;
  bool tracking_ = false;
  int64_t last_watermark_ = data::kWatermarkNone;  // of the last finish(), stream time
  uint64_t serial_ = 0, timer_serial_ = 0, open_sessions_ = 0;
  char* free_sessions_ = nullptr;
  std::vector<char*> dead_, closing_;
  std::vector<TimerWheel::Timer> due_;

  std::vector<char*> key_rows_, groups_, scan_groups_;
  std::vector<uint32_t> rows_;
  std::vector<int64_t> starts_, ends_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_session_aggregate(const AggregateNode& node, std::unique_ptr<AggregateLayout> layout) {
  if (node.window->gap_us <= 0) return Status(ErrorCode::kInvalidInterval, "SESSION needs a positive gap", node.offset);
  if (layout->retracts()) return make_session_recompute(node, std::move(layout));
  if (!layout->mergeable())
    return Status(ErrorCode::kNotIncremental, "an aggregate here cannot merge two sessions into one", node.offset);
  return std::unique_ptr<Operator>(new SessionAggregate(node, std::move(layout)));
}

}  // namespace laminar::stream
