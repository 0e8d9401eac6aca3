// What a recorded statement needs around it to be run again in another session: the macros, types and views of DuckDB that it
// may name, which live in memory, and the settings of the session that decide what its query means.
//
// Threads: Surroundings::running() is of the calling thread, while the statement runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace duckdb {
class ClientContext;
}

namespace laminar::sql {

class Surroundings {
 public:
  // Of the statement that runs on this thread until the object ends.
  Surroundings(duckdb::ClientContext& context, std::string_view statement);
  ~Surroundings();
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  // Appends the statement and what it needs, of the one that runs; nothing but the statement where none does.
  static void write_running(std::string_view statement, ByteWriter& out);

 private:
  std::vector<std::string> before_, after_;  // statements
  const Surroundings* const outer_;
};

// A statement with what stands around it, as write_running() gave it.
struct SurroundedStatement {
  std::vector<std::string> before, after;
  std::string statement;
  bool read(ByteReader& in);
};

}  // namespace laminar::sql
