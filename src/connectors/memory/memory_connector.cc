#include "connectors/memory/memory_connector.h"

namespace laminar::connectors {
namespace {

class MemorySource final : public stream::SourceDefinition {
 public:
  // What was appended before a view began is gone: a view sees the rows from its first tick on.
  bool replayable() const override { return false; }
  bool bounded() const override { return false; }
  Result<std::unique_ptr<stream::SourceReader>> open(stream::DeadLetters) const override {
    return std::unique_ptr<stream::SourceReader>();
  }
};

class MemoryConnector final : public stream::Connector {
 public:
  std::string_view name() const override { return "memory"; }
  std::string_view doc() const override { return "rows that the program appends or INSERT brings"; }
  bool is_source() const override { return true; }
  Result<std::unique_ptr<stream::SourceDefinition>> make_source(const std::string& name, const data::Schema& schema,
                                                                const OptionValues&) const override {
    if (schema.empty()) {
      return Status(ErrorCode::kTypeMismatch, "a memory source has no columns: " + name + "; declare them in CREATE SOURCE");
    }
    return std::unique_ptr<stream::SourceDefinition>(std::make_unique<MemorySource>());
  }
};

}  // namespace

const stream::Connector* memory_connector() {
  static const MemoryConnector connector;
  return &connector;
}

}  // namespace laminar::connectors
