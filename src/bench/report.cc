#include "bench/report.h"

#include <cstdio>

namespace laminar::bench {
namespace {

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned char>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

void Report::add(const Figures& figures) {
  if (!json_ && !head_printed_) std::fputs(table_head().c_str(), stdout);
  head_printed_ = true;
  std::fputs((json_ ? to_json(figures) + "\n" : table_line(figures)).c_str(), stdout);
  std::fflush(stdout);
  if (figures.equal()) return;
  exit_code_ = 1;
  std::fprintf(stderr,
               "laminar bench: the result of %s differs from DuckDB's: %llu rows, checksum %s; DuckDB %llu rows, %s\n",
               figures.name.c_str(), static_cast<unsigned long long>(figures.result_rows), figures.checksum.c_str(),
               static_cast<unsigned long long>(figures.duckdb_result_rows), figures.duckdb_checksum.c_str());
}

void Report::fail(std::string_view name, const Status& status) {
  if (json_) {
    const std::string message = status.error().code_text() + ": " + status.error().message;
    std::fputs(("{\"name\":" + json_text(name) + ",\"error\":" + json_text(message) + "}\n").c_str(), stdout);
  }
  std::fflush(stdout);
  std::fprintf(stderr, "laminar bench %.*s: error %s: %s\n", static_cast<int>(name.size()), name.data(),
               status.error().code_text().c_str(), status.error().message.c_str());
  exit_code_ = 1;
}

}  // namespace laminar::bench
