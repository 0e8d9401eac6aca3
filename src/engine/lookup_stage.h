// A lookup table at run time: its definition, what is known of its rows, and the feeds that ask for more.
//
// On demand there is a cache and a feed for each set of columns that views ask by; in full, one copy with an index for each.
// Answers enter a tick as the input of an operator, so that whoever records the inputs of ticks records them too.
//
// Threads: under the core's lock; feeds work on threads of their own.
// Bounds:  the cache by bytes, the waiting rows of each view by rows; see connectors::lookup_options().
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "engine/source_stage.h"
#include "sql/backend.h"
#include "storage/checkpoint/checkpoint_store.h"
#include "stream/edge/lookup.h"
#include "stream/lookup/lookup_operator.h"
#include "stream/runtime/core.h"
#include "stream/runtime/lookup_feed.h"

namespace laminar::engine {

class LookupStage final : public stream::Stage {
 public:
  struct Settings {
    bool on_demand = false;
    int64_t refresh_us = 0;  // 0: loaded once
    stream::LookupCache::Limits cache;
    stream::LookupFeed::Options feed;
    uint64_t waiting_rows_max = 0;
  };
  // Checks what the options say of each other.
  static Result<Settings> settings(const std::string& name, const stream::LookupDefinition& definition, const OptionValues& options,
                                   int64_t offset);
  static std::string describe(const std::string& connector, const Settings& settings);

  LookupStage(std::shared_ptr<const sql::Object> object, std::string connector, std::unique_ptr<stream::LookupDefinition> definition,
              Settings settings, const stream::Core& core, std::function<void()> wake, bool recovering = false);
  ~LookupStage() override;

  // Starts the first load of a full copy.
  Status start();
  // Whether views may ask by these columns.
  Status check_keys(const std::vector<uint32_t>& key_columns) const;
  Status bind(stream::LookupOperator& op);

  // What one tick takes in of the table.
  struct Arrival {
    struct Answers {
      std::vector<uint32_t> key_columns;
      std::vector<std::unique_ptr<data::BatchBuffer>> batches;
    };
    std::vector<Answers> answers;
    // kNothing: the server is away and rows get nothing; kSame: a copy with the rows of the one that is there.
    enum class Copy : uint8_t { kNone, kNothing, kRows, kSame } copy = Copy::kNone;
    std::unique_ptr<stream::LookupCopy> rows;
    bool empty() const { return answers.empty() && copy == Copy::kNone; }
  };
  // What the feeds have brought.
  Arrival arrived();
  void encode(const Arrival& arrival, ByteWriter& out) const;
  Status decode(ByteReader& in, Arrival& arrival) const;
  // Makes it part of the next tick: answers as inputs, a new copy at once.
  void enter(Arrival arrival, std::vector<stream::Core::Input>& inputs);
  // After that tick.
  void recycle();

  // A recovery asks nobody; resume() asks for what it left open.
  void resume();

  // Checkpoints: part i is what is known by one set of key columns; the first part also has the copy.
  void save(uint32_t object_id, storage::CheckpointBatch& batch, bool full);
  Status load(uint32_t object_id, storage::CheckpointReader& reader);
  // Asks for a new copy when it is time.
  void refresh_if_due();
  // A feed has ended.
  std::optional<Error> failure();
  // Whether something is under way that ends by itself.
  bool is_busy();
  bool has_copy() const { return copy_ != nullptr || copy_is_nothing_; }
  void scan(const stream::BatchVisitor& visit) const;
  bool on_demand() const { return settings_.on_demand; }

  struct Figures {
    std::string state, error;
    uint64_t entries = 0, bytes = 0, hits = 0, hits_missing = 0, misses = 0, expired = 0, evicted = 0, requests = 0, batches = 0, retries = 0,
             unavailable = 0, rows = 0, loads = 0, waiting_requests = 0;
  };
  Figures figures();

  const std::shared_ptr<const sql::Object> object;
  const std::string connector;
  DeadLetterStore dead_letters;

 private:
  // Takes answers in a tick.
  class Entrance;
  struct Asked {
    std::unique_ptr<stream::LookupCache> cache;
    std::unique_ptr<Entrance> entrance;
    std::unique_ptr<stream::LookupFeed> feed;
  };
  Result<std::unique_ptr<stream::LookupFeed>> make_feed(const std::vector<uint32_t>& key_columns, std::vector<data::Type> key_types);

  bool is_same(const stream::LookupCopy& copy) const;
  void set_copy(std::unique_ptr<stream::LookupCopy> copy);

  const std::unique_ptr<stream::LookupDefinition> definition_;
  const Settings settings_;
  const std::vector<data::Type> types_;
  const stream::Core& core_;
  const std::function<void()> wake_;
  std::vector<Asked> asked_;
  std::unique_ptr<stream::LookupFeed> loader_;
  std::unique_ptr<stream::LookupCopy> copy_;
  bool copy_is_nothing_ = false;
  std::vector<std::unique_ptr<stream::LookupCopyIndex>> copy_indexes_;
  int64_t loaded_at_us_ = 0;
  bool recovering_;       // nobody is asked
  bool copy_saved_ = false;
  std::vector<std::unique_ptr<data::BatchBuffer>> answers_;
  std::vector<data::Batch> batches_;
};

}  // namespace laminar::engine
