// The keys of a lookup table that were asked for lately, with their rows or the knowledge that there are none.
//
// A key that is not known becomes a request; send_asks() gives them to whoever asks the server, and what comes back enters
// a tick through apply(). Rows that wait hold their entry by a ticket, so an answer reaches exactly those that asked: with
// a time to live of 0 each tick asks anew, else rows of later ticks join a request under way. An answer to a request that
// nobody knows any more is ignored.
//
// Threads: the core that owns the table.
// Bounds:  bytes_max of answered entries, least recently used first out; entries that rows wait for come on top, and the
//          waiting rows have a bound of their own.
// Time:    an entry lives ttl_us (one without rows missing_ttl_us) from the tick that brought it.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "stream/edge/lookup.h"
#include "stream/lookup/lookup_index.h"

namespace laminar::stream {

// What an answer row says; see apply().
enum class LookupAnswerKind : int8_t {
  kRow = 0,   // a row of the key, more to come
  kEnd = 1,   // the answer is complete
  kAway = 2,  // nobody could be asked: as if there were no row, and nothing is kept
};

class LookupCache final : public LookupIndex {
 public:
  struct Limits {
    int64_t ttl_us = 0, missing_ttl_us = 0;
    uint64_t bytes_max = 0;
    uint32_t batch_keys = 256;
  };
  LookupCache(std::vector<uint32_t> key_columns, std::vector<data::Type> row_types, Limits limits);

  Found find(std::span<const data::Column> keys, uint32_t row, uint64_t hash, const TickInfo& tick) override;
  Found peek(uint32_t ticket) override;
  void release(uint32_t ticket) override;
  const RowStore& rows() const override { return rows_; }
  uint32_t next(uint32_t row) const override { return next_[row]; }

  // The types of a batch of answers: request BIGINT, kind TINYINT, then the table's columns.
  static std::vector<data::Type> answer_types(const std::vector<data::Type>& row_types);
  // Rows of one request come together and in order, a kEnd or kAway last.
  void apply(const data::Batch& answers, const TickInfo& tick);

  // Asks again for all that was asked and not answered: after a recovery, which asks nobody.
  void ask_again();

  // Table 0: entries by request with their rows, 1: the order of use, 2: the last request.
  void save(StateSink& sink, bool full);
  Status load(StateSource& source);
  uint64_t saved_ticket(uint32_t ticket) const override { return entries_[ticket].request; }
  uint32_t restored_ticket(uint64_t saved) override;

  // Gets the questions of a tick.
  using Send = std::function<void(std::vector<std::unique_ptr<LookupKeys>>)>;
  void set_send(Send send) { send_ = std::move(send); }
  void send_asks() override {
    if (!asks_.empty()) send_(std::exchange(asks_, {}));
  }
  const std::vector<data::Type>& key_types() const { return key_types_; }

  struct Counters {
    uint64_t hits = 0, hits_missing = 0, misses = 0, expired = 0, evicted = 0, unknown_answers = 0;
  };
  const Counters& counters() const { return counters_; }
  uint64_t entries() const { return index_entries_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t waiting_requests() const { return waiting_; }

 private:
  struct Entry {
    uint64_t hash = 0, request = 0, tick = 0, bytes = 0;
    int64_t expires_us = 0;
    uint32_t first = kNone, last = kNone, pins = 0;
    uint32_t newer = kNone, older = kNone;  // by use, answered entries in the index
    bool answered = false, missing = false, indexed = false;
    bool noted = false;  // in unsaved_
  };
  uint32_t find_request(uint64_t request) const {
    return requests_.find(request, [&](uint32_t slot) { return entries_[slot].request == request; });
  }
  void add_ask(uint32_t slot);
  void note(uint32_t slot);
  void unlink(uint32_t slot);
  void link_newest(uint32_t slot);
  void leave_index(uint32_t slot);
  void free_entry(uint32_t slot);
  void add_row(Entry& entry, std::span<const data::Column> columns, uint32_t from);
  uint64_t row_bytes(const RowStore& store, uint32_t slot) const;

  const Limits limits_;
  const std::vector<data::Type> key_types_, row_types_;
  RowStore keys_, rows_;
  std::vector<uint32_t> next_;  // by row
  std::vector<Entry> entries_;  // by key slot
  SlotIndex index_, requests_;  // by key, and all entries by their request
  uint32_t newest_ = kNone, oldest_ = kNone;
  uint64_t bytes_ = 0, index_entries_ = 0, waiting_ = 0;
  uint64_t last_request_ = 0;
  bool noting_ = false;            // a store of checkpoints has all but what is listed here
  std::vector<uint32_t> unsaved_;  // slots
  std::vector<uint64_t> gone_;     // requests
  std::vector<std::unique_ptr<LookupKeys>> asks_;
  Send send_;
  Counters counters_;
};

}  // namespace laminar::stream
