#include "connectors/redis/redis_connection.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/time.h>

#include <algorithm>

#include "base/clock.h"

namespace laminar::connectors {

namespace {
constexpr int kPollMs = 100;
constexpr int64_t kWriteTimeoutUs = 10'000'000;

timeval to_timeval(int64_t us) { return {us / 1'000'000, us % 1'000'000}; }

std::string_view text_of(const redisReply* reply) {
  if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS && reply->type != REDIS_REPLY_ERROR) return {};
  return {reply->str, static_cast<size_t>(reply->len)};
}
}  // namespace

RedisReply::~RedisReply() {
  if (reply_) freeReplyObject(reply_);
}
bool RedisReply::is_error() const { return reply_->type == REDIS_REPLY_ERROR; }
bool RedisReply::is_nil() const { return reply_->type == REDIS_REPLY_NIL; }
bool RedisReply::is_text() const { return reply_->type == REDIS_REPLY_STRING || reply_->type == REDIS_REPLY_STATUS; }
bool RedisReply::is_array() const { return reply_->type == REDIS_REPLY_ARRAY; }
std::string_view RedisReply::text() const { return text_of(reply_); }
size_t RedisReply::size() const { return reply_->elements; }
std::string_view RedisReply::item_text(size_t i) const { return text_of(reply_->element[i]); }
size_t RedisReply::item_size(size_t i) const {
  return reply_->element[i]->type == REDIS_REPLY_ARRAY ? reply_->element[i]->elements : 0;
}
std::string_view RedisReply::item_item_text(size_t i, size_t j) const { return text_of(reply_->element[i]->element[j]); }

Status RedisConnection::lost(const std::string& doing) {
  const std::string why = context_ && context_->err ? ": " + std::string(context_->errstr) : "";
  close();
  return Status(ErrorCode::kServerUnavailable, "Redis: " + doing + why);
}

Status RedisConnection::open(const RedisAddress& address) {
  close();
  const std::string place = address.host + ":" + std::to_string(address.port);
  context_ = redisConnectWithTimeout(address.host.c_str(), address.port, to_timeval(address.connect_timeout_us));
  if (!context_ || context_->err) return lost("no connection to " + place);
  redisSetTimeout(context_, to_timeval(kWriteTimeoutUs));
  const auto run = [&](const std::vector<std::string_view>& words) -> Status {
    ASSIGN_OR_RETURN(const RedisReply reply, execute(words, address.connect_timeout_us));
    if (!reply.is_error()) return {};
    const std::string message(reply.text());
    close();
    // LOADING: it is there in a moment.
    return Status(message.starts_with("LOADING") ? ErrorCode::kServerUnavailable : ErrorCode::kServerRefused,
                  "Redis at " + place + ": " + message);
  };
  if (!address.password.empty()) {
    std::vector<std::string_view> words = {"AUTH"};
    if (!address.user.empty()) words.push_back(address.user);
    words.push_back(address.password);
    RETURN_IF_ERROR(run(words));
  }
  const std::string database = std::to_string(address.database);
  // Also asks whether this is Redis and takes our commands.
  return run({"SELECT", database});
}

void RedisConnection::close() {
  if (context_) redisFree(context_);
  context_ = nullptr;
}

int RedisConnection::descriptor() const { return context_ ? context_->fd : -1; }

Status RedisConnection::append(const std::vector<std::string_view>& words) {
  if (!context_) return lost("there is no connection");
  std::vector<const char*> texts;
  std::vector<size_t> lengths;
  for (const std::string_view word : words) {
    texts.push_back(word.data());
    lengths.push_back(word.size());
  }
  if (redisAppendCommandArgv(context_, static_cast<int>(words.size()), texts.data(), lengths.data()) != REDIS_OK) return lost("a command is too long");
  return {};
}

Status RedisConnection::flush() {
  if (!context_) return lost("there is no connection");
  for (int done = 0; !done;) {
    if (redisBufferWrite(context_, &done) != REDIS_OK) return lost("the connection broke");
  }
  return {};
}

Result<std::optional<RedisReply>> RedisConnection::receive(int64_t timeout_us) {
  if (!context_) return lost("there is no connection");
  const int64_t deadline_ns = monotonic_ns() + timeout_us * 1000;
  for (;;) {
    void* reply = nullptr;
    if (redisGetReplyFromReader(context_, &reply) != REDIS_OK) return lost("what came is no reply");
    if (reply) return std::optional<RedisReply>(RedisReply(static_cast<redisReply*>(reply)));
    const int64_t left_ms = (deadline_ns - monotonic_ns()) / 1'000'000;
    pollfd item{context_->fd, POLLIN, 0};
    const int ready = ::poll(&item, 1, static_cast<int>(std::clamp<int64_t>(left_ms, 0, kPollMs)));
    if (cancelled_.load()) return lost("cancelled");
    if (ready > 0) {
      if (redisBufferRead(context_) != REDIS_OK) return lost("the connection broke");
    } else if (left_ms <= 0) {
      return std::optional<RedisReply>();
    }
  }
}

Result<RedisReply> RedisConnection::execute(const std::vector<std::string_view>& words, int64_t timeout_us) {
  RETURN_IF_ERROR(append(words));
  RETURN_IF_ERROR(flush());
  ASSIGN_OR_RETURN(std::optional<RedisReply> reply, receive(timeout_us));
  if (!reply) return lost("no answer in time to " + std::string(words[0]));
  return std::move(*reply);
}

}  // namespace laminar::connectors
