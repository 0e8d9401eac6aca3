#include "sql/functions/join_markers.h"

#include <duckdb.hpp>
#include <duckdb/main/extension/extension_loader.hpp>
#include <duckdb/planner/expression.hpp>

namespace laminar::sql {

using duckdb::LogicalType;

namespace {

duckdb::unique_ptr<duckdb::FunctionData> bind_identity(duckdb::ClientContext&, duckdb::ScalarFunction& function,
                                                       duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& arguments) {
  function.arguments[0] = arguments[0]->return_type;
  function.SetReturnType(arguments[0]->return_type);
  return nullptr;
}

void identity(duckdb::DataChunk& args, duckdb::ExpressionState&, duckdb::Vector& result) { result.Reference(args.data[0]); }

void null_time(duckdb::DataChunk&, duckdb::ExpressionState&, duckdb::Vector& result) {
  result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  duckdb::ConstantVector::SetNull(result, true);
}

}  // namespace

void register_join_markers(duckdb::ExtensionLoader& loader) {
  loader.RegisterFunction(duckdb::ScalarFunction(
      kAsofMarker, {LogicalType::ANY, LogicalType::BOOLEAN, LogicalType::BIGINT, LogicalType::BIGINT, LogicalType::BIGINT},
      LogicalType::ANY, identity, bind_identity));
  loader.RegisterFunction(
      duckdb::ScalarFunction(kVersionTimeMarker, {LogicalType::ANY}, LogicalType::ANY, identity, bind_identity));
  loader.RegisterFunction(
      duckdb::ScalarFunction(kVersionMarker, {LogicalType::ANY, LogicalType::VARCHAR}, LogicalType::TIMESTAMP, null_time));
}

}  // namespace laminar::sql
