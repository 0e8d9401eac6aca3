#include "stream/state/column_store.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace laminar::stream {

using data::Column;
using data::kBatchRowsMax;

namespace {
constexpr size_t kStringPieceBytes = 16 * 1024;
}  // namespace

ColumnStore::ColumnStore(const std::vector<data::Type>& types) {
  for (const data::Type& type : types) physical_.push_back(type.physical());
}

char* ColumnStore::allocate_string(uint32_t bytes) {
  if (bytes > kStringPieceBytes / 4) return slab_.allocate(bytes);
  if (bytes > left_) {
    cursor_ = slab_.allocate(kStringPieceBytes);
    left_ = kStringPieceBytes;
  }
  char* begin = cursor_;
  cursor_ += bytes;
  left_ -= bytes;
  return begin;
}

ColumnStore::Chunk* ColumnStore::make_chunk() {
  Chunk* chunk = new (slab_.allocate(sizeof(Chunk))) Chunk{nullptr, 0, nullptr};
  chunk->columns = reinterpret_cast<Column*>(slab_.allocate(sizeof(Column) * std::max<size_t>(1, physical_.size())));
  for (size_t c = 0; c < physical_.size(); ++c) {
    Column& column = *new (&chunk->columns[c]) Column();
    column.physical = physical_[c];
    column.data = slab_.allocate(size_t{kBatchRowsMax} * data::physical_size(column.physical));
    column.validity = reinterpret_cast<uint64_t*>(slab_.allocate(data::validity_words(kBatchRowsMax) * 8));
    std::memset(column.validity, 0xff, data::validity_words(kBatchRowsMax) * 8);
  }
  return chunk;
}

void ColumnStore::append(const data::Batch& batch) {
  for (uint32_t begin = 0; begin < batch.rows;) {
    if (!last_ || last_->rows == kBatchRowsMax) {
      Chunk* chunk = make_chunk();
      (last_ ? last_->next : first_) = chunk;
      last_ = chunk;
    }
    const uint32_t n = std::min(batch.rows - begin, kBatchRowsMax - last_->rows), to = last_->rows;
    for (size_t c = 0; c < physical_.size(); ++c) {
      const Column& from = batch.columns[c];
      Column& column = last_->columns[c];
      if (column.physical == data::Physical::kString) {
        const auto* source = from.values<data::StringRef>() + begin;
        auto* target = column.values<data::StringRef>() + to;
        for (uint32_t i = 0; i < n; ++i) {
          if (source[i].is_inline() || from.is_null(begin + i)) {
            target[i] = from.is_null(begin + i) ? data::StringRef() : source[i];
            continue;
          }
          char* bytes = allocate_string(source[i].size());
          std::memcpy(bytes, source[i].data(), source[i].size());
          target[i] = data::StringRef(bytes, source[i].size());
        }
      } else {
        const size_t size = data::physical_size(column.physical);
        std::memcpy(static_cast<char*>(column.data) + to * size, static_cast<const char*>(from.data) + begin * size, n * size);
      }
      if (from.validity)
        for (uint32_t i = 0; i < n; ++i)
          if (from.is_null(begin + i)) data::set_null(column.validity, to + i);
    }
    last_->rows += n;
    rows_ += n;
    begin += n;
  }
}

void ColumnStore::scan(const std::function<void(const data::Batch&)>& visit) const {
  for (const Chunk* chunk = first_; chunk; chunk = chunk->next) {
    data::Batch batch;
    batch.rows = chunk->rows;
    batch.columns = {chunk->columns, physical_.size()};
    visit(batch);
  }
}

void ColumnStore::share(const FixedVisitor& fixed, const std::function<void(const data::Batch&)>& rest) const {
  const std::shared_ptr<const void> memory = slab_.memory();
  scan([&](const data::Batch& batch) { batch.rows == kBatchRowsMax ? fixed(batch, memory) : rest(batch); });
}

void ColumnStore::clear() {
  slab_.clear();
  cursor_ = nullptr;
  left_ = 0;
  first_ = last_ = nullptr;
  rows_ = 0;
}

}  // namespace laminar::stream
