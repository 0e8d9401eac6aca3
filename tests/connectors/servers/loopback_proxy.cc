#include "loopback_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <list>
#include <vector>

namespace laminar::testing {

namespace {

using Clock = std::chrono::steady_clock;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

bool send_all(int socket, const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::send(socket, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

struct Pair {
  int client = -1, server = -1;
  struct Late {
    Clock::time_point due;
    std::string bytes;
  };
  std::deque<Late> late;
};

}  // namespace

LoopbackProxy::LoopbackProxy(int to_port) : to_port_(to_port) { run(); }
LoopbackProxy::LoopbackProxy(std::string garbage) : to_port_(-1), garbage_(std::move(garbage)) { run(); }

LoopbackProxy::~LoopbackProxy() {
  stopping_.store(true);
  thread_.join();
  ::close(listener_);
}

void LoopbackProxy::run() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_, 16) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] {
    std::list<Pair> pairs;
    int cuts = 0;
    const auto end = [](Pair& pair) {
      if (pair.client >= 0) ::close(pair.client);
      if (pair.server >= 0) ::close(pair.server);
    };
    while (!stopping_.load()) {
      if (cuts != cuts_.load()) {
        cuts = cuts_.load();
        for (Pair& pair : pairs) end(pair);
        pairs.clear();
      }
      std::vector<pollfd> polled = {{listener_, POLLIN, 0}};
      for (Pair& pair : pairs) {
        polled.push_back({pair.client, POLLIN, 0});
        polled.push_back({pair.server, POLLIN, 0});
      }
      (void)::poll(polled.data(), polled.size(), 5);
      size_t at = 1;
      for (auto pair = pairs.begin(); pair != pairs.end(); at += 2) {
        bool good = true;
        char bytes[16384];
        if (polled[at].revents) {
          const ssize_t n = ::recv(pair->client, bytes, sizeof bytes, 0);
          good = n > 0 && send_all(to_port_ >= 0 ? pair->server : pair->client,
                                   to_port_ >= 0 ? std::string(bytes, static_cast<size_t>(n)) : garbage_);
        }
        if (good && pair->server >= 0 && polled[at + 1].revents) {
          const ssize_t n = ::recv(pair->server, bytes, sizeof bytes, 0);
          good = n > 0;
          if (good) pair->late.push_back({Clock::now() + std::chrono::milliseconds(delay_ms_.load()), std::string(bytes, static_cast<size_t>(n))});
        }
        while (good && !pair->late.empty() && pair->late.front().due <= Clock::now()) {
          good = send_all(pair->client, pair->late.front().bytes);
          pair->late.pop_front();
        }
        if (good) {
          ++pair;
        } else {
          end(*pair);
          pair = pairs.erase(pair);
        }
      }
      if (polled[0].revents) {
        Pair pair;
        pair.client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (to_port_ >= 0) {
          pair.server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
          const sockaddr_in to = loopback(to_port_);
          if (::connect(pair.server, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
            end(pair);
            continue;
          }
        }
        pairs.push_back(std::move(pair));
      }
    }
    for (Pair& pair : pairs) end(pair);
  });
}

}  // namespace laminar::testing
