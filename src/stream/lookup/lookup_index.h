// The rows of a lookup table by one set of key columns, as a lookup operator sees them: known, or to be waited for.
//
// Threads: the core that owns the table.
// Time:    the tick's clock; the same ticks with the same answers give the same rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/batch.h"
#include "stream/operators/operator.h"
#include "stream/state/row_store.h"

namespace laminar::stream {

class LookupIndex {
 public:
  static constexpr uint32_t kNone = RowStore::kNone;

  struct Found {
    bool known = false;
    uint32_t first = kNone;   // known: the first row, or kNone when there is none
    uint32_t ticket = kNone;  // not known: for redeem(); kNone: find() again later
  };

  virtual ~LookupIndex() = default;
  // The rows of a key without NULLs. A key that is not known is asked for, and its entry is held for one redeem().
  virtual Found find(std::span<const data::Column> keys, uint32_t row, uint64_t hash, const TickInfo& tick) = 0;
  // The answer to a ticket, once it is there.
  virtual Found peek(uint32_t ticket) = 0;
  // The holder of a ticket needs it no more; rows that peek() gave may go.
  virtual void release(uint32_t ticket) = 0;
  // Saved state: what stands for a ticket in it (0: nothing), and that ticket again, held once more; kNone when it is not
  // there.
  virtual uint64_t saved_ticket(uint32_t ticket) const { (void)ticket; return 0; }
  virtual uint32_t restored_ticket(uint64_t saved) { (void)saved; return kNone; }
  // Rows of the table, all its columns; they stay until the next find() of another tick, release() or answer.
  virtual const RowStore& rows() const = 0;
  virtual uint32_t next(uint32_t row) const = 0;
  // Questions of this tick go out.
  virtual void send_asks() {}

  const std::vector<uint32_t>& key_columns() const { return key_columns_; }

 protected:
  explicit LookupIndex(std::vector<uint32_t> key_columns) : key_columns_(std::move(key_columns)) {}

 private:
  const std::vector<uint32_t> key_columns_;
};

// Whether two values of one type are equal; neither is NULL. Not for floating point and INTERVAL.
bool equal_values(const data::Column& a, uint32_t row_a, const data::Column& b, uint32_t row_b);

}  // namespace laminar::stream
