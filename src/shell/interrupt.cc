#include "shell/interrupt.h"

#include <fcntl.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <csignal>

#include "base/check.h"

namespace laminar::shell {
namespace {

constexpr char kSignal = 's', kWake = 'w';
std::atomic<int> route_fd{-1};
std::atomic<uint64_t> signal_count{0};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<uint64_t>::is_always_lock_free);

void on_signal(int) {
  const int saved = errno;
  signal_count.fetch_add(1);
  const int fd = route_fd.load();
  if (fd >= 0) [[maybe_unused]]
    const ssize_t written = ::write(fd, &kSignal, 1);
  errno = saved;
}

}  // namespace

void Interrupts::install() {
  struct sigaction action {};
  action.sa_handler = on_signal;  // without SA_RESTART: what waits ends with EINTR
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
}

uint64_t Interrupts::count() { return signal_count.load(); }

Interrupts::Receiver::Receiver() {
  CHECK(::pipe2(pipe_, O_NONBLOCK | O_CLOEXEC) == 0);
  before_ = route_fd.exchange(pipe_[1]);
}

Interrupts::Receiver::~Receiver() {
  route_fd.store(before_);
  ::close(pipe_[0]);
  ::close(pipe_[1]);
}

bool Interrupts::Receiver::take() {
  bool signalled = false;
  char bytes[64];
  for (ssize_t n = 0; (n = ::read(pipe_[0], bytes, sizeof(bytes))) > 0;) {
    for (ssize_t i = 0; i < n; ++i) signalled |= bytes[i] == kSignal;
  }
  return signalled;
}

void Interrupts::Receiver::wake() { [[maybe_unused]] const ssize_t written = ::write(pipe_[1], &kWake, 1); }

}  // namespace laminar::shell
