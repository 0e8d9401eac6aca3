#include "stream/state/row_log.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace laminar::stream {

using data::Batch;
using data::Column;
using data::Physical;
using data::StringRef;

RowLog::RowLog(std::span<const data::Type> types) {
  for (const data::Type& type : types) physical_.push_back(type.physical());
  scan_columns_.resize(physical_.size());
}

void RowLog::add_chunk() {
  for (const Physical physical : physical_) {
    Column column;
    column.physical = physical;
    column.data = slab_.allocate(size_t{kChunkRows} * data::physical_size(physical));
    columns_.push_back(column);
    validity_.push_back(reinterpret_cast<uint64_t*>(slab_.allocate(kChunkRows / 8)));
  }
  ++chunks_;
  chunk_fill_ = 0;
}

void RowLog::append(const Batch& batch) {
  uint32_t begin = 0;
  while (begin < batch.rows) {
    if (chunk_fill_ == kChunkRows) add_chunk();
    const uint32_t count = std::min(batch.rows - begin, kChunkRows - chunk_fill_);
    append_range(batch, begin, count);
    begin += count;
  }
}

void RowLog::append_row(const Batch& batch, uint32_t row) {
  if (chunk_fill_ == kChunkRows) add_chunk();
  append_range(batch, row, 1);
}

void RowLog::append_range(const Batch& batch, uint32_t begin, uint32_t count) {
  const size_t first_column = (chunks_ - 1) * physical_.size();
  for (size_t c = 0; c < physical_.size(); ++c) {
    const Column& source = batch.columns[c];
    Column& target = columns_[first_column + c];
    DCHECK(source.physical == target.physical);
    const uint32_t size = data::physical_size(target.physical);
    std::memcpy(static_cast<char*>(target.data) + size_t{chunk_fill_} * size,
                static_cast<const char*>(source.data) + size_t{begin} * size, size_t{count} * size);
    if (source.validity) {
      uint64_t* words = validity_[first_column + c];
      for (uint32_t i = 0; i < count; ++i) {
        if (!source.is_null(begin + i)) continue;
        if (!target.validity) {
          std::memset(words, 0xff, kChunkRows / 8);
          target.validity = words;
        }
        data::set_null(words, chunk_fill_ + i);
        if (target.physical == Physical::kString) target.values<StringRef>()[chunk_fill_ + i] = StringRef();
      }
    }
    if (target.physical == Physical::kString) {
      StringRef* values = target.values<StringRef>() + chunk_fill_;
      for (uint32_t i = 0; i < count; ++i) {
        if (values[i].is_inline()) continue;
        char* bytes = strings_.allocate(values[i].size());
        std::memcpy(bytes, values[i].data(), values[i].size());
        values[i] = StringRef(bytes, values[i].size());
      }
    }
  }
  chunk_fill_ += count;
  rows_ += count;
}

void RowLog::scan(const std::function<void(const Batch&)>& visit) {
  for (size_t chunk = 0; chunk < chunks_; ++chunk) {
    Batch batch;
    batch.rows = chunk + 1 == chunks_ ? chunk_fill_ : kChunkRows;
    std::copy_n(columns_.begin() + static_cast<ptrdiff_t>(chunk * physical_.size()), physical_.size(), scan_columns_.begin());
    batch.columns = scan_columns_;
    visit(batch);
  }
}

void RowLog::share(const FixedVisitor& fixed, const std::function<void(const Batch&)>& rest) {
  using Memory = std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>;
  const std::shared_ptr<const void> memory = std::make_shared<Memory>(slab_.memory(), strings_.memory());
  scan([&](const Batch& batch) { batch.rows == kChunkRows ? fixed(batch, memory) : rest(batch); });
}

}  // namespace laminar::stream
