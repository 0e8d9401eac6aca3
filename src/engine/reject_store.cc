#include "engine/reject_store.h"

#include <algorithm>

#include "data/text.h"
#include "data/value.h"

namespace laminar::engine {

using data::BatchBuffer;
using data::Column;
using data::StringRef;
using data::Type;
using data::TypeKind;
using stream::RejectReason;

namespace {

constexpr uint32_t kFixedColumns = 4;  // reason, watermark, window_start, window_end

const char* text_of(RejectReason reason) {
  switch (reason) {
    case RejectReason::kLate: return "late";
    case RejectReason::kNullTime: return "null time";
    case RejectReason::kFutureTime: return "future time";
    case RejectReason::kError: return "error";
  }
  return "";
}

std::string row_text(const std::vector<Type>& types, const data::Batch& batch, uint32_t row) {
  std::string text = "(";
  for (size_t c = 0; c < types.size() && c < batch.columns.size(); ++c) {
    if (c > 0) text += ", ";
    data::append_text(types[c], batch.columns[c], row, text);
  }
  return text + ")";
}

void put_string(BatchBuffer& to, uint32_t column, uint32_t row, std::string_view text) {
  to.column(column).values<StringRef>()[row] = to.strings().copy(text);
}

void put_time(BatchBuffer& to, uint32_t column, uint32_t row, int64_t us, bool present) {
  to.column(column).values<int64_t>()[row] = us;
  if (!present) data::set_null(to.column(column).validity, row);
}

}  // namespace

RejectStore::RejectStore(data::Schema columns, uint64_t rows_max) : rows_max_(rows_max) {
  const Type timestamp = Type::of(TypeKind::kTimestamp), text = Type::of(TypeKind::kVarchar);
  late_.schema = {{"reason", text}, {"watermark", timestamp}, {"window_start", timestamp}, {"window_end", timestamp}};
  for (data::Field& field : columns) {
    row_types_.push_back(field.type);
    std::string name = field.name;
    const auto taken = [this](const std::string& n) {
      return std::any_of(late_.schema.begin(), late_.schema.end(), [&n](const data::Field& f) { return f.name == n; });
    };
    while (taken(name)) name = "row_" + name;
    late_.schema.push_back({name, field.type});
  }
  errors_.schema = {{"message", text}, {"row", text}};
}

BatchBuffer& RejectStore::Rows::room(uint64_t rows_max) {
  ++total;
  if (chunks.empty() || chunks.back()->full()) {
    if (chunks.size() * data::kBatchRowsMax >= rows_max && !chunks.empty()) {
      std::unique_ptr<BatchBuffer> oldest = std::move(chunks.front());
      chunks.pop_front();
      evicted += oldest->rows;
      oldest->clear();
      chunks.push_back(std::move(oldest));
    } else {
      chunks.push_back(std::make_unique<BatchBuffer>(schema));
    }
  }
  return *chunks.back();
}

void RejectStore::Rows::scan(const stream::BatchVisitor& visit) {
  for (auto& chunk : chunks) {
    if (chunk->rows > 0) visit(chunk->view());
  }
}

void RejectStore::reject(const std::vector<Type>& types, const data::Batch& batch, uint32_t row, const stream::Reject& reject) {
  if (reject.reason == RejectReason::kError) {
    BatchBuffer& to = errors_.room(rows_max_);
    const uint32_t at_row = to.rows++;
    put_string(to, 0, at_row, reject.message);
    put_string(to, 1, at_row, row_text(types, batch, row));
    return;
  }
  BatchBuffer& to = late_.room(rows_max_);
  const uint32_t at_row = to.rows++;
  put_string(to, 0, at_row, text_of(reject.reason));
  // A row without a time has no place before or behind a watermark.
  put_time(to, 1, at_row, reject.watermark, reject.watermark != data::kWatermarkNone && reject.reason != RejectReason::kNullTime);
  const bool windowed = reject.window_start != reject.window_end;
  put_time(to, 2, at_row, reject.window_start, windowed);
  put_time(to, 3, at_row, reject.window_end, windowed);
  const bool same_shape = types == row_types_;
  for (uint32_t c = 0; c < row_types_.size(); ++c) {
    Column& target = to.column(kFixedColumns + c);
    if (same_shape) {
      data::Value::from_column(row_types_[c], batch.columns[c], row).to_column(target, at_row, to.strings());
    } else {
      data::Value::null(row_types_[c]).to_column(target, at_row, to.strings());
    }
  }
  if (listener_) {
    if (!one_row_) one_row_ = std::make_unique<BatchBuffer>(late_.schema, 1);
    one_row_->clear();
    one_row_->append_row(to.view(), at_row, batch.weight(row));
    listener_(one_row_->view());
  }
}

}  // namespace laminar::engine
