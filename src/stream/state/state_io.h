// What an operator writes at a checkpoint and reads at recovery: records of bytes, in tables that it numbers itself.
//
// A checkpoint calls save_state(sink, full) of every operator between two ticks. Full: the store is empty, everything is
// put. Not full: the store holds what the last save_state() of this object left, so only what has changed since is put
// or erased; an operator that does not follow its changes may put everything and erase what went. Recovery makes the
// operator anew from its plan and calls load_state() once, before its first tick, outputs already wired.
//
// Where an operator runs on several cores each of its instances saves its own records. They may be read by another number of
// instances: every one of them then sees the records of all, and leaves out what is not its own by owns() or takes().
// What was noted once for each instance (watermarks seen, counters of its own) comes several times: the greatest counts.
//
// A large state may be put piece by piece before, by save_ahead(); records that are put again later replace those.
//
// Keys are the operator's own identities (a group key, a window and a key, a slot): bytes that stay the same while the
// record lives, since a checkpoint stores what differs by key. Order within a table is that of the key bytes: whoever
// needs numbers in order writes them big endian (put_ordered). What is derived (indexes, heaps, sums over records) is
// rebuilt by load_state() and not stored. Counters and watermarks are stored for every operator by the checkpoint.
//
// Threads: the core that owns the operator.
// Owns:    a sink copies what it is given; what a source shows lives until the visitor returns.
// Bounds:  tables 0 to 199 are the operator's.
// Errors:  load_state() returns LDB-6006 (kDamagedState) for records that it cannot read; save_state() cannot fail.
// Format:  Operator::state_version() is stored with the records and given back by StateSource::version(); an operator
//          reads its own earlier versions or returns kDamagedState, and recovery replays the log instead.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "data/batch.h"

namespace laminar::stream {

class StateSink {
 public:
  virtual ~StateSink() = default;
  virtual void put(uint8_t table, std::string_view key, std::string_view value) = 0;
  // A key that is not there is ignored.
  virtual void erase(uint8_t table, std::string_view key) = 0;
  // Every key of the table that begins so; "" empties it. How an operator that does not follow its changes starts over.
  virtual void erase_prefix(uint8_t table, std::string_view prefix) = 0;
};

class StateSource {
 public:
  using Visitor = std::function<Status(std::string_view key, std::string_view value)>;
  virtual ~StateSource() = default;
  // Every record of a table by key; a failed visit ends it and is returned.
  virtual Status scan(uint8_t table, const Visitor& visit) = 0;
  virtual uint32_t version() const = 0;
  // Whether the records are of another number of instances.
  virtual bool shared() const { return false; }
  // Whether a row that came at input `port` belongs to this instance. The row is the first of the batch; columns other than
  // those that spread the input over the cores may be missing.
  virtual bool owns(uint32_t port, const data::Batch& row) { (void)port; (void)row; return true; }
  // Whether the record being visited goes to this instance, where any core may have it. Asked once a record.
  virtual bool takes() { return true; }
};

// An unsigned number whose byte order is its order.
inline void put_ordered(uint64_t number, ByteWriter& out) { out.put(__builtin_bswap64(number)); }
inline uint64_t get_ordered(ByteReader& in) { return __builtin_bswap64(in.get<uint64_t>()); }

inline Status damaged_state(std::string_view label) {
  return Status(ErrorCode::kDamagedState, "saved state cannot be read: operator " + std::string(label));
}

}  // namespace laminar::stream
