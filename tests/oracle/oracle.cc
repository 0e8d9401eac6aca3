// Random SQL over random histories, held to DuckDB's batch result and to the laws of change.
//
//   oracle [--joins | --asof] [--seed N] [--queries N] [--seconds N] [--cores N] [--show]
//
// Queries are numbered; query N belongs to history N / 24 and is the same in every run. --seconds goes on with new
// queries until the time is over. --joins: queries that join; --asof: by time, one row each. --show prints the statements and does not run them.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>

#include "asof_generator.h"
#include "base/test_share_testing.h"
#include "check.h"
#include "join_generator.h"
#include "query_generator.h"
#include "run.h"

namespace {
constexpr size_t kViewsPerHistory = 24;
}

int main(int argc, char** argv) {
  uint64_t seed = 24, queries = 960;
  double seconds = 0;
  bool show = false;
  const char* kind = "";
  oracle::MakeViews make = oracle::make_views;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--show") {
      show = true;
    } else if (option == "--joins") {
      kind = "--joins ";
      make = oracle::make_join_views;
    } else if (option == "--asof") {
      kind = "--asof ";
      make = oracle::make_asof_views;
    } else if (i + 1 < argc && (option == "--seed" || option == "--queries" || option == "--seconds" || option == "--cores")) {
      const char* value = argv[++i];
      if (option == "--seed") seed = std::strtoull(value, nullptr, 10);
      else if (option == "--cores") oracle::cores = std::atoi(value);
      else if (option == "--queries") queries = std::strtoull(value, nullptr, 10);
      else seconds = std::atof(value);
    } else {
      std::fprintf(stderr, "usage: oracle [--joins | --asof] [--seed N] [--queries N] [--seconds N] [--cores N] [--show]\n");
      return 2;
    }
  }
  if (seconds == 0) queries = static_cast<uint64_t>(laminar::test_share(static_cast<int64_t>(queries)));
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  size_t passed = 0, failed = 0, skipped = 0;
  for (uint64_t next = seed; seconds > 0 ? elapsed() < seconds : next < seed + queries;) {
    const uint64_t history = next / kViewsPerHistory;
    std::set<size_t> wanted;
    do wanted.insert(next++ % kViewsPerHistory);
    while (next % kViewsPerHistory != 0 && (seconds > 0 || next < seed + queries));
    if (show) {
      const auto views = make(history, kViewsPerHistory);
      for (size_t view : wanted) std::printf("-- %llu\n%s;\n-- %s\n", static_cast<unsigned long long>(history * kViewsPerHistory + view), views[view].create.c_str(), views[view].select.c_str());
      continue;
    }
    const oracle::Outcome outcome = oracle::check_history(history, wanted, kViewsPerHistory, make);
    for (const auto& [view, text] : outcome.failed) {
      std::printf("FAILED query %llu\n%srepeat: build/oracle %s--seed %llu --queries 1\n\n", static_cast<unsigned long long>(history * kViewsPerHistory + view), text.c_str(), kind,
                  static_cast<unsigned long long>(history * kViewsPerHistory + view));
    }
    for (const auto& [view, text] : outcome.skipped) {
      std::printf("skipped query %llu: %s\n", static_cast<unsigned long long>(history * kViewsPerHistory + view), text.c_str());
    }
    passed += outcome.passed.size();
    failed += outcome.failed.size();
    for (const auto& [view, text] : outcome.skipped) skipped += !outcome.failed.count(view);
    std::fflush(stdout);
  }
  std::printf("%zu passed, %zu failed, %zu skipped\n", passed, failed, skipped);
  return failed > 0 || passed == 0 ? 1 : 0;
}
