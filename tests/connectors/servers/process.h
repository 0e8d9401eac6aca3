// A program that a test starts and ends: servers, under a user that is not root.
//
// Owns:    the process and its folder; both are gone at the end, whatever became of the test.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace laminar::testing {

// The first of the paths (`*` takes the last that fits) that can be executed; empty when none can.
std::string find_program(const std::vector<std::string>& patterns);
// A port of 127.0.0.1 that nobody has.
int free_port();
// A folder that everybody may enter, below the system's folder of temporary files.
std::string make_folder();
void remove_folder(const std::string& path);

// Gives a server a few milliseconds before it is asked again.
void pause();

class Process {
 public:
  Process() = default;
  ~Process() { kill(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // As user `user` when this one is root. Output goes to `log`.
  void start(const std::vector<std::string>& command, const std::string& user, const std::string& log);
  bool running();
  void signal(int number);
  // SIGKILL and done.
  void kill();
  // Waits for its end; the exit code.
  int wait();

 private:
  pid_t pid_ = -1;
};

// Runs a program to its end; the exit code.
int run(const std::vector<std::string>& command, const std::string& user, const std::string& log);
// Gives a folder to a user, when this one is root.
void give_to(const std::string& path, const std::string& user);

}  // namespace laminar::testing
