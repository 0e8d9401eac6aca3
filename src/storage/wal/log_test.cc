#include "storage/wal/log.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <thread>

#include "base/test_share_testing.h"
#include "io/simulated_disk.h"
#include "io/system_disk.h"

namespace laminar::storage {
namespace {

constexpr uint64_t kId = 42;
constexpr uint64_t kEntries = 1000;
const std::string kFolder = "/sim/log";

std::string entry(uint64_t i) { return "entry " + std::to_string(i) + std::string(i % 7, static_cast<char>('a' + i % 26)); }

std::unique_ptr<Log> open_log(io::Disk& disk, LogState* state = nullptr, bool accept = true, LogOptions options = {}) {
  auto log = Log::open(disk, kFolder, kId, options, accept, state);
  EXPECT_TRUE(log.ok()) << log.status().text();
  return log.ok() ? log.take() : nullptr;
}

void append_entries(Log& log, uint64_t from, uint64_t to) {
  for (uint64_t i = from; i < to; ++i) {
    const Result<uint64_t> sequence = log.append(entry(i));
    ASSERT_TRUE(sequence.ok());
    ASSERT_EQ(*sequence, i + 1);
  }
  ASSERT_TRUE(log.flush(true).ok());
}

// How many entries the log gives, which must be the first ones in order.
uint64_t count_entries(Log& log) {
  uint64_t count = 0;
  const Status status = log.replay(1, [&](uint64_t sequence, std::string_view payload) {
    EXPECT_EQ(sequence, count + 1);
    EXPECT_EQ(payload, entry(count));
    ++count;
    return Status();
  });
  EXPECT_TRUE(status.ok()) << status.text();
  return count;
}

// The bytes of a log of kEntries, and where each entry ends in them.
struct Written {
  std::string name, bytes;
  std::vector<uint64_t> ends;
};
const Written& written() {
  static const Written result = [] {
    io::SimulatedDisk disk(1);
    auto log = open_log(disk, nullptr, true, {.segment_bytes = 1 << 20, .first_segment_bytes = 128 << 10});
    append_entries(*log, 0, kEntries);
    Written w;
    w.name = disk.files().front();
    uint64_t end = io::kBlockBytes;
    for (uint64_t i = 0; i < kEntries; ++i) w.ends.push_back(end += (24 + entry(i).size() + 7) / 8 * 8);
    w.bytes = disk.content(w.name).substr(0, end);
    return w;
  }();
  return result;
}

void expect_prefix(const std::string& bytes, uint64_t expected, bool twice) {
  io::SimulatedDisk disk(1);
  ASSERT_TRUE(disk.make_folders(kFolder).ok());
  disk.set_content(written().name, bytes);
  LogState state;
  const LogOptions small{.segment_bytes = 64 << 10, .first_segment_bytes = 8 << 10};
  {
    // Opening reads every record; reading them once more is for some.
    auto log = open_log(disk, &state, true, small);
    ASSERT_EQ(state.next_sequence, expected + 1);
    if (!twice) return;
    ASSERT_EQ(count_entries(*log), expected);
    append_entries(*log, expected, expected + 10);
  }
  auto log = open_log(disk, &state, true, small);
  ASSERT_EQ(count_entries(*log), expected + 10);
  EXPECT_TRUE(state.damage.empty()) << state.damage;
}

TEST(log, a_cut_at_any_byte_leaves_the_longest_prefix) {
  const Written& w = written();
  uint64_t whole = 0;
  for (size_t cut = 0; cut <= w.bytes.size(); ++cut) {
    // Zeros up to the next multiple of 8 may be missing.
    while (whole < kEntries && (whole == 0 ? io::kBlockBytes : w.ends[whole - 1]) + 24 + entry(whole).size() <= cut) ++whole;
    expect_prefix(w.bytes.substr(0, cut), whole, cut % 64 == 0);
    ASSERT_FALSE(HasFailure()) << "cut at byte " << cut;
  }
}

TEST(log, a_flipped_bit_leaves_the_entries_before_it) {
  const Written& w = written();
  std::string bytes = w.bytes;
  uint64_t whole = 0;
  for (size_t byte = io::kBlockBytes; byte < w.bytes.size(); ++byte) {
    while (whole < kEntries && w.ends[whole] <= byte) ++whole;
    // The bytes behind an entry up to the next multiple of 8 mean nothing.
    const uint64_t record_end = (whole == 0 ? io::kBlockBytes : w.ends[whole - 1]) + 24 + entry(whole).size();
    // All bits; where everything takes longer, those of each 50th entry and one of each third byte of the others.
    static const bool all = test_share(100) == 100;
    for (int bit = 0; bit < 8; ++bit) {
      if (!all && whole % 50 != 0 && (byte % 3 != 0 || bit != static_cast<int>(byte / 3 % 8))) continue;
      bytes[byte] = static_cast<char>(w.bytes[byte] ^ (1 << bit));
      expect_prefix(bytes, byte < record_end ? whole : kEntries, byte % 512 == 0);
      bytes[byte] = w.bytes[byte];
      ASSERT_FALSE(HasFailure()) << "bit " << bit << " of byte " << byte;
    }
  }
}

TEST(log, damage_in_the_middle_is_told_from_a_torn_tail) {
  const Written& w = written();
  std::string bytes = w.bytes;
  bytes[w.ends[400] + 30] ^= 4;
  io::SimulatedDisk disk(1);
  disk.set_content(w.name, bytes);
  // All entries were flushed at once: no later one proves that this one was durable.
  LogState state;
  auto torn = Log::open(disk, kFolder, kId, {}, false, &state);
  ASSERT_TRUE(torn.ok());
  EXPECT_GT(state.cut_bytes, 0u);
  append_entries(**torn, 401, 500);
  append_entries(**torn, 500, 600);
  torn->reset();
  const std::string name = disk.files().back();
  disk.flip_bit(name, (io::kBlockBytes + 8 * 30) * 8);
  const auto damaged = Log::open(disk, kFolder, kId, {}, false, &state);
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, ErrorCode::kDamagedLog);
  EXPECT_NE(state.damage.find("cannot be read"), std::string::npos);
  auto accepted = Log::open(disk, kFolder, kId, {}, true, &state);
  ASSERT_TRUE(accepted.ok());
  EXPECT_GT(state.next_sequence, 401u);
  EXPECT_LT(state.next_sequence, 500u);
  append_entries(**accepted, state.next_sequence - 1, state.next_sequence + 4);
  accepted->reset();
  LogState again;
  auto last = open_log(disk, &again, false);
  EXPECT_EQ(again.next_sequence, state.next_sequence + 5);
  EXPECT_EQ(count_entries(*last), again.next_sequence - 1);
}

TEST(log, power_cuts_lose_nothing_that_was_committed) {
  uint64_t base = std::random_device{}();
  if (const char* given = std::getenv("LAMINAR_SEED")) base = std::strtoull(given, nullptr, 10);
  for (uint64_t run = 0; run < 300; ++run) {
    const uint64_t seed = base + run;
    SCOPED_TRACE("repeat with LAMINAR_SEED=" + std::to_string(seed) + " storage_test --gtest_filter=log.power_cuts*");
    std::mt19937_64 random(seed);
    io::SimulatedDisk disk(seed);
    uint64_t next = 0, committed = 0;
    for (int life = 0; life < 4; ++life) {
      disk.cut_after(1 + random() % 60);
      LogState state;
      auto opened = Log::open(disk, kFolder, kId, {.segment_bytes = 16 << 10, .first_segment_bytes = 8 << 10}, false, &state);
      if (opened.ok()) {
        next = count_entries(**opened);
        ASSERT_GE(next, committed);
        for (;;) {
          if (!(*opened)->append(entry(next)).ok()) break;
          ++next;
          if (random() % 4 == 0) {
            if (!(*opened)->flush(random() % 3 != 0).ok()) break;
            committed = std::max(committed, (*opened)->durable());
          }
        }
      } else {
        ASSERT_TRUE(disk.is_cut()) << opened.status().text();
      }
      disk.restart();
    }
    auto log = open_log(disk, nullptr, false);
    ASSERT_NE(log, nullptr);
    ASSERT_GE(count_entries(*log), committed);
    ASSERT_FALSE(HasFailure());
  }
}

TEST(log, a_full_disk_refuses_and_goes_on_when_there_is_space) {
  io::SimulatedDisk disk(5);
  disk.set_capacity(40 << 10);
  auto log = open_log(disk, nullptr, false, {.segment_bytes = 16 << 10, .first_segment_bytes = 8 << 10});
  uint64_t taken = 0;
  Result<uint64_t> last = uint64_t{0};
  while ((last = log->append(entry(taken))).ok()) ++taken;
  EXPECT_EQ(last.error().code, ErrorCode::kDiskFull);
  EXPECT_GT(taken, 100u);
  ASSERT_TRUE(log->flush(true).ok());
  EXPECT_EQ(log->durable(), taken);
  disk.set_capacity(400 << 10);
  append_entries(*log, taken, taken + 500);
  log.reset();
  auto again = open_log(disk, nullptr, false, {.segment_bytes = 16 << 10, .first_segment_bytes = 8 << 10});
  EXPECT_EQ(count_entries(*again), taken + 500);
}

TEST(log, the_head_is_freed_by_segments) {
  io::SimulatedDisk disk(5);
  auto log = open_log(disk, nullptr, false, {.segment_bytes = 8 << 10, .first_segment_bytes = 8 << 10});
  append_entries(*log, 0, kEntries);
  const uint64_t segments = log->segment_count();
  EXPECT_GT(segments, 4u);
  ASSERT_TRUE(log->free_before(500).ok());
  EXPECT_LT(log->segment_count(), segments);
  EXPECT_LE(log->first_sequence(), 500u);
  EXPECT_GT(log->first_sequence(), 300u);
  const uint64_t first = log->first_sequence();
  log.reset();
  LogState state;
  log = open_log(disk, &state, false);
  EXPECT_EQ(state.first_sequence, first);
  EXPECT_EQ(state.next_sequence, kEntries + 1);
}

// Records of several threads, small segments, syncs in whose middle others get on.
TEST(log, threads_append_while_segments_change) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    io::SimulatedDisk disk(seed);
    disk.during_sync([](const std::string&) {
      std::this_thread::yield();
    });
    constexpr int kThreads = 3, kEach = 300;
    {
      auto log = open_log(disk, nullptr, false, {.segment_bytes = 8 << 10, .first_segment_bytes = 8 << 10});
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
          for (int i = 0; i < kEach; ++i) {
            const Result<uint64_t> sequence = log->append(std::to_string(t) + " " + std::to_string(i));
            ASSERT_TRUE(sequence.ok());
            if (i % 7 == t) {
              ASSERT_TRUE(log->commit(*sequence).ok());
            }
            if (i % 100 == 50 && t == 0) {
              ASSERT_TRUE(log->begin_segment().ok());
            }
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      ASSERT_TRUE(log->flush(true).ok());
    }
    LogState state;
    auto log = open_log(disk, &state, false);
    EXPECT_EQ(state.damage, "");
    std::vector<int> next(kThreads);
    ASSERT_TRUE(log->replay(1, [&](uint64_t, std::string_view payload) {
                     const int thread = payload[0] - '0';
                     EXPECT_EQ(payload, std::to_string(thread) + " " + std::to_string(next[static_cast<size_t>(thread)]++));
                     return Status();
                   }).ok());
    for (const int count : next) EXPECT_EQ(count, kEach);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

TEST(log, many_commit_at_once_on_a_real_disk) {
  char name[] = "/tmp/laminar_log_XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  for (const io::LogBackend backend : io::kLogBackends) {
    io::SystemDisk disk(backend);
    const std::string folder = std::string(name) + "/" + std::string(io::to_text(backend));
    uint64_t total = 0;
    for (int life = 0; life < 2; ++life) {
      LogState state;
      auto log = Log::open(disk, folder, kId, {.segment_bytes = 64 << 10, .first_segment_bytes = 16 << 10}, false, &state);
      ASSERT_TRUE(log.ok()) << log.status().text();
      ASSERT_EQ(state.next_sequence, total + 1);
      std::mutex order;
      std::vector<std::thread> threads;
      for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
          for (int i = 0; i < 100; ++i) {
            uint64_t sequence = 0;
            {
              std::lock_guard lock(order);
              sequence = *(*log)->append(std::string(100, 'x'));
            }
            EXPECT_TRUE((*log)->commit(sequence).ok());
            EXPECT_GE((*log)->durable(), sequence);
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      total += 400;
    }
  }
  ASSERT_EQ(std::system(("rm -r " + std::string(name)).c_str()), 0);
}

}  // namespace
}  // namespace laminar::storage
