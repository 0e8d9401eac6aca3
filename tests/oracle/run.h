// One pass of a history through a database of its own: views created, rows cut into ticks, changes folded.
//
// Threads: one. Everything follows the history and the options; no clock, no randomness.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "history.h"
#include "laminar/laminar.h"
#include "query_generator.h"

namespace oracle {

// A row of a result: doubles apart, because they are compared with a tolerance.
struct ResultRow {
  std::string exact;
  std::vector<double> doubles;
};
using Content = std::vector<ResultRow>;

laminar::Status read_rows(laminar::Connection& connection, const std::string& sql, Content& rows);
// Empty when equal as multisets.
std::string difference(Content actual, Content expected);

// On how many cores the views run; every tick then runs on all threads.
extern int cores;

class Run {
 public:
  struct Options {
    size_t cut = 1;  // rows a tick; 0: everything up to the next watermark, clock step, table change or check
    std::function<bool(size_t view)> subscribed;       // from the start
    std::function<bool(size_t view)> subscribed_late;  // from the first check on, with a snapshot
    std::function<bool(size_t view)> created_late;     // at the first check, where it reads tables and views alone
  };
  Run(const History& history, const std::vector<View>& views, const std::set<size_t>& wanted, Options options);
  // Calls back at each check of the history; false when it could not go on: see error.
  bool go(const std::function<void(const Event& check, bool last)>& at_check);

  laminar::Connection& connection() { return *connection_; }
  // Why a view was refused, by index.
  const std::map<size_t, std::string>& refused() const { return refused_; }
  // What is wrong with the changes of a view so far; empty: nothing.
  const std::string& change_fault(size_t view) const { return following_.at(view).fault; }
  bool follows(size_t view) const { return following_.count(view) != 0; }
  // Content by folded changes.
  Content folded(size_t view) const;
  // Every change, in order, as bytes.
  const std::string& changelog(size_t view) const { return following_.at(view).log; }
  std::string error;

 private:
  struct Following {
    std::unique_ptr<laminar::Subscription> subscription;
    bool closes = false, only_grows = false;
    std::map<std::string, std::pair<ResultRow, int64_t>> rows;
    std::string log, fault;
  };
  bool create();
  bool create_view(size_t view);
  bool apply(const Event& event);
  bool flush();
  bool poll();
  bool follow(size_t view);
  bool failed(const laminar::Status& status, const std::string& what);

  const History& history_;
  const std::vector<View>& views_;
  const std::set<size_t>& wanted_;
  Options options_;
  std::unique_ptr<laminar::Database> database_;
  std::unique_ptr<laminar::Connection> connection_;
  std::unique_ptr<laminar::Appender> appenders_[kSources];
  size_t pending_[kSources] = {};
  std::map<size_t, Following> following_;
  std::map<size_t, std::string> refused_;
  std::set<size_t> waiting_;  // to be created
};

}  // namespace oracle
