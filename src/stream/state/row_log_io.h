// Logs of rows in saved state: a record for each chunk, by its number; only chunks with rows since the last save are put.
#pragma once

#include "data/codec.h"
#include "stream/state/state_io.h"

namespace laminar::stream {

// `saved`: how many rows the last save left in the table; raised to what is there now. A log that has shrunk is put anew.
template <class Log>
void save_log(Log& log, uint64_t& saved, uint8_t table, StateSink& sink, bool full) {
  if (full || log.rows() < saved) {
    sink.erase_prefix(table, "");
    saved = 0;
  }
  uint64_t number = 0, end = 0;
  ByteWriter key, value;
  log.scan([&](const data::Batch& batch) {
    end += batch.rows;
    const uint64_t chunk = number++;
    if (end <= saved) return;
    key.clear();
    value.clear();
    put_ordered(chunk, key);
    data::encode_batch(batch, batch.columns.size(), value);
    sink.put(table, key.view(), value.view());
  });
  saved = end;
}

// Full chunks that have come since, which stay as they are; true when there are more than `records` rows of them.
template <class Log>
bool save_log_ahead(Log& log, uint64_t& saved, uint8_t table, StateSink& sink, uint64_t& records) {
  uint64_t number = 0, end = 0;
  bool more = false;
  ByteWriter key, value;
  log.scan([&](const data::Batch& batch) {
    end += batch.rows;
    const uint64_t chunk = number++;
    if (end <= saved || batch.rows < data::kBatchRowsMax) return;
    more |= records == 0;
    if (records == 0) return;
    key.clear();
    value.clear();
    put_ordered(chunk, key);
    data::encode_batch(batch, batch.columns.size(), value);
    sink.put(table, key.view(), value.view());
    records -= std::min<uint64_t>(records, batch.rows);
    saved = end;
  });
  return more;
}

template <class Log>
Status load_log(Log& log, uint64_t& saved, uint8_t table, const std::vector<data::Type>& types, StateSource& source) {
  data::BatchBuffer rows(types);
  RETURN_IF_ERROR(source.scan(table, [&](std::string_view, std::string_view value) -> Status {
    if (!source.takes()) return {};
    ByteReader in(value);
    rows.clear();
    RETURN_IF_ERROR(data::decode_batch(in, types.size(), rows));
    log.append(rows.view());
    return {};
  }));
  saved = log.rows();
  return {};
}

}  // namespace laminar::stream
