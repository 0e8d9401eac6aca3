#include "stream/lookup/lookup_copy.h"

#include "base/check.h"

namespace laminar::stream {

void LookupCopy::add(const data::Batch& batch) {
  for (uint32_t row = 0; row < batch.rows; ++row) rows_.insert(batch.columns, row);
}

const LookupCopy::Index* LookupCopy::index(const std::vector<uint32_t>& key_columns) const {
  for (const auto& index : indexes_) {
    if (index->key_columns == key_columns) return index.get();
  }
  return nullptr;
}

void LookupCopy::add_index(const std::vector<uint32_t>& key_columns) {
  if (index(key_columns)) return;
  auto made = std::make_unique<Index>();
  made->key_columns = key_columns;
  made->next.assign(rows_.slot_end(), LookupIndex::kNone);
  std::vector<uint32_t> last(rows_.slot_end());  // of the chain that begins here
  std::vector<data::Column> keys(key_columns.size());
  for (uint32_t slot = 0; slot < rows_.slot_end(); ++slot) {
    const uint32_t row = slot % RowStore::kChunkRows;
    bool null = false;
    for (size_t k = 0; k < keys.size(); ++k) {
      keys[k] = rows_.column(slot, key_columns[k]);
      null |= keys[k].is_null(row);
    }
    if (null) continue;
    const uint64_t hash = hash_row(keys, row);
    const uint32_t head = made->heads.find(hash, [&](uint32_t other) {
      for (size_t k = 0; k < keys.size(); ++k) {
        if (!equal_values(keys[k], row, rows_.column(other, key_columns[k]), other % RowStore::kChunkRows)) return false;
      }
      return true;
    });
    last[slot] = slot;
    if (head == LookupIndex::kNone) {
      made->heads.insert(hash, slot);
    } else {
      made->next[last[head]] = slot;
      last[head] = slot;
    }
  }
  indexes_.push_back(std::move(made));
}

uint64_t LookupCopy::bytes() const {
  uint64_t bytes = rows_.bytes();
  for (const auto& index : indexes_) bytes += index->heads.bytes() + index->next.capacity() * sizeof(uint32_t);
  return bytes;
}

void LookupCopy::scan(const std::vector<data::Type>& types, const BatchVisitor& visit) const {
  data::BatchBuffer buffer(types);
  for (uint32_t slot = 0; slot < rows_.slot_end(); ++slot) {
    rows_.append_to(buffer, slot);
    if (!buffer.full()) continue;
    visit(buffer.view());
    buffer.clear();
  }
  if (buffer.rows > 0) visit(buffer.view());
}

void LookupCopyIndex::set(const LookupCopy* copy) {
  is_set_ = true;
  copy_ = copy;
  index_ = copy ? copy->index(key_columns()) : nullptr;
  CHECK(!copy || index_);
}

LookupIndex::Found LookupCopyIndex::find(std::span<const data::Column> keys, uint32_t row, uint64_t hash, const TickInfo&) {
  if (!is_set_) return {};
  Found found;
  found.known = true;
  if (copy_) {
    found.first = index_->heads.find(hash, [&](uint32_t slot) {
      for (size_t k = 0; k < keys.size(); ++k) {
        if (!equal_values(keys[k], row, copy_->rows().column(slot, key_columns()[k]), slot % RowStore::kChunkRows)) return false;
      }
      return true;
    });
  }
  ++(found.first == kNone ? misses : hits);
  return found;
}

}  // namespace laminar::stream
