// A port of 127.0.0.1 in front of a server: passes bytes on, later when told so, ends connections, or answers garbage.
//
// Threads: one of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace laminar::testing {

class LoopbackProxy {
 public:
  explicit LoopbackProxy(int to_port);
  // Instead of a server's answers, these bytes, to whatever comes.
  explicit LoopbackProxy(std::string garbage);
  ~LoopbackProxy();

  int port() const { return port_; }
  // The server's bytes are passed on so much later.
  void set_delay_ms(int64_t delay_ms) { delay_ms_.store(delay_ms); }
  // Ends all connections there are.
  void cut() { cuts_.fetch_add(1); }

 private:
  void run();

  const int to_port_;
  const std::string garbage_;
  int listener_ = -1, port_ = 0;
  std::atomic<int64_t> delay_ms_{0};
  std::atomic<int> cuts_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace laminar::testing
