#include "process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace laminar::testing {

std::string find_program(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    glob_t found{};
    std::string program;
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0 && found.gl_pathc > 0) program = found.gl_pathv[found.gl_pathc - 1];
    globfree(&found);
    if (!program.empty() && access(program.c_str(), X_OK) == 0) return program;
  }
  return {};
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) std::abort();
  ::close(socket);
  return ntohs(address.sin_port);
}

std::string make_folder() {
  std::string path = std::filesystem::temp_directory_path() / "laminar-server-XXXXXX";
  if (!mkdtemp(path.data())) std::abort();
  (void)chmod(path.c_str(), 0711);
  return path;
}

void remove_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
}

void give_to(const std::string& path, const std::string& user) {
  const passwd* entry = getpwnam(user.c_str());
  if (geteuid() == 0 && entry) (void)!chown(path.c_str(), entry->pw_uid, entry->pw_gid);
}

void pause() { (void)::poll(nullptr, 0, 5); }

void Process::start(const std::vector<std::string>& command, const std::string& user, const std::string& log) {
  kill();
  const passwd* entry = getpwnam(user.c_str());
  const bool change = geteuid() == 0 && entry;
  const uid_t uid = change ? entry->pw_uid : 0;
  const gid_t gid = change ? entry->pw_gid : 0;
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_ = fork();
  if (pid_ != 0) return;
  // It goes with the test, even with one that crashes.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  dup2(out, 1);
  dup2(out, 2);
  if (change && (setgroups(0, nullptr) != 0 || setgid(gid) != 0 || setuid(uid) != 0)) _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // changing the user forgets it
  (void)!chdir("/");
  execv(words[0], words.data());
  _exit(127);
}

bool Process::running() {
  if (pid_ <= 0) return false;
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = -1;
  return false;
}

void Process::signal(int number) {
  if (pid_ > 0) ::kill(pid_, number);
}

int Process::wait() {
  if (pid_ <= 0) return -1;
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void Process::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

int run(const std::vector<std::string>& command, const std::string& user, const std::string& log) {
  Process process;
  process.start(command, user, log);
  return process.wait();
}

}  // namespace laminar::testing
