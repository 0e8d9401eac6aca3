// Compares EXPLAIN of the statements in *.golden with the text that stands there.
//
// A file is a list of records, separated by blank lines; `#` starts a comment line. A record is a statement, `----` and
// its EXPLAIN. A statement without `----` only runs: sources, and views that others read. EXPLAINed views are created
// too, so later records can read them. Each file gets a database of its own.
//
//   golden FOLDER_OR_FILE...     LAMINAR_GOLDEN_UPDATE=1 rewrites the files
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "laminar/laminar.h"

namespace {

using Lines = std::vector<std::string>;

std::string joined(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// The result's text column, as lines.
laminar::Status lines_of(laminar::Connection& connection, const std::string& sql, Lines& lines) {
  auto rows = connection.query(sql);
  if (!rows.ok()) return rows.status();
  for (;;) {
    auto more = (*rows)->next();
    if (!more.ok()) return more.status();
    if (!*more) return {};
    std::string text = (*rows)->text((*rows)->columns().size() - 1);
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      lines.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
}

struct Counts {
  int passed = 0, failed = 0;
};

void run_file(const std::string& path, bool update, Counts& counts) {
  std::ifstream in(path);
  Lines lines, out;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  laminar::Database::Options options;
  options.manual_clock = true;
  auto database = laminar::Database::open("", options);
  if (!database.ok()) {
    std::printf("FAILED %s: %s\n", path.c_str(), database.status().text().c_str());
    ++counts.failed;
    return;
  }
  auto connection = (*database)->connect();
  for (size_t i = 0; i < lines.size();) {
    if (lines[i].empty() || lines[i][0] == '#') {
      out.push_back(lines[i++]);
      continue;
    }
    const size_t begin = i;
    Lines statement, expected, actual;
    for (; i < lines.size() && !lines[i].empty() && lines[i] != "----"; ++i) statement.push_back(lines[i]);
    const bool explained = i < lines.size() && lines[i] == "----";
    if (explained) {
      for (++i; i < lines.size() && !lines[i].empty(); ++i) expected.push_back(lines[i]);
    }
    const std::string sql = joined(statement);
    laminar::Status status;
    if (explained) status = lines_of(*connection, "EXPLAIN " + sql, actual);
    if (status.ok()) status = connection->execute(sql);
    out.insert(out.end(), statement.begin(), statement.end());
    if (explained) {
      out.push_back("----");
      out.insert(out.end(), actual.begin(), actual.end());
    }
    if (!status.ok()) {
      std::printf("FAILED %s:%zu: %s: %s\n\n", path.c_str(), begin + 1, status.error().code_text().c_str(), status.text().c_str());
      ++counts.failed;
    } else if (explained && actual != expected && !update) {
      std::printf("FAILED %s:%zu: %s\nexpected\n%s\ngot\n%s\n", path.c_str(), begin + 1, statement[0].c_str(), joined(expected).c_str(), joined(actual).c_str());
      ++counts.failed;
    } else {
      counts.passed += explained;
    }
  }
  if (update && out != lines) {
    std::ofstream file(path);
    file << joined(out);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* variable = std::getenv("LAMINAR_GOLDEN_UPDATE");
  const bool update = variable && *variable && *variable != '0';
  Lines paths;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      paths.push_back(argv[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(argv[i]))
      if (entry.path().extension() == ".golden") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  Counts counts;
  for (const std::string& path : paths) run_file(path, update, counts);
  if (counts.failed) std::printf("after a wanted change: LAMINAR_GOLDEN_UPDATE=1 build/golden tests/golden, and read the difference\n");
  std::printf("%d passed, %d failed, 0 skipped\n", counts.passed, counts.failed);
  return counts.failed > 0 || counts.passed == 0 ? 1 : 0;
}
