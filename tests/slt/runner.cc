// Runs .slt files: SQL in, rows out, with the words that streams need.
//
// A file is a list of records, separated by blank lines; `#` starts a comment line. Each file gets a fresh database in
// memory with a clock that moves only by `tick`. Times start at 2026-01-01 00:00:00.
//
//   statement ok                    the SQL that follows succeeds
//   statement error LDB-1002 [2:5]  it fails with this code [at this line and column of the statement]
//   query [sort]                    SQL, `----`, the rows: values joined by " | ", NULL as NULL; `sort` ignores order
//   same [sort]                     SQL, `----`, SQL: both give the same rows
//   feed NAME [each]                one line a row, SQL values joined by commas; one tick, or one tick a row
//   watermark NAME TIME             no row of the source is earlier from now on
//   tick [DURATION]                 the clock moves, and an empty tick runs
//   drain                           DRAIN
//   follow NAME                     starts to record the changes of a view
//   changelog NAME                  `----`, the changes since the last time: "+1 a | b", ticks divided by "--",
//                                   sorted within a tick
//   cuts N N ...                    (first record) the file runs once for each N, `feed` cut into ticks of N rows
//   skipif-not root                 the file is skipped aloud unless it runs as root
//
// In SQL, ${TMP} is a folder of the file's own.
//
//   slt_runner --restarts SEED ...  the database is in a folder and is closed and opened again at random records, from a
//                                   checkpoint or from its log, and with --cores N on 1 to N cores
//   slt_runner [--update] FILE...   prints what differs, then "N passed, N failed, N skipped"
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "laminar/laminar.h"

namespace {

using laminar::Database;

struct Record {
  std::vector<std::string> head;   // words of the first line
  std::vector<std::string> body;   // lines before ----
  std::vector<std::string> expect; // lines after ----
  bool has_expect = false;
  size_t line = 0, expect_begin = 0, expect_end = 0;  // line numbers, from 0
};

std::vector<std::string> split_words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::string join(const std::vector<std::string>& lines, const char* separator) {
  std::string text;
  for (size_t i = 0; i < lines.size(); ++i) text += (i ? separator : "") + lines[i];
  return text;
}

std::vector<Record> parse(const std::vector<std::string>& lines) {
  std::vector<Record> records;
  for (size_t i = 0; i < lines.size();) {
    if (lines[i].empty() || lines[i][0] == '#') {
      ++i;
      continue;
    }
    Record record;
    record.line = i;
    record.head = split_words(lines[i++]);
    for (; i < lines.size() && !lines[i].empty() && lines[i] != "----"; ++i) record.body.push_back(lines[i]);
    if (i < lines.size() && lines[i] == "----") {
      record.has_expect = true;
      record.expect_begin = ++i;
      for (; i < lines.size() && !lines[i].empty(); ++i) record.expect.push_back(lines[i]);
      record.expect_end = i;
    }
    records.push_back(std::move(record));
  }
  return records;
}

struct Skip {
  std::string reason;
};

std::optional<uint64_t> restarts;  // --restarts: the seed

int cores = 1;  // --cores: on how many the views run; what EXPLAIN says is then not compared

class File {
 public:
  File(std::string path, bool update) : path_(std::move(path)), update_(update) {
    std::ifstream in(path_);
    for (std::string line; std::getline(in, line);) lines_.push_back(line);
    records_ = parse(lines_);
  }

  // Empty when all records held.
  std::string run() {
    if (lines_.empty()) return path_ + ": empty or unreadable";
    std::vector<size_t> cuts = {0};
    if (!records_.empty() && records_[0].head[0] == "cuts") {
      cuts.clear();
      for (size_t i = 1; i < records_[0].head.size(); ++i) cuts.push_back(std::stoul(records_[0].head[i]));
    }
    for (size_t cut : cuts) {
      cut_ = cut;
      const std::string failure = run_once();
      if (!failure.empty()) return failure + (cuts.size() > 1 ? " (ticks of " + std::to_string(cut) + " rows)" : "");
    }
    if (update_ && changed_) {
      std::ofstream out(path_);
      for (const std::string& line : lines_) out << line << '\n';
    }
    return {};
  }

 private:
  std::string run_once() {
    char temporary[] = "/tmp/laminar-slt-XXXXXX";
    if (!mkdtemp(temporary)) return "no temporary folder";
    temporary_ = temporary;
    stays_open_ = sets_cores_ = false;
    random_.seed(restarts.value_or(0) + std::hash<std::string>()(path_));
    std::string failure = open(0);
    if (failure.empty()) {
      if (cores > 1) {
        // Every tick, however small, runs on all threads.
        const laminar::Status set = connection_->execute("SET cores = " + std::to_string(cores) + "; SET core_wait = 'spin'; SET core_rows = 0");
        if (!set.ok()) failure = set.text();
      }
      for (size_t i = records_.size(); failure.empty() && i > 0; --i) {
        Record& record = records_[records_.size() - i];
        if (restarts && random_() % 6 == 0) failure = restart();
        if (failure.empty()) failure = run_record(record);
        if (!failure.empty()) failure = path_ + ":" + std::to_string(record.line + 1) + ": " + join(record.head, " ") + "\n" + failure;
      }
      following_.clear();
      connection_.reset();
      database_.reset();
    }
    std::filesystem::remove_all(temporary_);
    return failure;
  }

  std::string open(unsigned on_cores) {
    Database::Options options;
    options.manual_clock = true;
    options.manual_clock_start_us = 1'767'225'600'000'000;
    options.cores = on_cores;
    auto database = Database::open(restarts ? temporary_ + "/laminar-db" : "", options);
    if (!database.ok()) return "cannot be opened: " + database.status().error().code_text() + " " + database.status().text();
    database_ = database.take();
    connection_ = database_->connect();
    return {};
  }

  // What a session holds alone does not come back: files are not disturbed while they use it.
  std::string restart() {
    if (stays_open_ || !following_.empty()) return {};
    if (random_() % 3 > 0) {
      const laminar::Status status = connection_->execute("CHECKPOINT");
      if (!status.ok()) return "CHECKPOINT: " + status.error().code_text() + ": " + status.text();
    }
    connection_.reset();
    database_.reset();
    const std::string failure = open(cores > 1 && !sets_cores_ ? static_cast<unsigned>(1 + random_() % static_cast<unsigned>(cores)) : 0);
    return failure.empty() ? failure : "after a restart: " + failure;
  }

  void note_session(const std::string& sql) {
    for (const char* word : {"BEGIN", "TEMP", "MACRO", "TimeZone", "timezone", "ATTACH", "memory.", "PREPARE", "CREATE TYPE", "CREATE SCHEMA", "LOOKUP TABLE"}) {
      stays_open_ |= sql.find(word) != std::string::npos;
    }
    sets_cores_ |= sql.find("SET cores") != std::string::npos;
    if (sql.find("COMMIT") != std::string::npos || sql.find("ROLLBACK") != std::string::npos) stays_open_ = false;
  }

  std::string fill_in(std::string sql) const {
    for (size_t at_; (at_ = sql.find("${TMP}")) != std::string::npos;) sql.replace(at_, 6, temporary_);
    return sql;
  }

  std::string run_record(Record& record) {
    const std::string& word = record.head[0];
    const std::string sql = fill_in(join(record.body, "\n"));
    const bool sort = record.head.size() > 1 && record.head.back() == "sort";
    note_session(sql);
    if (word == "cuts") return {};
    if (word == "skipif-not") {
      if (geteuid() != 0) throw Skip{"needs root"};
      return {};
    }
    if (word == "statement") return statement(record, sql);
    if (word == "query") {
      std::vector<std::string> rows;
      const laminar::Status status = rows_of(sql, rows);
      if (!status.ok()) return "fails: " + status.error().code_text() + ": " + status.text();
      if (sort) std::sort(rows.begin(), rows.end());
      if (cores > 1 && sql.starts_with("EXPLAIN")) return {};  // written for one core
      return compare(record, rows);
    }
    if (word == "same") {
      std::vector<std::string> left, right;
      laminar::Status status = rows_of(sql, left);
      if (status.ok()) status = rows_of(fill_in(join(record.expect, "\n")), right);
      if (!status.ok()) return "fails: " + status.error().code_text() + ": " + status.text();
      if (sort) {
        std::sort(left.begin(), left.end());
        std::sort(right.begin(), right.end());
      }
      if (left == right) return {};
      return "the first query gives\n" + join(left, "\n") + "\nthe second\n" + join(right, "\n");
    }
    if (word == "feed") return feed(record);
    if (word == "watermark") {
      auto appender = database_->appender(record.head.at(1));
      if (!appender.ok()) return appender.status().text();
      const std::string time = record.head.at(2) + (record.head.size() > 3 ? " " + record.head[3] : "");
      std::vector<std::string> rows;
      laminar::Status status = rows_of("SELECT epoch_us(TIMESTAMP '" + time + "')", rows);
      if (status.ok()) status = (*appender)->advance_watermark(std::stoll(rows.at(0)));
      return status.ok() ? "" : status.text();
    }
    if (word == "tick") {
      int64_t us = 0;
      if (record.head.size() > 1) {
        std::vector<std::string> rows;
        std::string duration = join({record.head.begin() + 1, record.head.end()}, " ");
        const laminar::Status status = rows_of("SELECT epoch_us(TIMESTAMP '1970-01-01' + INTERVAL '" + duration + "')", rows);
        if (!status.ok()) return status.text();
        us = std::stoll(rows.at(0));
      }
      const laminar::Status status = database_->advance_clock(us);
      return status.ok() ? "" : status.text();
    }
    if (word == "drain") {
      const laminar::Status status = database_->drain();
      return status.ok() ? "" : status.text();
    }
    if (word == "follow") {
      auto subscription = database_->subscribe(record.head.at(1));
      if (!subscription.ok()) return subscription.status().text();
      following_[record.head[1]] = subscription.take();
      return {};
    }
    if (word == "changelog") return changelog(record);
    return "unknown word: " + word;
  }

  std::string statement(const Record& record, const std::string& sql) {
    const laminar::Status status = connection_->execute(sql);
    if (record.head.at(1) == "ok") return status.ok() ? "" : status.error().code_text() + ": " + status.text();
    if (record.head.at(1) != "error" || record.head.size() < 3) return "statement takes ok, or error with a code";
    if (status.ok()) return "succeeds, expected " + record.head[2];
    std::string got = status.error().code_text(), expected = record.head[2];
    if (record.head.size() > 3) {
      const laminar::TextPosition position = laminar::text_position(sql, status.error().offset);
      got += " " + std::to_string(position.line) + ":" + std::to_string(position.column);
      expected += " " + record.head[3];
    }
    return got == expected ? "" : "expected " + expected + ", got " + got + ": " + status.text();
  }

  laminar::Status rows_of(const std::string& sql, std::vector<std::string>& rows) {
    return connection_->execute(sql, [&rows](laminar::Rows& result, std::string_view) -> laminar::Status {
      if (result.silent()) return {};
      for (;;) {
        auto more = result.next();
        if (!more.ok()) return more.status();
        if (!*more) return {};
        std::string row;
        for (size_t c = 0; c < result.columns().size(); ++c) {
          if (c) row += " | ";
          row += result.is_null(c) ? "NULL" : result.text(c);
        }
        rows.push_back(row.empty() ? "(empty)" : row);
      }
    });
  }

  std::string feed(const Record& record) {
    const bool each = record.head.size() > 2 && record.head[2] == "each";
    const size_t cut = each ? 1 : cut_ ? cut_ : record.body.size();
    for (size_t begin = 0; begin < record.body.size(); begin += cut) {
      std::string sql = "INSERT INTO " + record.head.at(1) + " VALUES ";
      for (size_t i = begin; i < std::min(record.body.size(), begin + cut); ++i) sql += (i > begin ? ", (" : "(") + record.body[i] + ")";
      const laminar::Status status = connection_->execute(sql);
      if (!status.ok()) return status.error().code_text() + ": " + status.text();
    }
    return {};
  }

  std::string changelog(Record& record) {
    auto found = following_.find(record.head.at(1));
    if (found == following_.end()) return "not followed: " + record.head[1];
    std::vector<std::string> lines;
    for (bool first = true;; first = false) {
      laminar::TickChanges changes;
      auto more = found->second->poll(changes);
      if (!more.ok()) return more.status().text();
      if (!*more) break;
      std::vector<std::string> tick;
      for (const laminar::ChangeBatch& batch : changes.batches) {
        for (size_t row = 0; row < batch.rows; ++row) {
          std::string line = (batch.weights[row] > 0 ? "+" : "") + std::to_string(batch.weights[row]);
          for (size_t c = 0; c < batch.columns.size(); ++c) line += (c ? " | " : " ") + cell(found->second->columns()[c], batch.columns[c], row);
          tick.push_back(line);
        }
      }
      std::sort(tick.begin(), tick.end());
      if (!first) lines.push_back("--");
      lines.insert(lines.end(), tick.begin(), tick.end());
    }
    return compare(record, lines);
  }

  std::string cell(const laminar::ColumnInfo& info, const laminar::ColumnView& column, size_t row) {
    if (column.is_null(row)) return "NULL";
    switch (info.layout) {
      case laminar::ColumnLayout::kInt64:
        if (info.type == "TIMESTAMP") {
          std::vector<std::string> rows;
          (void)rows_of("SELECT make_timestamp(" + std::to_string(column.value<int64_t>(row)) + ")", rows);
          return rows.empty() ? "?" : rows[0];
        }
        return std::to_string(column.value<int64_t>(row));
      case laminar::ColumnLayout::kInt32: return std::to_string(column.value<int32_t>(row));
      case laminar::ColumnLayout::kBool: return column.value<uint8_t>(row) ? "true" : "false";
      case laminar::ColumnLayout::kInt128: return std::to_string(static_cast<int64_t>(column.value<__int128>(row)));
      case laminar::ColumnLayout::kString: return std::string(column.string(row));
      case laminar::ColumnLayout::kDouble: {
        char text[32];
        std::snprintf(text, sizeof text, "%.6g", column.value<double>(row));
        return text;
      }
      default: return "?";
    }
  }

  std::string compare(Record& record, const std::vector<std::string>& got) {
    if (got == record.expect) return {};
    if (update_) {
      // Records behind move by the difference.
      lines_.erase(lines_.begin() + static_cast<ptrdiff_t>(record.expect_begin), lines_.begin() + static_cast<ptrdiff_t>(record.expect_end));
      lines_.insert(lines_.begin() + static_cast<ptrdiff_t>(record.expect_begin), got.begin(), got.end());
      const ptrdiff_t shift = static_cast<ptrdiff_t>(got.size()) - static_cast<ptrdiff_t>(record.expect.size());
      for (Record& other : records_) {
        if (other.line <= record.line) continue;
        other.line += shift;
        other.expect_begin += shift;
        other.expect_end += shift;
      }
      record.expect = got;
      record.expect_end = record.expect_begin + got.size();
      changed_ = true;
      return {};
    }
    return "expected\n" + join(record.expect, "\n") + "\ngot\n" + join(got, "\n");
  }

  std::string path_, temporary_;
  bool update_, changed_ = false;
  size_t cut_ = 0;
  bool stays_open_ = false, sets_cores_ = false;
  std::mt19937_64 random_;
  std::vector<std::string> lines_;
  std::vector<Record> records_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<laminar::Connection> connection_;
  std::map<std::string, std::unique_ptr<laminar::Subscription>> following_;
};

}  // namespace

int main(int argc, char** argv) {
  bool update = false;
  std::vector<std::string> paths;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--update") == 0) {
      update = true;
    } else if (std::strcmp(argv[i], "--cores") == 0 && i + 1 < argc) {
      cores = std::atoi(argv[++i]);
    } else if (std::strcmp(argv[i], "--restarts") == 0 && i + 1 < argc) {
      restarts = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::filesystem::is_directory(argv[i])) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
        if (entry.path().extension() == ".slt") paths.push_back(entry.path());
      }
    } else {
      paths.push_back(argv[i]);
    }
  }
  std::sort(paths.begin(), paths.end());
  int passed = 0, failed = 0, skipped = 0;
  for (const std::string& path : paths) {
    try {
      const std::string failure = File(path, update).run();
      failure.empty() ? ++passed : ++failed;
      if (!failure.empty()) std::printf("FAILED %s\n\n", failure.c_str());
    } catch (const Skip& skip) {
      ++skipped;
      std::printf("skipped %s: %s\n", path.c_str(), skip.reason.c_str());
    }
    std::fflush(stdout);
  }
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed > 0 || passed + skipped == 0 ? 1 : 0;
}
