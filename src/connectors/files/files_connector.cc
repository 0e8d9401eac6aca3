#include "connectors/files/files_connector.h"

#include "connectors/files/file_lookup.h"
#include "connectors/files/file_sink.h"
#include "connectors/files/file_source.h"

namespace laminar::connectors {
namespace {

class FilesConnector final : public stream::Connector {
 public:
  std::string_view name() const override { return "files"; }
  std::string_view doc() const override { return "CSV, newline-delimited JSON and Parquet files"; }
  std::span<const OptionSpec> source_options() const override { return file_source_options(); }
  std::span<const OptionSpec> sink_options() const override { return file_sink_options(); }
  std::span<const OptionSpec> lookup_options() const override { return file_lookup_options(); }
  bool is_source() const override { return true; }
  bool is_sink() const override { return true; }
  bool is_lookup() const override { return true; }
  Result<std::unique_ptr<stream::SourceDefinition>> make_source(const std::string& name, const data::Schema& schema,
                                                                const OptionValues& options) const override {
    return make_file_source(name, schema, options);
  }
  Result<std::unique_ptr<stream::LookupDefinition>> make_lookup(const std::string& name, const data::Schema& schema,
                                                                const std::vector<uint32_t>&, const OptionValues& options) const override {
    return make_file_lookup(name, schema, options);
  }
  Result<std::unique_ptr<stream::SinkDefinition>> make_sink(const std::string& name, const stream::SinkInput& input,
                                                            const OptionValues& options) const override {
    return make_file_sink(name, input.schema, input.append_only, options);
  }
};

}  // namespace

const stream::Connector* files_connector() {
  static const FilesConnector connector;
  return &connector;
}

}  // namespace laminar::connectors
