#include "connectors/files/file_sink.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "connectors/files/file_source.h"
#include "connectors/duck_instance.h"
#include "connectors/files/format_reader.h"
#include "connectors/render.h"
#include "data/value.h"
#include "duck/types.h"
#include "io/file.h"

namespace laminar::connectors {
namespace {

using data::BatchBuffer;
using data::Schema;
using data::Type;
using data::TypeKind;
using Names = std::vector<std::string>;

const Schema kRows = {{"id", Type::of(TypeKind::kInt64), false}, {"text", Type::of(TypeKind::kVarchar), false}};

BatchBuffer rows_of(std::initializer_list<std::pair<int64_t, const char*>> values, int64_t weight = 1) {
  BatchBuffer rows(kRows);
  for (const auto& [id, text] : values) {
    rows.column(0).values<int64_t>()[rows.rows] = id;
    if (text) {
      rows.column(1).values<data::StringRef>()[rows.rows] = rows.strings().copy(std::string_view(text));
    } else {
      data::set_null(rows.column(1).validity, rows.rows);
    }
    rows.weights()[rows.rows++] = weight;
  }
  rows.has_weights = weight != 1;
  return rows;
}

class FileSinks : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "laminar_sink_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    io::set_fault_injector(nullptr);
    std::filesystem::remove_all(folder_);
  }
  static Result<std::unique_ptr<stream::SinkDefinition>> make(const std::vector<OptionInput>& inputs, bool append_only = true,
                                                              const Schema& schema = kRows) {
    auto options = OptionValues::check(file_sink_options(), inputs, "sink k", 0);
    if (!options.ok()) return options.status();
    return make_file_sink("k", schema, append_only, *options);
  }
  static std::unique_ptr<stream::SinkWriter> open(const std::vector<OptionInput>& inputs, bool append_only = true,
                                                  const Schema& schema = kRows) {
    auto sink = make(inputs, append_only, schema);
    EXPECT_TRUE(sink.ok()) << sink.status().text();
    auto writer = (*sink)->open();
    EXPECT_TRUE(writer.ok()) << writer.status().text();
    return writer.ok() ? writer.take() : nullptr;
  }
  static Status epoch(stream::SinkWriter& writer, uint64_t number, BatchBuffer rows) {
    Status status = writer.begin(number);
    if (status.ok()) status = writer.write(rows.view(), number * 10);
    if (status.ok()) status = writer.prepare();
    if (status.ok()) status = writer.commit();
    return status;
  }
  Names visible(const std::string& folder) const {
    Names names;
    const auto all = io::list_folder(folder);
    for (const std::string& name : *all) {
      if (name.front() != '.') names.push_back(name);
    }
    return names;
  }
  Names all() const { return *io::list_folder(folder_); }
  std::string content(const std::string& name) const {
    std::ifstream file(io::join_path(folder_, name), std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::string folder_;
};

TEST_F(FileSinks, CsvAndJson) {
  const std::vector<OptionInput> csv = {{"path", folder_}, {"format", "csv"}};
  auto writer = open(csv);
  ASSERT_TRUE(writer->begin(1).ok());
  ASSERT_TRUE(writer->write(rows_of({{1, "plain"}, {2, "a,\"b\"\nc"}}).view(), 1).ok());
  EXPECT_EQ(visible(folder_), Names{});
  ASSERT_TRUE(writer->prepare().ok());
  EXPECT_EQ(visible(folder_), Names{});  // whole and on disk, but not committed
  ASSERT_TRUE(writer->commit().ok());
  EXPECT_EQ(all(), (Names{"part-000001.csv"}));
  EXPECT_EQ(content("part-000001.csv"), "id,text\n1,plain\n2,\"a,\"\"b\"\"\nc\"\n");
  ASSERT_TRUE(writer->begin(2).ok() && writer->prepare().ok() && writer->commit().ok());  // no rows, no file
  ASSERT_TRUE(epoch(*writer, 3, rows_of({{3, ""}, {4, nullptr}}, 2)).ok());
  EXPECT_EQ(all(), (Names{"part-000001.csv", "part-000002.csv"}));
  EXPECT_EQ(content("part-000002.csv"), "id,text\n3,\"\"\n3,\"\"\n4,\n4,\n");
  ASSERT_TRUE(writer->close().ok());
  writer.reset();

  writer = open({{"path", folder_ + "/j-{part}.json"}});
  ASSERT_TRUE(epoch(*writer, 1, rows_of({{1, "q\"\\\n\x01"}, {2, nullptr}})).ok());
  EXPECT_EQ(content("j-000001.json"), "{\"id\":1,\"text\":\"q\\\"\\\\\\n\\u0001\"}\n{\"id\":2,\"text\":null}\n");
  writer = open({{"path", folder_ + "/t-{part}.csv"}, {"header", "false"}, {"delimiter", "\\t"}});
  ASSERT_TRUE(epoch(*writer, 1, rows_of({{1, "a,b"}, {2, "a\tb"}})).ok());
  EXPECT_EQ(content("t-000001.csv"), "1\ta,b\n2\t\"a\tb\"\n");
}

TEST_F(FileSinks, ChangelogAddsTickAndWeight) {
  auto writer = open({{"path", folder_}, {"format", "csv"}, {"mode", "changelog"}}, false);
  ASSERT_TRUE(epoch(*writer, 7, rows_of({{1, "x"}}, -2)).ok());
  EXPECT_EQ(content("part-000001.csv"), "id,text,tick,weight\n1,x,70,-2\n");
  writer = open({{"path", folder_}, {"format", "json"}, {"mode", "changelog"}}, false);
  ASSERT_TRUE(epoch(*writer, 7, rows_of({{1, "x"}})).ok());
  EXPECT_EQ(content("part-000001.json"), "{\"id\":1,\"text\":\"x\",\"tick\":70,\"weight\":1}\n");
  writer = open({{"path", folder_}, {"format", "parquet"}, {"mode", "changelog"}}, false);
  ASSERT_TRUE(epoch(*writer, 7, rows_of({{1, "x"}}, -1)).ok());
  auto rows = duck::query_to_batches(*connector_duckdb(), "SELECT id, text, tick, weight FROM " + sql_string(folder_ + "/part-000001.parquet"));
  ASSERT_TRUE(rows.ok()) << rows.status().text();
  ASSERT_EQ(rows->row_count(), 1u);
  EXPECT_EQ(rows->batches[0].column(2).values<int64_t>()[0], 70);
  EXPECT_EQ(rows->batches[0].column(3).values<int64_t>()[0], -1);
}

TEST_F(FileSinks, ParquetRollsByRowsAndReadsBack) {
  const Schema schema = {{"i", Type::of(TypeKind::kInt64), false}, {"s", Type::of(TypeKind::kVarchar), false},
                         {"d", Type::decimal(18, 3), false},       {"ts", Type::of(TypeKind::kTimestamp), false}};
  auto writer = open({{"path", folder_}, {"format", "parquet"}, {"rows_per_file", "4000"}, {"compression", "zstd"}}, true, schema);
  ASSERT_TRUE(writer->begin(1).ok());
  for (int64_t i = 0; i < 10'000;) {
    BatchBuffer rows(schema);
    for (; !rows.full() && i < 10'000; ++i, ++rows.rows) {
      rows.column(0).values<int64_t>()[rows.rows] = i;
      rows.column(1).values<data::StringRef>()[rows.rows] = rows.strings().copy(std::string(static_cast<size_t>(i % 40), 'a'));
      rows.column(2).values<int64_t>()[rows.rows] = i * 7;
      if (i % 3 == 0) data::set_null(rows.column(3).validity, rows.rows);
      rows.column(3).values<int64_t>()[rows.rows] = i * 1'000'000;
    }
    ASSERT_TRUE(writer->write(rows.view(), 1).ok());
  }
  EXPECT_EQ(visible(folder_), Names{});
  ASSERT_TRUE(writer->prepare().ok() && writer->commit().ok());
  EXPECT_EQ(all(), (Names{"part-000001.parquet", "part-000002.parquet", "part-000003.parquet"}));
  auto result = duck::query_to_batches(
      *connector_duckdb(), "SELECT count(*)::BIGINT, sum(i)::BIGINT, sum(length(s))::BIGINT, sum(d)::VARCHAR, count(ts)::BIGINT, min(c)::BIGINT, "
                         "max(c)::BIGINT FROM (SELECT *, count(*) OVER (PARTITION BY filename) AS c FROM read_parquet(" +
                             sql_string(folder_ + "/*.parquet") + ", filename = true))");
  ASSERT_TRUE(result.ok()) << result.status().text();
  const auto number = [&](uint32_t c) { return result->batches[0].column(c).values<int64_t>()[0]; };
  EXPECT_EQ(number(0), 10'000);
  EXPECT_EQ(number(1), 49'995'000);
  EXPECT_EQ(number(2), 250 * (39 * 40 / 2));
  EXPECT_EQ(result->batches[0].column(3).values<data::StringRef>()[0].view(), "349965.000");
  EXPECT_EQ(number(4), 6666);
  EXPECT_EQ(number(5), 2000);
  EXPECT_EQ(number(6), 4000);
}

// Fails the n-th operation on files, every kind in turn: nothing partial is ever visible, and the retry brings all.
TEST_F(FileSinks, NoFaultShowsAPartialFileOrLosesARow) {
  struct FailNth final : io::FaultInjector {
    int left = 0;
    int failures = 0;
    Status before(io::FilePoint point, const std::string& path) override {
      if (point == io::FilePoint::kOpen || point == io::FilePoint::kRead || point == io::FilePoint::kRemove) return Status();
      if (left-- != 0) return Status();
      ++failures;
      return Status(ErrorCode::kFileWrite, "injected: " + path);
    }
  } fault;
  for (const char* format : {"csv", "json", "parquet"}) {
    for (int nth = 0;; ++nth) {
      const std::string folder = folder_ + "/" + format + std::to_string(nth);
      auto writer = open({{"path", folder}, {"format", format}, {"rows_per_file", "2"}, {"mode", "append"}});
      ASSERT_TRUE(epoch(*writer, 1, rows_of({{1, "a"}})).ok());
      fault.left = nth;
      fault.failures = 0;
      io::set_fault_injector(&fault);
      Status status;
      int attempts = 0;
      do {
        status = epoch(*writer, 2, rows_of({{2, "b"}, {3, "c"}, {4, "d"}}));
        if (!status.ok()) {
          EXPECT_EQ(status.error().code, ErrorCode::kFileWrite);
          writer->abort();
          ASSERT_EQ(visible(folder), (Names{std::string("part-000001.") + format})) << format << " " << nth;
        }
      } while (!status.ok() && ++attempts < 3);
      io::set_fault_injector(nullptr);
      ASSERT_TRUE(status.ok()) << status.text();
      ASSERT_EQ(visible(folder), (Names{std::string("part-000001.") + format, std::string("part-000002.") + format, std::string("part-000003.") + format}));
      ASSERT_EQ(io::list_folder(folder)->size(), 3u);
      if (fault.failures == 0) {
        EXPECT_GE(nth, 7) << "create, write, sync, rename of two files, sync of the folder";
        break;
      }
    }
  }
}

TEST_F(FileSinks, AfterACrashLeftoversGoAndNumbersGoOn) {
  std::ofstream(folder_ + "/part-000007.csv") << "id,text\n";
  std::ofstream(folder_ + "/.part-000008.csv.tmp") << "half";
  std::ofstream(folder_ + "/.part-000008.json.tmp") << "of another sink";
  std::ofstream(folder_ + "/part-x.csv") << "no number";
  auto writer = open({{"path", folder_}, {"format", "csv"}});
  ASSERT_TRUE(epoch(*writer, 1, rows_of({{1, "a"}})).ok());
  EXPECT_EQ(all(), (Names{".part-000008.json.tmp", "part-000007.csv", "part-000008.csv", "part-x.csv"}));
  std::ofstream(folder_ + "/part-000009.csv") << "somebody else's";
  ASSERT_TRUE(epoch(*writer, 2, rows_of({{2, "b"}})).ok());  // never over another file
  EXPECT_EQ(content("part-000009.csv"), "somebody else's");
  EXPECT_EQ(content("part-000010.csv"), "id,text\n2,b\n");
  // A writer that goes in the middle of an epoch leaves nothing.
  ASSERT_TRUE(writer->begin(3).ok() && writer->write(rows_of({{3, "c"}}).view(), 1).ok() && writer->prepare().ok());
  writer.reset();
  EXPECT_EQ(visible(folder_), (Names{"part-000007.csv", "part-000008.csv", "part-000009.csv", "part-000010.csv", "part-x.csv"}));
  EXPECT_EQ(all().size(), 6u);
}

TEST_F(FileSinks, FullDisk) {
  const std::string small = folder_ + "/small";
  std::filesystem::create_directory(small);
  if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=256k") != 0) GTEST_SKIP() << "a small tmpfs cannot be mounted here (not root?)";
  for (const char* format : {"csv", "parquet"}) {
    const std::string text(100'000, 'x');
    auto writer = open({{"path", small}, {"format", format}, {"rows_per_file", "1000000"}});
    if (format == std::string("parquet")) writer = nullptr, writer = open({{"path", small}, {"format", format}, {"compression", "uncompressed"}});
    ASSERT_TRUE(epoch(*writer, 1, rows_of({{1, "small"}})).ok());
    {
      std::ofstream filler(small + "/filler", std::ios::binary);
      filler << std::string(230'000, 'f');
    }
    // Texts that do not compress or repeat, so that the file is as large as its rows.
    std::string noise;
    for (uint32_t i = 0, x = 1; i < 100'000; ++i) noise += static_cast<char>('a' + (x = x * 1664525 + 1013904223) % 8191 % 26);
    const auto attempt = [&] { return epoch(*writer, 2, rows_of({{2, noise.c_str()}, {3, "end"}})); };
    const Status full = attempt();
    ASSERT_FALSE(full.ok());
    EXPECT_EQ(full.error().code, ErrorCode::kFileWrite);
    EXPECT_NE(full.text().find("No space left"), std::string::npos) << full.text();
    writer->abort();
    EXPECT_EQ(visible(small), (Names{"filler", std::string("part-000001.") + format}));
    EXPECT_FALSE(attempt().ok());
    writer->abort();
    std::filesystem::remove(small + "/filler");
    const Status after = attempt();
    EXPECT_TRUE(after.ok()) << after.text();
    EXPECT_EQ(visible(small), (Names{std::string("part-000001.") + format, std::string("part-000002.") + format}));
    writer.reset();
    for (const std::string& name : visible(small)) std::filesystem::remove(small + "/" + name);
  }
  EXPECT_EQ(::umount(small.c_str()), 0);
}

TEST_F(FileSinks, WhatIsWrittenIsReadBack) {
  Schema schema;
  const Names values = {"true", "-128", "32767", "-2147483648", "9223372036854775807", "1.5", "-0.1", "12345.678", "2024-02-29",
                        "2024-02-29 12:34:56.789", "2024-02-29 12:34:56+00", "a \"quoted\", text\nwith lines", "1 year 2 days 00:00:03",
                        "123e4567-e89b-12d3-a456-426614174000", "[1, 2, NULL]", "12:34:56.5", "-99999999999999999999999999999999999999"};
  const std::vector<Type> types = {Type::of(TypeKind::kBoolean), Type::of(TypeKind::kInt8), Type::of(TypeKind::kInt16), Type::of(TypeKind::kInt32),
                                   Type::of(TypeKind::kInt64), Type::of(TypeKind::kFloat), Type::of(TypeKind::kDouble), Type::decimal(18, 3),
                                   Type::of(TypeKind::kDate), Type::of(TypeKind::kTimestamp), Type::of(TypeKind::kTimestampTz),
                                   Type::of(TypeKind::kVarchar), Type::of(TypeKind::kInterval), Type::of(TypeKind::kUuid),
                                   Type{TypeKind::kBoxed, 0, 0, "INTEGER[]"}, Type::of(TypeKind::kTime), Type::of(TypeKind::kInt128)};
  for (size_t c = 0; c < types.size(); ++c) schema.push_back({"c" + std::to_string(c), types[c], false});
  BatchBuffer rows(schema);
  for (uint32_t c = 0; c < types.size(); ++c) {
    auto value = duck::cast_value(data::Value::string(values[c]), types[c]);
    ASSERT_TRUE(value.ok()) << values[c] << " " << value.status().text();
    value->to_column(rows.column(c), 0, rows.strings());
    data::Value::null(types[c]).to_column(rows.column(c), 1, rows.strings());
  }
  rows.rows = 2;
  for (const char* format : {"csv", "json", "parquet"}) {
    {
      auto writer = open({{"path", folder_}, {"format", format}}, true, schema);
      ASSERT_TRUE(writer->begin(1).ok() && writer->write(rows.view(), 1).ok());
      const Status status = writer->prepare();
      ASSERT_TRUE(status.ok()) << status.text();
      ASSERT_TRUE(writer->commit().ok());
    }
    const auto options = OptionValues::check(file_source_options(), {{"path", folder_}, {"format", format}}, "", -1);
    auto source = make_file_source("s", schema, *options);
    ASSERT_TRUE(source.ok()) << source.status().text();
    auto reader = (*source)->open(nullptr).take();
    BatchBuffer back(schema);
    uint32_t partition;
    const auto state = reader->read(back, partition);
    ASSERT_TRUE(state.ok()) << state.status().text();
    ASSERT_EQ(back.rows, 2u) << format << content(std::string("part-000001.") + format);
    for (uint32_t c = 0; c < types.size(); ++c) {
      for (uint32_t row = 0; row < 2; ++row) {
        EXPECT_EQ(data::Value::from_column(types[c], back.column(c), row), data::Value::from_column(types[c], rows.column(c), row))
            << format << " " << types[c].text();
      }
    }
  }
}

TEST_F(FileSinks, Refusals) {
  const auto code = [&](std::vector<OptionInput> options, bool append_only = true, const Schema& schema = kRows) {
    const auto sink = make(options, append_only, schema);
    EXPECT_FALSE(sink.ok());
    return sink.ok() ? ErrorCode::kInternal : sink.error().code;
  };
  EXPECT_EQ(code({{"path", folder_}, {"format", "csv"}}, false), ErrorCode::kMayRetract);
  EXPECT_EQ(code({{"path", folder_}, {"format", "csv"}, {"mode", "upsert"}}), ErrorCode::kInvalidOption);
  EXPECT_EQ(code({{"path", folder_}}), ErrorCode::kMissingOption);
  EXPECT_EQ(code({{"path", folder_ + "/out.csv"}}), ErrorCode::kInvalidOption);
  EXPECT_NE(make({{"path", folder_ + "/out.csv"}}).error().message.find("out-{part}.csv"), std::string::npos);
  EXPECT_EQ(code({{"path", folder_ + "/{part}/x.csv"}}), ErrorCode::kInvalidOption);
  EXPECT_EQ(code({{"path", folder_ + "/a1{part}.csv"}}), ErrorCode::kInvalidOption);
  EXPECT_EQ(code({{"path", folder_}, {"format", "json"}, {"delimiter", ";"}}), ErrorCode::kInvalidOption);
  EXPECT_EQ(code({{"path", folder_}, {"format", "csv"}, {"compression", "zstd"}}), ErrorCode::kInvalidOption);
  EXPECT_EQ(code({{"path", folder_}, {"format", "csv"}, {"mode", "changelog"}}, false, {{"Weight", Type(), false}}), ErrorCode::kInvalidOption);
  auto sink = make({{"path", folder_}, {"format", "csv"}});
  EXPECT_EQ((*sink)->guarantee(false), "at-least-once");
  EXPECT_EQ((*sink)->guarantee(true), "exactly-once");
  auto first = (*sink)->open();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ((*sink)->open().error().code, ErrorCode::kObjectExists);
  std::ofstream(folder_ + "/file") << "x";
  EXPECT_EQ((*make({{"path", folder_ + "/file/below"}, {"format", "csv"}}))->open().error().code, ErrorCode::kFileWrite);
}

}  // namespace
}  // namespace laminar::connectors
