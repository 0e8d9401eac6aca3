#include "connectors/files/file_source.h"

#include <atomic>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "connectors/common_options.h"
#include "connectors/files/format_reader.h"

namespace laminar::connectors {
namespace {

using stream::ReadState;

constexpr OptionSpec kOptions[] = {
    {.name = "path", .kind = OptionKind::kString, .required = true,
     .doc = "a file, a pattern such as '/data/*.csv', or a folder; files are read in the order of their names"},
    {.name = "format", .kind = OptionKind::kChoice, .choices = "csv|json|parquet",
     .doc = "json: one object a line; by default what the extension says"},
    {.name = "header", .kind = OptionKind::kBoolean,
     .doc = "csv: whether the first line names the columns (default true); without it they count by position"},
    {.name = "delimiter", .kind = OptionKind::kString, .doc = "csv: one character, '\\t' for a tab (default ',', in .tsv files a tab)"},
    {.name = "quoted_nulls", .kind = OptionKind::kBoolean,
     .doc = "csv: whether a quoted empty field is NULL, as an unquoted one is (default true, as in DuckDB)"},
    {.name = "on_error", .kind = OptionKind::kChoice, .choices = "stop|skip",
     .doc = "csv, json: what a bad record does: stop the source (default), or go to the dead letters"},
    {.name = "file_partitions", .kind = OptionKind::kBoolean, .default_text = "false",
     .doc = "each file is a partition with a watermark of its own, and up to 64 files are read side by side; not with watch"},
    {.name = "watch", .kind = OptionKind::kBoolean, .default_text = "false",
     .doc = "go on reading files that appear later, for ever; names that begin with . or end in .tmp are left alone"},
    {.name = "poll_interval", .kind = OptionKind::kInterval, .min = 10'000, .doc = "how often to look for new files (default 1 second)"},
};
constexpr int64_t kPollIntervalUs = 1'000'000;

struct FileSourceSpec {
  std::string name;
  std::shared_ptr<FileList> files;
  FileFormat format = FileFormat::kCsv;
  data::Schema schema;
  ReadOptions read;
  bool watch = false, file_partitions = false;
  int64_t poll_interval_us = kPollIntervalUs;
  std::optional<uint64_t> rows_total;  // where the files say it
};

class FileSourceReader final : public stream::SourceReader {
 public:
  FileSourceReader(std::shared_ptr<const FileSourceSpec> spec, stream::DeadLetters dead_letters)
      : spec_(std::move(spec)), reader_(make_reader(spec_->format, spec_->schema, spec_->read, std::move(dead_letters))),
        next_poll_ns_(monotonic_ns()) {}

  Result<ReadState> read(data::BatchBuffer& out, uint32_t& partition) override {
    partition = 0;
    const uint32_t rows_before = out.rows;
    if (failure_) return *failure_;
    // Rows that came before a failure go out first: what is delivered does not depend on the size of batches.
    const auto fail = [&](const Status& status) -> Result<ReadState> {
      failure_ = std::make_unique<Status>(status.error().code, status.text() + " (source " + spec_->name + ")");
      if (out.rows > rows_before) return ReadState::kRows;
      return *failure_;
    };
    while (!out.full()) {
      if (cancelled_.load(std::memory_order_relaxed)) return ReadState::kIdle;
      if (!is_open_) {
        const Result<bool> found = next_file();
        if (!found.ok()) return fail(found.status());
        if (!*found) return spec_->watch ? ReadState::kIdle : ReadState::kEnded;
      }
      const Result<bool> more = reader_->read(out);
      if (!more.ok()) return fail(more.status());
      if (!*more) {
        reader_->close();
        is_open_ = false;
      }
    }
    return ReadState::kRows;
  }

  std::optional<uint64_t> rows_total() const override { return spec_->rows_total; }

  void cancel() override {
    cancelled_.store(true, std::memory_order_relaxed);
    reader_->cancel();
  }

 private:
  // Opens the next file; false when there is none now.
  Result<bool> next_file() {
    std::optional<ListedFile> file = spec_->files->file(next_);
    if (!file && spec_->watch && monotonic_ns() >= next_poll_ns_) {
      next_poll_ns_ = monotonic_ns() + spec_->poll_interval_us * 1000;
      RETURN_IF_ERROR(spec_->files->refresh());
      file = spec_->files->file(next_);
    }
    if (!file) return false;
    RETURN_IF_ERROR(reader_->open(*file));
    ++next_;
    is_open_ = true;
    return true;
  }

  std::shared_ptr<const FileSourceSpec> spec_;
  std::unique_ptr<FormatReader> reader_;
  size_t next_ = 0;
  bool is_open_ = false;
  int64_t next_poll_ns_;
  std::unique_ptr<Status> failure_;
  std::atomic<bool> cancelled_{false};
};

// Each file is a partition. One batch of each open file in turn, so that none runs far ahead.
class SideBySideReader final : public stream::SourceReader {
 public:
  static constexpr size_t kOpenMax = 64;  // files beyond wait, and hold the watermark back

  SideBySideReader(std::shared_ptr<const FileSourceSpec> spec, stream::DeadLetters dead_letters)
      : spec_(std::move(spec)), dead_letters_(std::move(dead_letters)) {}

  Result<ReadState> read(data::BatchBuffer& out, uint32_t& partition) override {
    ended_before_.insert(ended_before_.end(), ended_.begin(), ended_.end());
    ended_.clear();
    if (failure_) return *failure_;
    const auto fail = [&](const Status& status) -> Result<ReadState> {
      failure_ = std::make_unique<Status>(status.error().code, status.text() + " (source " + spec_->name + ")");
      if (out.rows > 0) return ReadState::kRows;
      return *failure_;
    };
    for (;;) {
      while (open_.size() < kOpenMax && next_ < spec_->files->size()) {
        Open& file = open_.emplace_back();
        file.partition = static_cast<uint32_t>(next_++);
        file.reader = make_reader(spec_->format, spec_->schema, spec_->read, dead_letters_);
        if (const Status status = file.reader->open(*spec_->files->file(file.partition)); !status.ok()) return fail(status);
      }
      if (open_.empty()) return ReadState::kEnded;
      if (cancelled_.load(std::memory_order_relaxed)) return ReadState::kIdle;
      turn_ %= open_.size();
      partition = open_[turn_].partition;
      while (!out.full()) {
        const Result<bool> more = open_[turn_].reader->read(out);
        if (!more.ok()) return fail(more.status());
        if (*more) continue;
        if (cancelled_.load(std::memory_order_relaxed)) return ReadState::kIdle;
        open_[turn_].reader->close();
        open_.erase(open_.begin() + static_cast<ptrdiff_t>(turn_));
        (out.rows > 0 ? ended_ : ended_before_).push_back(partition);
        if (out.rows > 0) return ReadState::kRows;
        break;
      }
      if (out.rows == 0) continue;
      ++turn_;
      return ReadState::kRows;
    }
  }

  uint32_t partition_count() const override { return static_cast<uint32_t>(spec_->files->size()); }
  void take_ended(std::vector<uint32_t>& partitions) override {
    partitions.insert(partitions.end(), ended_before_.begin(), ended_before_.end());
    ended_before_.clear();
  }
  std::optional<uint64_t> rows_total() const override { return spec_->rows_total; }
  // Between two batches; a batch is soon read.
  void cancel() override { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  struct Open {
    std::unique_ptr<FormatReader> reader;
    uint32_t partition = 0;
  };
  std::shared_ptr<const FileSourceSpec> spec_;
  stream::DeadLetters dead_letters_;
  std::vector<Open> open_;
  size_t next_ = 0, turn_ = 0;
  std::vector<uint32_t> ended_, ended_before_;
  std::unique_ptr<Status> failure_;
  std::atomic<bool> cancelled_{false};
};

class FileSource final : public stream::SourceDefinition {
 public:
  FileSource(std::shared_ptr<const FileSourceSpec> spec, data::Schema inferred) : spec_(std::move(spec)), inferred_(std::move(inferred)) {}

  data::Schema inferred_schema() const override { return inferred_; }
  bool replayable() const override { return true; }
  bool bounded() const override { return !spec_->watch; }
  bool partitioned() const override { return spec_->file_partitions; }
  std::string partition_name(uint32_t partition) const override {
    const std::optional<ListedFile> file = spec_->files->file(partition);
    return file ? file->path.substr(file->path.rfind('/') + 1) : std::to_string(partition);
  }
  Result<std::unique_ptr<stream::SourceReader>> open(stream::DeadLetters dead_letters) const override {
    if (spec_->file_partitions) return std::unique_ptr<stream::SourceReader>(std::make_unique<SideBySideReader>(spec_, std::move(dead_letters)));
    return std::unique_ptr<stream::SourceReader>(std::make_unique<FileSourceReader>(spec_, std::move(dead_letters)));
  }

 private:
  std::shared_ptr<const FileSourceSpec> spec_;
  data::Schema inferred_;
};

// Options that would have no effect are refused.
Status refuse_idle_options(const std::string& name, FileFormat format, const OptionValues& options) {
  const auto refuse = [&](std::string_view option, const std::string& why) {
    return Status(ErrorCode::kInvalidOption, "option without effect: " + std::string(option) + " of source " + name + "; " + why,
                  options.value_offset(option));
  };
  for (const std::string_view option : {"header", "delimiter", "quoted_nulls"}) {
    if (options.has(option) && format != FileFormat::kCsv) return refuse(option, "it is for format csv");
  }
  if (options.has("on_error") && format == FileFormat::kParquet) return refuse("on_error", "a Parquet file has no bad records");
  if (options.has("poll_interval") && !options.boolean("watch")) return refuse("poll_interval", "it needs watch = true");
  return Status();
}

}  // namespace

std::span<const OptionSpec> file_source_options() { return kOptions; }

Result<std::unique_ptr<stream::SourceDefinition>> make_file_source(const std::string& name, const data::Schema& schema,
                                                                   const OptionValues& options) {
  auto spec = std::make_shared<FileSourceSpec>();
  spec->name = name;
  spec->watch = options.boolean("watch");
  spec->file_partitions = options.boolean("file_partitions");
  if (spec->file_partitions && spec->watch) {
    return Status(ErrorCode::kInvalidOption, "file_partitions and watch exclude each other: rows of files that appear later have no fixed place among the others",
                  options.value_offset("file_partitions"));
  }
  if (options.has("poll_interval")) spec->poll_interval_us = options.integer("poll_interval");
  const std::string path = options.text("path");
  const int64_t path_offset = options.value_offset("path");
  std::optional<FileFormat> wanted;
  for (const FileFormat format : {FileFormat::kCsv, FileFormat::kJson, FileFormat::kParquet}) {
    if (options.text("format") == format_name(format)) wanted = format;
  }
  ASSIGN_OR_RETURN(spec->files, FileList::open(path, wanted, spec->watch, path_offset));
  const std::optional<FileFormat> format = spec->files->format();
  if (!format) {
    return Status(ErrorCode::kMissingOption,
                  "format cannot be told from the name: " + path + "; add the option format to source " + name, path_offset);
  }
  spec->format = *format;
  RETURN_IF_ERROR(refuse_idle_options(name, *format, options));
  const std::optional<ListedFile> first = spec->files->file(0);
  const std::string first_path = first ? first->path : path;
  const bool tabs = first_path.size() >= 4 && equal_ignoring_case(std::string_view(first_path).substr(first_path.size() - 4), ".tsv");
  ASSIGN_OR_RETURN(spec->read.delimiter, delimiter_option("source " + name, options, tabs ? '\t' : ','));
  spec->read.header = !options.has("header") || options.boolean("header");
  spec->read.quoted_nulls = !options.has("quoted_nulls") || options.boolean("quoted_nulls");
  spec->read.skip_bad_records = options.text("on_error") == "skip";
  spec->read.inferred = schema.empty();

  const auto at_path = [&](const Status& status) { return Status(status.error().code, status.text(), path_offset); };
  data::Schema inferred;
  if (schema.empty()) {
    if (!first) {
      return Status(ErrorCode::kFileNotFound, "no file yet to infer the columns of source " + name + " from: " + path +
                                                  "; declare the columns", path_offset);
    }
    Result<data::Schema> found = infer_schema(*format, *first, spec->read);
    if (!found.ok()) return at_path(found.status());
    inferred = found.take();
    spec->schema = inferred;
  } else {
    spec->schema = schema;
    if (first) {  // what is wrong with the columns is said at CREATE
      const Status status = make_reader(*format, schema, spec->read, nullptr)->open(*first);
      if (!status.ok()) return at_path(status);
    }
  }
  if (*format == FileFormat::kParquet && !spec->watch) {
    const Result<uint64_t> rows = parquet_row_count(*spec->files);
    if (!rows.ok()) return Status(ErrorCode::kFileUnreadable, rows.status().text(), path_offset);
    spec->rows_total = *rows;
  }
  return std::unique_ptr<stream::SourceDefinition>(std::make_unique<FileSource>(std::move(spec), std::move(inferred)));
}

}  // namespace laminar::connectors
