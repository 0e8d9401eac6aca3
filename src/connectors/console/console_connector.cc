#include "connectors/console/console_connector.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "connectors/common_options.h"

namespace laminar::connectors {
namespace {

using stream::SinkMode;

constexpr OptionSpec kOptions[] = {
    {.name = "format", .kind = OptionKind::kChoice, .default_text = "text", .choices = "text|csv|json",
     .doc = "text: values with bars between them; json: one object a line"},
    {.name = "mode", .kind = OptionKind::kChoice, .default_text = "append", .choices = "append|changelog|upsert",
     .doc = "changelog: each change with its tick and weight"},
};

class ConsoleWriter final : public stream::SinkWriter {
 public:
  ConsoleWriter(std::FILE* out, std::string name, const data::Schema& schema, TextFormat format, SinkMode mode)
      : out_(out), name_(std::move(name)), mode_(mode), renderer_(schema, format, mode == SinkMode::kChangelog) {}

  Status begin(uint64_t) override {
    pending_.clear();
    done_ = 0;
    return Status();
  }

  Status write(const data::Batch& batch, uint64_t tick) override {
    if (batch.rows > 0 && pending_.empty() && !header_shown_) renderer_.header(pending_);
    for (uint32_t row = 0; row < batch.rows; ++row) {
      const int64_t weight = batch.weight(row);
      if (mode_ == SinkMode::kChangelog) {
        renderer_.row(batch, row, tick, weight, pending_);
        continue;
      }
      if (weight < 0) return Status(ErrorCode::kInternal, "a row is taken back in an append-only sink: " + name_);
      for (int64_t i = 0; i < weight; ++i) renderer_.row(batch, row, tick, 1, pending_);
    }
    return Status();
  }

  Status prepare() override { return Status(); }

  // An epoch's lines come out in one piece; what a failed attempt has printed is not printed again by the next call.
  Status commit() override {
    done_ += std::fwrite(pending_.data() + done_, 1, pending_.size() - done_, out_);
    if (done_ < pending_.size() || std::fflush(out_) != 0) {
      const int error = errno;
      std::clearerr(out_);
      return Status(ErrorCode::kFileWrite, "standard output cannot be written: " + std::string(std::strerror(error)) + " (sink " + name_ + ")");
    }
    header_shown_ |= !pending_.empty();
    pending_.clear();
    done_ = 0;
    return Status();
  }

  void abort() override {
    pending_.clear();
    done_ = 0;
  }

  Status close() override { return Status(); }

 private:
  std::FILE* const out_;
  const std::string name_;
  const SinkMode mode_;
  RowRenderer renderer_;
  std::string pending_;
  size_t done_ = 0;
  bool header_shown_ = false;
};

class ConsoleSink final : public stream::SinkDefinition {
 public:
  ConsoleSink(std::string name, data::Schema schema, TextFormat format, SinkMode mode)
      : name_(std::move(name)), schema_(std::move(schema)), format_(format), mode_(mode) {}
  SinkMode mode() const override { return mode_; }
  std::string guarantee(bool) const override { return "at-least-once"; }
  Result<std::unique_ptr<stream::SinkWriter>> open() const override {
    return make_console_writer(stdout, name_, schema_, format_, mode_);
  }

 private:
  std::string name_;
  data::Schema schema_;
  TextFormat format_;
  SinkMode mode_;
};

class ConsoleConnector final : public stream::Connector {
 public:
  std::string_view name() const override { return "console"; }
  std::string_view doc() const override { return "prints rows to standard output at each commit"; }
  std::span<const OptionSpec> sink_options() const override { return kOptions; }
  bool is_sink() const override { return true; }
  Result<std::unique_ptr<stream::SinkDefinition>> make_sink(const std::string& name, const stream::SinkInput& input,
                                                            const OptionValues& options) const override {
    ASSIGN_OR_RETURN(const SinkMode mode, sink_mode(name, options, input.append_only, "a line that was printed cannot be replaced"));
    if (mode == SinkMode::kChangelog) RETURN_IF_ERROR(check_changelog_columns(name, input.schema));
    const std::string format = options.text("format");
    return std::unique_ptr<stream::SinkDefinition>(std::make_unique<ConsoleSink>(
        name, input.schema, format == "csv" ? TextFormat::kCsv : format == "json" ? TextFormat::kJson : TextFormat::kBars, mode));
  }
};

}  // namespace

std::unique_ptr<stream::SinkWriter> make_console_writer(std::FILE* out, const std::string& name, const data::Schema& schema,
                                                        TextFormat format, SinkMode mode) {
  return std::make_unique<ConsoleWriter>(out, name, schema, format, mode);
}

const stream::Connector* console_connector() {
  static const ConsoleConnector connector;
  return &connector;
}

}  // namespace laminar::connectors
