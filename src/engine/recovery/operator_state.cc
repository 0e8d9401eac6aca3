#include "engine/recovery/operator_state.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "base/check.h"
#include "stream/runtime/exchange.h"
#include "stream/runtime/source_fan.h"

namespace laminar::engine {

using storage::CheckpointBatch;
using storage::CheckpointReader;

namespace {

constexpr uint8_t kCommonTable = 255;
constexpr uint32_t kCoresMax = 64;

uint16_t part_of(size_t number, size_t core) { return static_cast<uint16_t>(core << 10 | number); }

// What one instance reads: its own records, or of the records of all that were there its share.
class Source final : public stream::StateSource {
 public:
  Source(CheckpointReader& reader, uint32_t object, std::vector<uint16_t> parts, uint32_t version)
      : reader_(reader), object_(object), parts_(std::move(parts)), version_(version) {}

  void share(uint32_t core, uint32_t cores, const SavedOperator& op) {
    core_ = core;
    cores_ = cores;
    for (const SavedOperator::Input& input : op.inputs) {
      spreads_.push_back(input.keys.empty() ? nullptr : std::make_unique<stream::KeySpread>(input.types, input.keys, cores));
    }
  }
  bool unknown() const { return unknown_; }
  bool shared() const override { return !spreads_.empty() || cores_ > 1 || parts_.size() > 1; }

  Status scan(uint8_t table, const Visitor& visit) override {
    visited_ = 0;
    for (const uint16_t part : parts_) RETURN_IF_ERROR(reader_.scan({object_, part, table}, visit));
    return {};
  }
  uint32_t version() const override { return version_; }
  bool owns(uint32_t port, const data::Batch& row) override {
    if (cores_ == 1) return true;
    stream::KeySpread* spread = port < spreads_.size() ? spreads_[port].get() : nullptr;
    unknown_ |= !spread;
    return spread && spread->cores_of(row)[0] == core_;
  }
  bool takes() override { return cores_ == 1 || visited_++ % cores_ == core_; }

 private:
  CheckpointReader& reader_;
  const uint32_t object_;
  const std::vector<uint16_t> parts_;
  const uint32_t version_;
  uint32_t core_ = 0, cores_ = 1;
  std::vector<std::unique_ptr<stream::KeySpread>> spreads_;  // by input
  uint64_t visited_ = 0;
  bool unknown_ = false;
};

// The format version, counters and watermarks that an instance has saved; nothing when there was no such instance.
struct Common {
  uint32_t version = 0;
  std::string bytes;
};
Result<std::optional<Common>> read_common(CheckpointReader& reader, uint32_t object, uint16_t part, const std::string& label) {
  std::optional<Common> common;
  bool same = true;
  RETURN_IF_ERROR(reader.scan({object, part, kCommonTable}, [&](std::string_view, std::string_view value) -> Status {
    ByteReader in(value);
    common.emplace();
    common->version = in.get<uint32_t>();
    same = in.text() == label;
    common->bytes = in.rest();
    return {};
  }));
  if (!same) return stream::damaged_state(label);
  return common;
}

}  // namespace

std::vector<SavedOperator> saved_operators(stream::Stage& stage, ViewStage* view) {
  std::vector<SavedOperator> list;
  if (view) {
    for (std::vector<stream::Operator*>& instances : view->instances()) {
      SavedOperator op{std::move(instances), {}};
      if (list.size() < view->pipeline.nodes.size()) {
        const plan::Node& node = *view->pipeline.nodes[list.size()];
        for (size_t i = 0; i < node.inputs.size(); ++i) op.inputs.push_back({node.inputs[i]->types(), view->distribution.spread_by(node, i)});
      } else {
        op.inputs.push_back({view->types(), view->placement().keys});
      }
      list.push_back(std::move(op));
    }
    if (view->history) list.push_back({{view->history}, {}});
    return list;
  }
  const auto add = [&list](stream::Operator* op) {
    const bool passing = dynamic_cast<Subscription*>(op) || dynamic_cast<stream::SourceFan*>(op) || op->label == "receive";
    if (!passing) list.push_back({{op}, {}});
  };
  for (const stream::Part& part : stage.parts) {
    for (stream::Operator* op : part.operators) add(op);
  }
  for (stream::Operator* op : stage.operators) add(op);
  return list;
}

bool save_operators_ahead(const std::vector<SavedOperator>& operators, uint32_t object, stream::Operator::Ahead how, uint64_t records,
                          CheckpointBatch& batch) {
  bool more = false;
  for (size_t i = 0; i < operators.size(); ++i) {
    for (size_t core = 0; core < operators[i].on.size(); ++core) {
      CheckpointSink sink(batch, object, part_of(i, core));
      more |= operators[i].on[core]->save_ahead(sink, how, records);
    }
  }
  return more;
}

void save_operators(const std::vector<SavedOperator>& operators, uint32_t object, bool full, bool ahead, CheckpointBatch& batch) {
  CHECK(operators.size() <= kOperatorsMax);
  ByteWriter out;
  for (size_t i = 0; i < operators.size(); ++i) {
    for (size_t core = 0; core < operators[i].on.size(); ++core) {
      stream::Operator& op = *operators[i].on[core];
      const uint16_t part = part_of(i, core);
      CheckpointSink sink(batch, object, part);
      op.save_state(sink, full && !(ahead && op.saves_ahead()));
      out.clear();
      out.put(op.state_version()).text(op.label);
      op.save_common(out);
      batch.put({object, part, kCommonTable}, "", out.view());
    }
  }
}

Status load_operators(const std::vector<SavedOperator>& operators, uint32_t object, const std::string& name, CheckpointReader& reader) {
  for (size_t i = 0; i < operators.size(); ++i) {
    const std::vector<stream::Operator*>& on = operators[i].on;
    const std::string& label = on[0]->label;
    std::vector<Common> commons;
    std::vector<uint16_t> parts;
    while (commons.size() < kCoresMax) {
      const uint16_t part = part_of(i, commons.size());
      ASSIGN_OR_RETURN(std::optional<Common> common, read_common(reader, object, part, label));
      if (!common) break;
      commons.push_back(std::move(*common));
      parts.push_back(part);
    }
    if (commons.empty()) return stream::damaged_state(name + ": " + label);
    for (size_t core = 0; core < on.size(); ++core) {
      stream::Operator& op = *on[core];
      const bool own = commons.size() == on.size();
      Source source(reader, object, own ? std::vector<uint16_t>{parts[core]} : parts, commons[0].version);
      if (!own) source.share(static_cast<uint32_t>(core), static_cast<uint32_t>(on.size()), operators[i]);
      RETURN_IF_ERROR(op.load_state(source));
      if (source.unknown()) {
        return Status(ErrorCode::kCannotRecover, name + " was saved on " + std::to_string(commons.size()) + " cores and cannot be spread over " +
                                                     std::to_string(on.size()) + ": its rows do not show the columns by which operator " + label +
                                                     " divides them; open the database with --cores " + std::to_string(commons.size()));
      }
      bool read = true;
      if (own) {
        ByteReader in(commons[core].bytes);
        read = op.load_common(in);
      } else {
        for (size_t from = 0; from < commons.size(); ++from) {
          ByteReader in(commons[from].bytes);
          read &= from == 0 ? op.load_common(in) : op.add_common(in);
        }
        if (core > 0) op.counters = {};
      }
      if (!read) return stream::damaged_state(name + ": " + label);
    }
  }
  return {};
}

}  // namespace laminar::engine
