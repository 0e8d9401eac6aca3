// Runs the examples of the documents, and keeps their generated parts up to date.
//
//   docs_runner [--update] FILE.md...   prints what differs, then "N passed, N failed, N skipped"
//
// A document gets a fresh database, an empty working folder, and a clock that stands at 2026-06-01 12:00:00. Its blocks
// run from top to bottom:
//
//   ```sql                        all statements succeed
//   ```sql error LDB-1002 [2:5]   the last one fails with this code [at this line and column of the block]
//   ```text                       right behind a sql block: what the block prints, results as tables
//   ```text similar               the same, but `#` stands for any digits, and widths do not count
//   <!-- clock 5 -->              the clock moves by so many seconds, and an empty tick runs
//   <!-- generated NAME -->       the lines up to <!-- end --> are made from the code (generated.h)
//
// Other fences are text. With --update text blocks and generated parts are rewritten. Relative links must lead to files.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "generated.h"
#include "laminar/laminar.h"
#include "shell/format/row_format.h"
#include "shell/session.h"

namespace {

using laminar::Database;
using Lines = std::vector<std::string>;

Lines read_lines(const std::string& path) {
  std::ifstream in(path);
  Lines lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

Lines split_lines(const std::string& text) {
  std::istringstream in(text);
  Lines lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string joined(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  return text;
}

// Blanks and rules of a table are as long as its widest cell, which may vary.
std::string squeezed(const std::string& line) {
  static const std::string rule = "─";
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool repeats = (line[i] == ' ' && out.ends_with(' ')) || (line.compare(i, rule.size(), rule) == 0 && out.ends_with(rule));
    if (!repeats) {
      out += line[i];
    } else if (line[i] != ' ') {
      i += rule.size() - 1;
    }
  }
  return out;
}

// `#` in the pattern matches one or more digits.
bool similar(const std::string& loose_pattern, const std::string& loose_text) {
  const std::string pattern = squeezed(loose_pattern), text = squeezed(loose_text);
  size_t at = 0;
  for (const char c : pattern) {
    if (c != '#') {
      if (at == text.size() || text[at] != c) return false;
      ++at;
      continue;
    }
    if (at == text.size() || !isdigit(static_cast<unsigned char>(text[at]))) return false;
    while (at < text.size() && isdigit(static_cast<unsigned char>(text[at]))) ++at;
  }
  return at == text.size();
}

class Document {
 public:
  Document(std::string path, bool update) : path_(std::filesystem::absolute(path)), name_(std::move(path)), update_(update) {}

  void run() {
    lines_ = read_lines(path_);
    if (lines_.empty()) return fail(0, "empty or unreadable");
    char folder[] = "/tmp/laminar-docs-XXXXXX";
    if (!mkdtemp(folder)) return fail(0, "no temporary folder");
    const std::filesystem::path before = std::filesystem::current_path();
    std::filesystem::current_path(folder);
    {
      Database::Options options;
      options.manual_clock = true;
      options.manual_clock_start_us = 1'780'315'200'000'000;
      auto opened = Database::open("", options);
      if (!opened.ok()) {
        fail(0, opened.status().text());
      } else {
        database_ = opened.take();
        connection_ = database_->connect();
        for (size_t i = 0; i < lines_.size();) i = step(i);
        connection_.reset();
        database_.reset();
      }
    }
    std::filesystem::current_path(before);
    std::filesystem::remove_all(folder);
    if (update_ && changed_) std::ofstream(path_) << joined(lines_);
  }

  size_t passed = 0, failed = 0;

 private:
  void fail(size_t line, const std::string& what) {
    ++failed;
    std::printf("failed: %s:%zu: %s\n", name_.c_str(), line + 1, what.c_str());
  }

  // Handles what begins at line i and returns where to go on.
  size_t step(size_t i) {
    const std::string& line = lines_[i];
    if (line.starts_with("```")) {
      size_t end = i + 1;
      while (end < lines_.size() && lines_[end] != "```") ++end;
      if (end == lines_.size()) {
        fail(i, "the block has no end");
        return end;
      }
      return line.starts_with("```sql") ? sql_block(i, end) : end + 1;
    }
    if (line.starts_with("<!-- clock ")) {
      const laminar::Status moved = database_->advance_clock(std::stoll(line.substr(11)) * 1'000'000);
      const laminar::Status status = moved.ok() ? database_->run_tick() : moved;
      if (!status.ok()) fail(i, status.text());
    } else if (line.starts_with("<!-- generated ")) {
      return generated_part(i);
    } else {
      check_links(i);
    }
    return i + 1;
  }

  size_t sql_block(size_t begin, size_t end) {
    std::istringstream head(lines_[begin].substr(3));
    std::string word, code, position;
    head >> word >> word >> code >> position;
    const std::string script = joined(Lines(lines_.begin() + begin + 1, lines_.begin() + end));
    std::string printed;
    const laminar::Status status = connection_->execute(script, [&](laminar::Rows& rows, std::string_view) -> laminar::Status {
      if (rows.silent()) return {};
      auto table = laminar::shell::read_table(rows, 0);
      if (!table.ok()) return table.status();
      printed += laminar::shell::draw_table(*table, 0);
      return {};
    });
    std::string failure;
    if (status.ok()) {
      if (!code.empty()) failure = "expected " + code + ", but all statements succeed";
    } else {
      const laminar::TextPosition at = laminar::text_position(script, status.error().offset);
      const std::string line = laminar::shell::error_line(status.error(), at);
      printed += line;
      const std::string place = std::to_string(at.line) + ":" + std::to_string(at.column);
      if (code != status.error().code_text()) failure = code.empty() ? line : "expected " + code + ", got " + line;
      if (!position.empty() && position != place) failure = "expected " + code + " at " + position + ", got " + line;
    }
    size_t text = end + 1;
    while (text < lines_.size() && lines_[text].empty()) ++text;
    if (text >= lines_.size() || !lines_[text].starts_with("```text")) {
      finish(begin, failure);
      return end + 1;
    }
    size_t text_end = text + 1;
    while (text_end < lines_.size() && lines_[text_end] != "```") ++text_end;
    const bool loosely = lines_[text] == "```text similar";
    const Lines expected(lines_.begin() + text + 1, lines_.begin() + text_end), got = split_lines(printed);
    bool same = expected.size() == got.size();
    for (size_t k = 0; same && k < got.size(); ++k) same = loosely ? similar(expected[k], got[k]) : expected[k] == got[k];
    if (!same && failure.empty()) {
      failure = "prints\n" + printed + "expected\n" + joined(expected);
      if (update_) text_end = replace(text + 1, text_end, got);
    }
    finish(begin, failure);
    return text_end + 1;
  }

  void finish(size_t line, const std::string& failure) {
    if (failure.empty()) {
      ++passed;
    } else {
      fail(line, failure);
    }
  }

  size_t generated_part(size_t begin) {
    size_t end = begin + 1;
    while (end < lines_.size() && lines_[end] != "<!-- end -->") ++end;
    std::string name = lines_[begin].substr(15);
    name = name.substr(0, name.find(" -->"));
    const std::string text = laminar::docs::generated(name);
    if (text.empty()) {
      fail(begin, "nothing is generated by the name " + name);
    } else if (joined(Lines(lines_.begin() + begin + 1, lines_.begin() + end)) == text) {
      ++passed;
    } else {
      fail(begin, "the generated part " + name + " is out of date; run docs_runner --update " + name_);
      if (update_) end = replace(begin + 1, end, split_lines(text));
    }
    return end + 1;
  }

  size_t replace(size_t begin, size_t end, const Lines& with) {
    lines_.erase(lines_.begin() + begin, lines_.begin() + end);
    lines_.insert(lines_.begin() + begin, with.begin(), with.end());
    changed_ = true;
    return begin + with.size();
  }

  void check_links(size_t i) {
    const std::string& line = lines_[i];
    for (size_t at = 0; (at = line.find("](", at)) != std::string::npos;) {
      at += 2;
      std::string target = line.substr(at, line.find(')', at) - at);
      target = target.substr(0, target.find('#'));
      if (target.empty() || target.find("://") != std::string::npos) continue;
      if (std::filesystem::exists(std::filesystem::path(path_).parent_path() / target)) {
        ++passed;
      } else {
        fail(i, "the link leads nowhere: " + target);
      }
    }
  }

  const std::string path_, name_;
  const bool update_;
  Lines lines_;
  bool changed_ = false;
  std::unique_ptr<Database> database_;
  std::unique_ptr<laminar::Connection> connection_;
};

}  // namespace

int main(int argc, char** argv) {
  bool update = false;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--update") {
      update = true;
    } else if (std::filesystem::is_directory(argument)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(argument)) {
        if (entry.path().extension() == ".md") files.push_back(entry.path());
      }
    } else {
      files.push_back(argument);
    }
  }
  size_t passed = 0, failed = files.empty() ? 1 : 0;
  for (const std::string& file : files) {
    Document document(file, update);
    document.run();
    passed += document.passed;
    failed += document.failed;
  }
  std::printf("%zu passed, %zu failed, 0 skipped\n", passed, failed);
  return failed > 0;
}
