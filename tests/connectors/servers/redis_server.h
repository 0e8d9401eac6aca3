// A Redis server of a test's own: a folder, a free port of 127.0.0.1, nothing kept on disk but by SAVE at stop().
#pragma once

#include <string>
#include <vector>

#include "process.h"

namespace laminar::testing {

class RedisServer {
 public:
  static bool is_installed();
  static constexpr const char* kInstall = "Redis is not installed: apt-get install --no-install-recommends redis-server";

  // `arguments`: more of the command line, such as --requirepass.
  explicit RedisServer(std::vector<std::string> arguments = {});
  ~RedisServer();

  bool start();
  // Saves what it has, so that a start() finds it again.
  void stop();
  void kill();
  int port() const { return port_; }
  // A command; the reply as text, an error behind "ERR: ".
  std::string command(const std::vector<std::string>& words) const;

 private:
  std::string folder_, password_;
  int port_ = 0;
  std::vector<std::string> arguments_;
  Process process_;
};

}  // namespace laminar::testing
