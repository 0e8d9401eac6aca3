// Ctrl-C: where the signal goes, as a byte in a pipe, so that whoever waits may wake up.
//
// Threads: the handler runs on any; route() and install() are for the main thread.
#pragma once

#include <cstdint>

namespace laminar::shell {

class Interrupts {
 public:
  // From now on SIGINT is a byte in a pipe instead of the end of the program; waiting calls end with EINTR.
  static void install();
  // How often Ctrl-C was pressed.
  static uint64_t count();

  // Gets the signals while it lives; the one before gets them again afterwards.
  class Receiver {
   public:
    Receiver();
    ~Receiver();
    Receiver(const Receiver&) = delete;
    int fd() const { return pipe_[0]; }  // to poll for reading
    // Forgets what came; true when something had come.
    bool take();
    // Wakes whoever polls, as a signal does, but take() does not count it.
    void wake();

   private:
    int pipe_[2] = {-1, -1};
    int before_ = -1;
  };
};

}  // namespace laminar::shell
