#include "stream/edge/connector.h"

namespace laminar::stream {

Result<std::unique_ptr<SourceDefinition>> Connector::make_source(const std::string& name, const data::Schema&,
                                                                 const OptionValues&) const {
  return Status(ErrorCode::kWrongObjectKind,
                "connector " + std::string(this->name()) + " is for sinks only: " + name + "; use it in CREATE SINK");
}

Result<std::unique_ptr<SinkDefinition>> Connector::make_sink(const std::string& name, const SinkInput&,
                                                             const OptionValues&) const {
  return Status(ErrorCode::kWrongObjectKind,
                "connector " + std::string(this->name()) + " is for sources only: " + name + "; use it in CREATE SOURCE");
}

Result<std::unique_ptr<LookupDefinition>> Connector::make_lookup(const std::string& name, const data::Schema&,
                                                                 const std::vector<uint32_t>&, const OptionValues&) const {
  return Status(ErrorCode::kWrongObjectKind, "connector " + std::string(this->name()) + " makes no lookup tables: " + name);
}

}  // namespace laminar::stream
