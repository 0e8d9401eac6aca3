// A live leaderboard: points are pushed, the three best players are a view, and its changes are polled.
#include <cstdio>
#include <map>
#include <string>

#include "laminar/laminar.h"

using namespace laminar;

constexpr const char* kSetup = R"(
CREATE SOURCE points (player VARCHAR, points BIGINT) WITH (connector = 'memory');
CREATE MATERIALIZED VIEW scores AS SELECT player, CAST(sum(points) AS BIGINT) AS score FROM points GROUP BY player;
CREATE MATERIALIZED VIEW leaders AS SELECT player, score FROM scores ORDER BY score DESC, player LIMIT 3;)";

Status run() {
  ASSIGN_OR_RETURN(auto database, Database::open());
  RETURN_IF_ERROR(database->execute(kSetup));
  ASSIGN_OR_RETURN(auto leaders, database->subscribe("leaders"));
  ASSIGN_OR_RETURN(auto points, database->appender("points"));

  const char* players[] = {"ann", "bob", "cyd", "dan", "eve"};
  std::map<std::pair<int64_t, std::string>, int64_t> board;  // what the changes add up to
  TickChanges changes;
  for (int round = 1; round <= 6; ++round) {
    for (int p = 0; p < 5; ++p) {
      points->add(players[p]).add(round * (p + 3) * 7 % 11);
      RETURN_IF_ERROR(points->end_row());
    }
    RETURN_IF_ERROR(points->flush());  // one tick for the whole round
    while (true) {
      ASSIGN_OR_RETURN(const bool more, leaders->poll(changes));
      if (!more) break;
      for (const ChangeBatch& batch : changes.batches) {
        for (size_t row = 0; row < batch.rows; ++row) {
          const std::pair key(-batch.columns[1].value<int64_t>(row), std::string(batch.columns[0].string(row)));
          if ((board[key] += batch.weights[row]) == 0) board.erase(key);
        }
      }
    }
    std::printf("round %d:", round);
    for (const auto& [key, weight] : board) std::printf("  %s %lld", key.second.c_str(), static_cast<long long>(-key.first));
    std::printf("\n");
  }
  return {};
}

int main() {
  const Status status = run();
  if (!status.ok()) std::fprintf(stderr, "%s: %s\n", status.error().code_text().c_str(), status.text().c_str());
  return !status.ok();
}
