#include "sql/catalog/scan.h"

#include "duck/chunk.h"
#include "duck/types.h"
#include "duckdb/catalog/catalog.hpp"
#include "duckdb/common/serializer/deserializer.hpp"
#include "duckdb/common/serializer/serializer.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/database.hpp"
#include "duckdb/main/extension/extension_loader.hpp"
#include "sql/catalog/duck_error.h"
#include "sql/catalog/object_kind.h"
#include "sql/catalog/transaction.h"

namespace laminar::sql {
namespace {

// Columns that DuckDB may ask for beside the object's own, as positions behind them.
enum VirtualColumn : uint32_t { kRowId, kNothing, kVirtualColumns };

std::vector<data::Type> scan_types(const data::Schema& schema) {
  std::vector<data::Type> types;
  for (const data::Field& field : schema) types.push_back(field.type);
  types.push_back(data::Type::of(data::TypeKind::kInt64));
  types.push_back(data::Type::of(data::TypeKind::kBoolean));
  return types;
}

std::vector<uint32_t> scan_columns(const data::Schema& schema, const std::vector<duckdb::column_t>& ids) {
  const auto own = static_cast<uint32_t>(schema.size());
  std::vector<uint32_t> columns;
  for (const duckdb::column_t id : ids) {
    if (id < own) {
      columns.push_back(static_cast<uint32_t>(id));
    } else {
      columns.push_back(own + (id == duckdb::COLUMN_IDENTIFIER_ROW_ID ? kRowId : kNothing));
    }
  }
  return columns;
}

struct ScanState : duckdb::GlobalTableFunctionState {
  ScanState(std::unique_ptr<Snapshot> snapshot, const data::Schema& schema, const std::vector<duckdb::column_t>& ids)
      : snapshot(std::move(snapshot)), scan(scan_types(schema), scan_columns(schema, ids)), nothing(data::kBatchRowsMax) {
    for (const duckdb::column_t id : ids) {
      if (id == duckdb::COLUMN_IDENTIFIER_ROW_ID) row_ids.resize(data::kBatchRowsMax);
    }
  }
  // A pipeline of one thread: the reader gives one batch after another.
  duckdb::idx_t MaxThreads() const override { return 1; }

  // The batch with the virtual columns behind its own.
  void start(const data::Batch& batch) {
    columns.assign(batch.columns.begin(), batch.columns.end());
    if (!row_ids.empty()) {
      for (uint32_t row = 0; row < batch.rows; ++row) row_ids[row] = batch.sequence_of(row);
    }
    columns.push_back({row_ids.empty() ? nothing.data() : static_cast<void*>(row_ids.data()), nullptr, data::Physical::kI64});
    columns.push_back({nothing.data(), nullptr, data::Physical::kBool});
    data::Batch extended = batch;
    extended.columns = columns;
    scan.start(extended);
  }

  std::unique_ptr<Snapshot> snapshot;
  duck::BatchScan scan;
  std::vector<data::Column> columns;
  std::vector<uint64_t> row_ids;
  std::vector<char> nothing;
  bool started = false;
};

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> init_scan(duckdb::ClientContext& context,
                                                               duckdb::TableFunctionInitInput& input) {
  const auto& bound = static_cast<const LaminarScanData&>(*input.bind_data);
  auto& catalog = duckdb::Catalog::GetCatalog(context, kCatalogName);
  auto& transaction = LaminarTransaction::get(context, catalog);
  return duckdb::make_uniq<ScanState>(transaction.read(context, bound.description, *bound.group), bound.description->columns,
                                      input.column_ids);
}

void run_scan(duckdb::ClientContext& context, duckdb::TableFunctionInput& input, duckdb::DataChunk& output) {
  auto& state = static_cast<ScanState&>(*input.global_state);
  while (true) {
    if (state.started && state.scan.next(output)) return;
    if (context.IsInterrupted()) throw duckdb::InterruptException();
    data::Batch batch;
    if (!state.snapshot->next(batch)) {
      output.SetCardinality(0);
      return;
    }
    if (batch.rows == 0) continue;
    state.start(batch);
    state.started = true;
  }
}

duckdb::unique_ptr<duckdb::NodeStatistics> scan_cardinality(duckdb::ClientContext&, const duckdb::FunctionData* data) {
  const auto& bound = static_cast<const LaminarScanData&>(*data);
  const auto rows = static_cast<LaminarTable*>(bound.entry)->backend().estimate_rows(bound.object);
  if (!rows) return nullptr;
  return duckdb::make_uniq<duckdb::NodeStatistics>(*rows);
}

duckdb::BindInfo scan_bind_info(const duckdb::optional_ptr<duckdb::FunctionData> data) {
  return duckdb::BindInfo(*static_cast<const LaminarScanData&>(*data).entry);
}

duckdb::InsertionOrderPreservingMap<std::string> scan_to_string(duckdb::TableFunctionToStringInput& input) {
  duckdb::InsertionOrderPreservingMap<std::string> result;
  const auto& bound = static_cast<const LaminarScanData&>(*input.bind_data);
  result["Table"] = bound.object;
  result["Kind"] = kind_name(bound.description->kind);
  return result;
}

duckdb::virtual_column_map_t scan_virtual_columns(duckdb::ClientContext&, duckdb::optional_ptr<duckdb::FunctionData> data) {
  return static_cast<const LaminarScanData&>(*data).entry->GetVirtualColumns();
}

// Plans are copied by writing and reading them (inlined CTEs); the copy belongs to the same statement.
void write_scan(duckdb::Serializer& serializer, const duckdb::optional_ptr<duckdb::FunctionData> data,
                const duckdb::TableFunction&) {
  serializer.WriteProperty(100, "object", static_cast<const LaminarScanData&>(*data).object);
}

duckdb::TableFunction scan_function();

duckdb::unique_ptr<duckdb::FunctionData> read_scan(duckdb::Deserializer& deserializer, duckdb::TableFunction& function) {
  const auto object = deserializer.ReadProperty<std::string>(100, "object");
  auto& context = deserializer.Get<duckdb::ClientContext&>();
  auto& entry = duckdb::Catalog::GetEntry<duckdb::TableCatalogEntry>(context, kCatalogName, DEFAULT_SCHEMA, object);
  duckdb::unique_ptr<duckdb::FunctionData> data;
  ViewBindingScope scope(context);  // what could be bound once can be bound again
  function = bind_scan(context, static_cast<LaminarTable&>(entry), data, -1);
  return data;
}

duckdb::TableFunction scan_function() {
  duckdb::TableFunction function(kLaminarScan, {}, run_scan, nullptr, init_scan);
  function.projection_pushdown = true;
  function.filter_pushdown = false;
  function.cardinality = scan_cardinality;
  function.get_bind_info = scan_bind_info;
  function.get_virtual_columns = scan_virtual_columns;
  function.to_string = scan_to_string;
  function.serialize = write_scan;
  function.deserialize = read_scan;
  return function;
}

}  // namespace

duckdb::unique_ptr<duckdb::FunctionData> LaminarScanData::Copy() const {
  return duckdb::make_uniq<LaminarScanData>(*this);
}

bool LaminarScanData::Equals(const duckdb::FunctionData& other) const {
  const auto* scan = dynamic_cast<const LaminarScanData*>(&other);
  return scan && scan->object == object && scan->description == description;
}

duckdb::TableFunction bind_scan(duckdb::ClientContext& context, LaminarTable& table,
                                duckdb::unique_ptr<duckdb::FunctionData>& bind_data, int64_t offset) {
  const auto& object = table.object();
  if (!object->holds_content && ConnectionState::get(context).binding_view == 0) {
    raise(ErrorCode::kWrongObjectKind,
          std::string("a ") + kind_name(object->kind) + " keeps no rows: " + object->name + "; create a view over it, or SUBSCRIBE",
          offset);
  }
  auto data = duckdb::make_uniq<LaminarScanData>();
  data->object = object->name;
  data->description = object;
  data->entry = &table;
  data->group = LaminarTransaction::get(context, table.ParentCatalog()).bind_group();
  data->group->add(object->name);
  bind_data = std::move(data);
  return scan_function();
}

void register_scan(duckdb::DatabaseInstance& database) {
  // Never called by name: there for the reading of copied plans.
  duckdb::ExtensionLoader loader(database, kCatalogName);
  loader.RegisterFunction(scan_function());
}

}  // namespace laminar::sql
