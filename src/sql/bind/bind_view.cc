#include "sql/bind/bind_view.h"

#include <algorithm>
#include <functional>
#include <duckdb.hpp>
#include <duckdb/parser/expression/list.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/tableref/basetableref.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/expression_binder/where_binder.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/list.hpp>

#include "base/check.h"
#include "base/options.h"
#include "duck/types.h"
#include "plan/properties.h"
#include "sql/bind/asof_ast.h"
#include "sql/bind/bind_failure.h"
#include "sql/bind/passes.h"
#include "sql/bind/plan_rewrite.h"
#include "sql/bind/query_facts.h"
#include "sql/bind/translator.h"
#include "sql/bind/window_ast.h"

namespace laminar::sql {
namespace {

using plan::EmitPolicy;
using plan::Node;
using plan::NodeKind;
using plan::NodePtr;

// The query, and the clauses of its joins.
duckdb::unique_ptr<duckdb::SelectStatement> parse_query(const std::string& text, std::vector<JoinClause>& clauses) {
  std::string carved = text;
  const auto tokens = tokenize(text);
  if (!tokens.ok()) throw BindFailure(tokens.error());
  auto found = carve_join_clauses(text, *tokens, carved);
  if (!found.ok()) throw BindFailure(found.error());
  clauses = found.take();
  duckdb::ParserOptions options;
  options.extensions = nullptr;
  duckdb::Parser parser(options);
  parser.ParseQuery(carved);
  if (parser.statements.size() != 1 || parser.statements[0]->type != duckdb::StatementType::SELECT_STATEMENT) {
    const size_t at = text.find_first_not_of(" \t\r\n");
    throw BindFailure(ErrorCode::kSyntaxError, "a SELECT is expected",
                      at == std::string::npos ? -1 : static_cast<int64_t>(at));
  }
  return duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(std::move(parser.statements[0]));
}

struct BoundRelation {
  NodePtr root;
  std::vector<std::string> inputs;
  int64_t position = -1;  // of the query
  bool used_retention = false;
};

// Names as DuckDB gives them to the columns of a table made from the query: repeated ones get a number.
void name_columns(Node& root, std::vector<std::string> names) {
  duckdb::vector<std::string> unique(names.begin(), names.end());
  duckdb::QueryResult::DeduplicateColumns(unique);
  CHECK(unique.size() == root.columns.size());
  for (size_t i = 0; i < unique.size(); i++) root.columns[i].name = unique[i];
}

// The root takes the names of the view's columns; those of a scan are its object's.
NodePtr with_own_names(NodePtr root, const std::vector<std::string>& names) {
  bool same = root->columns.size() == names.size();
  for (size_t i = 0; same && i < names.size(); i++) same = root->columns[i].name == names[i];
  if (same || root->kind != NodeKind::kScan) return root;
  auto project = std::make_unique<plan::ProjectNode>();
  for (uint32_t i = 0; i < root->columns.size(); i++) {
    project->expressions.push_back(expr::column_ref(i, root->columns[i].type, root->columns[i].name));
    project->columns.push_back({root->columns[i].name, root->columns[i].type, std::nullopt});
  }
  project->inputs.push_back(std::move(root));
  return finished(std::move(project));
}

template <class Visit>
void visit_nodes(Node& node, Visit visit) {
  visit(node);
  for (NodePtr& input : node.inputs) visit_nodes(*input, visit);
}

// The time column of SESSION needs the sessions of a key, so an aggregate must have taken the window in.
void refuse_loose_sessions(Node& root) {
  visit_nodes(root, [](Node& node) {
    if (node.kind == NodeKind::kWindowAssign &&
        static_cast<plan::WindowAssignNode&>(node).window.kind == plan::WindowKind::kSession) {
      throw BindFailure(
          ErrorCode::kNotIncremental,
          "SESSION needs a GROUP BY over window_start and window_end directly above it: a row does not know its "
          "session before the session ends",
          node.offset);
    }
  });
}

// An order is of the stream's rows as they come out: nothing may stand above it but what keeps it.
void refuse_inner_sort(const Node& root) {
  const Node* node = &root;
  while (node->kind == NodeKind::kProject || node->kind == NodeKind::kFilter) node = node->inputs[0].get();
  if (node->kind == NodeKind::kSort) node = node->inputs[0].get();
  const std::function<void(const Node&)> look = [&](const Node& below) {
    if (below.kind == NodeKind::kSort) {
      throw BindFailure(ErrorCode::kNotIncremental, "ORDER BY without LIMIT stands at the end of a stream: here it has no meaning",
                        below.offset);
    }
    for (const NodePtr& input : below.inputs) look(*input);
  };
  look(*node);
}

BoundRelation bind_relation(duckdb::ClientContext& context, const std::string& text, int64_t retention_us = 0,
                            bool is_stream = false, FilterPlace filters = FilterPlace::kPushedDown) {
  std::vector<JoinClause> clauses;
  auto statement = parse_query(text, clauses);
  rewrite_asof_joins(context, *statement->node, clauses);
  rewrite_windows(context, *statement->node, QueryUse::kView);
  const QueryFacts facts = collect_facts(context, *statement->node);
  BoundRelation relation;
  relation.position = facts.first;
  RewrittenQuery query = [&] {
    try {
      return rewrite_query(context, std::move(statement), filters);
    } catch (const std::exception& exception) {
      Error error = to_error(exception, text);
      if (error.offset < 0) error.offset = facts.file >= 0 ? facts.file : facts.first;
      throw BindFailure(std::move(error));
    }
  }();
  if (filters == FilterPlace::kPushedDown && has_empty_part(*query.plan)) {
    try {
      return bind_relation(context, text, retention_us, is_stream, FilterPlace::kAsWritten);
    } catch (const BindFailure&) {
      // Joins may need their conditions pushed down: then the empty part has to do.
    }
  }
  Translator translator(context, facts);
  if (retention_us > 0) translator.set_retention(retention_us);
  if (is_stream) translator.allow_sort();
  NodePtr translated = translator.translate(*query.plan);
  translator.refuse_lookup_scans(*translated);
  NodePtr root = with_own_names(simplify(std::move(translated)), query.names);
  name_columns(*root, query.names);
  refuse_loose_sessions(*root);
  refuse_inner_sort(*root);
  plan::derive_properties(*root);
  relation.root = std::move(root);
  relation.inputs = translator.inputs();
  relation.used_retention = translator.used_retention();
  return relation;
}

// What EMIT and ALLOW LATENESS can refer to.
struct WindowUse {
  bool windowed = false;      // an aggregate or assignment by windows
  bool time_bounded = false;  // or a grouping or ranking whose keys are event time
  bool sorts = false;         // or ORDER BY event time
  bool waits = false;         // or a join within a time bound that keeps rows without a match, or an ASOF or temporal join
};

WindowUse window_use(Node& root) {
  WindowUse use;
  visit_nodes(root, [&](Node& node) {
    if (node.kind == NodeKind::kWindowAssign) use.windowed = true;
    if (node.kind == NodeKind::kSort) use.sorts = true;
    // A condition that is never true leaves no rows and no window.
    if (node.kind == NodeKind::kValues && static_cast<const plan::ValuesNode&>(node).rows.empty()) use.windowed = true;
    if (node.kind == NodeKind::kAggregate) {
      const auto& aggregate = static_cast<const plan::AggregateNode&>(node);
      use.windowed |= aggregate.window.has_value();
      use.time_bounded |= aggregate.time_group.has_value();
    }
    if (node.kind == NodeKind::kJoin) {
      const auto& join = static_cast<const plan::JoinNode&>(node);
      use.waits |= join.time && join.join != plan::JoinKind::kInner && join.join != plan::JoinKind::kSemi;
    }
    if (node.kind == NodeKind::kAsof) use.waits |= static_cast<const plan::AsofNode&>(node).timed;
    if (node.kind == NodeKind::kTopN)
      use.time_bounded |= static_cast<const plan::TopNNode&>(node).time_partition.has_value();
  });
  use.time_bounded |= use.windowed || use.waits;
  return use;
}

// Whether rows below the watermark can come out of the node: nothing above a window is late.
bool may_be_late(const Node& node) {
  if (node.kind == NodeKind::kWindowAssign) return false;
  if (node.kind == NodeKind::kAggregate && static_cast<const plan::AggregateNode&>(node).window) return false;
  return node.inputs.empty() ||
         std::any_of(node.inputs.begin(), node.inputs.end(), [](const NodePtr& input) { return may_be_late(*input); });
}

void check_asof_times(const plan::AsofNode& asof) {
  if (!asof.timed) return;
  const bool left = asof.inputs[0]->columns[asof.left_time].time_offset_us.has_value();
  if (left && (!asof.right_has_time() || asof.inputs[1]->columns[asof.right_time].time_offset_us)) return;
  throw BindFailure(ErrorCode::kUnboundedState,
                    std::string("the times of ") + asof.kind_text() +
                        " joins keep their watermarks through windows only: group by a window, or join materialized views",
                    asof.offset);
}

// A view equals its query at every tick: groups and rankings that are no windows take rows however late, so they are
// never final.
void keep_late_rows(Node& root) {
  visit_nodes(root, [](Node& node) {
    if (node.kind == NodeKind::kAggregate && may_be_late(*node.inputs[0])) {
      auto& aggregate = static_cast<plan::AggregateNode&>(node);
      if (!aggregate.window && aggregate.emit == EmitPolicy::kOnUpdate) aggregate.time_group.reset();
    } else if (node.kind == NodeKind::kTopN && may_be_late(*node.inputs[0])) {
      auto& top_n = static_cast<plan::TopNNode&>(node);
      if (top_n.emit == EmitPolicy::kOnUpdate) top_n.time_partition.reset();
    }
  });
  plan::derive_properties(root);
  // What a join releases by must still be event time.
  visit_nodes(root, [](Node& node) {
    if (node.kind == NodeKind::kAsof) check_asof_times(static_cast<const plan::AsofNode&>(node));
    if (node.kind != NodeKind::kJoin) return;
    const auto& join = static_cast<const plan::JoinNode&>(node);
    const auto lost = [&join](size_t side, std::optional<uint32_t> column) {
      return column && !join.inputs[side]->columns[*column].time_offset_us;
    };
    if ((join.time && (lost(0, join.time->left) || lost(1, join.time->right))) ||
        (join.retention && (lost(0, join.retention->left) || lost(1, join.retention->right)))) {
      throw BindFailure(ErrorCode::kUnboundedState,
                        "a join of a stream with groups that are no windows keeps all its rows: group by a window, or join "
                        "materialized views, which keep their rows anyway",
                        node.offset);
    }
  });
}

// Where only the keys of a source have watermarks, windows of a key can wait for them and nothing else can.
void refuse_watermark_of_all_keys(Node& root) {
  const auto refuse = [](const Node& node, const std::string& what) {
    const Node* scan = &node;
    while (scan->kind != NodeKind::kScan) {
      const auto below = std::find_if(scan->inputs.begin(), scan->inputs.end(), [](const NodePtr& input) { return input->time_by_key_only; });
      scan = below->get();
    }
    const std::string& source = static_cast<const plan::ScanNode*>(scan)->object;
    throw BindFailure(ErrorCode::kNeedsWatermark,
                      what + " needs a watermark of all rows, and " + source + " has one PER KEY alone: group windows by the key, or give " +
                          source + " a floor for all keys, WITH (watermark_floor = '1 hour')",
                      node.offset);
  };
  visit_nodes(root, [&](Node& node) {
    const bool by_key = std::any_of(node.inputs.begin(), node.inputs.end(), [](const NodePtr& input) { return input->time_by_key_only; });
    if (!by_key) return;
    if (node.kind == NodeKind::kAggregate) {
      auto& aggregate = static_cast<plan::AggregateNode&>(node);
      if (aggregate.window && aggregate.close_key.empty()) refuse(node, "a window that is not grouped by the key");
      if (!aggregate.time_group) return;
      if (aggregate.emit != EmitPolicy::kOnUpdate) refuse(node, "EMIT ON WINDOW CLOSE without a window");
      aggregate.time_group.reset();
    } else if (node.kind == NodeKind::kTopN) {
      auto& top_n = static_cast<plan::TopNNode&>(node);
      if (!top_n.time_partition) return;
      if (top_n.emit != EmitPolicy::kOnUpdate) refuse(node, "a ranking that is told once");
      top_n.time_partition.reset();
    } else if (node.kind == NodeKind::kWindowAssign) {
      refuse(node, "a window without GROUP BY");
    } else if (node.kind == NodeKind::kSort) {
      refuse(node, "ORDER BY of a stream");
    } else if (node.kind == NodeKind::kJoin) {
      const auto& join = static_cast<const plan::JoinNode&>(node);
      if (join.time || join.retention) refuse(node, "a join within a time bound");
    } else if (node.kind == NodeKind::kAsof) {
      if (static_cast<const plan::AsofNode&>(node).timed) refuse(node, "an ASOF or temporal join of streams");
    }
  });
  plan::derive_properties(root);
}

void set_policies(Node& root, EmitPolicy emit, int64_t lateness_us) {
  visit_nodes(root, [&](Node& node) {
    if (node.kind == NodeKind::kAggregate) {
      auto& aggregate = static_cast<plan::AggregateNode&>(node);
      if (aggregate.window) aggregate.lateness_us = lateness_us;
      if (aggregate.window || (aggregate.time_group && emit == EmitPolicy::kOnWindowClose)) aggregate.emit = emit;
    } else if (node.kind == NodeKind::kTopN) {
      auto& top_n = static_cast<plan::TopNNode&>(node);
      if (top_n.time_partition && emit == EmitPolicy::kOnWindowClose) top_n.emit = emit;
    } else if (node.kind == NodeKind::kAsof) {
      auto& asof = static_cast<plan::AsofNode&>(node);
      asof.on_final |= asof.timed && emit != EmitPolicy::kOnUpdate;
    } else if (node.kind == NodeKind::kWindowAssign) {
      static_cast<plan::WindowAssignNode&>(node).lateness_us = lateness_us;
    } else if (node.kind == NodeKind::kJoin) {
      static_cast<plan::JoinNode&>(node).unmatched_at_close = emit != EmitPolicy::kOnUpdate;
    }
  });
  plan::derive_properties(root);
}

// The innermost node that makes the root retract, for the message.
const Node* first_changelog(const Node& node) {
  for (const NodePtr& input : node.inputs) {
    if (const Node* below = first_changelog(*input)) return below;
  }
  return node.append_only ? nullptr : &node;
}

const char* what_retracts(const Node& node) {
  switch (node.kind) {
    case NodeKind::kScan:
      return "its input retracts rows";
    case NodeKind::kAggregate:
      return "it groups by keys without time";
    case NodeKind::kTopN:
      return "it ranks rows without time";
    case NodeKind::kJoin:
      return static_cast<const plan::JoinNode&>(node).time ? "a row without a match so far may find one" : "it joins rows without time";
    case NodeKind::kAsof:
      return "rows of its left side are taken back, or it joins rows without watermarks";
    default:
      return "part of it retracts rows";
  }
}

plan::EmitMode emit_mode(EmitMode mode) {
  switch (mode) {
    case EmitMode::kOnUpdate:
      return plan::EmitMode::kOnUpdate;
    case EmitMode::kOnWindowClose:
      return plan::EmitMode::kOnWindowClose;
    case EmitMode::kAfterWatermark:
      return plan::EmitMode::kAfterWatermark;
    case EmitMode::kEvery:
      return plan::EmitMode::kEvery;
    case EmitMode::kChanges:
      return plan::EmitMode::kChanges;
    case EmitMode::kFinal:
      return plan::EmitMode::kFinal;
  }
  CHECK(false);
}

const char* clause_text(EmitMode mode) {
  switch (mode) {
    case EmitMode::kOnUpdate:
      return "EMIT ON UPDATE";
    case EmitMode::kOnWindowClose:
      return "EMIT ON WINDOW CLOSE";
    case EmitMode::kAfterWatermark:
      return "EMIT AFTER WATERMARK";
    case EmitMode::kEvery:
      return "EMIT EVERY";
    case EmitMode::kChanges:
      return "EMIT CHANGES";
    case EmitMode::kFinal:
      return "EMIT FINAL";
  }
  CHECK(false);
}

void apply_emit(plan::ViewPlan& plan, const CreateView& statement) {
  const WindowUse use = window_use(*plan.root);
  if (statement.lateness_us) {
    if (!use.windowed) {
      throw BindFailure(ErrorCode::kNeedsWatermark,
                        "ALLOW LATENESS needs a window in the query: TUMBLE, HOP, SESSION or CUMULATE",
                        statement.lateness_offset);
    }
    plan.lateness_us = *statement.lateness_us;
  }
  if (statement.late_data_to) {
    if (!use.windowed && !use.sorts) {
      throw BindFailure(
          ErrorCode::kNeedsWatermark,
          "LATE DATA TO needs a window in the query: TUMBLE, HOP, SESSION or CUMULATE; nothing else can be late",
          statement.late_data_to->offset);
    }
    plan.late_data_to = statement.late_data_to->name;
  }
  EmitPolicy policy = EmitPolicy::kOnUpdate;
  if (statement.emit) {
    const EmitClause& emit = *statement.emit;
    plan.emit = emit_mode(emit.mode);
    plan.every_us = emit.every_us;
    const bool closes = emit.mode == EmitMode::kOnWindowClose || emit.mode == EmitMode::kFinal;
    if (closes || emit.mode == EmitMode::kAfterWatermark) {
      if (closes ? !use.time_bounded : !use.windowed && !use.waits) {
        throw BindFailure(
            ErrorCode::kNeedsWatermark,
            std::string(clause_text(emit.mode)) +
                " needs a window in the query: TUMBLE, HOP, SESSION or CUMULATE over a column with a watermark",
            emit.offset);
      }
      policy = closes ? EmitPolicy::kOnWindowClose : EmitPolicy::kAfterWatermark;
    }
    if (emit.mode == EmitMode::kEvery && emit.every_us <= 0) {
      throw BindFailure(ErrorCode::kInvalidInterval, "the interval of EMIT EVERY must be positive", emit.offset);
    }
  }
  set_policies(*plan.root, policy, plan.lateness_us);
  if (policy == EmitPolicy::kOnWindowClose && !plan.root->append_only) {
    const Node* reason = first_changelog(*plan.root);
    throw BindFailure(ErrorCode::kNotIncremental,
                      std::string(clause_text(statement.emit->mode)) +
                          " gives each row once, but this query retracts rows: " + what_retracts(*reason),
                      statement.emit->offset);
  }
}

// Whether the aggregate's state grows with its input.
bool keeps_values(const plan::AggregateCall& call, bool append_only) {
  using plan::AggregateKind;
  switch (call.kind) {
    case AggregateKind::kQuantileCont:
    case AggregateKind::kQuantileDisc:
    case AggregateKind::kMedian:
    case AggregateKind::kStringAgg:
    case AggregateKind::kList:
    case AggregateKind::kForeign:
      return true;
    case AggregateKind::kMin:
    case AggregateKind::kMax:
    case AggregateKind::kFirst:
    case AggregateKind::kLast:
    case AggregateKind::kArgMin:
    case AggregateKind::kArgMax:
      return call.distinct || !append_only;
    default:
      return call.distinct;
  }
}

// State of a stream is nobody's content: it must be bounded by event time.
void refuse_unbounded(Node& root, int64_t position) {
  visit_nodes(root, [&](Node& node) {
    const auto refuse = [&](const char* what) {
      throw BindFailure(ErrorCode::kUnboundedState,
                        std::string(what) +
                            " of a stream must be bounded by event time: group by a window, or create a "
                            "materialized view, whose content this state is",
                        node.offset >= 0 ? node.offset : position);
    };
    if (node.kind == NodeKind::kAggregate) {
      const auto& aggregate = static_cast<const plan::AggregateNode&>(node);
      if (aggregate.window || aggregate.time_group) return;
      if (!aggregate.groups.empty()) refuse("the groups");
      for (const plan::AggregateCall& call : aggregate.aggregates) {
        if (keeps_values(call, aggregate.inputs[0]->append_only)) refuse("the values of an aggregate");
      }
    } else if (node.kind == NodeKind::kTopN) {
      const auto& top_n = static_cast<const plan::TopNNode&>(node);
      if (!top_n.time_partition && !top_n.partition.empty()) refuse("the rankings");
    } else if (node.kind == NodeKind::kAsof) {
      const auto& asof = static_cast<const plan::AsofNode&>(node);
      if (asof.timed && asof.match != plan::AsofNode::Match::kBackward && !asof.tolerance_us) {
        throw BindFailure(ErrorCode::kUnboundedState,
                          "a row of a stream would wait for the next right row for ever: add TOLERANCE INTERVAL '...'",
                          node.offset >= 0 ? node.offset : position);
      }
    }
  });
}

constexpr OptionSpec kViewOptions[] = {
    {"retain_history",
     OptionKind::kBytes,
     false,
     {},
     {},
     1,
     std::numeric_limits<int64_t>::max(),
     "bytes of past ticks kept for AS OF TICK and AT (VERSION => ...)"},
    {"memory_limit",
     OptionKind::kBytes,
     false,
     {},
     {},
     1,
     std::numeric_limits<int64_t>::max(),
     "bytes of state, content and history beyond which no more rows are taken"},
    {"retention",
     OptionKind::kInterval,
     false,
     {},
     {},
     1,
     std::numeric_limits<int64_t>::max() / 4,
     "event time for which a join of streams without a time bound keeps rows"},
    {"retain_windows",
     OptionKind::kInterval,
     false,
     {},
     {},
     1,
     std::numeric_limits<int64_t>::max() / 4,
     "event time for which closed windows can be corrected by REAPPLY LATE ROWS"},
    {"sort_memory",
     OptionKind::kBytes,
     false,
     "64 MB",
     {},
     1,
     std::numeric_limits<int64_t>::max(),
     "rows of ORDER BY that a stream holds in memory; more go to temporary files"},
};

const OptionText* find_option(const CreateView& statement, std::string_view key) {
  const auto found = std::find_if(statement.options.begin(), statement.options.end(),
                                  [key](const OptionText& text) { return text.key == key; });
  return found == statement.options.end() ? nullptr : &*found;
}

// What keeps a view's closed windows from being corrected, for retain_windows.
const char* why_not_retained(Node& root, plan::AggregateNode*& window) {
  const char* why = nullptr;
  int windows = 0;
  visit_nodes(root, [&](Node& node) {
    if (node.kind == NodeKind::kAggregate) {
      auto& aggregate = static_cast<plan::AggregateNode&>(node);
      if (!aggregate.window) return;
      window = &aggregate;
      ++windows;
      if (aggregate.window->kind == plan::WindowKind::kSession) why = "sessions are not kept once they have ended";
      if (!aggregate.close_key.empty()) why = "its windows close by key, and a closed one is not kept";
    } else if (node.kind == NodeKind::kWindowAssign) {
      why = "windows without GROUP BY have no result to correct";
    } else if (node.kind == NodeKind::kTopN && static_cast<plan::TopNNode&>(node).time_partition) {
      why = "a ranking per window lets go of its rows; rank in a view over this one";
    } else if (node.kind == NodeKind::kJoin && static_cast<plan::JoinNode&>(node).time) {
      why = "a join within a time bound lets go of its rows; join in a view over this one";
    }
  });
  if (why) return why;
  if (windows == 0) return "the query has no window: TUMBLE, HOP or CUMULATE";
  return windows > 1 ? "the query has more than one window; put the second into a view over this one" : nullptr;
}

void apply_retained_windows(plan::ViewPlan& plan, const CreateView& statement) {
  if (plan.retain_windows_us == 0) return;
  const int64_t position = find_option(statement, "retain_windows")->key_offset;
  plan::AggregateNode* window = nullptr;
  const char* why = why_not_retained(*plan.root, window);
  if (plan.is_stream) why = "a stream keeps no content";
  if (!why && window->emit == EmitPolicy::kOnWindowClose) why = "each window comes out once and is never corrected";
  if (!why && plan.emit == plan::EmitMode::kEvery) why = "EMIT EVERY gives corrections by the clock; leave it out";
  if (why) throw BindFailure(ErrorCode::kInvalidOption, std::string("retain_windows has no use here: ") + why, position);
  window->retain_us = plan.retain_windows_us;
  plan::derive_properties(*plan.root);
}

void apply_sort_memory(Node& root, uint64_t bytes, const CreateView& statement) {
  bool sorts = false;
  visit_nodes(root, [&](Node& node) {
    if (node.kind != NodeKind::kSort) return;
    static_cast<plan::SortNode&>(node).memory_bytes = bytes;
    sorts = true;
  });
  if (const OptionText* option = find_option(statement, "sort_memory"); option && !sorts) {
    throw BindFailure(ErrorCode::kInvalidOption, "sort_memory is of a stream with ORDER BY, and this query has none: leave it out",
                      option->key_offset);
  }
  plan::derive_properties(root);
}

// Gives the bytes of sort_memory.
uint64_t apply_options(plan::ViewPlan& plan, const CreateView& statement) {
  std::vector<OptionInput> inputs;
  for (const OptionText& option : statement.options) {
    inputs.push_back({option.key, option.value, option.key_offset, option.value_offset});
  }
  const std::string object = (statement.is_stream ? "stream " : "view ") + statement.name.name;
  auto values = OptionValues::check(kViewOptions, inputs, object, statement.name.offset);
  if (!values.ok()) throw BindFailure(values.error());
  if (values->has("retain_history")) {
    if (statement.is_stream) {
      throw BindFailure(ErrorCode::kInvalidOption, "a stream keeps no content, so it has no history to retain",
                        inputs[0].key_offset);
    }
    plan.retain_history_bytes = static_cast<uint64_t>(values->integer("retain_history"));
  }
  if (values->has("retention")) plan.retention_us = values->integer("retention");
  if (values->has("retain_windows")) plan.retain_windows_us = values->integer("retain_windows");
  return static_cast<uint64_t>(values->integer("sort_memory"));
}

template <class Function>
auto guarded(const std::string& text, Function function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::exception& exception) {
    return to_error(exception, text);
  }
}

}  // namespace

Result<plan::ViewPlan> bind_view(duckdb::ClientContext& context, Backend&, const CreateView& statement) {
  return guarded(statement.query_text, [&]() -> Result<plan::ViewPlan> {
    plan::ViewPlan plan;
    plan.name = statement.name.name;
    plan.is_stream = statement.is_stream;
    const uint64_t sort_memory = apply_options(plan, statement);
    BoundRelation relation = bind_relation(context, statement.query_text, plan.retention_us, statement.is_stream);
    if (plan.retention_us > 0 && !relation.used_retention) {
      const auto option = std::find_if(statement.options.begin(), statement.options.end(),
                                       [](const OptionText& text) { return text.key == "retention"; });
      throw BindFailure(ErrorCode::kInvalidOption,
                        "retention bounds joins of streams without a time bound, and this query has none: leave it out",
                        option == statement.options.end() ? -1 : option->key_offset);
    }
    plan.root = std::move(relation.root);
    plan.inputs = std::move(relation.inputs);
    apply_emit(plan, statement);
    refuse_watermark_of_all_keys(*plan.root);
    apply_retained_windows(plan, statement);
    apply_sort_memory(*plan.root, sort_memory, statement);
    if (plan.is_stream)
      refuse_unbounded(*plan.root, relation.position);
    else
      keep_late_rows(*plan.root);
    return plan;
  });
}

Result<plan::ViewPlan> bind_query(duckdb::ClientContext& context, Backend&, const std::string& name,
                                  const std::string& query_text) {
  return guarded(query_text, [&]() -> Result<plan::ViewPlan> {
    BoundRelation relation = bind_relation(context, query_text);
    plan::ViewPlan plan;
    plan.name = name;
    plan.is_stream = true;
    plan.root = std::move(relation.root);
    plan.inputs = std::move(relation.inputs);
    refuse_watermark_of_all_keys(*plan.root);
    return plan;
  });
}

Result<expr::ExprPtr> bind_predicate(duckdb::ClientContext& context, Backend&, const Object& object,
                                     const std::string& predicate_text) {
  return guarded(predicate_text, [&]() -> Result<expr::ExprPtr> {
    duckdb::ParserOptions options;
    options.extensions = nullptr;
    // DuckDB puts its own SELECT before the list: the blanks that stand there make room, so positions stay.
    constexpr size_t kPrefix = std::string_view("SELECT ").size();
    const bool room = predicate_text.find_first_not_of(' ') >= kPrefix;
    auto predicates = duckdb::Parser::ParseExpressionList(predicate_text.substr(room ? kPrefix : 0), options);
    if (predicates.size() != 1) throw BindFailure(ErrorCode::kSyntaxError, "one condition is expected", -1);
    auto statement = duckdb::make_uniq<duckdb::SelectStatement>();
    auto select = duckdb::make_uniq<duckdb::SelectNode>();
    select->select_list.push_back(duckdb::make_uniq<duckdb::StarExpression>());
    auto table = duckdb::make_uniq<duckdb::BaseTableRef>();
    table->table_name = object.name;
    select->from_table = std::move(table);
    select->where_clause = std::move(predicates[0]);
    statement->node = std::move(select);
    rewrite_windows(context, *statement->node, QueryUse::kView);
    const QueryFacts facts = collect_facts(context, *statement->node);
    if (facts.subquery >= 0) {
      throw BindFailure(ErrorCode::kNotImplemented, "subqueries in a condition on changes are not implemented yet", facts.subquery);
    }
    RewrittenQuery query = rewrite_query(context, std::move(statement));
    Translator translator(context, facts);
    NodePtr root = translator.translate(*query.plan);
    translator.refuse_lookup_scans(*root);
    root = simplify(std::move(root));
    // Filters on the scan with all columns; the optimizer may have dropped them or the whole relation. It may also have
    // the scan read the condition's columns first, with a projection on top that puts all back in order.
    std::vector<expr::ExprPtr> terms;
    Node* node = root.get();
    if (node->kind == NodeKind::kProject) node = node->inputs[0].get();
    while (node->kind == NodeKind::kFilter) {
      terms.push_back(static_cast<plan::FilterNode*>(node)->predicate);
      node = node->inputs[0].get();
    }
    const data::Type boolean = data::Type::of(data::TypeKind::kBoolean);
    if (node->kind == NodeKind::kValues) return expr::constant(data::Value::of(boolean, false));
    if (node->kind != NodeKind::kScan || node->columns.size() != object.columns.size()) {
      throw BindFailure(ErrorCode::kNotIncremental, "this condition cannot be checked row by row", facts.first);
    }
    if (terms.empty()) return expr::constant(data::Value::of(boolean, true));
    const std::vector<uint32_t>& columns = static_cast<const plan::ScanNode*>(node)->source_columns;
    for (expr::ExprPtr& term : terms) term = expr::remap_columns(term, columns);
    return terms.size() == 1 ? terms[0] : expr::call(expr::Op::kAnd, boolean, std::move(terms));
  });
}

// Column references as positions.
static void refer_by_position(duckdb::unique_ptr<duckdb::Expression>& bound) {
  if (bound->GetExpressionClass() == duckdb::ExpressionClass::BOUND_SUBQUERY) {
    throw BindFailure(ErrorCode::kNotImplemented, "a subquery in WATERMARK ... WHEN: the condition is about one row", location_of(*bound));
  }
  if (bound->GetExpressionClass() == duckdb::ExpressionClass::BOUND_COLUMN_REF) {
    const auto& column = bound->Cast<duckdb::BoundColumnRefExpression>();
    bound = duckdb::make_uniq<duckdb::BoundReferenceExpression>(column.return_type, column.binding.column_index);
    return;
  }
  duckdb::ExpressionIterator::EnumerateChildren(*bound, [](duckdb::unique_ptr<duckdb::Expression>& child) { refer_by_position(child); });
}

Result<expr::ExprPtr> bind_row_condition(duckdb::ClientContext& context, const std::string& source, const data::Schema& columns,
                                         const std::string& condition_text) {
  return guarded(condition_text, [&]() -> Result<expr::ExprPtr> {
    duckdb::ParserOptions options;
    options.extensions = nullptr;
    // DuckDB puts its own SELECT before the list: see bind_predicate().
    auto conditions = duckdb::Parser::ParseExpressionList(condition_text.substr(std::string_view("SELECT ").size()), options);
    if (conditions.size() != 1) throw BindFailure(ErrorCode::kSyntaxError, "one condition is expected", -1);
    duckdb::vector<std::string> names;
    duckdb::vector<duckdb::LogicalType> types;
    std::vector<plan::OutputColumn> inputs;
    for (const data::Field& field : columns) {
      names.push_back(field.name);
      types.push_back(duck::type_to_duckdb(field.type));
      inputs.push_back({field.name, field.type, std::nullopt});
    }
    auto binder = duckdb::Binder::CreateBinder(context);
    binder->bind_context.AddGenericBinding(binder->GenerateTableIndex(), source, names, types);
    duckdb::WhereBinder where(*binder, context);
    auto bound = where.Bind(conditions[0]);
    if (bound->IsVolatile()) {
      throw BindFailure(ErrorCode::kNotIncremental, "the condition of WATERMARK ... WHEN must give the same for the same row", location_of(*bound));
    }
    refer_by_position(bound);
    Translator translator(context, QueryFacts());
    return translator.expression(*bound, inputs);
  });
}

}  // namespace laminar::sql
