#include "redis_server.h"

#include <hiredis/hiredis.h>

#include <chrono>

namespace laminar::testing {

namespace {
std::string program() { return find_program({"/usr/bin/redis-server", "/usr/local/bin/redis-server"}); }
constexpr auto kStartPatience = std::chrono::seconds(60);
}  // namespace

bool RedisServer::is_installed() { return !program().empty(); }

RedisServer::RedisServer(std::vector<std::string> arguments) : folder_(make_folder()), port_(free_port()), arguments_(std::move(arguments)) {
  give_to(folder_, "redis");
  for (size_t i = 0; i + 1 < arguments_.size(); ++i) {
    if (arguments_[i] == "--requirepass") password_ = arguments_[i + 1];
  }
}

RedisServer::~RedisServer() {
  kill();
  remove_folder(folder_);
}

bool RedisServer::start() {
  std::vector<std::string> command = {program(), "--port", std::to_string(port_), "--bind", "127.0.0.1", "--dir", folder_, "--save", "",
                                      "--appendonly", "no", "--enable-debug-command", "yes"};
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  process_.start(command, "redis", folder_ + "/server.log");
  const auto until = std::chrono::steady_clock::now() + kStartPatience;
  while (std::chrono::steady_clock::now() < until && process_.running()) {
    if (this->command({"PING"}) == "PONG") return true;
    pause();
  }
  return false;
}

void RedisServer::stop() {
  (void)command({"SAVE"});
  kill();
}

void RedisServer::kill() { process_.kill(); }

std::string RedisServer::command(const std::vector<std::string>& words) const {
  redisContext* context = redisConnectWithTimeout("127.0.0.1", port_, {5, 0});
  std::string out = "no connection";
  if (context && !context->err) {
    if (!password_.empty()) {
      if (void* reply = redisCommand(context, "AUTH %s", password_.c_str())) freeReplyObject(reply);
    }
    std::vector<const char*> texts;
    std::vector<size_t> lengths;
    for (const std::string& word : words) {
      texts.push_back(word.data());
      lengths.push_back(word.size());
    }
    auto* reply = static_cast<redisReply*>(redisCommandArgv(context, static_cast<int>(words.size()), texts.data(), lengths.data()));
    if (reply) {
      if (reply->type == REDIS_REPLY_INTEGER) out = std::to_string(reply->integer);
      else if (reply->type == REDIS_REPLY_ERROR) out = "ERR: " + std::string(reply->str, reply->len);
      else if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS) out.assign(reply->str, reply->len);
      else out.clear();
      freeReplyObject(reply);
    }
  }
  if (context) redisFree(context);
  return out;
}

}  // namespace laminar::testing
