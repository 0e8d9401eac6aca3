#include "sql/catalog/table_functions.h"

#include "duck/types.h"
#include "duckdb/main/database.hpp"
#include "duckdb/main/extension/extension_loader.hpp"
#include "duckdb/function/table_function.hpp"
#include "duckdb/parser/parsed_data/create_table_function_info.hpp"
#include "duckdb/parser/tableref/table_function_ref.hpp"
#include "sql/catalog/catalog.h"
#include "sql/catalog/duck_error.h"
#include "sql/catalog/relation_scan.h"

namespace laminar::sql {
namespace {

struct FunctionInfo : duckdb::TableFunctionInfo {
  FunctionInfo(Backend& backend, Backend::Function function) : backend(backend), function(std::move(function)) {}
  Backend& backend;  // outlives the database
  Backend::Function function;
};

struct CallData : duckdb::TableFunctionData {
  explicit CallData(const FunctionInfo& info) : backend(info.backend), function(info.function.name) {}
  Backend& backend;
  std::string function;
  std::string argument;
  data::Schema schema;
  int64_t offset = -1;

  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override { return duckdb::make_uniq<CallData>(*this); }
  bool Equals(const duckdb::FunctionData& other) const override {
    const auto& call = static_cast<const CallData&>(other);
    return function == call.function && argument == call.argument;
  }
  // The columns depend on an object that may have been made anew.
  bool SupportStatementCache() const override { return false; }
};

struct CallState : duckdb::GlobalTableFunctionState {
  CallState(Relation relation, std::vector<uint32_t> columns) : scan(std::move(relation), std::move(columns)) {}
  RelationScan scan;
};

Error at_call(Error error, int64_t offset) {
  if (error.offset < 0) error.offset = offset;
  return error;
}

duckdb::unique_ptr<duckdb::FunctionData> bind_call(duckdb::ClientContext&, duckdb::TableFunctionBindInput& input,
                                                   duckdb::vector<duckdb::LogicalType>& types,
                                                   duckdb::vector<std::string>& names) {
  auto& info = static_cast<FunctionInfo&>(*input.info);
  auto data = duckdb::make_uniq<CallData>(info);
  if (input.ref.query_location.IsValid()) data->offset = static_cast<int64_t>(input.ref.query_location.GetIndex());
  if (info.function.takes_object) {
    if (input.inputs[0].IsNull()) {
      raise(ErrorCode::kUnknownObject, info.function.name + " needs the name of an object, not NULL", data->offset);
    }
    data->argument = input.inputs[0].ToString();
  }
  auto schema = info.backend.function_schema(info.function.name, data->argument);
  if (!schema.ok()) raise(at_call(schema.error(), data->offset));
  data->schema = schema.take();
  for (const data::Field& field : data->schema) {
    names.push_back(field.name);
    types.push_back(duck::type_to_duckdb(field.type));
  }
  return data;
}

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> init_call(duckdb::ClientContext&,
                                                               duckdb::TableFunctionInitInput& input) {
  const auto& data = static_cast<const CallData&>(*input.bind_data);
  auto relation = data.backend.call_function(data.function, data.argument);
  if (!relation.ok()) raise(at_call(relation.error(), data.offset));
  if (relation->columns.size() != data.schema.size()) {
    raise(ErrorCode::kInternal, "the columns of " + data.function + " changed while the query was planned");
  }
  std::vector<uint32_t> columns(data.schema.size());
  std::iota(columns.begin(), columns.end(), 0u);
  return duckdb::make_uniq<CallState>(relation.take(), std::move(columns));
}

void run_call(duckdb::ClientContext&, duckdb::TableFunctionInput& input, duckdb::DataChunk& output) {
  static_cast<CallState&>(*input.global_state).scan.next(output);
}

}  // namespace

void register_table_functions(duckdb::DatabaseInstance& database, Backend& backend) {
  duckdb::ExtensionLoader loader(database, kCatalogName);
  for (const Backend::Function& function : backend.functions()) {
    duckdb::vector<duckdb::LogicalType> arguments;
    if (function.takes_object) arguments.push_back(duckdb::LogicalType::VARCHAR);
    duckdb::TableFunction table_function(function.name, arguments, run_call, bind_call, init_call);
    table_function.function_info = duckdb::make_shared_ptr<FunctionInfo>(backend, function);
    duckdb::CreateTableFunctionInfo info(std::move(table_function));
    duckdb::FunctionDescription description;
    description.description = function.doc;
    if (function.takes_object) {
      description.parameter_names.push_back("object");
      description.parameter_types.push_back(duckdb::LogicalType::VARCHAR);
      description.examples.push_back(function.name + "('v')");
    }
    info.descriptions.push_back(std::move(description));
    loader.RegisterFunction(std::move(info));
  }
}

}  // namespace laminar::sql
