#include "stream/lookup/lookup_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>

namespace laminar::stream {
namespace {

using data::BatchBuffer;
using data::Type;
using data::TypeKind;

// A table (id BIGINT, name VARCHAR) whose rows are what `truth` says when the question is answered.
class Harness {
 public:
  explicit Harness(LookupCache::Limits limits) : cache_({0}, types(), limits), answer_(LookupCache::answer_types(types())) {
    cache_.set_send([this](std::vector<std::unique_ptr<LookupKeys>> asks) {
      for (auto& ask : asks) asked_.push_back(std::move(ask));
    });
  }
  static std::vector<Type> types() { return {Type::of(TypeKind::kInt64), Type::of(TypeKind::kVarchar)}; }

  LookupIndex::Found find(int64_t key, uint64_t hash, const TickInfo& tick) {
    BatchBuffer buffer(std::vector<Type>{Type::of(TypeKind::kInt64)}, 1);
    buffer.column(0).values<int64_t>()[0] = key;
    buffer.rows = 1;
    const data::Batch batch = buffer.view();
    return cache_.find(batch.columns, 0, hash, tick);
  }
  std::vector<std::string> names(uint32_t first) {
    std::vector<std::string> names;
    for (uint32_t row = first; row != LookupIndex::kNone; row = cache_.next(row)) {
      names.emplace_back(cache_.rows().column(row, 1).values<data::StringRef>()[row % RowStore::kChunkRows].view());
    }
    return names;
  }
  void add(uint64_t request, LookupAnswerKind kind, int64_t id, const std::string& name) {
    answer_.column(0).values<int64_t>()[answer_.rows] = static_cast<int64_t>(request);
    answer_.column(1).values<int8_t>()[answer_.rows] = static_cast<int8_t>(kind);
    answer_.column(2).values<int64_t>()[answer_.rows] = id;
    answer_.column(3).values<data::StringRef>()[answer_.rows] = answer_.strings().copy(name);
    ++answer_.rows;
  }
  void apply(const TickInfo& tick) {
    cache_.apply(answer_.view(), tick);
    answer_.clear();
  }

  LookupCache cache_;
  BatchBuffer answer_;
  std::deque<std::unique_ptr<LookupKeys>> asked_;
};

LookupCache::Limits limits(int64_t ttl_us, int64_t missing_ttl_us, uint64_t bytes) { return {ttl_us, missing_ttl_us, bytes, 4}; }

TEST(LookupCache, EqualHashesAreNotEqualKeys) {
  Harness h(limits(100, 100, 1 << 20));
  const LookupIndex::Found a = h.find(1, 42, {1, 0}), b = h.find(2, 42, {1, 0}), again = h.find(1, 42, {1, 0});
  EXPECT_FALSE(a.known);
  EXPECT_NE(a.ticket, b.ticket);
  EXPECT_EQ(a.ticket, again.ticket);
  h.cache_.send_asks();
  ASSERT_EQ(h.asked_.size(), 1u);
  ASSERT_EQ(h.asked_[0]->requests.size(), 2u);
  h.add(h.asked_[0]->requests[1], LookupAnswerKind::kRow, 2, "two");
  h.add(h.asked_[0]->requests[1], LookupAnswerKind::kRow, 2, "deux");
  h.add(h.asked_[0]->requests[1], LookupAnswerKind::kEnd, 0, "");
  h.apply({2, 5});
  EXPECT_FALSE(h.cache_.peek(a.ticket).known);
  EXPECT_EQ(h.names(h.cache_.peek(b.ticket).first), (std::vector<std::string>{"two", "deux"}));
  EXPECT_EQ(h.names(h.find(2, 42, {3, 6}).first), (std::vector<std::string>{"two", "deux"}));
  h.add(h.asked_[0]->requests[0], LookupAnswerKind::kEnd, 0, "");
  h.apply({3, 6});
  EXPECT_TRUE(h.cache_.peek(a.ticket).known);
  EXPECT_EQ(h.cache_.peek(a.ticket).first, LookupIndex::kNone);
}

TEST(LookupCache, AnswersToNobodyAreDropped) {
  Harness h(limits(0, 0, 1 << 20));
  const LookupIndex::Found a = h.find(1, 1, {1, 0});
  h.cache_.send_asks();
  const uint64_t request = h.asked_[0]->requests[0];
  h.add(request, LookupAnswerKind::kEnd, 0, "");
  h.apply({2, 0});
  h.cache_.release(a.ticket);
  // The place is used for another key by now.
  const LookupIndex::Found b = h.find(2, 2, {3, 0});
  h.add(request, LookupAnswerKind::kRow, 1, "late");
  h.add(request, LookupAnswerKind::kEnd, 0, "");
  h.apply({4, 0});
  EXPECT_FALSE(h.cache_.peek(b.ticket).known);
  EXPECT_EQ(h.cache_.counters().unknown_answers, 2u);
}

// Random questions, answers in any order, time, several rows a key, a small bound: against what each question may get.
TEST(LookupCache, RandomQuestionsAndAnswers) {
  const char* given = std::getenv("LAMINAR_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("seed %llu (LAMINAR_SEED repeats it)\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const auto below = [&random](uint64_t n) { return random() % n; };
  for (int run = 0; run < 30; ++run) {
    const int64_t ttl = static_cast<int64_t>(below(3)) * 50, missing_ttl = static_cast<int64_t>(below(3)) * 30;
    const uint64_t bytes = 400 + below(4000);
    Harness h(limits(ttl, missing_ttl, bytes));
    struct Ask {
      uint64_t request;
      int64_t key;
    };
    struct Wait {
      uint32_t ticket;
      int64_t key;
      uint64_t tick;
    };
    struct Answered {
      std::vector<std::string> names;
      int64_t at_us = 0;
      uint64_t tick = 0;
    };
    std::vector<Ask> open;
    std::vector<Wait> waiting;
    // By key. Without a time to live several questions for a key may be out, answered in any order.
    std::map<int64_t, std::vector<Answered>> given_answers;
    int64_t now = 0;
    uint64_t answers = 0;
    for (uint64_t tick = 1; tick < 400; ++tick) {
      now += static_cast<int64_t>(below(20));
      const TickInfo info{tick, now};
      for (size_t n = below(3); n > 0 && !open.empty(); --n) {
        const size_t at = below(open.size());
        Answered made{{}, now, tick};
        for (uint64_t rows = below(3); rows > 0; --rows) {
          made.names.push_back("key " + std::to_string(open[at].key) + " answer " + std::to_string(++answers) + std::string(below(30), 'x'));
          h.add(open[at].request, LookupAnswerKind::kRow, open[at].key, made.names.back());
        }
        h.add(open[at].request, LookupAnswerKind::kEnd, 0, "");
        given_answers[open[at].key].push_back(made);
        open.erase(open.begin() + static_cast<ptrdiff_t>(at));
      }
      h.apply(info);
      EXPECT_LE(h.cache_.bytes(), bytes);
      std::erase_if(waiting, [&](const Wait& wait) {
        const LookupIndex::Found found = h.cache_.peek(wait.ticket);
        if (!found.known) return false;
        for (const std::string& name : h.names(found.first)) {
          EXPECT_TRUE(name.starts_with("key " + std::to_string(wait.key) + " ")) << name << " for " << wait.key;
        }
        h.cache_.release(wait.ticket);
        return true;
      });
      for (size_t n = below(4); n > 0; --n) {
        const int64_t key = static_cast<int64_t>(below(20));
        const LookupIndex::Found found = h.find(key, static_cast<uint64_t>(key % 3), info);
        if (!found.known) {
          waiting.push_back({found.ticket, key, tick});
          continue;
        }
        const std::vector<std::string> names = h.names(found.first);
        const auto& all = given_answers[key];
        EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const Answered& known) {
          return known.names == names && now - known.at_us < (names.empty() ? missing_ttl : ttl);
        })) << "key " << key;
      }
      h.cache_.send_asks();
      for (; !h.asked_.empty(); h.asked_.pop_front()) {
        for (uint32_t i = 0; i < h.asked_.front()->requests.size(); ++i) {
          open.push_back({h.asked_.front()->requests[i], h.asked_.front()->keys.column(0).values<int64_t>()[i]});
        }
      }
    }
    // Everything under way is answered: nothing waits, nothing is held beyond the bound.
    for (const Ask& ask : open) h.add(ask.request, LookupAnswerKind::kAway, 0, "");
    h.apply({1000, now});
    for (const Wait& wait : waiting) {
      EXPECT_TRUE(h.cache_.peek(wait.ticket).known);
      h.cache_.release(wait.ticket);
    }
    EXPECT_EQ(h.cache_.waiting_requests(), 0u);
    EXPECT_LE(h.cache_.bytes(), bytes);
    if (ttl == 0 && missing_ttl == 0) {
      EXPECT_EQ(h.cache_.entries(), 0u);
    }
  }
}

}  // namespace
}  // namespace laminar::stream
