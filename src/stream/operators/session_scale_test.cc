// Sessions in great number: what a row costs with few and with a million open ones, and a thousand that become one.
#include <gtest/gtest.h>

#include <cstdio>
#include <ctime>

#include "stream/operators/aggregate_testing.h"

namespace laminar::stream {
namespace {

using data::Type;
using data::TypeKind;
using plan::AggregateKind;
using testing::NodeBuilder;

const Type kInt = Type::of(TypeKind::kInt64);
const Type kTime = Type::of(TypeKind::kTimestamp);

std::unique_ptr<plan::AggregateNode> sessions(int64_t gap, plan::EmitPolicy policy) {
  plan::WindowSpec spec;
  spec.kind = plan::WindowKind::kSession;
  spec.time_column = 1;
  spec.gap_us = gap;
  return NodeBuilder({kInt, kTime}, true).key(0).window(spec).window_start().window_end()
      .call(AggregateKind::kCountStar, {}, kInt).emit(policy).build();
}

class Sessions {
 public:
  explicit Sessions(int64_t gap, plan::EmitPolicy policy = plan::EmitPolicy::kOnWindowClose)
      : node_(sessions(gap, policy)), source_(node_->inputs[0]->types()), batch_(node_->inputs[0]->types()) {
    auto made = make_aggregate(*node_);
    op_ = made.take();
    source_.add_output(op_.get(), 0);
  }
  ~Sessions() { source_.remove_output(op_.get()); }
  void add(int64_t key, int64_t time) {
    const uint32_t row = batch_.rows++;
    batch_.column(0).values<int64_t>()[row] = key;
    batch_.column(1).values<int64_t>()[row] = time;
    if (batch_.full()) push();
  }
  void push() {
    op_->push(0, batch_.view());
    op_->finish({});
    batch_.clear();
  }
  Operator& op() { return *op_; }

 private:
  std::unique_ptr<plan::AggregateNode> node_;
  testing::TestSource source_;
  std::unique_ptr<Operator> op_;
  data::BatchBuffer batch_;
};

double cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// ns a row, with `keys` sessions open, rows by turns over all of them.
double cost(int64_t keys) {
  Sessions sessions(1'000'000'000);
  for (int64_t key = 0; key < keys; ++key) sessions.add(key, key);
  sessions.push();
  EXPECT_EQ(sessions.op().state_rows(), static_cast<uint64_t>(keys));
  constexpr int64_t kRows = 1 << 20;
  uint64_t random = 7;
  const double begin = cpu_ns();
  for (int64_t i = 0; i < kRows; ++i) {
    random = random * 6364136223846793005ull + 1442695040888963407ull;
    sessions.add(static_cast<int64_t>((random >> 20) % static_cast<uint64_t>(keys)), keys + i);
  }
  return (cpu_ns() - begin) / kRows;
}

TEST(SessionScale, AMillionOpenSessions) {
  const double few = cost(1'000), many = cost(1'000'000);
  std::printf("session: %.0f ns a row with 1,000 open sessions, %.0f with 1,000,000: ratio %.1f\n", few, many, many / few);
  // Both touch one row of a hash table; the many lie outside the caches.
  EXPECT_LT(many, 40 * few);
}

TEST(SessionScale, AThousandSessionsBecomeOne) {
  Sessions sessions(10);
  for (int64_t i = 0; i < 1000; ++i) sessions.add(1, i * 20);
  sessions.push();
  EXPECT_EQ(sessions.op().state_rows(), 1000u);
  // A row in each gap, the middle ones first.
  for (int64_t i = 0; i < 999; ++i) sessions.add(1, (i * 500 + i / 2) % 999 * 20 + 10);
  for (int64_t i = 0; i < 999; ++i) sessions.add(1, i * 20 + 10);
  sessions.push();
  EXPECT_EQ(sessions.op().state_rows(), 1u);
}

}  // namespace
}  // namespace laminar::stream
