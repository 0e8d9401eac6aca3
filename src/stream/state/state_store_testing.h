// Saved state in memory, as a checkpoint would hold it: what save_state() wrote so far, for load_state() to read.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/check.h"
#include "stream/operators/operator.h"
#include "stream/state/state_io.h"

namespace laminar::stream::testing {

class MemoryStateStore final : public StateSink, public StateSource {
 public:
  void put(uint8_t table, std::string_view key, std::string_view value) override { tables_[table][std::string(key)] = value; }
  void erase(uint8_t table, std::string_view key) override { tables_[table].erase(std::string(key)); }
  void erase_prefix(uint8_t table, std::string_view prefix) override {
    std::erase_if(tables_[table], [&](const auto& record) { return record.first.starts_with(prefix); });
  }
  Status scan(uint8_t table, const Visitor& visit) override {
    for (const auto& [key, value] : tables_[table]) RETURN_IF_ERROR(visit(key, value));
    return {};
  }
  uint32_t version() const override { return version_; }

  // A checkpoint: the first one is full.
  void save(Operator& op) {
    CHECK(op.saves_state());
    op.save_state(*this, !saved_);
    saved_ = true;
    version_ = op.state_version();
    common_.clear();
    op.save_common(common_);
  }
  // Into an operator made anew. What it saves next goes to a store that knows nothing.
  Status load(Operator& op) {
    RETURN_IF_ERROR(op.load_state(*this));
    ByteReader common(common_.view());
    CHECK(op.load_common(common));
    return {};
  }

 private:
  std::map<uint8_t, std::map<std::string, std::string>> tables_;
  ByteWriter common_;
  uint32_t version_ = 0;
  bool saved_ = false;
};

}  // namespace laminar::stream::testing
