#include "connectors/files/file_lookup.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "connectors/files/file_source.h"

namespace laminar::connectors {
namespace {

class FileLookupReader final : public stream::LookupReader {
 public:
  FileLookupReader(std::string name, data::Schema schema, OptionValues options)
      : name_(std::move(name)), schema_(std::move(schema)), options_(std::move(options)) {}

  Status connect() override { return Status(ErrorCode::kInternal, "files are not asked on demand"); }
  void close() override {}
  Status send(const stream::LookupKeys&) override { return connect(); }
  Result<bool> receive(stream::LookupAnswer&) override { return connect(); }

  Status load(const std::function<Status(const data::Batch&)>& take) override {
    // The list of files and what they say of their columns may have changed.
    ASSIGN_OR_RETURN(const auto source, make_file_source(name_, schema_, options_));
    ASSIGN_OR_RETURN(const auto reader, source->open([](stream::BadRecord) {}));
    data::BatchBuffer buffer(schema_);
    for (;;) {
      if (cancelled_.load()) return Status(ErrorCode::kInterrupted, "cancelled");
      uint32_t partition = 0;
      ASSIGN_OR_RETURN(const stream::ReadState state, reader->read(buffer, partition));
      if (buffer.rows > 0) RETURN_IF_ERROR(take(buffer.view()));
      buffer.clear();
      if (state == stream::ReadState::kEnded) return {};
    }
  }
  void cancel() override { cancelled_.store(true); }

 private:
  const std::string name_;
  const data::Schema schema_;
  const OptionValues options_;
  std::atomic<bool> cancelled_{false};
};

class FileLookup final : public stream::LookupDefinition {
 public:
  FileLookup(std::string name, data::Schema schema, data::Schema inferred, OptionValues options)
      : name_(std::move(name)), schema_(std::move(schema)), inferred_(std::move(inferred)), options_(std::move(options)) {}
  bool can_ask() const override { return false; }
  bool can_load() const override { return true; }
  data::Schema inferred_schema() const override { return inferred_; }
  Result<std::unique_ptr<stream::LookupReader>> open(const std::vector<uint32_t>&) const override {
    return std::unique_ptr<stream::LookupReader>(std::make_unique<FileLookupReader>(name_, schema_, options_));
  }

 private:
  const std::string name_;
  const data::Schema schema_, inferred_;
  const OptionValues options_;
};

}  // namespace

// Those of a source but for following a folder: `refresh` reads everything again.
std::span<const OptionSpec> file_lookup_options() {
  static const std::vector<OptionSpec> options = [] {
    std::vector<OptionSpec> kept;
    for (const OptionSpec& option : file_source_options()) {
      if (option.name == "watch" || option.name == "poll_interval" || option.name == "file_partitions") continue;
      kept.push_back(option);
      if (option.name == "on_error") kept.back().doc = "csv, json: what a bad record does: fail the table's views (default), or be left out";
    }
    return kept;
  }();
  return options;
}

Result<std::unique_ptr<stream::LookupDefinition>> make_file_lookup(const std::string& name, const data::Schema& schema,
                                                                   const OptionValues& options) {
  ASSIGN_OR_RETURN(const auto source, make_file_source(name, schema, options));
  const data::Schema inferred = source->inferred_schema();
  return std::unique_ptr<stream::LookupDefinition>(
      std::make_unique<FileLookup>(name, schema.empty() ? inferred : schema, inferred, options));
}

}  // namespace laminar::connectors
