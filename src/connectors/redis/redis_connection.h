// One connection to a Redis server: commands go out together, replies come back in order.
//
// Threads: one at a time; cancel() from any.
// Errors:  LDB-5005 when the server cannot be reached or what it sends is no Redis protocol, LDB-5006 when it said no to the
//          connection. After either the connection is closed. An error reply to one command is a reply.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

struct redisContext;
struct redisReply;

namespace laminar::connectors {

struct RedisAddress {
  std::string host = "127.0.0.1";
  int port = 6379;
  int database = 0;
  std::string user, password;
  int64_t connect_timeout_us = 10'000'000;
};

class RedisReply {
 public:
  RedisReply() = default;
  explicit RedisReply(redisReply* reply) : reply_(reply) {}
  RedisReply(RedisReply&& other) noexcept : reply_(other.reply_) { other.reply_ = nullptr; }
  RedisReply& operator=(RedisReply&& other) noexcept {
    std::swap(reply_, other.reply_);
    return *this;
  }
  ~RedisReply();

  bool is_something() const { return reply_ != nullptr; }
  bool is_error() const;
  bool is_nil() const;
  bool is_text() const;   // a string or status
  bool is_array() const;
  std::string_view text() const;  // of a text or error
  size_t size() const;            // of an array
  // An item of an array; the texts of items that are no texts are empty.
  std::string_view item_text(size_t i) const;
  size_t item_size(size_t i) const;                           // of an array in an array
  std::string_view item_item_text(size_t i, size_t j) const;

 private:
  redisReply* reply_ = nullptr;
};

class RedisConnection {
 public:
  RedisConnection() = default;
  ~RedisConnection() { close(); }
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  Status open(const RedisAddress& address);
  void close();
  bool is_open() const { return context_ != nullptr; }
  void cancel() { cancelled_.store(true); }

  // Queues a command; flush() sends what is queued.
  Status append(const std::vector<std::string_view>& words);
  Status flush();
  // The next reply when it is complete; waits at most timeout_us for bytes.
  Result<std::optional<RedisReply>> receive(int64_t timeout_us);
  // One command and its reply.
  Result<RedisReply> execute(const std::vector<std::string_view>& words, int64_t timeout_us);
  int descriptor() const;

 private:
  Status lost(const std::string& doing);

  redisContext* context_ = nullptr;
  std::atomic<bool> cancelled_{false};
};

}  // namespace laminar::connectors
