#include "check.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "asof_generator.h"
#include "laminar/laminar.h"
#include "query_generator.h"
#include "run.h"

namespace oracle {
namespace {

std::string number_or_null(const std::optional<int64_t>& value) { return value ? "(" + std::to_string(*value) + ")::BIGINT" : "NULL::BIGINT"; }

std::string filled(const std::string& sql, const Event& check) {
  std::string text;
  for (size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] != '$') text += sql[i];
    else if (sql[i + 1] == 'n') text += std::to_string(check.rows), ++i;
    else if (sql[i + 1] == 'c') text += number_or_null(check.clock_us), ++i;
    else if (sql[i + 1] == 'u') text += number_or_null(check.union_watermark), ++i;
    else text += number_or_null(check.watermarks[sql[i + 2] - '0']), i += 2;
  }
  return text;
}

struct Session {
  int64_t start, last;
  std::vector<int64_t> rows;
};

// The batch side: DuckDB alone, over the rows as they came.
class Batch {
 public:
  // `versions`: keeps the table as it was after each change.
  Batch(const History& history, bool versions) : history_(history), versions_(versions) {
    laminar::Database::Options options;
    options.query_threads = 1;
    auto database = laminar::Database::open("", options);
    if (!database.ok()) {
      error = database.status().text();
      return;
    }
    database_ = database.take();
    connection_ = database_->connect();
    if (!run(batch_tables())) return;
    for (const std::string& sql : batch_inserts(history))
      if (!run(sql)) return;
    if (versions && run("CREATE OR REPLACE TABLE memory.versions AS SELECT 0 AS n, * FROM memory.t; "
                        "CREATE OR REPLACE TABLE memory.snapshots (n BIGINT, clock BIGINT)")) run(batch_arrivals(history));
  }
  bool run(const std::string& sql) {
    const laminar::Status status = connection_->execute(sql);
    if (!status.ok()) error = sql.substr(0, 300) + ": " + status.text();
    return status.ok();
  }
  // The table changes up to the event, which comes later than the one before.
  bool advance(const Event* until) {
    for (; at_ < history_.events.size() && &history_.events[at_] != until; ++at_) {
      if (history_.events[at_].kind != Event::Kind::kTable) continue;
      std::string sql = history_.events[at_].sql;
      for (size_t at = sql.find("{t}"); at != std::string::npos; at = sql.find("{t}")) sql.replace(at, 3, "memory.t");
      if (!run(sql)) return false;
      const std::string n = std::to_string(history_.events[at_].table_changes + 1);
      if (versions_ && !run("INSERT INTO memory.versions SELECT " + n + ", * FROM memory.t; INSERT INTO memory.snapshots SELECT " + n + ", " +
                            std::to_string(history_.events[at_].clock_us))) return false;
    }
    return true;
  }
  bool model_sessions(const SessionModel& model, const Event& check) {
    Content rows;
    const laminar::Status status = read_rows(*connection_, filled(model.rows_sql, check), rows);
    if (!status.ok()) {
      error = status.text();
      return false;
    }
    struct Timed {
      int64_t seq, time, session;
      std::optional<int64_t> watermark;
    };
    std::map<std::string, std::vector<Timed>> keys;
    for (const ResultRow& row : rows) {
      std::vector<std::string> cells;
      std::string cell;
      for (char c : row.exact) {
        if (c == '\x1f') cells.push_back(cell), cell.clear();
        else cell += c;
      }
      Timed timed{std::stoll(cells[0]), std::stoll(cells[2]), 0, std::nullopt};
      if (cells[3] != "NULL") timed.watermark = std::stoll(cells[3]);
      const bool late = timed.watermark && *timed.watermark >= timed.time + model.gap_us + model.lateness_us;
      if (!late) keys[cells[1]].push_back(timed);
    }
    // Two rows within a gap are linked unless the watermark before the later one had closed what ends with the earlier
    // one; sessions are what links connect. The order of arrival does not matter.
    std::map<std::string, std::vector<Session>> sessions;
    for (auto& [key, list] : keys) {
      std::sort(list.begin(), list.end(), [](const Timed& a, const Timed& b) { return a.time < b.time; });
      for (size_t i = 0; i < list.size(); ++i) list[i].session = static_cast<int64_t>(i);
      const auto linked = [&](const Timed& a, const Timed& b) {
        return b.time - a.time <= model.gap_us && !(b.watermark && *b.watermark >= a.time + model.gap_us + model.lateness_us);
      };
      for (size_t b = 0; b < list.size(); ++b) {
        for (size_t a = 0; a < list.size() && list[a].time <= list[b].time; ++a) {
          const int64_t from = list[b].session, to = list[a].session;
          if (from == to || !linked(list[a], list[b])) continue;
          for (Timed& timed : list)
            if (timed.session == from) timed.session = to;
        }
      }
      std::map<int64_t, Session> of;
      for (const Timed& timed : list) {
        auto [at, added] = of.try_emplace(timed.session, Session{timed.time, timed.time, {}});
        at->second.last = timed.time;  // in order of time
        at->second.rows.push_back(timed.seq);
      }
      for (auto& [number, session] : of) sessions[key].push_back(session);
    }
    std::string values;
    for (const auto& [key, list] : sessions)
      for (const Session& session : list)
        for (int64_t seq : session.rows)
          values += (values.empty() ? "" : ", ") + ("(" + std::to_string(seq)) + ", make_timestamp(" + std::to_string(session.start) + "), make_timestamp(" +
                    std::to_string(session.last + model.gap_us) + "))";
    return run("CREATE OR REPLACE TABLE memory." + model.table + " (_seq BIGINT, window_start TIMESTAMP, window_end TIMESTAMP)") &&
           (values.empty() || run("INSERT INTO memory." + model.table + " VALUES " + values));
  }
  laminar::Connection& connection() { return *connection_; }
  std::string error;

 private:
  const History& history_;
  const bool versions_;
  size_t at_ = 0;
  std::unique_ptr<laminar::Database> database_;
  std::unique_ptr<laminar::Connection> connection_;
};

class Judge {
 public:
  Judge(uint64_t seed, const std::set<size_t>& wanted, size_t count, MakeViews make)
      : seed_(seed), wanted_(wanted), versions_(make == make_asof_views), history_(make_history(seed, make == make_views)), views_(make(seed, count)) {
    for (size_t i : wanted) closure_.insert(views_[i].relation.views.begin(), views_[i].relation.views.end());
  }

  Outcome run() {
    Batch batch(history_, versions_);
    if (!batch.error.empty()) return all_failed("the batch side cannot start: " + batch.error);
    Random random(seed_ + 99);
    Run::Options options;
    options.cut = random.pick<size_t>({1, 2, 5, 16, 40});
    options.subscribed = [&](size_t view) { return (view * 7 + seed_) % 3 != 0; };
    options.subscribed_late = [&](size_t view) { return (view + seed_) % 2 == 0; };
    options.created_late = [&](size_t view) { return (view * 5 + seed_) % 4 == 0; };
    Run run(history_, views_, closure_, options);
    std::map<size_t, Content> contents, late;
    const bool went = run.go([&](const Event& check, bool last) { judge(run, batch, check, last, contents, late); });
    for (const auto& [view, reason] : run.refused()) skip(view, "refused: " + reason);
    if (!went) return all_failed(run.error);

    // Law 4: the same again.
    Run twin(history_, views_, closure_, options);
    if (!twin.go([](const Event&, bool) {})) return all_failed("second run: " + twin.error);
    for (size_t view : closure_)
      if (run.follows(view) && run.changelog(view) != twin.changelog(view)) fail(view, "the same run gives other changes\n" + first_difference(run.changelog(view), twin.changelog(view)));
    // Cuts: other ticks, and subscribed where it was not before.
    for (const size_t cut : {size_t{1}, size_t{7}, size_t{0}}) {
      if (cut == options.cut) continue;
      Run::Options other = options;
      other.cut = cut;
      if (cut == 7) other.created_late = {};
      if (cut != 1) other.subscribed = [&](size_t view) { return !options.subscribed(view); };
      Run again(history_, views_, closure_, other);
      const bool finished = again.go([&](const Event&, bool last) {
        if (!last) return;
        for (const auto& [view, content] : contents) {
          const std::string where = "ticks of " + (cut ? std::to_string(cut) : "all") + " rows instead of " + std::to_string(options.cut) + ": ";
          compare(view, where + "the view", content_of(again, view), content);
          if (auto found = late.find(view); found != late.end()) compare(view, where + "late rows", late_of(again, view), found->second);
          if (again.follows(view)) {
            if (!again.change_fault(view).empty()) fail(view, where + again.change_fault(view));
            compare(view, where + "changes folded", again.folded(view), content_of(again, view));
          }
        }
        conservation(again);
      });
      if (!finished) return all_failed("ticks of " + std::to_string(cut) + " rows: " + again.error);
    }
    for (size_t view : wanted_)
      if (!outcome_.failed.count(view) && !outcome_.skipped.count(view)) outcome_.passed.insert(view);
    return outcome_;
  }

 private:
  void fail(size_t view, const std::string& what) {
    std::string& text = outcome_.failed[view];
    if (!text.empty()) return;
    text = what;
    for (size_t v : views_[view].relation.views) text += views_[v].create + ";\n";
    text += "batch: " + views_[view].select + "\n";
  }
  void skip(size_t view, const std::string& what) {
    if (wanted_.count(view)) outcome_.skipped[view] = what + "\n" + views_[view].create + "\n";
  }
  Outcome all_failed(const std::string& what) {
    for (size_t view : wanted_) fail(view, what + "\n");
    return outcome_;
  }
  Content rows_of(Run& run, size_t view, const std::string& sql) {
    Content rows;
    const laminar::Status status = read_rows(run.connection(), sql, rows);
    if (!status.ok()) fail(view, sql + ": " + status.text() + "\n");
    return rows;
  }
  Content content_of(Run& run, size_t view) { return rows_of(run, view, "SELECT * FROM " + views_[view].relation.name); }
  Content late_of(Run& run, size_t view) {
    return rows_of(run, view, "SELECT window_start, window_end FROM late_rows('" + views_[view].relation.name + "') WHERE reason LIKE 'late%'");
  }
  bool expected(Batch& batch, size_t view, const std::string& sql, const Event& check, Content& rows) {
    const laminar::Status status = read_rows(batch.connection(), filled(sql, check), rows);
    if (!status.ok()) skip(view, "the batch fails: " + status.text() + "\n" + filled(sql, check));
    return status.ok();
  }
  void compare(size_t view, const std::string& what, const Content& actual, const Content& wanted) {
    const std::string text = difference(actual, wanted);
    if (!text.empty()) fail(view, what + ":\n" + text);
  }
  static std::string first_difference(const std::string& a, const std::string& b) {
    const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    const size_t at = static_cast<size_t>(x - a.begin());
    const size_t begin = at > 200 ? at - 200 : 0;
    return "  first:  " + a.substr(begin, 400) + "\n  second: " + b.substr(begin, 400) + "\n";
  }

  void judge(Run& run, Batch& batch, const Event& check, bool last, std::map<size_t, Content>& contents, std::map<size_t, Content>& late) {
    if (!batch.advance(&check)) {
      all_failed("the batch side cannot follow: " + batch.error + "\n");
      return;
    }
    for (size_t view : closure_) {
      const View& v = views_[view];
      if (run.refused().count(view)) continue;
      if (v.session && !batch.model_sessions(*v.session, check)) {
        skip(view, "the model of sessions fails: " + batch.error);
        continue;
      }
      if (!wanted_.count(view)) continue;
      const std::string where = "after " + std::to_string(check.rows) + " rows: ";
      const Content content = content_of(run, view);
      Content rows;
      if ((v.relation.fresh || check.settled) && expected(batch, view, v.select, check, rows)) compare(view, where + "the view", content, rows);
      if (run.follows(view)) {
        if (!run.change_fault(view).empty()) fail(view, where + run.change_fault(view));
        compare(view, where + "changes folded, against the view", run.folded(view), content);
      }
      if (v.has_late) {
        const Content got = late_of(run, view);
        if (expected(batch, view, v.late_sql, check, rows)) compare(view, where + "late rows", got, rows);
        if (last) late[view] = got;
      }
      if (!v.null_time_sql.empty() && expected(batch, view, v.null_time_sql, check, rows)) {
        compare(view, where + "rows without time", rows_of(run, view, "SELECT count(*) FROM late_rows('" + v.relation.name + "') WHERE reason = 'null time'"), rows);
      }
      const Content failed_rows = rows_of(run, view, "SELECT count(*) FROM errors('" + v.relation.name + "')");
      if (!v.may_fail) compare(view, where + "rows fail", failed_rows, {ResultRow{"0\x1f", {}}});
      else if (!v.errors_sql.empty() && expected(batch, view, v.errors_sql, check, rows)) compare(view, where + "rows that fail", failed_rows, rows);
      if (last) contents[view] = content;
    }
    conservation(run);
  }
  void conservation(Run& run) {
    for (size_t view : wanted_) {
      if (run.refused().count(view)) continue;
      compare(view, "conservation (law 13)", rows_of(run, view, "SELECT * FROM laminar_conservation() WHERE view = '" + views_[view].relation.name + "' AND difference <> 0"), {});
    }
  }

  uint64_t seed_;
  std::set<size_t> wanted_, closure_;
  const bool versions_;
  History history_;
  std::vector<View> views_;
  Outcome outcome_;
};

}  // namespace

Outcome check_history(uint64_t seed, const std::set<size_t>& wanted, size_t views_per_history, MakeViews make) {
  return Judge(seed, wanted, views_per_history, make).run();
}

}  // namespace oracle
