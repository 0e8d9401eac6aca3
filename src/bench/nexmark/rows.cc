#include "bench/nexmark/rows.h"

#include <algorithm>

namespace laminar::bench {
namespace {

constexpr uint32_t kPieceRows = 128 * 1024;

}  // namespace

NexmarkRows::NexmarkRows(const connectors::nexmark::GeneratorOptions& options,
                         const std::function<bool(std::string_view)>& wanted)
    : options_(options), generator_(options) {
  for (const connectors::nexmark::ColumnInfo& info : connectors::nexmark::columns_of(options.table)) {
    if (!wanted(info.name)) continue;
    columns_.push_back(info.column);
    schema_.push_back({std::string(info.name), data::Type::of(info.type), true});
  }
}

std::unique_ptr<ColumnStore> NexmarkRows::to_columns() const {
  auto store = std::make_unique<ColumnStore>(schema_, rows());
  data::BatchBuffer buffer(schema_);
  for (uint64_t row = 0; row < rows(); row += buffer.rows_max()) {
    buffer.clear();
    const auto count = static_cast<uint32_t>(std::min<uint64_t>(buffer.rows_max(), rows() - row));
    generator_.fill(columns_, row, count, buffer);
    buffer.rows = count;
    store->append(buffer);
  }
  return store;
}

Status NexmarkRows::to_table(const std::string& name, duck::BatchEngine& engine) const {
  RETURN_IF_ERROR(engine.create_table(name, schema_));
  data::BatchBuffer buffer(schema_, kPieceRows);
  for (uint64_t row = 0; row < rows(); row += buffer.rows_max()) {
    buffer.clear();
    const auto count = static_cast<uint32_t>(std::min<uint64_t>(buffer.rows_max(), rows() - row));
    generator_.fill(columns_, row, count, buffer);
    buffer.rows = count;
    RETURN_IF_ERROR(engine.append(name, buffer.view().columns, count));
  }
  return {};
}

}  // namespace laminar::bench
