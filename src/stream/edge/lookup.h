// What a connector implements that answers lookups: all rows at once, or the rows of keys as they are asked for.
//
// Threads: a reader is used by one thread at a time, which the runtime gives it; cancel() comes from any thread.
// Errors:  a Status from connect(), send(), receive() or load() is an outage: the runtime closes, waits, connects and asks
//          again. A row that cannot be decoded is no outage: it is a BadRow of the answer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "data/type.h"

namespace laminar::stream {

// Keys that are asked for together. No key has a NULL.
struct LookupKeys {
  LookupKeys(std::span<const data::Type> key_types, uint32_t keys_max) : keys(key_types, keys_max) {}
  data::BatchBuffer keys;
  std::vector<uint64_t> requests;  // parallel to the rows
};

struct LookupAnswer {
  explicit LookupAnswer(std::vector<data::Type> types) : types_(std::move(types)) {}

  // The buffer whose row `buffer.rows` the caller fills in and counts: a row of the lookup table for key `key`.
  data::BatchBuffer& next_row(uint32_t key) {
    if (used_ == 0 || buffers_[used_ - 1]->full()) {
      if (used_ == buffers_.size()) buffers_.push_back(std::make_unique<data::BatchBuffer>(types_));
      ++used_;
    }
    key_of_row.push_back(key);
    return *buffers_[used_ - 1];
  }
  // Takes the row begun last out again.
  void drop_row() { key_of_row.pop_back(); }
  void clear() {
    for (size_t i = 0; i < used_; ++i) buffers_[i]->clear();
    used_ = 0;
    key_of_row.clear();
    bad.clear();
  }
  size_t buffer_count() const { return used_; }
  data::BatchBuffer& buffer(size_t i) { return *buffers_[i]; }

  struct BadRow {
    uint32_t key;
    std::string reason, text;
  };
  std::vector<uint32_t> key_of_row;  // over all buffers; the rows of one key need not be neighbours
  std::vector<BadRow> bad;

 private:
  std::vector<data::Type> types_;
  std::vector<std::unique_ptr<data::BatchBuffer>> buffers_;
  size_t used_ = 0;
};

class LookupReader {
 public:
  virtual ~LookupReader() = default;
  // Blocks until there is a connection or the connector's limit of time is over. What was sent before is forgotten.
  virtual Status connect() = 0;
  virtual void close() = 0;

  // On demand. Batches are answered in the order of send().
  virtual Status send(const LookupKeys& keys) = 0;
  // To wait on with poll(2) between calls of receive(); -1 when there is no connection.
  virtual int descriptor() const { return -1; }
  virtual bool wants_write() const { return false; }
  // Moves bytes without waiting; true when the answer of the oldest batch is complete, in `answer`.
  virtual Result<bool> receive(LookupAnswer& answer) = 0;

  // The whole table, batch by batch. Needs no connect() before.
  virtual Status load(const std::function<Status(const data::Batch&)>& take) = 0;
  // load() ends soon with any Status.
  virtual void cancel() {}
};

class LookupDefinition {
 public:
  virtual ~LookupDefinition() = default;
  virtual bool can_ask() const = 0;   // on demand
  virtual bool can_load() const = 0;  // in full
  // Columns when the user declared none (Parquet files), else empty.
  virtual data::Schema inferred_schema() const { return {}; }
  // What is wrong with these key columns for asking on demand, in words; empty when nothing is.
  virtual std::string refuse_keys(const std::vector<uint32_t>& key_columns) const {
    (void)key_columns;
    return {};
  }
  // Whether the server is there and has what the table declares. Called at CREATE.
  virtual Status check() const { return {}; }
  // A reader that is asked by these columns; none of them: for load() only.
  virtual Result<std::unique_ptr<LookupReader>> open(const std::vector<uint32_t>& key_columns) const = 0;
};

}  // namespace laminar::stream
