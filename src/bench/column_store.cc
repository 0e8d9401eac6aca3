#include "bench/column_store.h"

#include <sys/mman.h>
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace laminar::bench {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kStagger = 320;  // columns must not meet in the same cache sets

}  // namespace

void ColumnStore::Release::operator()(char* bytes) const { std::free(bytes); }

ColumnStore::ColumnStore(data::Schema schema, uint64_t rows_max) : schema_(std::move(schema)), rows_max_(rows_max) {
  for (size_t i = 0; i < schema_.size(); ++i) {
    const data::Physical physical = schema_[i].type.physical();
    const size_t stagger = kStagger * i;
    const size_t needed = rows_max * data::physical_size(physical) + stagger + 64;
    const size_t size = (needed + kHugePage - 1) / kHugePage * kHugePage;
    char* bytes = static_cast<char*>(std::aligned_alloc(kHugePage, size));
    CHECK(bytes != nullptr);
    ::madvise(bytes, size, MADV_HUGEPAGE);
    bytes_.emplace_back(bytes);
    validity_.emplace_back((rows_max + 63) / 64 + 1, ~uint64_t{0});
    columns_.push_back({bytes + stagger, validity_.back().data(), physical});
  }
  has_nulls_.resize(schema_.size());
}

void ColumnStore::append(const data::BatchBuffer& from) {
  CHECK(rows_ + from.rows <= rows_max_);
  for (size_t i = 0; i < columns_.size(); ++i) {
    const data::Column& in = from.column(static_cast<uint32_t>(i));
    data::Column& out = columns_[i];
    if (out.physical == data::Physical::kString) {
      for (uint32_t row = 0; row < from.rows; ++row) {
        out.values<data::StringRef>()[rows_ + row] = strings_.copy(in.values<data::StringRef>()[row]);
      }
    } else {
      const size_t size = data::physical_size(out.physical);
      std::memcpy(static_cast<char*>(out.data) + rows_ * size, in.data, from.rows * size);
    }
    for (uint32_t row = 0; in.validity && row < from.rows; ++row) {
      if (!in.is_null(row)) continue;
      validity_[i][(rows_ + row) / 64] &= ~(uint64_t{1} << ((rows_ + row) % 64));
      has_nulls_[i] = true;
    }
  }
  rows_ += from.rows;
}

ColumnStore::Slice ColumnStore::slice(uint64_t begin, uint64_t rows) {
  CHECK(begin + rows <= rows_);
  Slice out;
  out.rows = rows;
  for (size_t i = 0; i < columns_.size(); ++i) {
    ColumnView view{static_cast<const char*>(columns_[i].data) + begin * data::physical_size(columns_[i].physical),
                    nullptr};
    if (has_nulls_[i]) {
      const uint64_t* words = validity_[i].data() + begin / 64;
      if (const unsigned shift = begin % 64; shift != 0) {
        std::vector<uint64_t>& aligned = shifted_.emplace_back((rows + 63) / 64);
        for (size_t w = 0; w < aligned.size(); ++w) aligned[w] = words[w] >> shift | words[w + 1] << (64 - shift);
        words = aligned.data();
      }
      view.validity = words;
    }
    out.columns.push_back(view);
  }
  return out;
}

}  // namespace laminar::bench
