// LaminarDB in your process: open a database, declare sources and views in SQL, push rows, follow views.
//
// Everything that fails returns a Status or a Result; nothing throws. An error has a stable code (LDB-nnnn, docs/errors.md),
// a message, and a byte offset into the script you gave, -1 where there is none.
//
// Threads: a Database may be used from any thread. A Connection, Rows, Appender or Subscription is used by one thread at
//          a time. A tick runs on the thread that brings its rows: append() returns after every view shows the row and
//          every callback has run.
// Time:    timestamps are microseconds since 1970-01-01 UTC; dates are days.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laminar/status.h"

// The Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html).
struct ArrowSchema;
struct ArrowArray;

#define LAMINAR_API __attribute__((visibility("default")))

namespace laminar {

// How values of a column lie in memory. Strings are 16 bytes: uint32 length, then up to 12 bytes inline, or a 4-byte
// prefix and a pointer.
enum class ColumnLayout : uint8_t {
  kBool, kInt8, kInt16, kInt32, kInt64, kUInt8, kUInt16, kUInt32, kUInt64, kInt128, kUInt128, kFloat, kDouble,
  kInterval,  // int32 months, int32 days, int64 microseconds
  kString,
};

struct ColumnInfo {
  std::string name;
  std::string type;  // SQL text: "TIMESTAMP", "DECIMAL(18,3)"
  ColumnLayout layout = ColumnLayout::kInt64;
};

// One flat column. Bit i of `validity` is 1 when row i is not NULL; null pointer: no NULLs.
struct ColumnView {
  const void* data = nullptr;
  const uint64_t* validity = nullptr;

  bool is_null(size_t row) const { return validity && !(validity[row / 64] >> (row % 64) & 1); }
  template <class T>
  T value(size_t row) const { return static_cast<const T*>(data)[row]; }
  LAMINAR_API std::string_view string(size_t row) const;
};

// Some rows of one tick: columns of a view, and how often each row came (+) or went (-).
struct ChangeBatch {
  size_t rows = 0;
  std::span<const ColumnView> columns;
  const int64_t* weights = nullptr;  // never null, never 0
};

// What one tick did to a view. Lives until the callback returns, or until the next poll().
struct TickChanges {
  uint64_t tick = 0;
  int64_t watermark_us = 0;  // of the view; INT64_MIN while none is known, INT64_MAX after the end of all inputs
  std::span<const ChangeBatch> batches;
};

// The rows of a query, read once from front to back.
class LAMINAR_API Rows {
 public:
  ~Rows();
  const std::vector<ColumnInfo>& columns() const;
  // DDL, INSERT, SET: nothing to show.
  bool silent() const;
  // Moves to the next row; false at the end.
  Result<bool> next();
  bool is_null(size_t column) const;
  // The cell as SQL text, empty for NULL.
  const std::string& text(size_t column) const;
  int64_t int64(size_t column) const;    // from any text that reads as a whole number, else 0
  double float64(size_t column) const;
  // Or the rest of the rows as Arrow record batches; the caller releases both. False at the end.
  Status arrow_schema(ArrowSchema* schema);
  Result<bool> next_arrow(ArrowArray* array);

  struct Impl;
  explicit Rows(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

// One session: its transaction, settings and running statement. Keep no Rows longer than its connection.
class LAMINAR_API Connection {
 public:
  ~Connection();
  // Runs a script: statements one after another, to the first that fails. Results are read and dropped.
  Status execute(std::string_view script);
  // Runs a script and gives each statement's result in order; an error returned by `each` ends the script.
  Status execute(std::string_view script, const std::function<Status(Rows&, std::string_view statement)>& each);
  // Runs a script and returns the rows of its last statement. The connection runs nothing else until they are gone.
  Result<std::unique_ptr<Rows>> query(std::string_view script);
  // From any thread: what runs now ends with LDB-6001.
  void interrupt();
  // Texts that may follow text[0, cursor), with the place from which each replaces it.
  struct Completion {
    std::string text;
    size_t begin = 0;
  };
  std::vector<Completion> complete(std::string_view text, size_t cursor);

  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

// Pushes rows into a source with connector = 'memory', in its columns' order. An appender of a partition is one of several
// whose rows are each in order but not with one another: see Partitions in docs/sql/create-source.md.
//
// Cost:    a flush() is one tick (rows beyond 16,384 make further ticks); after warm-up nothing allocates.
// Errors:  a value that does not fit its column fails the row at end_row(); the row is not appended.
class LAMINAR_API Appender {
 public:
  ~Appender();
  const std::vector<ColumnInfo>& columns() const;
  Appender& add(int64_t value);  // integers, TIMESTAMP, DATE, BOOLEAN, DECIMAL (unscaled units)
  Appender& add(int value) { return add(int64_t{value}); }
  Appender& add(double value);   // FLOAT, DOUBLE
  Appender& add(std::string_view value);
  Appender& add(const char* value) { return add(std::string_view(value)); }
  Appender& add_null();
  Status end_row();
  // Runs the tick for the rows since the last one. Views, subscriptions and sinks show them when it returns.
  Status flush();
  // Rows as columns, without a copy: one column per source column, laid out as columns() says. The memory is read
  // during the call only.
  Status append_columns(std::span<const ColumnView> columns, size_t rows);
  // No row of the source, or of the appender's partition, has an earlier event time from now on.
  Status advance_watermark(int64_t watermark_us);
  // The partition is somebody else's: it holds the watermark back no longer. Rows bring it back, as after an idle time.
  Status leave_partition();

  struct Impl;
  explicit Appender(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

// Follows the changes of a view until it is destroyed.
class LAMINAR_API Subscription {
 public:
  ~Subscription();
  const std::vector<ColumnInfo>& columns() const;
  // For subscriptions without a callback: the next tick that changed the view, waiting up to timeout_ms (0: not at
  // all). False when none came. Null `changes` batches never happen. After warm-up nothing allocates.
  Result<bool> poll(TickChanges& changes, int timeout_ms = 0);
  // Whether all inputs have ended and everything has been polled.
  bool ended() const;

  struct Impl;
  explicit Subscription(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

struct Metric {
  std::string name;    // "ticks", "tick_p99_us", "rows_in"
  std::string object;  // the source or view it is of, empty for the database
  double value = 0;
};

class LAMINAR_API Database {
 public:
  struct Options {
    int query_threads = 0;  // for ad-hoc queries; 0: one per processor
    // With a manual clock time moves by advance_clock() only: idle timeouts, EMIT EVERY and PROCTIME() follow it.
    bool manual_clock = false;
    int64_t manual_clock_start_us = 0;
    // Rows a polled subscription may hold before append() refuses with LDB-6003.
    uint64_t subscription_rows_max = 1 << 20;
    // Opens a database whose log is damaged with what stands before the damage; the rest is kept aside as *.damaged.
    bool accept_damage = false;
    // Cores that run the views, also those that were made on another number; 0: as they were made (SET cores).
    unsigned cores = 0;
    // Gets a line now and then while recovery takes longer than 2 seconds.
    std::function<void(const std::string& line)> on_recovery;
  };
  // An empty path opens a database in memory; else a folder, made when it is not there, that holds what was done before.
  static Result<std::unique_ptr<Database>> open(const std::string& path = {});
  static Result<std::unique_ptr<Database>> open(const std::string& path, const Options& options);
  // Closes: stops sources, finishes the running tick, closes sinks with complete files.
  ~Database();

  std::unique_ptr<Connection> connect();
  // On a connection of their own.
  Status execute(std::string_view script);
  Result<std::unique_ptr<Rows>> query(std::string_view script);

  Result<std::unique_ptr<Appender>> appender(const std::string& source);
  // For one partition of the source, with a watermark of its own; partitions count from 0, kPartitionsMax at most. A
  // partition counts from its first appender on.
  static constexpr uint32_t kPartitionsMax = 65'535;
  Result<std::unique_ptr<Appender>> appender(const std::string& source, uint32_t partition);
  // Calls back once per tick that changed the view, on the thread that runs the tick. The callback must not call the
  // database. `with_snapshot`: the first call gives the content as of the subscription's tick.
  using Callback = std::function<void(const TickChanges&)>;
  Result<std::unique_ptr<Subscription>> subscribe(const std::string& view, Callback callback, bool with_snapshot = false);
  // Without a callback: poll() the subscription. A bool and nothing else: the name of a function is a callback.
  Result<std::unique_ptr<Subscription>> subscribe(const std::string& view) { return subscribe(view, Callback()); }
  Result<std::unique_ptr<Subscription>> subscribe(const std::string& view, std::same_as<bool> auto with_snapshot) {
    return subscribe(view, Callback(), with_snapshot);
  }

  std::vector<Metric> metrics();
  uint64_t tick();
  // Changes that joins have made so far of what a statement changes in the tick that runs; 0 between ticks. Never waits.
  uint64_t changes_in_tick() const;
  // Runs an empty tick: clocks are looked at, nothing else happens. As other commands it waits for what `durability` promises.
  Status run_tick();
  // Manual clock only: moves it and runs an empty tick.
  Status advance_clock(int64_t microseconds);
  // Waits until every bounded source has ended and all views show it.
  Status drain();
  void close();

  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Offset just past the first complete statement of `text`, its `;` included; none while it is incomplete.
LAMINAR_API std::optional<size_t> statement_end(std::string_view text);
// Line and column, from 1, of a byte offset.
struct TextPosition {
  int64_t line = 0, column = 0;
};
LAMINAR_API TextPosition text_position(std::string_view text, int64_t offset);

}  // namespace laminar
