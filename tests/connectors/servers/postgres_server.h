// A PostgreSQL server of a test's own: a fresh data folder, a free port of 127.0.0.1, user `postgres` without password.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "process.h"

namespace laminar::testing {

class PostgresServer {
 public:
  // Whether the programs are there; tests that need them skip when not.
  static bool is_installed();
  static constexpr const char* kInstall = "PostgreSQL is not installed: apt-get install --no-install-recommends postgresql";

  // `settings`: further lines of postgresql.conf.
  explicit PostgresServer(const std::string& settings = {});
  ~PostgresServer();

  bool start();  // and waits until it answers
  void stop();   // fast: connections are ended
  void kill();   // at once
  int port() const { return port_; }
  // Options for WITH (...): host, port, database, user.
  std::string options() const;
  // One text, several statements; the error's message, or the rows as "a|b;c|d;".
  std::string sql(const std::string& text) const;
  // Lines of pg_hba.conf, and the server reads them.
  void set_access(const std::string& lines);
  std::string log() const;

 private:
  std::string folder_;
  int port_ = 0;
  Process process_;
};

}  // namespace laminar::testing
