// Whole random histories against a naive model that recomputes everything from the accepted rows: disorder, lateness,
// NULLs, retractions, several partitions, every window kind and policy. The same history is cut into ticks in several
// ways: neither results nor late rows may differ.
//
// Repeat one history: LAMINAR_SEED=<seed> stream_test --gtest_filter='AggregateModel.*'
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <optional>
#include <random>
#include <set>

#include "base/test_share_testing.h"
#include "stream/operators/aggregate_testing.h"
#include "stream/operators/window_grid.h"

namespace laminar::stream {
namespace {

using namespace testing;

struct Event {
  std::string key;
  std::optional<int64_t> time, value;
  std::string text;
  int64_t weight;
  int64_t row_watermark;
  int64_t watermark_after;  // the minimum over the partitions once this row is in
  uint64_t sequence;
};

struct Shape {
  std::optional<plan::WindowSpec> window;
  EmitPolicy policy = EmitPolicy::kOnUpdate;
  int64_t lateness = 0;
  bool retracts = false;
  std::string text() const {
    std::string result = window ? plan::to_text(window->kind) : "plain";
    if (window) result += " size " + std::to_string(window->size_us) + " slide " + std::to_string(window->slide_us) + " gap " +
                          std::to_string(window->gap_us) + " offset " + std::to_string(window->offset_us);
    return result + " policy " + std::to_string(static_cast<int>(policy)) + " lateness " + std::to_string(lateness) +
           (retracts ? " retracts" : "");
  }
};

std::vector<Event> make_history(uint64_t seed, bool retracts, size_t rows) {
  std::mt19937_64 random(seed);
  auto below = [&random](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  const int partitions = 1 + static_cast<int>(below(3));
  const int64_t disorder = below(4) == 0 ? 0 : 1 + below(60), delay = below(2) ? below(40) : disorder;
  const int keys = 1 + static_cast<int>(below(6));
  std::vector<int64_t> clock(static_cast<size_t>(partitions), -200), watermark(static_cast<size_t>(partitions), data::kWatermarkNone);
  std::vector<std::vector<Event>> alive(static_cast<size_t>(partitions));
  std::vector<Event> history;
  for (size_t i = 0; i < rows; ++i) {
    const auto p = static_cast<size_t>(below(partitions));
    Event event;
    if (retracts && !alive[p].empty() && below(3) == 0) {
      const auto victim = static_cast<size_t>(below(static_cast<int64_t>(alive[p].size())));
      event = alive[p][victim];
      event.weight = -1;
      alive[p].erase(alive[p].begin() + static_cast<ptrdiff_t>(victim));
    } else {
      clock[p] += below(4) == 0 ? below(12) : below(2);
      event.key = below(20) == 0 ? "NULL" : below(3) ? "k" + std::to_string(below(keys)) : "a long key of number " + std::to_string(below(keys));
      if (below(40)) event.time = clock[p] - below(disorder + 1) + (below(50) ? 0 : 100);
      if (below(10)) event.value = below(9) - 4;
      event.text = below(8) == 0 ? "NULL" : below(2) ? "t" + std::to_string(below(5)) : "some longer text " + std::to_string(below(5));
      event.weight = 1;
      if (retracts) alive[p].push_back(event);
    }
    event.sequence = data::make_sequence(p, i);
    event.row_watermark = watermark[p];
    if (event.time && event.weight > 0) watermark[p] = std::max(watermark[p], *event.time - delay);
    event.watermark_after = *std::min_element(watermark.begin(), watermark.end());
    history.push_back(event);
  }
  return history;
}

// One group's answer from its rows, recomputed.
std::string answer(const std::vector<const Event*>& rows) {
  int64_t count = 0, values = 0, sum = 0;
  std::map<int64_t, int64_t> value_counts;
  std::map<std::string, int64_t> texts;
  for (const Event* e : rows) {
    count += e->weight;
    if (e->value) {
      values += e->weight;
      sum += *e->value * e->weight;
      if ((value_counts[*e->value] += e->weight) == 0) value_counts.erase(*e->value);
    }
    if (e->text != "NULL" && (texts[e->text] += e->weight) == 0) texts.erase(e->text);
  }
  if (count == 0) return {};
  int64_t distinct_sum = 0;
  for (const auto& [v, n] : value_counts) distinct_sum += v;
  std::string result = std::to_string(count) + "," + std::to_string(values) + ",";
  result += values ? std::to_string(sum) + "," + std::to_string(value_counts.begin()->first) + "," + std::to_string(value_counts.rbegin()->first) + "," +
                         std::to_string(static_cast<double>(sum) / static_cast<double>(values))
                   : "NULL,NULL,NULL,NULL";
  result += "," + (texts.empty() ? "NULL" : texts.begin()->first) + "," + (texts.empty() ? "NULL" : texts.rbegin()->first);
  // Median of the values by interpolation, and the texts in order.
  std::vector<int64_t> sorted;
  for (const auto& [v, n] : value_counts)
    for (int64_t i = 0; i < n; ++i) sorted.push_back(v);
  if (sorted.empty()) {
    result += ",NULL,NULL";
  } else {
    const size_t n = sorted.size();
    result += "," + std::to_string((static_cast<double>(sorted[(n - 1) / 2]) + static_cast<double>(sorted[n / 2])) / 2);
    // 30 %, discrete: the least value with at least that part of the rows at or below it.
    result += "," + std::to_string(sorted[static_cast<size_t>(std::max(1.0, std::ceil(static_cast<double>(n) * 0.3 - 1e-9))) - 1]);
  }
  std::string joined;
  for (const auto& [t, n] : texts)
    for (int64_t i = 0; i < n; ++i) joined += (joined.empty() ? "" : "|") + t;
  result += "," + (joined.empty() ? "NULL" : joined);
  double variance = 0;
  for (int64_t v : sorted) variance += std::pow(static_cast<double>(v) - static_cast<double>(sum) / static_cast<double>(values), 2);
  result += "," + (sorted.size() < 2 ? std::string("NULL") : std::to_string(std::sqrt(variance / static_cast<double>(sorted.size() - 1))));
  result += "," + std::to_string(texts.size()) + "," + (values ? std::to_string(distinct_sum) : "NULL");
  return result;
}

std::string answer_append_only(const std::vector<const Event*>& rows) {
  const Event *first = nullptr, *last = nullptr;
  for (const Event* e : rows) {
    const auto place = [](const Event* x) { return std::make_pair(x->time.value_or(std::numeric_limits<int64_t>::max()), x->sequence); };
    if (!first || place(e) < place(first)) first = e;
    if (!last || place(e) >= place(last)) last = e;
  }
  auto value = [](const Event* e) { return e->value ? std::to_string(*e->value) : std::string("NULL"); };
  return "," + value(first) + "," + value(last) + "," + last->text;
}

std::unique_ptr<plan::AggregateNode> make_node(const Shape& shape) {
  NodeBuilder builder({kText, kTime, kInt, kText}, !shape.retracts);
  if (shape.window) builder.window(*shape.window).window_start().window_end();
  builder.key(0);
  builder.call(AggregateKind::kCountStar, {}, kInt).call(AggregateKind::kCount, {2}, kInt).call(AggregateKind::kSum, {2}, kHuge)
      .call(AggregateKind::kMin, {2}, kInt).call(AggregateKind::kMax, {2}, kInt).call(AggregateKind::kAvg, {2}, kDouble)
      .call(AggregateKind::kMin, {3}, kText).call(AggregateKind::kMax, {3}, kText);
  builder.call(AggregateKind::kMedian, {2}, kDouble);
  plan::AggregateCall call;
  call.text = "f()";
  call.kind = AggregateKind::kQuantileDisc;
  call.args = {2};
  call.type = kInt;
  call.params = {data::Value::of<double>(kDouble, 0.3)};
  builder.call_with(call);
  call.kind = AggregateKind::kStringAgg;
  call.args = {3};
  call.type = kText;
  call.params = {data::Value::string("|")};
  call.order_by = {{3, false, false}};
  builder.call_with(call);
  call = {};
  call.kind = AggregateKind::kStddevSamp;
  call.args = {2};
  call.type = kDouble;
  builder.call_with(call);
  call.kind = AggregateKind::kCount;
  call.args = {3};
  call.distinct = true;
  call.type = kInt;
  builder.call_with(call);
  call.kind = AggregateKind::kSum;
  call.args = {2};
  call.type = kHuge;
  builder.call_with(call);
  if (!shape.retracts) {
    call = {};
    call.kind = AggregateKind::kFirst;
    call.args = {2};
    call.type = kInt;
    call.order_by = {{1, false, false}};
    builder.call_with(call);
    call.kind = AggregateKind::kLast;
    builder.call_with(call);
    call.args = {3};
    call.type = kText;
    builder.call_with(call);
  }
  return builder.emit(shape.policy, shape.lateness).build();
}

struct Expected {
  std::vector<std::string> rows;
  std::vector<std::string> rejects;
  uint64_t late = 0, null_time = 0;
};

class Model {
 public:
  explicit Model(const Shape& shape) : shape_(shape) {}

  void add(const Event& e) {
    if (!shape_.window) {
      groups_[{0, 0, e.key}].push_back(&e);
      return;
    }
    if (!e.time) {
      ++expected_.null_time;
      expected_.rejects.push_back("null time: " + row(e));
      return;
    }
    if (shape_.window->kind == WindowKind::kSession) add_to_session(e);
    else add_to_windows(e);
  }

  // What must be seen when the watermark stands at `watermark`.
  Expected at(int64_t watermark) const {
    Expected result = expected_;
    auto seen = [&](int64_t end) {
      return !shape_.window || shape_.policy == EmitPolicy::kOnUpdate ||
             watermark >= end + (shape_.policy == EmitPolicy::kOnWindowClose ? shape_.lateness + closing_gap() : 0);
    };
    auto add = [&](int64_t start, int64_t end, const std::string& key, const std::vector<const Event*>& rows) {
      if (!seen(end)) return;
      std::string text = answer(rows);
      if (text.empty()) return;
      if (!shape_.retracts) text += answer_append_only(rows);
      result.rows.push_back((shape_.window ? std::to_string(start) + "," + std::to_string(end) + "," : "") + key + "," + text);
    };
    for (const auto& [group, rows] : groups_) add(std::get<0>(group), std::get<1>(group), std::get<2>(group), rows);
    for (const auto& [key, changes] : changes_) add_sessions_of_changes(key, changes, add);
    for (const auto& [key, sessions] : sessions_)
      for (const SessionModel& s : sessions) add(s.start, s.last + shape_.window->gap_us, key, s.rows);
    std::sort(result.rows.begin(), result.rows.end());
    return result;
  }

 private:
  struct SessionModel {
    int64_t start, last;
    std::vector<const Event*> rows;
  };
  static std::string row(const Event& e) {
    return e.key + "," + (e.time ? std::to_string(*e.time) : "NULL") + "," + (e.value ? std::to_string(*e.value) : "NULL") + "," + e.text;
  }
  bool closed(const Event& e, int64_t end) const {
    return e.row_watermark != data::kWatermarkNone && e.row_watermark >= end + shape_.lateness;
  }
  void refuse(const Event& e, int64_t start, int64_t end) {
    expected_.rejects.push_back("late " + std::to_string(start) + ".." + std::to_string(end) + ": " + row(e));
  }
  void add_to_windows(const Event& e) {
    const plan::WindowSpec& w = *shape_.window;
    std::vector<std::pair<int64_t, int64_t>> windows;
    if (w.kind == WindowKind::kCumulate) {
      const int64_t base = floor_div(*e.time - w.offset_us, w.size_us) * w.size_us + w.offset_us;
      for (int64_t end = base + w.slide_us; end <= base + w.size_us; end += w.slide_us)
        if (end > *e.time) windows.push_back({base, end});
    } else {
      const int64_t slide = w.kind == WindowKind::kTumble ? w.size_us : w.slide_us;
      int64_t start = floor_div(*e.time - w.offset_us, slide) * slide + w.offset_us;
      for (; start + w.size_us > *e.time; start -= slide) windows.push_back({start, start + w.size_us});
      std::sort(windows.begin(), windows.end());
    }
    bool counted = windows.empty();
    for (const auto& [start, end] : windows) {
      if (closed(e, end)) {
        refuse(e, start, end);
      } else {
        groups_[{start, end, e.key}].push_back(&e);
        counted = true;
      }
    }
    expected_.late += !counted;
  }
  // Over changes a session is closed when no row that is on time can reach it.
  int64_t closing_gap() const { return shape_.retracts && shape_.window->kind == WindowKind::kSession ? shape_.window->gap_us : 0; }
  // The runs of times at which rows are left.
  template <class Add>
  void add_sessions_of_changes(const std::string& key, const std::vector<const Event*>& changes, const Add& add) const {
    const int64_t gap = shape_.window->gap_us;
    std::map<int64_t, int64_t> times;
    for (const Event* e : changes) times[*e->time] += e->weight;
    std::erase_if(times, [](const auto& time) { return time.second == 0; });
    for (auto first = times.begin(); first != times.end();) {
      auto last = first;
      for (auto next = std::next(last); next != times.end() && next->first - last->first <= gap; ++next) last = next;
      std::vector<const Event*> rows;
      for (const Event* e : changes)
        if (*e->time >= first->first && *e->time <= last->first) rows.push_back(e);
      add(first->first, last->first + gap, key, rows);
      first = std::next(last);
    }
  }
  void add_to_session(const Event& e) {
    const int64_t gap = shape_.window->gap_us;
    if (closed(e, *e.time + gap)) {
      refuse(e, *e.time, *e.time + gap);
      ++expected_.late;
      return;
    }
    if (shape_.retracts) {
      changes_[e.key].push_back(&e);
      return;
    }
    // Two rows within a gap are linked unless the watermark before the later one had closed what ends with the earlier one.
    const auto linked = [&](const Event& other) {
      const Event& first = *other.time <= *e.time ? other : e;
      const Event& second = *other.time <= *e.time ? e : other;
      return *second.time - *first.time <= gap && !closed(second, *first.time + gap);
    };
    SessionModel mine{*e.time, *e.time, {&e}};
    std::vector<SessionModel> kept;
    for (SessionModel& s : sessions_[e.key]) {
      if (std::none_of(s.rows.begin(), s.rows.end(), [&](const Event* other) { return linked(*other); })) {
        kept.push_back(std::move(s));
        continue;
      }
      mine.start = std::min(mine.start, s.start);
      mine.last = std::max(mine.last, s.last);
      mine.rows.insert(mine.rows.end(), s.rows.begin(), s.rows.end());
    }
    kept.push_back(std::move(mine));
    sessions_[e.key] = std::move(kept);
  }

  Shape shape_;
  Expected expected_;
  std::map<std::tuple<int64_t, int64_t, std::string>, std::vector<const Event*>> groups_;
  std::map<std::string, std::vector<SessionModel>> sessions_;
  std::map<std::string, std::vector<const Event*>> changes_;  // of sessions over an input that retracts
};

// cut 0: ticks of random size, empty ones among them; kCheckpoints: the same with checkpoints, and restarts from them.
constexpr size_t kCheckpoints = 9999;
void compare(const Shape& shape, const std::vector<Event>& history, size_t cut, bool attach_late, uint64_t seed) {
  SCOPED_TRACE(shape.text() + " cut " + std::to_string(cut) + (attach_late ? " late output" : "") + " seed " + std::to_string(seed));
  std::mt19937_64 random(seed ^ cut);
  auto node = make_node(shape);
  Harness h(*node, !attach_late);
  Model model(shape);
  size_t at = 0;
  const size_t attach_at = attach_late ? history.size() / 2 : 0;
  bool attached = !attach_late;
  while (true) {
    const size_t n = std::min(history.size() - at, cut && cut != kCheckpoints ? cut : static_cast<size_t>(random() % 40));
    std::vector<Row> rows;
    std::vector<int64_t> weights, watermarks;
    std::vector<uint64_t> sequences;
    for (size_t i = at; i < at + n; ++i) {
      const Event& e = history[i];
      rows.push_back({e.key, e.time ? std::to_string(*e.time) : "NULL", e.value ? std::to_string(*e.value) : "NULL", e.text});
      weights.push_back(e.weight);
      watermarks.push_back(e.row_watermark);
      sequences.push_back(e.sequence);
      model.add(e);
    }
    h.push(rows, shape.retracts ? weights : std::vector<int64_t>{}, watermarks, sequences);
    at += n;
    const bool end = at == history.size();
    const int64_t watermark = end ? data::kWatermarkEnded : at ? history[at - 1].watermark_after : data::kWatermarkNone;
    const int64_t output_before = h.op().output_watermark();
    h.finish(watermark);
    ASSERT_GE(h.op().output_watermark(), output_before);
    if (cut == kCheckpoints) {
      if (random() % 3 == 0) h.checkpoint();
      if (random() % 5 == 0) h.restart();
    }
    if (!attached && at >= attach_at) {
      h.attach();
      attached = true;
    }
    if (cut == 1 && at % 5 != 0 && !end) continue;  // the model is slow
    const Expected expected = model.at(watermark);
    if (attached) {
      const std::vector<std::string> folded = h.folded();
      std::vector<std::string> extra, missing;  // gtest cuts long lists
      std::set_difference(folded.begin(), folded.end(), expected.rows.begin(), expected.rows.end(), std::back_inserter(extra));
      std::set_difference(expected.rows.begin(), expected.rows.end(), folded.begin(), folded.end(), std::back_inserter(missing));
      ASSERT_EQ(extra, missing) << "after " << at << " rows";
    }
    ASSERT_EQ(h.content(), expected.rows) << "content after " << at << " rows";
    ASSERT_EQ(h.op().counters.late, expected.late);
    ASSERT_EQ(h.op().counters.null_time, expected.null_time);
    ASSERT_EQ(h.rejects().rows, expected.rejects);
    if (shape.policy == EmitPolicy::kOnWindowClose) {
      ASSERT_EQ(h.sink().retractions, 0u);
    }
    if (end) break;
  }
  const OperatorCounters& c = h.op().counters;
  ASSERT_EQ(c.rows_in, c.rows_out + c.late + c.null_time + c.filtered + c.errors);
}

void run_all(const std::vector<Shape>& shapes, uint64_t seeds, uint64_t base) {
  seeds = static_cast<uint64_t>(test_share(static_cast<int64_t>(seeds)));
  if (const char* seed = std::getenv("LAMINAR_SEED")) {
    base = std::strtoull(seed, nullptr, 10);
    seeds = 1;
  }
  std::printf("seeds %llu..%llu\n", static_cast<unsigned long long>(base), static_cast<unsigned long long>(base + seeds - 1));
  for (uint64_t seed = base; seed < base + seeds; ++seed) {
    for (const Shape& shape : shapes) {
      const std::vector<Event> history = make_history(seed, shape.retracts, 300);
      for (size_t cut : {size_t{1}, size_t{7}, size_t{300}, size_t{0}}) {
        compare(shape, history, cut, false, seed);
        if (::testing::Test::HasFatalFailure()) return;
      }
      compare(shape, history, kCheckpoints, false, seed);
      if (::testing::Test::HasFatalFailure()) return;
      compare(shape, history, kCheckpoints, true, seed);
      if (::testing::Test::HasFatalFailure()) return;
      compare(shape, history, 0, true, seed);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

std::vector<Shape> shapes_of(WindowKind kind, std::vector<std::vector<int64_t>> sizes, bool retracts) {
  std::vector<Shape> shapes;
  for (const auto& size : sizes) {
    for (EmitPolicy policy : {EmitPolicy::kOnUpdate, EmitPolicy::kAfterWatermark, EmitPolicy::kOnWindowClose}) {
      for (int64_t lateness : {int64_t{0}, int64_t{13}}) {
        plan::WindowSpec spec;
        spec.kind = kind;
        spec.time_column = 1;
        (kind == WindowKind::kSession ? spec.gap_us : spec.size_us) = size[0];
        if (kind != WindowKind::kSession) spec.slide_us = size[1];
        spec.offset_us = size[2];
        shapes.push_back({spec, policy, lateness, retracts});
      }
    }
  }
  return shapes;
}

TEST(AggregateModel, Plain) { run_all({{std::nullopt, EmitPolicy::kOnUpdate, 0, false}}, 20, 100); }
TEST(AggregateModel, PlainRetracts) { run_all({{std::nullopt, EmitPolicy::kOnUpdate, 0, true}}, 20, 150); }
TEST(AggregateModel, TumbleRetracts) { run_all(shapes_of(WindowKind::kTumble, {{10, 10, 0}, {37, 37, 5}}, true), 3, 250); }
TEST(AggregateModel, HopRetracts) { run_all(shapes_of(WindowKind::kHop, {{14, 4, 3}}, true), 3, 350); }
TEST(AggregateModel, Tumble) { run_all(shapes_of(WindowKind::kTumble, {{10, 10, 0}, {37, 37, 5}}, false), 5, 200); }
TEST(AggregateModel, Hop) {
  run_all(shapes_of(WindowKind::kHop, {{10, 5, 0}, {14, 4, 3}, {10, 10, 0}, {7, 10, 2}, {40, 2, 0}}, false), 3, 300);
}
TEST(AggregateModel, Cumulate) { run_all(shapes_of(WindowKind::kCumulate, {{20, 5, 0}, {30, 10, 4}}, false), 3, 400); }
TEST(AggregateModel, SessionRetracts) { run_all(shapes_of(WindowKind::kSession, {{5, 0, 0}, {12, 0, 0}}, true), 5, 550); }
TEST(AggregateModel, Session) { run_all(shapes_of(WindowKind::kSession, {{5, 0, 0}, {12, 0, 0}}, false), 15, 500); }

}  // namespace
}  // namespace laminar::stream
