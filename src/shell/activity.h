// What goes on beside a running statement: Ctrl-C interrupts it, and a line of progress shows when it takes long.
//
// Threads: the caller's, and one of its own that watches while a statement runs.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "laminar/laminar.h"
#include "shell/interrupt.h"

namespace laminar::shell {

class Activity {
 public:
  // `progress_fd`: the terminal for the line of progress, -1 for none.
  Activity(Database& database, int progress_fd);
  ~Activity();
  Activity(const Activity&) = delete;

  // A statement begins to run on the connection, which must live until end().
  void begin(Connection& connection);
  // Results are about to be printed: no line of progress from here on.
  void quiet();
  void end();

 private:
  void watch();
  void draw(int64_t elapsed_ms);
  void erase();

  Database& database_;
  const int progress_fd_;
  Interrupts::Receiver interrupts_;
  std::mutex mutex_;
  Connection* connection_ = nullptr;  // null: nothing runs
  int64_t begin_ns_ = 0;
  bool show_ = false, drawn_ = false, stop_ = false;
  uint64_t frame_ = 0;
  double rows_before_ = 0;  // at begin()
  std::thread thread_;
};

}  // namespace laminar::shell
