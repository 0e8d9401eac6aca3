#include <algorithm>
#include <duckdb/planner/expression/bound_cast_expression.hpp>

#include "base/check.h"
#include "duck/types.h"
#include "sql/bind/bind_failure.h"
#include "sql/bind/join_conditions.h"
#include "sql/bind/plan_rewrite.h"
#include "sql/bind/translator.h"

namespace laminar::sql {

using expr::ExprKind;
using expr::ExprPtr;
using plan::JoinKind;
using plan::LookupJoinNode;
using plan::Node;
using plan::NodeKind;
using plan::NodePtr;

namespace {

// A lookup table under filters and projections: its scan, what stands above it in terms of the scan's columns.
struct LookupSide {
  const plan::ScanNode* scan = nullptr;
  std::vector<ExprPtr> columns;
  std::vector<ExprPtr> filters;
};

bool reads_lookup(const Node& node, const Translator& translator) {
  if (node.kind == NodeKind::kScan) {
    return translator.object(static_cast<const plan::ScanNode&>(node).object).kind == ObjectKind::kLookupTable;
  }
  return std::any_of(node.inputs.begin(), node.inputs.end(),
                     [&](const NodePtr& input) { return reads_lookup(*input, translator); });
}

std::optional<LookupSide> lookup_side(const Node& node, const Translator& translator) {
  if (node.kind == NodeKind::kScan) {
    if (!reads_lookup(node, translator)) return std::nullopt;
    LookupSide side;
    side.scan = static_cast<const plan::ScanNode*>(&node);
    for (uint32_t i = 0; i < node.columns.size(); ++i) {
      side.columns.push_back(expr::column_ref(i, node.columns[i].type, node.columns[i].name));
    }
    return side;
  }
  if (node.kind != NodeKind::kFilter && node.kind != NodeKind::kProject) return std::nullopt;
  std::optional<LookupSide> side = lookup_side(*node.inputs[0], translator);
  if (!side) return side;
  if (node.kind == NodeKind::kFilter) {
    side->filters.push_back(substitute(static_cast<const plan::FilterNode&>(node).predicate, side->columns));
    return side;
  }
  std::vector<ExprPtr> columns;
  for (const ExprPtr& e : static_cast<const plan::ProjectNode&>(node).expressions) columns.push_back(substitute(e, side->columns));
  side->columns = std::move(columns);
  return side;
}

bool is_key_type(const data::Type& type) {
  using data::TypeKind;
  return type.kind != TypeKind::kFloat && type.kind != TypeKind::kDouble && type.kind != TypeKind::kInterval &&
         type.kind != TypeKind::kBoxed;
}

bool is_integer(const data::Type& type) { return type.kind >= data::TypeKind::kInt8 && type.kind <= data::TypeKind::kUInt128; }

ExprPtr all_of(std::vector<ExprPtr> terms) {
  if (terms.empty()) return nullptr;
  if (terms.size() == 1) return terms[0];
  return expr::call(expr::Op::kAnd, data::Type::of(data::TypeKind::kBoolean), std::move(terms));
}

}  // namespace

void Translator::refuse_lookup_scans(const Node& root) const {
  for (const NodePtr& input : root.inputs) refuse_lookup_scans(*input);
  if (root.kind != NodeKind::kScan || !reads_lookup(root, *this)) return;
  const std::string& name = static_cast<const plan::ScanNode&>(root).object;
  const auto place = facts_.tables.find(duckdb::StringUtil::Lower(name));
  throw BindFailure(ErrorCode::kNotIncremental,
                    "a view does not follow the changes of lookup table " + name + ": join it to a stream, table or view, such as "
                    "FROM s JOIN " + name + " ON s.k = " + name + ".id",
                    place != facts_.tables.end() ? place->second : facts_.first);
}

// A join one side of which is a lookup table; null when none is.
NodePtr Translator::lookup_join(JoinKind kind, JoinConditions& conditions, NodePtr& left, NodePtr& right, int64_t position) {
  const bool right_reads = reads_lookup(*right, *this), left_reads = reads_lookup(*left, *this);
  std::optional<LookupSide> side = right_reads ? lookup_side(*right, *this) : std::nullopt;
  bool swapped = false;
  if (!side && left_reads) {
    side = lookup_side(*left, *this);
    swapped = side.has_value();
  }
  if (!side) {
    refuse_lookup_scans(*left);
    refuse_lookup_scans(*right);
    return nullptr;
  }
  const std::string& name = side->scan->object;
  const auto refuse = [&](ErrorCode code, const std::string& message) { throw BindFailure(code, message, position); };
  if (swapped ? reads_lookup(*right, *this) && lookup_side(*right, *this) : lookup_side(*left, *this).has_value()) {
    refuse(ErrorCode::kNotIncremental, "a lookup table is joined to a stream, table or view, not to another lookup table: " + name);
  }
  if (swapped) kind = kind == JoinKind::kLeft ? JoinKind::kRight : kind == JoinKind::kRight ? JoinKind::kLeft : kind;
  if (kind != JoinKind::kInner && kind != JoinKind::kLeft) {
    refuse(ErrorCode::kNotIncremental,
           std::string("lookup table ") + name + " is asked for the keys of the other side, so its own rows cannot be kept or "
           "compared as a whole: write JOIN or LEFT JOIN with " + name + " as the right side");
  }
  if (swapped) {
    const size_t left_width = left->columns.size(), right_width = right->columns.size();
    std::swap(left, right);
    conditions.swap_sides(left_width, right_width);
  }
  const Object& object = *objects_.at(name);
  const size_t left_width = left->columns.size(), right_width = right->columns.size();

  // Equalities of a left expression with a column of the table.
  struct Equality {
    size_t comparison;
    uint32_t column;  // of the table
    duckdb::unique_ptr<duckdb::Expression> left;
    bool exact;  // says all that the comparison says
  };
  std::vector<Equality> equalities;
  std::string near_miss;
  for (size_t i = 0; i < conditions.comparisons.size(); ++i) {
    JoinConditions::Comparison& comparison = conditions.comparisons[i];
    if (comparison.type != duckdb::ExpressionType::COMPARE_EQUAL) continue;
    ExprPtr key = substitute(expression(*comparison.right, right->columns), side->columns);
    const auto left_type = duck::type_from_duckdb(comparison.left->return_type);
    if (key->kind == ExprKind::kColumn && is_key_type(key->type)) {
      equalities.push_back({i, side->scan->source_columns[key->column], comparison.left->Copy(), true});
    } else if (key->kind == ExprKind::kCast && key->args[0]->kind == ExprKind::kColumn && is_integer(key->args[0]->type) &&
               is_integer(key->type)) {
      // A wider left side: what the narrow type cannot hold matches nothing.
      auto narrow = duckdb::BoundCastExpression::AddCastToType(context_, comparison.left->Copy(),
                                                               duck::type_to_duckdb(key->args[0]->type), true);
      equalities.push_back({i, side->scan->source_columns[key->args[0]->column], std::move(narrow), true});
    } else if (key->kind == ExprKind::kCast || key->kind == ExprKind::kColumn) {
      near_miss = "the key is compared as " + key->type.text() + "; give both sides one type, which is no FLOAT, DOUBLE, INTERVAL "
                  "or nested one";
    }
  }
  const auto has = [&](uint32_t column) {
    return std::any_of(equalities.begin(), equalities.end(), [column](const Equality& e) { return e.column == column; });
  };
  const bool unique = !object.primary_key.empty() && std::all_of(object.primary_key.begin(), object.primary_key.end(), has);
  if (unique) {
    std::vector<Equality> of_key;
    for (const uint32_t column : object.primary_key) {
      of_key.push_back(std::move(*std::find_if(equalities.begin(), equalities.end(), [&](const Equality& e) { return e.column == column; })));
    }
    equalities = std::move(of_key);
  }
  if (equalities.empty()) {
    refuse(ErrorCode::kNotIncremental, "a lookup needs an equality with a column of " + name + ", such as s.k = " + name + "." +
                                           object.columns[object.primary_key.empty() ? 0 : object.primary_key[0]].name +
                                           (near_miss.empty() ? "" : ": " + near_miss));
  }

  auto node = std::make_unique<LookupJoinNode>();
  node->offset = position;
  node->object = name;
  node->join = kind;
  node->unique = unique;
  node->how = object.lookup;
  node->source_columns = side->scan->source_columns;
  for (const data::Field& field : object.columns) node->lookup_types.push_back(field.type);
  ColumnSet left_columns(*this, *left);
  left_columns.add_all();
  std::vector<bool> taken(conditions.comparisons.size(), false);
  for (const Equality& equality : equalities) {
    node->keys.push_back({left_columns.add(*equality.left), equality.column});
    node->key_names.push_back(object.columns[equality.column].name);
    taken[equality.comparison] = equality.exact;
  }
  const std::vector<plan::OutputColumn> right_outputs = right->columns;
  const std::vector<plan::OutputColumn> scanned = side->scan->columns;
  left = left_columns.apply(std::move(left));
  for (const LookupJoinNode::Key& key : node->keys) {
    if (!(left->columns[key.left].type == object.columns[key.column].type)) {
      refuse(ErrorCode::kInternal, "the sides of a lookup's equality have different types");
    }
  }
  const uint32_t left_all = static_cast<uint32_t>(left->columns.size());

  // Everything else that a match needs, over the left columns and then the scanned ones.
  std::vector<uint32_t> shift(scanned.size());
  for (uint32_t i = 0; i < scanned.size(); ++i) shift[i] = left_all + i;
  std::vector<ExprPtr> replaced;
  std::vector<plan::OutputColumn> both = left->columns;
  for (uint32_t i = 0; i < left_all; ++i) replaced.push_back(expr::column_ref(i, both[i].type, both[i].name));
  for (const ExprPtr& column : side->columns) replaced.push_back(expr::remap_columns(column, shift));
  both.insert(both.end(), right_outputs.begin(), right_outputs.end());
  std::vector<ExprPtr> terms;
  for (auto& bound : conditions.take_residual(taken, left_width, left_all)) {
    terms.push_back(substitute(expression(*bound, both), replaced));
  }
  for (const ExprPtr& filter : side->filters) terms.push_back(expr::remap_columns(filter, shift));
  node->residual = all_of(std::move(terms));

  node->columns = left->columns;
  node->columns.insert(node->columns.end(), scanned.begin(), scanned.end());
  for (plan::OutputColumn& column : node->columns) column.time_offset_us.reset();
  node->inputs.push_back(std::move(left));
  NodePtr joined = finished(std::move(node));

  auto project = std::make_unique<plan::ProjectNode>();
  project->offset = position;
  const auto add_left = [&] {
    for (uint32_t i = 0; i < left_width; ++i) {
      project->expressions.push_back(replaced[i]);
      project->columns.push_back({joined->columns[i].name, joined->columns[i].type, std::nullopt});
    }
  };
  const auto add_right = [&] {
    for (uint32_t i = 0; i < right_width; ++i) {
      if (kind == JoinKind::kLeft && side->columns[i]->kind != ExprKind::kColumn) {
        refuse(ErrorCode::kNotImplemented, "a computed column of lookup table " + name + " under LEFT JOIN is not implemented yet: "
                                           "compute it in the SELECT above the join");
      }
      project->expressions.push_back(replaced[left_all + i]);
      project->columns.push_back({right_outputs[i].name, right_outputs[i].type, std::nullopt});
    }
  };
  if (swapped) {
    add_right();
    add_left();
  } else {
    add_left();
    add_right();
  }
  project->inputs.push_back(std::move(joined));
  return finished(std::move(project));
}

}  // namespace laminar::sql
