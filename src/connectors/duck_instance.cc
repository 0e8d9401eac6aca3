#include "connectors/duck_instance.h"

#include <mutex>

namespace laminar::connectors {

Result<std::shared_ptr<duck::Database>> connector_duckdb() {
  static std::mutex mutex;
  static std::weak_ptr<duck::Database> shared;
  std::lock_guard lock(mutex);
  if (auto database = shared.lock()) return database;
  duck::Database::Options options;
  options.threads = 1;  // readers have threads of their own
  ASSIGN_OR_RETURN(std::shared_ptr<duck::Database> database, duck::Database::open(options));
  shared = database;
  return database;
}

}  // namespace laminar::connectors
