#include "connectors/files/file_sink.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "connectors/common_options.h"
#include "connectors/files/format_reader.h"
#include "connectors/files/part_file.h"
#include "io/file.h"

namespace laminar::connectors {
namespace {

using stream::SinkMode;

constexpr OptionSpec kOptions[] = {
    {.name = "path", .kind = OptionKind::kString, .required = true,
     .doc = "a folder, made when it is not there, or a file name with {part} where the number goes"},
    {.name = "format", .kind = OptionKind::kChoice, .choices = "csv|json|parquet",
     .doc = "json: one object a line; by default what the extension in path says"},
    {.name = "mode", .kind = OptionKind::kChoice, .default_text = "append", .choices = "append|changelog|upsert",
     .doc = "changelog: each change with its tick and weight"},
    {.name = "rows_per_file", .kind = OptionKind::kInteger, .min = 1,
     .doc = "a new file after so many rows; each commit begins a new file anyway"},
    {.name = "header", .kind = OptionKind::kBoolean, .doc = "csv: names of the columns in the first line (default true)"},
    {.name = "delimiter", .kind = OptionKind::kString, .doc = "csv: one character, '\\t' for a tab (default ',')"},
    {.name = "compression", .kind = OptionKind::kChoice, .choices = "snappy|zstd|gzip|lz4|uncompressed",
     .doc = "parquet: how columns are compressed (default snappy)"},
};

constexpr std::string_view kPart = "{part}";
constexpr std::string_view kUnfinished = ".tmp";

struct FileSinkSpec {
  std::string name;
  std::string folder, prefix, suffix;  // a file is folder/<prefix><number><suffix>
  data::Schema schema;
  SinkMode mode = SinkMode::kAppend;
  uint64_t rows_per_file = UINT64_MAX;
  PartOptions part;

  std::string file_name(uint64_t number) const {
    char digits[24];
    std::snprintf(digits, sizeof digits, "%06llu", static_cast<unsigned long long>(number));
    return prefix + digits + suffix;
  }
};

// The number in a name of ours, 0 when it is none.
uint64_t number_of(std::string_view name, const FileSinkSpec& spec) {
  if (name.size() <= spec.prefix.size() + spec.suffix.size() || !name.starts_with(spec.prefix) || !name.ends_with(spec.suffix)) return 0;
  name = name.substr(spec.prefix.size(), name.size() - spec.prefix.size() - spec.suffix.size());
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return name.size() >= 6 && error == std::errc() && end == name.data() + name.size() ? number : 0;
}

// Two sinks that write the same names would take each other's unfinished files for leftovers.
class NameClaim {
 public:
  static Result<NameClaim> take(std::string names) {
    std::lock_guard lock(mutex());
    if (!claimed().insert(names).second) {
      return Status(ErrorCode::kObjectExists, "another sink writes these files: " + names + "; choose another path");
    }
    NameClaim claim;
    claim.names_ = std::move(names);
    return Result<NameClaim>(std::move(claim));
  }
  NameClaim() = default;
  NameClaim(NameClaim&& other) noexcept : names_(std::exchange(other.names_, {})) {}
  NameClaim& operator=(NameClaim&& other) noexcept {
    std::swap(names_, other.names_);
    return *this;
  }
  ~NameClaim() {
    if (names_.empty()) return;
    std::lock_guard lock(mutex());
    claimed().erase(names_);
  }

 private:
  static std::mutex& mutex() {
    static std::mutex m;
    return m;
  }
  static std::set<std::string>& claimed() {
    static std::set<std::string> names;
    return names;
  }
  std::string names_;
};

class FileSinkWriter final : public stream::SinkWriter {
 public:
  FileSinkWriter(std::shared_ptr<const FileSinkSpec> spec, NameClaim claim, uint64_t next_number)
      : spec_(std::move(spec)), claim_(std::move(claim)), next_number_(next_number) {}
  ~FileSinkWriter() override { abort(); }

  Status begin(uint64_t) override {
    CHECK(parts_.empty());
    return Status();
  }

  Status write(const data::Batch& batch, uint64_t tick) override {
    for (uint32_t row = 0; row < batch.rows; ++row) {
      const int64_t weight = batch.weight(row);
      if (spec_->mode == SinkMode::kChangelog) {
        RETURN_IF_ERROR(add(batch, row, tick, weight));
        continue;
      }
      if (weight < 0) return Status(ErrorCode::kInternal, "a row is taken back in an append-only sink: " + spec_->name);
      for (int64_t i = 0; i < weight; ++i) RETURN_IF_ERROR(add(batch, row, tick, 1));
    }
    return Status();
  }

  Status prepare() override {
    for (Part& part : parts_) {
      if (!part.file) continue;
      RETURN_IF_ERROR(named(part.file->finish()));
      part.file.reset();
    }
    // A decided epoch finds its unfinished files after a power cut too.
    return parts_.empty() ? Status() : named(io::sync_folder(spec_->folder));
  }

  Status commit() override {
    for (Part& part : parts_) {
      while (!part.visible) {
        bool exists = false;
        const std::string to = io::join_path(spec_->folder, spec_->file_name(part.number));
        const Status status = io::rename_new(part.unfinished, to, &exists);
        if (exists) {  // somebody else put a file there
          part.number = next_number_++;
          continue;
        }
        RETURN_IF_ERROR(named(status));
        part.visible = true;
      }
    }
    if (!parts_.empty()) RETURN_IF_ERROR(named(io::sync_folder(spec_->folder)));
    parts_.clear();
    return Status();
  }

  void abort() override {
    for (Part& part : parts_) {
      part.file.reset();
      // The epoch comes again, so what a half-done commit has shown is taken back.
      const std::string path = part.visible ? io::join_path(spec_->folder, spec_->file_name(part.number)) : part.unfinished;
      (void)io::remove_file(path);  // what stays is removed by the next open()
      next_number_ = std::min(next_number_, part.number);
    }
    parts_.clear();
  }

  // Of each part the unfinished name and the number.
  std::string prepared() const override {
    ByteWriter out;
    for (const Part& part : parts_) out.text(part.unfinished).put(part.number);
    return std::string(out.view());
  }

  void leave() override { parts_.clear(); }

  Status close() override {
    abort();
    return Status();
  }

 private:
  struct Part {
    uint64_t number = 0;
    std::string unfinished;
    std::unique_ptr<PartFile> file;  // null: finished
    bool visible = false;
  };

  Status add(const data::Batch& batch, uint32_t row, uint64_t tick, int64_t weight) {
    if (parts_.empty() || parts_.back().file->rows() >= spec_->rows_per_file) RETURN_IF_ERROR(open_part());
    return named(parts_.back().file->add(batch, row, tick, weight));
  }

  Status open_part() {
    // Finished at once, so that an epoch of many files does not hold them all open or in memory.
    if (!parts_.empty()) RETURN_IF_ERROR(named(parts_.back().file->finish()));
    Part part;
    part.number = next_number_;
    part.unfinished = io::join_path(spec_->folder, "." + spec_->file_name(part.number) + std::string(kUnfinished));
    (void)io::remove_file(part.unfinished);  // of an abort that could not
    auto file = PartFile::create(part.unfinished, spec_->schema, spec_->part);
    if (!file.ok()) {
      (void)io::remove_file(part.unfinished);
      return named(file.status());
    }
    if (!parts_.empty()) parts_.back().file.reset();
    part.file = file.take();
    parts_.push_back(std::move(part));
    ++next_number_;
    return Status();
  }

  Status named(const Status& status) const {
    if (status.ok()) return status;
    return Status(status.error().code, status.text() + " (sink " + spec_->name + ")");
  }

  std::shared_ptr<const FileSinkSpec> spec_;
  NameClaim claim_;
  uint64_t next_number_;
  std::vector<Part> parts_;  // of the open epoch; only the last one takes rows
};

class FileSink final : public stream::SinkDefinition {
 public:
  explicit FileSink(std::shared_ptr<const FileSinkSpec> spec) : spec_(std::move(spec)) {}
  SinkMode mode() const override { return spec_->mode; }
  std::string guarantee(bool durable) const override { return durable ? "exactly-once" : "at-least-once"; }

  Result<std::unique_ptr<stream::SinkWriter>> reopen(uint64_t, const std::string& prepared) const override {
    ByteReader in(prepared);
    uint64_t next = 0;
    bool renamed = false;
    while (!in.at_end()) {
      const std::string unfinished(in.text());
      uint64_t number = std::max(in.get<uint64_t>(), next);
      if (!in.ok()) return Status(ErrorCode::kCannotRecover, "the record of what sink " + spec_->name + " has prepared cannot be read");
      ASSIGN_OR_RETURN(const io::FileInfo info, io::file_info(unfinished));
      if (info.kind == io::FileInfo::Kind::kNone) continue;  // renamed before
      for (bool exists = true; exists; ++number) {
        const Status status = io::rename_new(unfinished, io::join_path(spec_->folder, spec_->file_name(number)), &exists);
        if (!exists) RETURN_IF_ERROR(status);
      }
      next = number;
      renamed = true;
    }
    if (renamed) RETURN_IF_ERROR(io::sync_folder(spec_->folder));
    return open();
  }

  Result<std::unique_ptr<stream::SinkWriter>> open() const override {
    RETURN_IF_ERROR(io::make_folders(spec_->folder));
    ASSIGN_OR_RETURN(NameClaim claim, NameClaim::take(io::join_path(spec_->folder, spec_->prefix + std::string(kPart) + spec_->suffix)));
    ASSIGN_OR_RETURN(const std::vector<std::string> names, io::list_folder(spec_->folder));
    uint64_t highest = 0;
    for (const std::string& name : names) {
      highest = std::max(highest, number_of(name, *spec_));
      if (name.front() != '.' || !name.ends_with(kUnfinished)) continue;
      const std::string_view inner = std::string_view(name).substr(1, name.size() - 1 - kUnfinished.size());
      if (number_of(inner, *spec_) > 0) RETURN_IF_ERROR(io::remove_file(io::join_path(spec_->folder, name)));
    }
    return std::unique_ptr<stream::SinkWriter>(std::make_unique<FileSinkWriter>(spec_, std::move(claim), highest + 1));
  }

 private:
  std::shared_ptr<const FileSinkSpec> spec_;
};

// Splits the path into folder, prefix and suffix.
Status read_path(const OptionValues& options, FileSinkSpec& spec, std::optional<FileFormat> format) {
  const std::string path = options.text("path");
  const int64_t offset = options.value_offset("path");
  const size_t part = path.find(kPart);
  if (path.empty()) return Status(ErrorCode::kInvalidOption, "path of sink " + spec.name + " is empty", offset);
  if (part != std::string::npos) {
    spec.folder = io::folder_of(path);
    const std::string name(io::name_of(path));
    const size_t at_part = name.find(kPart);
    if (at_part == std::string::npos || name.find(kPart, at_part + 1) != std::string::npos || name.front() == '.') {
      return Status(ErrorCode::kInvalidOption, "{part} comes once, in the file name of path of sink " + spec.name +
                                                   ", which does not begin with a dot: " + path, offset);
    }
    spec.prefix = name.substr(0, at_part);
    spec.suffix = name.substr(at_part + kPart.size());
    if (!spec.prefix.empty() && spec.prefix.back() >= '0' && spec.prefix.back() <= '9') {
      return Status(ErrorCode::kInvalidOption, "a digit before {part} makes numbers ambiguous in path of sink " + spec.name + ": " + path, offset);
    }
    return Status();
  }
  ASSIGN_OR_RETURN(const io::FileInfo info, io::file_info(path));
  if (info.kind != io::FileInfo::Kind::kFolder && (info.kind != io::FileInfo::Kind::kNone || format_of(path))) {
    std::string example = path;
    const size_t dot = example.rfind('.');
    example.insert(dot == std::string::npos ? example.size() : dot, "-{part}");
    return Status(ErrorCode::kInvalidOption, "path of sink " + spec.name + " is neither a folder nor has {part}: " + path +
                                                 "; each commit makes a file of its own: write '" + example + "'", offset);
  }
  spec.folder = path;
  while (spec.folder.size() > 1 && spec.folder.back() == '/') spec.folder.pop_back();
  spec.prefix = "part-";
  if (format) spec.suffix = "." + std::string(format_name(*format));
  return Status();
}

}  // namespace

std::span<const OptionSpec> file_sink_options() { return kOptions; }

Result<std::unique_ptr<stream::SinkDefinition>> make_file_sink(const std::string& name, const data::Schema& schema,
                                                               bool append_only, const OptionValues& options) {
  auto spec = std::make_shared<FileSinkSpec>();
  spec->name = name;
  spec->schema = schema;
  ASSIGN_OR_RETURN(spec->mode, sink_mode(name, options, append_only, "a row in a file cannot be replaced"));
  spec->part.changelog = spec->mode == SinkMode::kChangelog;
  if (spec->part.changelog) RETURN_IF_ERROR(check_changelog_columns(name, schema));

  std::optional<FileFormat> format;
  for (const FileFormat known : {FileFormat::kCsv, FileFormat::kJson, FileFormat::kParquet}) {
    if (options.text("format") == format_name(known)) format = known;
  }
  if (!format && options.text("path").find(kPart) != std::string::npos) format = format_of(options.text("path"));
  RETURN_IF_ERROR(read_path(options, *spec, format));
  if (!format) {
    return Status(ErrorCode::kMissingOption, "missing option of sink " + name + ": format; expected one of csv, json or parquet",
                  options.value_offset("path"));
  }
  spec->part.format = *format;
  const auto refuse = [&](std::string_view option, std::string_view wanted) {
    return Status(ErrorCode::kInvalidOption, "option without effect: " + std::string(option) + " of sink " + name +
                                                 "; it is for format " + std::string(wanted), options.value_offset(option));
  };
  for (const std::string_view option : {"header", "delimiter"}) {
    if (options.has(option) && *format != FileFormat::kCsv) return refuse(option, "csv");
  }
  if (options.has("compression") && *format != FileFormat::kParquet) return refuse("compression", "parquet");
  if (options.has("compression")) spec->part.compression = options.text("compression");
  spec->part.header = !options.has("header") || options.boolean("header");
  ASSIGN_OR_RETURN(spec->part.delimiter, delimiter_option("sink " + name, options, ','));
  if (options.has("rows_per_file")) spec->rows_per_file = static_cast<uint64_t>(options.integer("rows_per_file"));
  return std::unique_ptr<stream::SinkDefinition>(std::make_unique<FileSink>(std::move(spec)));
}

}  // namespace laminar::connectors
