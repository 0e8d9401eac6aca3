#include "engine/reject_store.h"

#include <algorithm>

#include "data/codec.h"
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
    case RejectReason::kAheadOfGroup: return "ahead of group";
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

RejectStore::RejectStore(const std::vector<data::Schema>& shapes, uint64_t rows_max) : rows_max_(rows_max) {
  const Type timestamp = Type::of(TypeKind::kTimestamp), text = Type::of(TypeKind::kVarchar);
  late_.schema = {{"reason", text}, {"watermark", timestamp}, {"window_start", timestamp}, {"window_end", timestamp}};
  for (const data::Schema& columns : shapes) {
    const size_t shared_end = late_.schema.size();
    std::vector<bool> used(shared_end, false);
    Shape& shape = shapes_.emplace_back();
    for (const data::Field& field : columns) {
      shape.types.push_back(field.type);
      size_t at = kFixedColumns;
      while (at < shared_end && (used[at] || late_.schema[at].name != field.name || !(late_.schema[at].type == field.type))) ++at;
      if (at < shared_end) {
        used[at] = true;
      } else {
        std::string name = field.name;
        const auto taken = [this](const std::string& n) {
          return std::any_of(late_.schema.begin(), late_.schema.end(), [&n](const data::Field& f) { return f.name == n; });
        };
        while (taken(name)) name = "row_" + name;
        at = late_.schema.size();
        late_.schema.push_back({name, field.type});
      }
      shape.columns.push_back(static_cast<uint32_t>(at));
    }
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

std::vector<std::unique_ptr<BatchBuffer>> RejectStore::take_late(const std::function<void(const data::Batch&, std::vector<bool>&)>& pick) {
  std::vector<std::unique_ptr<BatchBuffer>> taken;
  std::deque<std::unique_ptr<BatchBuffer>> kept;
  std::vector<bool> picked;
  const auto append = [this](auto& list, const data::Batch& batch, uint32_t row) {
    if (list.empty() || list.back()->full()) list.push_back(std::make_unique<BatchBuffer>(late_.schema));
    list.back()->append_row(batch, row, 1);
  };
  for (auto& chunk : late_.chunks) {
    const data::Batch batch = chunk->view();
    picked.assign(batch.rows, false);
    pick(batch, picked);
    for (uint32_t row = 0; row < batch.rows; ++row) {
      if (picked[row]) {
        append(taken, batch, row);
        ++reapplied_;
      } else {
        append(kept, batch, row);
      }
    }
  }
  late_.chunks = std::move(kept);
  return taken;
}

void RejectStore::reject(const std::vector<Type>& types, const data::Batch& batch, uint32_t row, const stream::Reject& reject) {
  if (reject.reason == RejectReason::kError) {
    // A failing row that is taken back was listed when it came.
    if (batch.weight(row) < 0) return;
    BatchBuffer& to = errors_.room(rows_max_);
    const uint32_t at_row = to.rows++;
    put_string(to, 0, at_row, reject.message);
    put_string(to, 1, at_row, row_text(types, batch, row));
    return;
  }
  BatchBuffer& to = late_.room(rows_max_);
  const uint32_t at_row = to.rows++;
  std::string_view reason = text_of(reject.reason);
  if (reject.reason == RejectReason::kLate && late_cause_) {
    if (const std::string_view cause = late_cause_(batch.sequence_of(row), reject.watermark); !cause.empty()) reason = cause;
  }
  put_string(to, 0, at_row, reason);
  // A row without a time has no place before or behind a watermark.
  put_time(to, 1, at_row, reject.watermark, reject.watermark != data::kWatermarkNone && reject.reason != RejectReason::kNullTime);
  const bool windowed = reject.window_start != reject.window_end;
  put_time(to, 2, at_row, reject.window_start, windowed);
  put_time(to, 3, at_row, reject.window_end, windowed);
  for (uint32_t c = kFixedColumns; c < late_.schema.size(); ++c) {
    data::Value::null(late_.schema[c].type).to_column(to.column(c), at_row, to.strings());
  }
  if (reject.port < shapes_.size() && types == shapes_[reject.port].types) {
    const Shape& shape = shapes_[reject.port];
    for (uint32_t c = 0; c < shape.types.size(); ++c) {
      Column& target = to.column(shape.columns[c]);
      data::set_valid(target.validity, at_row);
      data::Value::from_column(shape.types[c], batch.columns[c], row).to_column(target, at_row, to.strings());
    }
  }
  if (listener_) {
    if (!one_row_) one_row_ = std::make_unique<BatchBuffer>(late_.schema, 1);
    one_row_->clear();
    one_row_->append_row(to.view(), at_row, batch.weight(row));
    listener_(one_row_->view());
  }
}

void RejectStore::save(ByteWriter& out) const {
  for (const Rows* rows : {&late_, &errors_}) {
    out.put(rows->total).put(rows->evicted).put(static_cast<uint32_t>(rows->chunks.size()));
    for (const auto& chunk : rows->chunks) data::encode_batch(chunk->view(), chunk->column_count(), out);
  }
}

Status RejectStore::load(ByteReader& in) {
  for (Rows* rows : {&late_, &errors_}) {
    rows->total += in.get<uint64_t>();
    rows->evicted += in.get<uint64_t>();
    const uint32_t chunks = in.get<uint32_t>();
    for (uint32_t i = 0; i < chunks && in.ok(); ++i) {
      rows->chunks.push_back(std::make_unique<BatchBuffer>(rows->schema));
      RETURN_IF_ERROR(data::decode_batch(in, rows->chunks.back()->column_count(), *rows->chunks.back()));
    }
  }
  return in.ok() ? Status() : stream::damaged_state("rejected rows");
}

}  // namespace laminar::engine
