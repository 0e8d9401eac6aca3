#include "sql/statements/handler.h"

#include <mutex>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/options.h"
#include "duck/types.h"
#include "duckdb/catalog/catalog.hpp"
#include "duckdb/common/error_data.hpp"
#include "duckdb/common/string_util.hpp"
#include "duckdb/common/types/data_chunk.hpp"
#include "duckdb/common/types/timestamp.hpp"
#include "duckdb/main/client_context.hpp"
#include "sql/bind/bind_view.h"
#include "sql/catalog/catalog.h"
#include "sql/catalog/object_kind.h"
#include "sql/catalog/relation_scan.h"
#include "sql/catalog/transaction.h"
#include "sql/statements/surroundings.h"

namespace laminar::sql {
namespace {

Status at_name(Status status, int64_t offset) {
  if (status.ok() || status.error().offset >= 0) return status;
  Error error = status.error();
  error.offset = offset;
  return error;
}

void begin_ddl(duckdb::ClientContext& context) {
  auto& catalog = duckdb::Catalog::GetCatalog(context, kCatalogName);
  LaminarTransaction::get(context, catalog).begin_ddl(context);
}

std::unique_ptr<StatementResult> ddl(std::function<Status(duckdb::ClientContext&)> execute) {
  auto result = silent_result([execute = std::move(execute)](duckdb::ClientContext& context) -> Status {
    begin_ddl(context);
    return execute(context);
  });
  result->written_databases.push_back(kCatalogName);
  return result;
}

// Column types as DuckDB reads them, the user's own types included.
Result<data::Schema> source_schema(duckdb::ClientContext& context, const CreateSource& create) {
  data::Schema schema;
  for (const SourceColumn& column : create.columns) {
    for (const data::Field& field : schema) {
      if (!duckdb::StringUtil::CIEquals(field.name, column.name)) continue;
      return Status(ErrorCode::kBindError, "a column is declared twice: " + column.name, column.offset);
    }
    data::Field field{column.name, data::Type::of(data::TypeKind::kTimestamp), column.not_null};
    if (!column.type_text.empty() || !column.is_processing_time) {
      try {
        field.type = duck::type_from_duckdb(duckdb::TransformStringToLogicalType(column.type_text, context));
      } catch (const std::exception& exception) {
        const Error error = to_error(duckdb::ErrorData(exception), {});
        return Status(ErrorCode::kBindError, "cannot use the column type: " + create.name.name + "." + column.name + " (" +
                                                 column.type_text + "): " + error.message,
                      column.type_offset);
      }
    }
    if (column.is_processing_time && field.type.kind != data::TypeKind::kTimestamp) {
      return Status(ErrorCode::kBindError, "PROCTIME() is a TIMESTAMP: " + create.name.name + "." + column.name + " (" +
                                               field.type.text() + ")",
                    column.type_offset);
    }
    schema.push_back(std::move(field));
  }
  return schema;
}

// The rows of a Relation.
class RelationRows final : public StatementRows {
 public:
  explicit RelationRows(Relation relation)
      : scan_(std::move(relation), all_columns(relation.columns.size())) {}
  Status next(duckdb::ClientContext&, duckdb::DataChunk& chunk) override {
    scan_.next(chunk);
    return {};
  }

 private:
  static std::vector<uint32_t> all_columns(size_t n) {
    std::vector<uint32_t> columns(n);
    std::iota(columns.begin(), columns.end(), 0u);
    return columns;
  }
  RelationScan scan_;
};

class ShowResult final : public StatementResult {
 public:
  ShowResult(std::shared_ptr<Backend> backend, ShowStatement show, const data::Schema& schema)
      : backend_(std::move(backend)), show_(std::move(show)) {
    for (const data::Field& field : schema) {
      names.push_back(field.name);
      types.push_back(duck::type_to_duckdb(field.type));
    }
  }
  Result<std::unique_ptr<StatementRows>> execute(duckdb::ClientContext&) override {
    ASSIGN_OR_RETURN(Relation relation, backend_->show(show_));
    if (relation.columns.size() != names.size()) {
      return Status(ErrorCode::kInternal, "the columns of SHOW changed while it was planned: " + show_.what);
    }
    return std::unique_ptr<StatementRows>(std::make_unique<RelationRows>(std::move(relation)));
  }

 private:
  std::shared_ptr<Backend> backend_;
  ShowStatement show_;
};

Result<ValueRows> lines_of(const std::string& text) {
  ValueRows rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) rows.push_back({duckdb::Value(line)});
  return rows;
}

// A bound plan that execution takes; a second execution binds again.
class BoundPlan {
 public:
  using Bind = std::function<Result<plan::ViewPlan>(duckdb::ClientContext&)>;
  explicit BoundPlan(Bind bind) : bind_(std::move(bind)) {}

  Status bind(duckdb::ClientContext& context) {
    ViewBindingScope scope(context);
    ASSIGN_OR_RETURN(plan::ViewPlan bound, bind_(context));
    std::lock_guard lock(mutex_);
    plan_ = std::move(bound);
    return {};
  }
  Result<plan::ViewPlan> take(duckdb::ClientContext& context) {
    {
      std::lock_guard lock(mutex_);
      if (plan_) return std::exchange(plan_, std::nullopt).value();
    }
    RETURN_IF_ERROR(bind(context));
    std::lock_guard lock(mutex_);
    return std::exchange(plan_, std::nullopt).value();
  }

 private:
  Bind bind_;
  std::mutex mutex_;
  std::optional<plan::ViewPlan> plan_;
};

class Handler final : public StatementHandler {
 public:
  explicit Handler(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {}

  Result<std::unique_ptr<StatementResult>> bind(duckdb::ClientContext& context, const Statement& statement,
                                                const std::string&) override {
    return std::visit([&](const auto& body) { return bind_body(context, body); }, statement.body);
  }

 private:
  using Bound = Result<std::unique_ptr<StatementResult>>;

  // CREATE ... IF NOT EXISTS of what is there already.
  bool is_there(const ObjectName& name, bool if_not_exists) { return if_not_exists && backend_->find(name.name); }
  std::shared_ptr<BoundPlan> bound_view(const CreateView& create) {
    return std::make_shared<BoundPlan>(
        [backend = backend_, create](duckdb::ClientContext& context) { return bind_view(context, *backend, create); });
  }
  static std::unique_ptr<StatementResult> nothing() {
    return silent_result([](duckdb::ClientContext&) { return Status(); });
  }

  Bound bind_body(duckdb::ClientContext& context, const CreateSource& create) {
    RETURN_IF_ERROR(check_object_name(create.name));
    ASSIGN_OR_RETURN(data::Schema schema, source_schema(context, create));
    std::shared_ptr<const expr::Expr> when;
    if (create.watermark && !create.watermark->when_text.empty()) {
      ASSIGN_OR_RETURN(when, bind_row_condition(context, create.name.name, schema, create.watermark->when_text));
    }
    return ddl([backend = backend_, create = CreateSource(create), when, schema = std::move(schema)](duckdb::ClientContext&) mutable -> Status {
      if (when) create.watermark->when = when;
      return at_name(backend->create_source(create, schema), create.name.offset);
    });
  }

  Bound bind_body(duckdb::ClientContext& context, const CreateLookup& create) {
    RETURN_IF_ERROR(check_object_name(create.name));
    if (is_there(create.name, create.if_not_exists)) return nothing();
    ASSIGN_OR_RETURN(data::Schema schema, source_schema(context, create));
    return ddl([backend = backend_, create, schema = std::move(schema)](duckdb::ClientContext&) -> Status {
      return at_name(backend->create_lookup(create, schema), create.name.offset);
    });
  }

  Bound bind_body(duckdb::ClientContext& context, const CreateView& create) {
    RETURN_IF_ERROR(check_object_name(create.name));
    if (create.late_data_to) RETURN_IF_ERROR(check_object_name(*create.late_data_to));
    if (is_there(create.name, create.if_not_exists)) return nothing();
    auto view = bound_view(create);
    RETURN_IF_ERROR(view->bind(context));
    return ddl([backend = backend_, create, view](duckdb::ClientContext& context) -> Status {
      ASSIGN_OR_RETURN(plan::ViewPlan plan, view->take(context));
      const Surroundings surroundings(context, create.statement_text);
      return at_name(backend->create_view(create, std::move(plan)), create.name.offset);
    });
  }

  Bound bind_body(duckdb::ClientContext& context, const CreateSink& create) {
    RETURN_IF_ERROR(check_object_name(create.name));
    if (is_there(create.name, create.if_not_exists)) return nothing();
    std::shared_ptr<BoundPlan> query;
    if (create.query_text.empty()) {
      ASSIGN_OR_RETURN(const auto from, find_object(*backend_, create.from));
      if (from->kind == ObjectKind::kSink || from->kind == ObjectKind::kWatermarkGroup) {
        return Status(ErrorCode::kWrongObjectKind, "a " + std::string(kind_name(from->kind)) + " cannot be read: " + from->name, create.from.offset);
      }
    } else {
      query = std::make_shared<BoundPlan>([backend = backend_, create](duckdb::ClientContext& context) {
        return bind_query(context, *backend, create.name.name, create.query_text);
      });
      RETURN_IF_ERROR(query->bind(context));
    }
    return ddl([backend = backend_, create, query](duckdb::ClientContext& context) -> Status {
      std::unique_ptr<plan::ViewPlan> plan;
      if (query) {
        ASSIGN_OR_RETURN(plan::ViewPlan bound, query->take(context));
        plan = std::make_unique<plan::ViewPlan>(std::move(bound));
      }
      const Surroundings surroundings(context, create.statement_text);
      return at_name(backend->create_sink(create, std::move(plan)), create.name.offset);
    });
  }

  Bound bind_body(duckdb::ClientContext&, const CreateWatermarkGroup& create) {
    RETURN_IF_ERROR(check_object_name(create.name));
    for (const ObjectName& member : create.members) RETURN_IF_ERROR(check_object_name(member));
    return ddl([backend = backend_, create](duckdb::ClientContext&) -> Status {
      return at_name(backend->create_watermark_group(create), create.name.offset);
    });
  }

  Bound bind_body(duckdb::ClientContext&, const DropObjects& drop) {
    for (const ObjectName& name : drop.names) RETURN_IF_ERROR(check_object_name(name));
    return ddl([backend = backend_, drop](duckdb::ClientContext&) -> Status {
      for (const ObjectName& name : drop.names) {
        RETURN_IF_ERROR(at_name(backend->drop(drop.kind, name, drop.if_exists, drop.cascade), name.offset));
      }
      return {};
    });
  }

  Bound bind_body(duckdb::ClientContext&, const ShowStatement& show) {
    if (show.object) RETURN_IF_ERROR(check_object_name(*show.object));
    auto relation = backend_->show(show);
    if (!relation.ok()) return at_name(relation.status(), show.object ? show.object->offset : -1);
    return std::unique_ptr<StatementResult>(std::make_unique<ShowResult>(backend_, show, relation->columns));
  }

  Bound bind_body(duckdb::ClientContext& context, const ExplainStatement& explain) {
    std::function<Result<ValueRows>(duckdb::ClientContext&)> execute;
    if (explain.create) {
      if (explain.analyze) {
        return Status(ErrorCode::kNotImplemented,
                      "EXPLAIN ANALYZE needs a view that runs: create it, then EXPLAIN ANALYZE " + explain.create->name.name);
      }
      auto view = bound_view(*explain.create);
      RETURN_IF_ERROR(view->bind(context));
      execute = [view](duckdb::ClientContext& context) -> Result<ValueRows> {
        ASSIGN_OR_RETURN(const plan::ViewPlan plan, view->take(context));
        return lines_of(plan::explain(plan));
      };
    } else {
      ASSIGN_OR_RETURN(const auto object, find_object(*backend_, *explain.object));
      execute = [backend = backend_, name = *explain.object, analyze = explain.analyze](
                    duckdb::ClientContext&) -> Result<ValueRows> {
        auto text = backend->explain(name.name, analyze);
        if (!text.ok()) return at_name(text.status(), name.offset);
        return lines_of(*text);
      };
    }
    return rows_result({"explain"}, {duckdb::LogicalType::VARCHAR}, std::move(execute));
  }

  // Sessions read subscriptions themselves: see session_subscribe.cc.
  Bound bind_body(duckdb::ClientContext&, const SubscribeStatement& subscribe) {
    return Status(ErrorCode::kNotImplemented, "SUBSCRIBE cannot be prepared", subscribe.view.offset);
  }

  Bound bind_body(duckdb::ClientContext& context, const ReapplyStatement& reapply) {
    ASSIGN_OR_RETURN(const auto view, find_object(*backend_, reapply.view));
    expr::ExprPtr where;
    if (!reapply.where_text.empty()) {
      const auto late = backend_->find(Backend::late_rows_of(view->name));
      if (!late) return Status(ErrorCode::kWrongObjectKind, "no late rows are kept of " + view->name, reapply.view.offset);
      ViewBindingScope scope(context);
      ASSIGN_OR_RETURN(where, bind_predicate(context, *backend_, *late, reapply.where_text));
    }
    return rows_result({"reapplied"}, {duckdb::LogicalType::BIGINT},
                       [backend = backend_, reapply, where](duckdb::ClientContext& context) -> Result<ValueRows> {
                         const Surroundings surroundings(context, reapply.statement_text);
                         auto rows = backend->reapply_late_rows(reapply, where);
                         if (!rows.ok()) return at_name(rows.status(), reapply.view.offset);
                         return ValueRows{{duckdb::Value::BIGINT(static_cast<int64_t>(*rows))}};
                       });
  }

  Bound bind_body(duckdb::ClientContext&, const DrainStatement&) {
    return silent_result([backend = backend_](duckdb::ClientContext& context) {
      return backend->drain([&context] { return context.IsInterrupted(); });
    });
  }

  Bound bind_body(duckdb::ClientContext&, const CheckpointStatement&) {
    return rows_result({"checkpoint", "tick", "note"}, {duckdb::LogicalType::BIGINT, duckdb::LogicalType::BIGINT, duckdb::LogicalType::VARCHAR},
                       [backend = backend_](duckdb::ClientContext&) -> Result<ValueRows> {
                         ASSIGN_OR_RETURN(const Relation done, backend->checkpoint());
                         const data::Batch row = done.batches.at(0)->view();
                         const auto number = [&](uint32_t c) {
                           return row.columns[c].is_null(0) ? duckdb::Value(duckdb::LogicalType::BIGINT)
                                                            : duckdb::Value::BIGINT(row.columns[c].values<int64_t>()[0]);
                         };
                         return ValueRows{{number(0), number(1),
                                           row.columns[2].is_null(0) ? duckdb::Value(duckdb::LogicalType::VARCHAR)
                                                                     : duckdb::Value(std::string(row.columns[2].values<data::StringRef>()[0].view()))}};
                       });
  }

  Bound bind_body(duckdb::ClientContext&, const BackupStatement& backup) {
    return silent_result([backend = backend_, backup](duckdb::ClientContext&) { return at_name(backend->backup(backup.folder), backup.offset); });
  }

  Bound bind_body(duckdb::ClientContext&, const AdvanceWatermark& advance) {
    duckdb::timestamp_t time;
    try {
      time = duckdb::Timestamp::FromString(advance.time, false);
    } catch (const std::exception&) {
      return Status(ErrorCode::kTypeMismatch, "not a timestamp: '" + advance.time + "'", advance.time_offset);
    }
    if (!duckdb::Timestamp::IsFinite(time)) {
      return Status(ErrorCode::kInvalidWatermark, "a watermark is a finite time: '" + advance.time + "'", advance.time_offset);
    }
    RETURN_IF_ERROR(find_object(*backend_, advance.source).status());
    return silent_result([backend = backend_, advance, us = time.value](duckdb::ClientContext&) {
      return at_name(backend->advance_watermark(advance.source, us), advance.source.offset);
    });
  }

  Bound bind_body(duckdb::ClientContext&, const SetStatement& set) {
    return silent_result([backend = backend_, set](duckdb::ClientContext&) {
      return at_name(backend->set(set.option), set.option.value_offset);
    });
  }

  std::shared_ptr<Backend> backend_;
};

}  // namespace

std::shared_ptr<StatementHandler> make_statement_handler(std::shared_ptr<Backend> backend) {
  return std::make_shared<Handler>(std::move(backend));
}

Status check_object_name(const ObjectName& name) {
  using duckdb::StringUtil;
  // `laminar.v`: one prefix may be the database's or the schema's.
  const bool catalog_ok = name.catalog.empty() || StringUtil::CIEquals(name.catalog, kCatalogName);
  const bool schema_ok = name.schema.empty() || StringUtil::CIEquals(name.schema, DEFAULT_SCHEMA) ||
                         (name.catalog.empty() && StringUtil::CIEquals(name.schema, kCatalogName));
  if (catalog_ok && schema_ok) return {};
  return Status(ErrorCode::kUnknownObject,
                "streaming objects live in laminar.main: " + (name.catalog.empty() ? "" : name.catalog + ".") + name.schema +
                    "." + name.name,
                name.offset);
}

Result<std::shared_ptr<const Object>> find_object(Backend& backend, const ObjectName& name) {
  RETURN_IF_ERROR(check_object_name(name));
  if (auto object = backend.find(name.name)) return object;
  std::vector<std::string> names;
  for (const auto& object : backend.list()) names.push_back(object->name);
  const std::string nearest = nearest_name(name.name, names);
  return Status(ErrorCode::kUnknownObject,
                "there is no object of this name: " + name.name + (nearest.empty() ? "" : "; did you mean " + nearest + "?"),
                name.offset);
}

}  // namespace laminar::sql
