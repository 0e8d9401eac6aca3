#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "connectors/files/byte_window.h"
#include "connectors/files/csv_scanner.h"
#include "connectors/files/decode.h"
#include "connectors/files/format_reader.h"
#include "connectors/files/json_scanner.h"

namespace laminar::connectors {
namespace {

using data::BatchBuffer;
using data::Schema;

constexpr size_t kRecordTextMax = 4096, kValueTextMax = 100;

// At most n bytes, cut between characters, with a '?' for each byte that is no UTF-8: fit for a VARCHAR.
std::string printable(std::string_view text, size_t n) {
  std::string out;
  for (size_t i = 0; i < text.size() && out.size() < n;) {
    size_t length = 1;
    while (length < 4 && i + length < text.size() && (text[i + length] & 0xc0) == 0x80) ++length;
    const std::string_view character = text.substr(i, length);
    const bool good = is_utf8(character);
    if (!good) length = 1;
    if (out.size() + length > n) break;
    out += good ? character : std::string_view("?");
    i += length;
  }
  return out;
}

// What CSV and JSON readers have in common: the window, the slot of the row in work, and what happens to bad records.
class TextReader : public FormatReader {
 public:
  TextReader(const Schema& schema, const ReadOptions& options, stream::DeadLetters dead_letters)
      : schema_(schema), options_(options), dead_letters_(std::move(dead_letters)) {
    for (const data::Field& field : schema) decoders_.emplace_back(field.type);
  }

  void close() override { window_.close(); }

 protected:
  // Decodes a field into column c of the row in work.
  bool set(BatchBuffer& out, uint32_t c, std::string_view text) {
    if (decoders_[c].decode(text, out.column(c), out.rows, out.strings())) return true;
    return refuse_value(c, text);
  }
  bool set_json(BatchBuffer& out, uint32_t c, std::string_view text) {
    if (decoders_[c].decode_json(text, out.column(c), out.rows, out.strings())) return true;
    return refuse_value(c, text);
  }
  bool set_null(BatchBuffer& out, uint32_t c) {
    if (schema_[c].not_null) {
      bad_column_ = c;
      reason_ = "column " + schema_[c].name + " is NULL and was declared NOT NULL";
      return false;
    }
    data::set_null(out.column(c).validity, out.rows);
    if (schema_[c].type.is_string()) out.column(c).values<data::StringRef>()[out.rows] = data::StringRef();
    return true;
  }
  bool refuse_record(std::string reason) {
    bad_column_ = kNoColumn;
    reason_ = std::move(reason);
    return false;
  }
  // FormatReader::read() by next(), which moves the scanner to the next record, and read_row(), false for a bad one.
  template <class Scanner, class Next, class ReadRow>
  Result<bool> read_records(BatchBuffer& out, Scanner& scanner, const Next& next, const ReadRow& read_row) {
    while (!out.full() && !cancelled_.load(std::memory_order_relaxed)) {
      ASSIGN_OR_RETURN(const bool any, next());
      if (!any) return false;
      if (read_row()) ++out.rows;
      else RETURN_IF_ERROR(bad_record(out, scanner.line(), scanner.text()));
    }
    return true;
  }
  // The row in work is given up: its slot is as it was.
  Status bad_record(BatchBuffer& out, uint64_t line, std::string_view text) {
    for (uint32_t c = 0; c < schema_.size(); ++c) data::set_valid(out.column(c).validity, out.rows);
    if (!options_.skip_bad_records) {
      return Status(ErrorCode::kBadRecord, "record cannot be decoded: " + path_ + " line " + std::to_string(line) + ": " + reason_);
    }
    if (dead_letters_) dead_letters_({path_, line, reason_, printable(text, kRecordTextMax)});
    return Status();
  }

  const Schema schema_;
  const ReadOptions options_;
  std::vector<Decoder> decoders_;
  ByteWindow window_;
  std::string path_;
  std::string reason_;  // why the row in work is bad

 private:
  bool refuse_value(uint32_t c, std::string_view text) {
    bad_column_ = c;
    reason_ = "column " + schema_[c].name + ": '" + printable(text, kValueTextMax) + "' is not a " + schema_[c].type.text();
    if (!is_utf8(text)) reason_ = "column " + schema_[c].name + " is not UTF-8: '" + printable(text, kValueTextMax) + "'";
    return false;
  }

  stream::DeadLetters dead_letters_;
};

class CsvReader final : public TextReader {
 public:
  CsvReader(const Schema& schema, const ReadOptions& options, stream::DeadLetters dead_letters)
      : TextReader(schema, options, std::move(dead_letters)), scanner_(options.delimiter) {}

  Status open(const ListedFile& file) override {
    path_ = file.path;
    RETURN_IF_ERROR(window_.open(file.path, file.info));
    scanner_.start();
    field_of_.clear();
    field_count_ = schema_.size();
    if (!options_.header) {
      for (size_t c = 0; c < schema_.size(); ++c) field_of_.push_back(c);
      return Status();
    }
    ASSIGN_OR_RETURN(const bool any, scanner_.next(window_, true));
    if (!any) return Status();  // an empty file
    if (!scanner_.problem().empty()) {
      return Status(ErrorCode::kFileUnreadable, "header cannot be read: " + path_ + ": " + std::string(scanner_.problem()));
    }
    return read_header();
  }

  Result<bool> read(BatchBuffer& out) override {
    return read_records(out, scanner_, [&] { return scanner_.next(window_, field_count_ != 1); }, [&] { return read_row(out); });
  }

 private:
  Status read_header() {
    const std::vector<CsvField>& names = scanner_.fields();
    field_count_ = names.size();
    std::string missing;
    for (const data::Field& field : schema_) {
      const auto match = std::find_if(names.begin(), names.end(), [&](const CsvField& name) { return name.text == field.name; });
      const auto near = match != names.end() ? match : std::find_if(names.begin(), names.end(), [&](const CsvField& name) {
        return equal_ignoring_case(name.text, field.name);
      });
      if (near == names.end() && missing.empty()) missing = field.name;
      field_of_.push_back(static_cast<size_t>(near - names.begin()));
    }
    if (missing.empty()) return Status();
    if (options_.inferred && names.size() == schema_.size()) {
      for (size_t c = 0; c < field_of_.size(); ++c) field_of_[c] = c;
      return Status();
    }
    std::string list;
    for (const CsvField& name : names) list += (list.empty() ? "" : ", ") + std::string(name.text);
    return Status(ErrorCode::kTypeMismatch, "no column of that name in the header of the file: " + missing + " in " + path_ +
                                                ", which has " + printable(list, 500) +
                                                "; set header = false when the file has no header");
  }

  bool read_row(BatchBuffer& out) {
    if (!scanner_.problem().empty()) return refuse_record(std::string(scanner_.problem()));
    const std::vector<CsvField>& fields = scanner_.fields();
    if (fields.size() != field_count_) {
      return refuse_record(std::to_string(fields.size()) + (fields.size() == 1 ? " field" : " fields") + " instead of " +
                           std::to_string(field_count_));
    }
    for (uint32_t c = 0; c < schema_.size(); ++c) {
      const CsvField& field = fields[field_of_[c]];
      const bool is_null = field.text.empty() && (!field.quoted || options_.quoted_nulls);
      if (!(is_null ? set_null(out, c) : set(out, c, field.text))) return false;
    }
    return true;
  }

  CsvScanner scanner_;
  std::vector<size_t> field_of_;  // by column
  size_t field_count_ = 0;        // that each record must have
};

class JsonReader final : public TextReader {
 public:
  JsonReader(const Schema& schema, const ReadOptions& options, stream::DeadLetters dead_letters)
      : TextReader(schema, options, std::move(dead_letters)), seen_(schema.size()) {
    for (uint32_t c = 0; c < schema.size(); ++c) column_of_.emplace(schema[c].name, c);
  }

  Status open(const ListedFile& file) override {
    path_ = file.path;
    scanner_.start();
    return window_.open(file.path, file.info);
  }

  Result<bool> read(BatchBuffer& out) override {
    return read_records(out, scanner_, [&] { return scanner_.next(window_); }, [&] { return read_row(out); });
  }

 private:
  bool read_row(BatchBuffer& out) {
    if (!scanner_.problem().empty()) return refuse_record("not JSON: " + std::string(scanner_.problem()));
    std::fill(seen_.begin(), seen_.end(), false);
    uint32_t expected = 0;  // keys mostly come in the order of the columns
    for (const JsonMember& member : scanner_.members()) {
      uint32_t c = expected;
      if (c >= schema_.size() || schema_[c].name != member.key) c = find(member.key);
      if (c == kNoColumn) continue;
      expected = c + 1;
      if (seen_[c]) return refuse_record("key " + schema_[c].name + " comes twice");
      seen_[c] = true;
      if (!set_member(out, c, member)) return false;
    }
    for (uint32_t c = 0; c < schema_.size(); ++c) {
      if (!seen_[c] && !set_null(out, c)) return false;
    }
    return true;
  }

  bool set_member(BatchBuffer& out, uint32_t c, const JsonMember& member) {
    switch (member.kind) {
      case JsonMember::Kind::kNull: return set_null(out, c);
      case JsonMember::Kind::kNested: return set_json(out, c, member.text);
      case JsonMember::Kind::kBoolean:  // as in DuckDB, true is the number 1
        if (schema_[c].type.kind >= data::TypeKind::kInt8 && schema_[c].type.kind <= data::TypeKind::kDecimal) {
          return set(out, c, member.text == "true" ? "1" : "0");
        }
        return set(out, c, member.text);
      default: return set(out, c, member.text);
    }
  }

  // Exact names first, then without regard to case.
  uint32_t find(std::string_view key) const {
    if (const auto exact = column_of_.find(key); exact != column_of_.end()) return exact->second;
    for (uint32_t c = 0; c < schema_.size(); ++c) {
      if (equal_ignoring_case(schema_[c].name, key)) return c;
    }
    return kNoColumn;
  }

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  JsonScanner scanner_;
  std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>> column_of_;
  std::vector<bool> seen_;  // in the row in work
};

}  // namespace

std::unique_ptr<FormatReader> make_csv_reader(const Schema& schema, const ReadOptions& options, stream::DeadLetters dead_letters) {
  return std::make_unique<CsvReader>(schema, options, std::move(dead_letters));
}

std::unique_ptr<FormatReader> make_json_reader(const Schema& schema, const ReadOptions& options, stream::DeadLetters dead_letters) {
  return std::make_unique<JsonReader>(schema, options, std::move(dead_letters));
}

}  // namespace laminar::connectors
