// A join in saved state. Tables: 0 and 1 the rows of each side, 2 what was seen.
//
// Rows are put all at once, numbered so that those of a chain come last to first: taken in again in that order, the
// chains are as they were. Keys, indexes and timers follow from the rows. The rows of a log come after them, marked by the
// number that others have for their matches: below zero, the first of each chunk with
// what that has cost and how many rows before have left.
#include <algorithm>

#include "data/codec.h"
#include "stream/joins/join_operator.h"
#include "stream/state/state_io.h"

namespace laminar::stream {

namespace {
constexpr int64_t kLogged = -1, kChunkBegins = -2;
}  // namespace

void JoinOperator::save_state(StateSink& sink, bool) {
  ByteWriter key, value;
  std::vector<char*> groups(data::kBatchRowsMax);
  std::vector<uint32_t> chain;
  for (uint32_t port = 0; port < 2; ++port) {
    JoinSide& side = *sides_[port];
    sink.erase_prefix(static_cast<uint8_t>(port), "");
    data::BatchBuffer row(inputs_[port].types, 1);
    uint64_t number = 0;
    GroupTable::Cursor cursor;
    while (const uint32_t n = groups_.next(cursor, groups.data(), data::kBatchRowsMax)) {
      for (uint32_t g = 0; g < n; ++g) {
        chain.clear();
        for (uint32_t slot = side.first(groups[g]); slot != JoinSide::kNone; slot = side.next(slot)) chain.push_back(slot);
        for (auto slot = chain.rbegin(); slot != chain.rend(); ++slot) {
          row.clear();
          for (uint32_t c = 0; c < row.column_count(); ++c) side.rows().copy(*slot, c, row.column(c), 0);
          row.rows = 1;
          key.clear();
          put_ordered(number++, key);
          value.clear();
          value.put(side.weight(*slot)).put(inputs_[port].counts ? side.matches(*slot) : int64_t{0});
          data::encode_row(row.view(), 0, value);
          sink.put(static_cast<uint8_t>(port), key.view(), value.view());
        }
      }
    }
    if (!logs_[port]) continue;
    logs_[port]->each_chunk([&](const JoinLog::Chunk& chunk) {
      const data::Batch batch = chunk.batch();
      for (uint32_t i = chunk.begin; i < chunk.end; ++i) {
        key.clear();
        put_ordered(number++, key);
        value.clear();
        value.put(int64_t{1}).put(i == chunk.begin ? kChunkBegins - static_cast<int64_t>(chunk.cost * JoinLog::kChunkRows + chunk.begin) : kLogged);
        data::encode_row(batch, i, value);
        sink.put(static_cast<uint8_t>(port), key.view(), value.view());
      }
    });
  }
  value.clear();
  value.put(sequence_).put(inputs_[0].last_watermark).put(inputs_[1].last_watermark);
  sink.put(2, "", value.view());
}

Status JoinOperator::load_state(StateSource& source) {
  for (uint32_t port = 0; port < 2; ++port) {
    JoinSide& side = *sides_[port];
    data::BatchBuffer row(inputs_[port].types, 1);
    RETURN_IF_ERROR(source.scan(static_cast<uint8_t>(port), [&](std::string_view, std::string_view bytes) -> Status {
      ByteReader in(bytes);
      const int64_t weight = in.get<int64_t>();
      int64_t matches = in.get<int64_t>();
      row.clear();
      RETURN_IF_ERROR(data::decode_row(in, row));
      row.weights()[0] = weight;
      row.has_weights = weight != 1;
      const data::Batch batch = row.view();
      if (weight == 0 || (weight != 1 && !side.has_weights())) return damaged_state(label);
      if (!source.owns(port, batch)) return {};
      for (size_t k = 0; k < inputs_[port].keys.size(); ++k) key_columns_[k] = batch.columns[inputs_[port].keys[k]];
      hash_keys(shape_, key_columns_, 1, hashes_.data());
      // A log is in the order of one core: rows of several come under their keys.
      if (matches < 0 && source.shared()) matches = 0;
      if (logs_[port] && matches < 0) {
        if (matches <= kChunkBegins) {
          const uint64_t mark = static_cast<uint64_t>(kChunkBegins - matches);
          logs_[port]->begin_chunk(static_cast<uint32_t>(mark % JoinLog::kChunkRows), mark / JoinLog::kChunkRows);
        }
        const uint32_t first = 0;
        logs_[port]->append(batch, hashes_.data(), &first, 1);
        return {};
      }
      char* group;
      groups_.find_or_create(key_columns_, hashes_.data(), nullptr, 1, &group);
      side.prepare(batch);
      const JoinSide::Applied applied = side.apply(group, batch, 0);
      if (inputs_[port].counts) side.matches(applied.slot) = matches;
      return {};
    }));
  }
  return source.scan(2, [this](std::string_view, std::string_view bytes) -> Status {
    ByteReader in(bytes);
    sequence_ = std::max(sequence_, in.get<uint64_t>());
    for (Input& input : inputs_) input.last_watermark = std::max(input.last_watermark, in.get<int64_t>());
    return in.ok() ? Status() : damaged_state(label);
  });
}

}  // namespace laminar::stream
