#include "duck/chunk.h"
#include "duck/types.h"
#include "duckdb/main/client_context.hpp"
#include "sql/bind/bind_view.h"
#include "sql/catalog/object_kind.h"
#include "sql/catalog/relation_scan.h"
#include "sql/catalog/transaction.h"
#include "sql/session_impl.h"
#include "sql/statements/handler.h"

// SUBSCRIBE is read from the backend without DuckDB in between: no thread of DuckDB's waits for ticks, and each tick
// reaches the reader at once.

namespace laminar::sql {
namespace {

constexpr int kPollMs = 50;  // how soon an interrupt is seen

class SubscriptionRows final : public RowSource {
 public:
  SubscriptionRows(Session::Impl& session, std::unique_ptr<ChangeReader> reader, const data::Schema& schema)
      : session_(session), reader_(std::move(reader)), view_(column_types(schema)) {}

  static std::vector<data::Type> column_types(const data::Schema& schema) {
    std::vector<data::Type> types{data::Type::of(data::TypeKind::kUInt64), data::Type::of(data::TypeKind::kInt64)};
    for (const data::Field& field : schema) types.push_back(field.type);
    return types;
  }

  Result<duckdb::DataChunk*> next() override {
    while (true) {
      if (session_.interrupted()) return Status(ErrorCode::kInterrupted, "interrupted");
      data::Batch batch;
      uint64_t tick = 0;
      ASSIGN_OR_RETURN(const ChangeReader::State state, reader_->next(batch, tick, kPollMs));
      if (state == ChangeReader::State::kEnded) return static_cast<duckdb::DataChunk*>(nullptr);
      if (state == ChangeReader::State::kTimeout || batch.rows == 0) continue;
      ticks_.assign(batch.rows, tick);
      weights_.resize(batch.rows);
      for (uint32_t row = 0; row < batch.rows; ++row) weights_[row] = batch.weight(row);
      columns_.clear();
      columns_.push_back({ticks_.data(), nullptr, data::Physical::kU64});
      columns_.push_back({weights_.data(), nullptr, data::Physical::kI64});
      columns_.insert(columns_.end(), batch.columns.begin(), batch.columns.end());
      return &view_.wrap(columns_, batch.rows);
    }
  }

 private:
  Session::Impl& session_;
  std::unique_ptr<ChangeReader> reader_;
  duck::ChunkView view_;
  std::vector<uint64_t> ticks_;
  std::vector<int64_t> weights_;
  std::vector<data::Column> columns_;
};

}  // namespace

Result<std::unique_ptr<Rows>> Session::Impl::subscribe(const SubscribeStatement& subscribe) {
  ASSIGN_OR_RETURN(const auto object, find_object(backend, subscribe.view));
  if (object->kind == ObjectKind::kSink || object->kind == ObjectKind::kWatermarkGroup) {
    return Status(ErrorCode::kWrongObjectKind, "a " + std::string(kind_name(object->kind)) + " has no changes to read: " + object->name, subscribe.view.offset);
  }
  expr::ExprPtr where;
  if (!subscribe.where_text.empty()) {
    Status status;
    connection->context->RunFunctionInTransaction(
        [&] {
          ViewBindingScope scope(*connection->context);
          auto bound = bind_predicate(*connection->context, backend, *object, subscribe.where_text);
          status = bound.status();
          if (bound.ok()) where = bound.take();
        },
        false);
    RETURN_IF_ERROR(status);
  }
  auto reader = backend.subscribe(subscribe, where);
  if (!reader.ok()) {
    Error error = reader.error();
    if (error.offset < 0) error.offset = subscribe.view.offset;
    return error;
  }
  std::vector<std::string> names{"tick", "weight"};
  for (const data::Field& field : object->columns) names.push_back(field.name);
  duckdb::vector<duckdb::LogicalType> types;
  for (const data::Type& type : SubscriptionRows::column_types(object->columns)) types.push_back(duck::type_to_duckdb(type));
  return make_rows(std::make_unique<SubscriptionRows>(*this, reader.take(), object->columns), std::move(names),
                   std::move(types));
}

}  // namespace laminar::sql
