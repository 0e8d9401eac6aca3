// Plan nodes: what a view computes, as plain data. sql/bind writes them, stream/build reads them, explain prints them.
//
// Units:   times and intervals are microseconds; columns are positions in the input node's output.
// Owns:    a node owns its inputs; nodes are immutable once a plan is bound.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/type.h"
#include "expr/expression.h"

namespace laminar::plan {

class TimeZone;  // plan/time_zone.h

// Event time that is no TIMESTAMP (us): what one of it is. Windows convert it, with floor; see expr::Op::kEventTime.
enum class TimeForm : uint8_t { kNone, kSeconds, kMilliseconds, kMicroseconds, kNanoseconds, kDays };

struct OutputColumn {
  std::string name;
  data::Type type;
  // Set where the column is event time: column = stream time + offset, and the node's watermark + offset bounds it.
  std::optional<int64_t> time_offset_us;
  // Set where the column is the stream time in another form: DATE, TIMESTAMP_S, _MS, _NS, or BIGINT with time_unit.
  TimeForm time_form = TimeForm::kNone;
};

enum class NodeKind : uint8_t {
  kScan, kFilter, kProject, kUnionAll, kWindowAssign, kAggregate, kTopN, kDistinctOn, kValues, kJoin, kAsof,
  kHorizon, kSort, kLookupJoin,
};

struct Node {
  explicit Node(NodeKind kind) : kind(kind) {}
  virtual ~Node() = default;

  NodeKind kind;
  std::vector<std::unique_ptr<Node>> inputs;
  std::vector<OutputColumn> columns;
  // Proven by the planner:
  bool append_only = false;       // every change has weight +1
  // A row that is taken back comes with the place in the total order that it came with. Where nothing is taken back, and
  // in what filters and projections make of a table; not in content that operators form anew each tick.
  bool keeps_order = false;
  std::vector<uint32_t> key;      // columns that identify a row, empty when none is known
  // Rows come from a source whose watermark is one PER KEY: the columns that are the key, where all of them are there.
  std::vector<uint32_t> time_key;
  // And it has no watermark of all keys: nothing but windows of a key can wait for it.
  bool time_by_key_only = false;
  std::string state_bound;        // for EXPLAIN: what bounds this node's state; empty when it keeps none
  int64_t offset = -1;            // in the script

  std::vector<data::Type> types() const {
    std::vector<data::Type> result;
    for (const OutputColumn& column : columns) result.push_back(column.type);
    return result;
  }
};
using NodePtr = std::unique_ptr<Node>;

// Reads a source, table, stream or view. Output column i is column source_columns[i] of the object.
struct ScanNode : Node {
  ScanNode() : Node(NodeKind::kScan) {}
  std::string object;  // its name in our catalog
  std::vector<uint32_t> source_columns;
};

struct FilterNode : Node {
  FilterNode() : Node(NodeKind::kFilter) {}
  expr::ExprPtr predicate;
};

struct ProjectNode : Node {
  ProjectNode() : Node(NodeKind::kProject) {}
  std::vector<expr::ExprPtr> expressions;
};

// UNION ALL of inputs with equal types.
struct UnionAllNode : Node {
  UnionAllNode() : Node(NodeKind::kUnionAll) {}
};

// Constant rows, inserted at the first tick.
struct ValuesNode : Node {
  ValuesNode() : Node(NodeKind::kValues) {}
  std::vector<std::vector<data::Value>> rows;
};

enum class WindowKind : uint8_t { kTumble, kHop, kSession, kCumulate };
struct WindowSpec {
  WindowKind kind = WindowKind::kTumble;
  uint32_t time_column = 0;      // TIMESTAMP or TIMESTAMPTZ column of the input with time_offset_us set
  int64_t size_us = 0;           // tumble, hop, cumulate
  int64_t slide_us = 0;          // hop's slide, cumulate's step; equals size_us for tumble
  int64_t gap_us = 0;            // session
  int64_t offset_us = 0;
  std::shared_ptr<const TimeZone> zone;  // null: sizes are lengths of time; else they are of this zone's clock time
};

// When windows speak; see design.md section 3.
enum class EmitPolicy : uint8_t { kOnUpdate, kAfterWatermark, kOnWindowClose };

// Multiplies rows by the windows that hold them, columns window_start and window_end appended (tumble, hop, cumulate
// used without an aggregate above).
struct WindowAssignNode : Node {
  WindowAssignNode() : Node(NodeKind::kWindowAssign) {}
  WindowSpec window;
  int64_t lateness_us = 0;
};

enum class AggregateKind : uint8_t {
  kCountStar, kCount, kSum, kAvg, kMin, kMax, kFirst, kLast, kArgMin, kArgMax,
  kStddevSamp, kStddevPop, kVarSamp, kVarPop, kBoolAnd, kBoolOr,
  kQuantileCont, kQuantileDisc, kMedian, kStringAgg, kList, kApproxCountDistinct, kForeign,
};

struct SortKey {
  uint32_t column = 0;
  bool descending = false;
  bool nulls_first = false;
};

struct AggregateCall {
  AggregateKind kind = AggregateKind::kCountStar;
  std::vector<uint32_t> args;       // input columns; for first/last with no ORDER BY: the value
  bool distinct = false;
  std::optional<uint32_t> filter;   // BOOLEAN input column
  std::vector<SortKey> order_by;    // for first, last, string_agg, list
  std::vector<data::Value> params;  // quantile fractions, string_agg separator
  data::Type type;
  std::shared_ptr<const expr::ForeignAggregate> foreign;  // kForeign, and where DuckDB's update serves append-only input
  bool ignore_nulls = false;        // first/last skip NULL values: any_value and IGNORE NULLS
  std::string text;                 // "sum(price)"
  int64_t offset = -1;
};

// GROUP BY, with or without a window. Output: one column per group output, then one per aggregate.
// With no keys, no window and no aggregate below, one global group that always has a row (SQL's scalar aggregate).
struct AggregateNode : Node {
  AggregateNode() : Node(NodeKind::kAggregate) {}
  struct GroupOutput {
    enum class Kind : uint8_t { kKey, kWindowStart, kWindowEnd } kind = Kind::kKey;
    uint32_t column = 0;  // kKey: input column
  };
  std::vector<GroupOutput> groups;
  std::vector<AggregateCall> aggregates;
  std::optional<WindowSpec> window;
  EmitPolicy emit = EmitPolicy::kOnUpdate;
  int64_t lateness_us = 0;
  // PER KEY: the input columns, all of them among the groups, whose own watermark closes a group's windows. Empty: that of
  // the input does.
  std::vector<uint32_t> close_key;
  int64_t retain_us = 0;  // closed windows keep their state so long, for REAPPLY LATE ROWS
  // Plain groups whose keys hold event time: a group whose time column lies below the watermark is final. Set to the
  // group output position; state of final groups is released where nobody needs it.
  std::optional<uint32_t> time_group;
};

// Rows ranked per partition: ORDER BY .. LIMIT (no partition), QUALIFY row_number/rank/dense_rank <= n.
// Output: the input's columns, then the rank (BIGINT) where output_rank.
struct TopNNode : Node {
  TopNNode() : Node(NodeKind::kTopN) {}
  enum class Rank : uint8_t { kRowNumber, kRank, kDenseRank } rank = Rank::kRowNumber;
  std::vector<uint32_t> partition;
  std::vector<SortKey> order_by;  // ties by the total order of the input
  uint64_t limit = 0;
  uint64_t offset_rows = 0;
  bool output_rank = false;
  // A partition column that is event time: partitions below the watermark are complete. With kOnWindowClose their rows
  // come out once, then.
  std::optional<uint32_t> time_partition;
  EmitPolicy emit = EmitPolicy::kOnUpdate;
};

// SELECT DISTINCT ON (keys) ... ORDER BY: translated to TopN with limit 1. SELECT DISTINCT: Aggregate without calls.

enum class JoinKind : uint8_t { kInner, kLeft, kRight, kFull, kSemi, kAnti };

// Two inputs, left and right, matched by equal columns. Output: the left columns, then the right ones; of a semi or anti
// join the left columns alone.
struct JoinNode : Node {
  JoinNode() : Node(NodeKind::kJoin) {}
  struct Key {
    uint32_t left = 0, right = 0;  // of one type
    bool null_equal = false;       // IS NOT DISTINCT FROM
  };
  // left + lower <= right <= left + upper for two event-time columns: a match keeps it, and state is released by it.
  struct TimeBound {
    uint32_t left = 0, right = 0;
    int64_t lower_us = 0, upper_us = 0;
  };
  // Rows of a side leave when their time, in the named column, is behind that side's own watermark by more than `us`; what
  // they have met stays as it is. Without columns: the user's word made the time bound.
  struct Retention {
    int64_t us = 0;
    std::optional<uint32_t> left, right;
  };
  JoinKind join = JoinKind::kInner;
  std::vector<Key> keys;  // none: every pair is looked at
  std::optional<TimeBound> time;
  std::optional<Retention> retention;
  // With a time bound, a row that meets none comes out when none can come any more; else at once, and is taken back.
  bool unmatched_at_close = false;
  expr::ExprPtr residual;  // what else a match needs, over the left columns and then the right ones; may be null
  bool pairs() const { return join != JoinKind::kSemi && join != JoinKind::kAnti; }
};

// Each left row with at most one right row of its keys: of the rows before it in time the newest, of those behind it the
// oldest, or the nearest of all (ASOF); or the version that was valid at its time (FOR SYSTEM_TIME AS OF). Output: the
// left columns, then the right ones, NULL without a match.
//
// Order:   right rows of one time by the total order of the input: backward takes the last of them, forward and nearest
//          the first. Of two rows equally near the earlier one is taken.
struct AsofNode : Node {
  AsofNode() : Node(NodeKind::kAsof) {}
  enum class Match : uint8_t { kBackward, kForward, kNearest };
  // kRows: the right rows are what they are. kByTime: a change of the right side is a new version from its time on, and
  // a delete ends one by the clock. kByChange: the same with all times by the clock. kCurrent: the row that is there when
  // the left row is processed.
  enum class Versions : uint8_t { kRows, kByTime, kByChange, kCurrent };

  JoinKind join = JoinKind::kInner;   // or kLeft
  Match match = Match::kBackward;
  bool strict = false;                // not of the same time
  Versions versions = Versions::kRows;
  std::vector<JoinNode::Key> keys;
  uint32_t left_time = 0;             // event time of the left row, which says when it is late
  uint32_t left_probe = 0;            // what is compared with the right time: left_time + [probe_min_us, probe_max_us]
  int64_t probe_min_us = 0, probe_max_us = 0;
  uint32_t right_time = 0;            // of kRows and kByTime
  std::optional<int64_t> tolerance_us;
  std::optional<uint32_t> left_condition;  // BOOLEAN left column: a row where it is not true has no match
  bool timed = false;                 // watermarks make rows final and release state
  bool on_final = false;              // a left row comes out once, when its match is final

  bool right_has_time() const { return versions == Versions::kRows || versions == Versions::kByTime; }
  const char* kind_text() const { return versions == Versions::kRows ? "ASOF" : "temporal"; }
};

// Each row once per offset, the offset as a further column at the end (INTERVAL).
struct HorizonNode : Node {
  HorizonNode() : Node(NodeKind::kHorizon) {}
  std::vector<int64_t> offsets_us;
};

// Rows of an append-only input in the order of their event time, as the watermark passes them.
struct SortNode : Node {
  SortNode() : Node(NodeKind::kSort) {}
  uint32_t time_column = 0;  // with time_offset_us set
  uint64_t memory_bytes = 0;  // rows beyond it go to temporary files
};

// Each left row with the rows that a lookup table has for its key when the row is processed. Output: the left columns, then
// the table's columns source_columns.
struct LookupJoinNode : Node {
  LookupJoinNode() : Node(NodeKind::kLookupJoin) {}
  struct Key {
    uint32_t left = 0;    // of the input
    uint32_t column = 0;  // of the lookup table
  };
  std::string object;
  JoinKind join = JoinKind::kInner;  // or kLeft
  std::vector<Key> keys;
  std::vector<std::string> key_names;       // of the table's columns, parallel to keys
  std::vector<data::Type> lookup_types;     // of all columns of the table
  std::vector<uint32_t> source_columns;
  bool unique = false;    // keys hold the table's primary key: at most one row matches
  expr::ExprPtr residual;  // what else a match needs, over the output columns; may be null
  std::string how;         // for EXPLAIN: where the rows come from
};

// EMIT as the user said it, for EXPLAIN, sinks and subscribers.
enum class EmitMode : uint8_t { kOnUpdate, kOnWindowClose, kAfterWatermark, kEvery, kChanges, kFinal };

// A bound view: the root of its plan and what its clauses say.
struct ViewPlan {
  std::string name;
  bool is_stream = false;
  NodePtr root;                      // columns are the view's columns
  EmitMode emit = EmitMode::kOnUpdate;
  int64_t every_us = 0;
  int64_t lateness_us = 0;
  uint64_t retain_history_bytes = 0;
  int64_t retain_windows_us = 0;     // AggregateNode::retain_us of its window
  int64_t retention_us = 0;          // of joins of streams without a time bound; 0: not said
  std::vector<std::string> inputs;   // objects read, without repeats, in order of first use
  std::string late_data_to;          // sink name or empty
};

const char* to_text(WindowKind kind);
const char* to_text(EmitMode mode);
const char* to_text(AggregateKind kind);
const char* to_text(JoinKind kind);
// "1h30m", "250ms".
std::string duration_text(int64_t us);

// The text of EXPLAIN: one line a node, indented, keys, windows, append-only or changelog, state bounds, fallbacks.
std::string explain(const ViewPlan& plan);

}  // namespace laminar::plan
