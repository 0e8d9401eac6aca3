#include "connectors/files/file_source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "connectors/files/files_connector.h"
#include "connectors/duck_instance.h"
#include "connectors/files/format_reader.h"
#include "connectors/render.h"

namespace laminar::connectors {
namespace {

using data::BatchBuffer;
using data::Schema;
using data::Type;
using data::TypeKind;
using stream::ReadState;
using Lines = std::vector<std::string>;

const Type kInt = Type::of(TypeKind::kInt64), kText = Type::of(TypeKind::kVarchar), kDouble = Type::of(TypeKind::kDouble),
           kTime = Type::of(TypeKind::kTimestamp);

class FileSources : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "laminar_files_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return io::join_path(folder_, name); }
  std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary | std::ios::trunc) << bytes;
    return path(name);
  }

  using Source = Result<std::unique_ptr<stream::SourceDefinition>>;
  static Source make(std::vector<OptionInput> inputs, const Schema& schema = {}) {
    auto options = OptionValues::check(file_source_options(), inputs, "source s", 0);
    if (!options.ok()) return options.status();
    return make_file_source("s", schema, *options);
  }
  static OptionInput option(const std::string& key, const std::string& value) { return {key, value, 1, 2}; }

  struct Read {
    Lines rows;  // values with bars
    Lines bad;   // "file name:line reason [text]"
    std::string error;
    ErrorCode code = ErrorCode::kInternal;
  };
  static Read read_all(const Source& source, const Schema& schema, const std::vector<uint32_t>& sizes = {2048}) {
    Read out;
    EXPECT_TRUE(source.ok()) << source.status().text();
    if (!source.ok()) return out;
    auto reader = (*source)->open([&](stream::BadRecord bad) {
      out.bad.push_back(std::string(io::name_of(bad.object)) + ":" + std::to_string(bad.position) + " " + bad.reason + " [" + bad.text + "]");
    });
    EXPECT_TRUE(reader.ok());
    RowRenderer renderer(schema, TextFormat::kBars, false);
    for (size_t turn = 0; turn < 1'000'000; ++turn) {
      BatchBuffer buffer(schema, sizes[turn % sizes.size()]);
      uint32_t partition = 1;
      const Result<ReadState> state = (*reader)->read(buffer, partition);
      const data::Batch batch = buffer.view();
      for (uint32_t i = 0; i < batch.rows; ++i) {
        std::string line;
        renderer.row(batch, i, 0, 1, line);
        line.pop_back();
        out.rows.push_back(line);
      }
      if (!state.ok()) {
        EXPECT_EQ(batch.rows, 0u);  // rows before an error go out first
        out.error = state.error().message;
        out.code = state.error().code;
        uint32_t again = 0;
        EXPECT_FALSE((*reader)->read(buffer, again).ok());  // and it stays
        return out;
      }
      EXPECT_EQ(partition, 0u);
      if (*state != ReadState::kRows) return out;
    }
    ADD_FAILURE() << "no end";
    return out;
  }
  std::string folder_;
};

const Schema kTrades = {{"id", kInt, false}, {"symbol", kText, false}, {"price", kDouble, false}, {"ts", kTime, false}};

TEST_F(FileSources, CsvByHeaderNames) {
  const auto p = write("t.csv",
                       "TS,extra,price,id,symbol\r\n2024-01-02 03:04:05.5,x,1.5,1,\"A,B\"\r\n,y,,2,\"\"\r\n\r\n2024-01-02T03:04:06Z,,1e3,3,C");
  const auto source = make({option("path", p)}, kTrades);
  const Read read = read_all(source, kTrades);
  EXPECT_EQ(read.rows, (Lines{"1 | A,B | 1.5 | 2024-01-02 03:04:05.5", "2 | NULL | NULL | NULL", "3 | C | 1000.0 | 2024-01-02 03:04:06"}));
  EXPECT_EQ(read.error, "");
  EXPECT_TRUE((*source)->replayable() && (*source)->bounded());
  EXPECT_TRUE((*source)->inferred_schema().empty());
  const Read distinct = read_all(make({option("path", p), option("quoted_nulls", "false")}, kTrades), kTrades);
  EXPECT_EQ(distinct.rows[1], "2 |  | NULL | NULL");
}

TEST_F(FileSources, CsvByPositionAndDelimiters) {
  const Schema two = {{"a", kInt, false}, {"b", kText, false}};
  EXPECT_EQ(read_all(make({option("path", write("p.txt", "1;x\n2;y\n")), option("format", "csv"), option("header", "false"), option("delimiter", ";")}, two), two).rows,
            (Lines{"1 | x", "2 | y"}));
  EXPECT_EQ(read_all(make({option("path", write("p.tsv", "b\ta\nx\t1\n"))}, two), two).rows, (Lines{"1 | x"}));
  EXPECT_EQ(read_all(make({option("path", write("q.csv", "b\ta\nx\t1\n")), option("delimiter", "\\t")}, two), two).rows, (Lines{"1 | x"}));
}

TEST_F(FileSources, EmptyHeaderOnlyByteOrderMarkAndLongStrings) {
  EXPECT_EQ(read_all(make({option("path", write("e.csv", ""))}, kTrades), kTrades).rows, Lines{});
  EXPECT_EQ(read_all(make({option("path", write("h.csv", "id,symbol,price,ts\n"))}, kTrades), kTrades).rows, Lines{});
  EXPECT_EQ(read_all(make({option("path", write("e.json", "\n\n"))}, kTrades), kTrades).rows, Lines{});
  const Schema one = {{"s", kText, false}};
  const std::string big(1 << 20, 'z');
  EXPECT_EQ(read_all(make({option("path", write("b.csv", "\xef\xbb\xbfs\n" + big + "\n\n\"" + big + "\"\n"))}, one), one).rows,
            (Lines{big, "NULL", big}));
  EXPECT_EQ(read_all(make({option("path", write("b.json", "\xef\xbb\xbf{\"s\":\"" + big + "\"}\r\n{}\n"))}, one), one).rows, (Lines{big, "NULL"}));
}

TEST_F(FileSources, EveryLineIsARowOrADeadLetter) {
  const std::string bytes =
      "id,symbol,price,ts\n1,A,1.5,2024-01-01 00:00:00\nx,B,2,\n3,C\n4,\"D\"d,1,\n5,E,6,7,8\n6,F\xff,1,\n\"7\n\",G,0.5,\n8,H,1,yesterday\n9,I,9,\n";
  const auto p = write("bad.csv", bytes);
  const Read skip = read_all(make({option("path", p), option("on_error", "skip")}, kTrades), kTrades);
  EXPECT_EQ(skip.rows, (Lines{"1 | A | 1.5 | 2024-01-01 00:00:00", "7 | G | 0.5 | NULL", "9 | I | 9.0 | NULL"}));
  EXPECT_EQ(skip.bad, (Lines{"bad.csv:3 column id: 'x' is not a BIGINT [x,B,2,]", "bad.csv:4 2 fields instead of 4 [3,C]",
                             "bad.csv:5 text after a closing quote [4,\"D\"d,1,]", "bad.csv:6 5 fields instead of 4 [5,E,6,7,8]",
                             "bad.csv:7 column symbol is not UTF-8: 'F?' [6,F?,1,]",
                             "bad.csv:10 column ts: 'yesterday' is not a TIMESTAMP [8,H,1,yesterday]"}));
  const Read stop = read_all(make({option("path", p)}, kTrades), kTrades);
  EXPECT_EQ(stop.rows, (Lines{"1 | A | 1.5 | 2024-01-01 00:00:00"}));
  EXPECT_EQ(stop.code, ErrorCode::kBadRecord);
  EXPECT_EQ(stop.error, "record cannot be decoded: " + p + " line 3: column id: 'x' is not a BIGINT (source s)");
  EXPECT_TRUE(stop.bad.empty());
}

TEST_F(FileSources, JsonLinesAndTheirFaults) {
  const auto p = write("t.ndjson",
                       "{\"price\":1.5,\"id\":1,\"symbol\":\"A\\u0042\",\"ts\":\"2024-01-01T00:00:00Z\",\"other\":[1,{}]}\n"
                       "{\"ID\":\"2\",\"symbol\":{\"k\":[1]},\"price\":null}\n{\"id\":1.2.3}\n{\"id\":true,\"symbol\":false}\n{\"id\":1,\"id\":2}\n{\"id\":[1]}\n"
                       "{\"id\":9007199254740993,\"symbol\":12,\"price\":3}");
  const Read read = read_all(make({option("path", p), option("on_error", "skip")}, kTrades), kTrades);
  EXPECT_EQ(read.rows, (Lines{"1 | AB | 1.5 | 2024-01-01 00:00:00", "2 | {\"k\":[1]} | NULL | NULL", "1 | false | NULL | NULL",
                              "9007199254740993 | 12 | 3.0 | NULL"}));
  ASSERT_EQ(read.bad.size(), 3u);
  EXPECT_EQ(read.bad[0], "t.ndjson:3 not JSON: a comma is missing [{\"id\":1.2.3}]");
  EXPECT_EQ(read.bad[1], "t.ndjson:5 key id comes twice [{\"id\":1,\"id\":2}]");
  EXPECT_EQ(read.bad[2], "t.ndjson:6 column id: '[1]' is not a BIGINT [{\"id\":[1]}]");
}

TEST_F(FileSources, NotNullColumns) {
  const Schema strict = {{"a", kInt, true}, {"b", kText, false}};
  const Read csv = read_all(make({option("path", write("n.csv", "a,b\n1,\n,x\n")), option("on_error", "skip")}, strict), strict);
  EXPECT_EQ(csv.rows, (Lines{"1 | NULL"}));
  EXPECT_EQ(csv.bad, (Lines{"n.csv:3 column a is NULL and was declared NOT NULL [,x]"}));
  const Read json = read_all(make({option("path", write("n.json", "{\"b\":\"x\"}\n{\"a\":1}\n")), option("on_error", "skip")}, strict), strict);
  EXPECT_EQ(json.rows, (Lines{"1 | NULL"}));
}

TEST_F(FileSources, FilesInTheOrderOfTheirNames) {
  const Schema one = {{"v", kInt, false}};
  write("b.csv", "v\n2\n");
  write("a.csv", "v\n1\n");
  write("a10.csv", "v\n10\n");
  write(".c.csv", "v\n77\n");
  write("d.csv.tmp", "v\n77\n");
  write("notes.txt", "hello");
  std::filesystem::create_directory(path("sub.csv"));
  EXPECT_EQ(read_all(make({option("path", folder_)}, one), one).rows, (Lines{"1", "10", "2"}));
  EXPECT_EQ(read_all(make({option("path", path("a*.csv"))}, one), one).rows, (Lines{"1", "10"}));
  write("x.json", "{\"v\":5}");
  EXPECT_EQ(make({option("path", folder_)}, one).error().code, ErrorCode::kMissingOption);
  EXPECT_EQ(read_all(make({option("path", folder_), option("format", "json")}, one), one).rows, (Lines{"5"}));
}

TEST_F(FileSources, WatchedFolder) {
  const Schema one = {{"v", kInt, false}};
  write("1.csv", "v\n1\n");
  const auto source = make({option("path", folder_), option("format", "csv"), option("watch", "true"), option("poll_interval", "10 ms")}, one);
  ASSERT_TRUE(source.ok()) << source.status().text();
  EXPECT_FALSE((*source)->bounded());
  auto reader = (*source)->open(nullptr).take();
  BatchBuffer out(one);
  uint32_t partition = 0;
  const auto poll = [&](uint32_t rows) {
    while (out.rows < rows) {
      const auto state = reader->read(out, partition);
      ASSERT_TRUE(state.ok());
      ASSERT_EQ(*state, ReadState::kIdle);
    }
  };
  poll(1);
  write("3.csv", "v\n3\n4\n");
  write("2.csv.tmp", "v\n2\n");
  poll(3);
  std::filesystem::rename(path("2.csv.tmp"), path("2.csv"));  // found later, read later, though its name comes before
  poll(4);
  EXPECT_EQ(out.column(0).values<int64_t>()[1], 3);
  EXPECT_EQ(out.column(0).values<int64_t>()[3], 2);
  auto later = (*source)->open(nullptr).take();  // a later view sees the same order
  BatchBuffer again(one);
  while (again.rows < 4) ASSERT_TRUE(later->read(again, partition).ok());
  for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(again.column(0).values<int64_t>()[i], out.column(0).values<int64_t>()[i]);
  reader->cancel();
  EXPECT_EQ(*reader->read(out, partition), ReadState::kIdle);
}

TEST_F(FileSources, ChangedAndVanishedFiles) {
  const Schema one = {{"v", kInt, false}};
  const auto p = write("v.csv", "v\n1\n");
  const auto source = make({option("path", p)}, one);
  write("v.csv", "v\n1\n2\n");
  const Read changed = read_all(source, one);
  EXPECT_EQ(changed.code, ErrorCode::kFileUnreadable);
  EXPECT_TRUE(changed.rows.empty());
  std::filesystem::remove(p);
  EXPECT_EQ(read_all(source, one).code, ErrorCode::kFileNotFound);
}

TEST_F(FileSources, Refusals) {
  const Schema one = {{"v", kInt, false}};
  const auto p = write("v.csv", "v,w\n1,2\n");
  const auto code = [&](std::vector<OptionInput> options, const Schema& schema = {{"v", kInt, false}}) {
    const auto source = make(std::move(options), schema);
    EXPECT_FALSE(source.ok());
    return source.ok() ? ErrorCode::kInternal : source.error().code;
  };
  EXPECT_EQ(code({option("path", path("none.csv"))}), ErrorCode::kFileNotFound);
  EXPECT_EQ(make({option("path", path("none.csv"))}, one).error().offset, 2);
  EXPECT_EQ(code({option("path", path("none*.csv"))}), ErrorCode::kFileNotFound);
  std::filesystem::create_directory(path("empty"));
  EXPECT_EQ(code({option("path", path("empty"))}), ErrorCode::kFileNotFound);
  EXPECT_EQ(code({option("path", path("empty")), option("watch", "true")}), ErrorCode::kMissingOption);
  EXPECT_EQ(code({option("path", path("empty")), option("watch", "true"), option("format", "csv")}, {}), ErrorCode::kFileNotFound);
  EXPECT_EQ(code({option("path", write("v.dat", "1"))}), ErrorCode::kMissingOption);
  EXPECT_EQ(code({option("path", p), option("watch", "true")}), ErrorCode::kInvalidOption);
  EXPECT_EQ(code({option("path", p), option("poll_interval", "1 second")}), ErrorCode::kInvalidOption);
  EXPECT_EQ(code({option("path", p), option("delimiter", "||")}), ErrorCode::kInvalidOption);
  EXPECT_EQ(code({option("path", p), option("format", "json"), option("header", "true")}), ErrorCode::kInvalidOption);
  EXPECT_EQ(code({option("path", write("z.csv", "\x1f\x8b\x08 zipped"))}), ErrorCode::kFileUnreadable);
  EXPECT_EQ(code({option("path", write("bad.parquet", "not parquet"))}), ErrorCode::kFileUnreadable);
  const auto missing = make({option("path", p)}, {{"v", kInt, false}, {"price", kInt, false}});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kTypeMismatch);
  EXPECT_NE(missing.error().message.find("price in " + p + ", which has v, w"), std::string::npos) << missing.error().message;
}

TEST_F(FileSources, InferredColumns) {
  const auto p = write("i.csv", "id,Name,price,ts,day,odd\n1,a,1.5,2024-01-01 00:00:00,2024-01-01,31/12/2023 10:00\n2,b,2,2024-01-02 00:00:00,2024-01-02,30/11/2023 11:00\n");
  const auto csv = make({option("path", p)});
  ASSERT_TRUE(csv.ok()) << csv.status().text();
  const Schema schema = (*csv)->inferred_schema();
  std::string text;
  for (const auto& field : schema) text += field.name + " " + field.type.text() + ", ";
  EXPECT_EQ(text, "id BIGINT, Name VARCHAR, price DOUBLE, ts TIMESTAMP, day DATE, odd VARCHAR, ");
  EXPECT_EQ(read_all(csv, schema).rows, (Lines{"1 | a | 1.5 | 2024-01-01 00:00:00 | 2024-01-01 | 31/12/2023 10:00",
                                                "2 | b | 2.0 | 2024-01-02 00:00:00 | 2024-01-02 | 30/11/2023 11:00"}));
  const auto json = make({option("path", write("i.json", "{\"a\":1,\"b\":\"x\",\"c\":[1,2],\"d\":{\"e\":true}}\n{\"a\":2,\"c\":[3]}\n"))});
  ASSERT_TRUE(json.ok()) << json.status().text();
  const Schema nested = (*json)->inferred_schema();
  ASSERT_EQ(nested.size(), 4u);
  EXPECT_EQ(nested[2].type.text(), "BIGINT[]");
  EXPECT_EQ(read_all(json, nested).rows, (Lines{"1 | x | [1, 2] | {'e': true}", "2 | NULL | [3] | NULL"}));
}

TEST_F(FileSources, Parquet) {
  const auto p = path("p.parquet");
  auto database = connector_duckdb();
  ASSERT_TRUE(database.ok()) << database.status().text();
  ASSERT_TRUE(duck::execute(*database, "COPY (SELECT i::INTEGER AS id, 's' || i AS symbol, CASE WHEN i % 10 = 0 THEN NULL ELSE i / 2 END AS price, "
                                       "TIMESTAMP '2024-01-01' + INTERVAL (i) SECOND AS ts, [i] AS l FROM range(5000) t(i)) TO " + sql_string(p)).ok());
  const auto source = make({option("path", p)}, kTrades);  // id is INTEGER in the file: a number is a number
  const Read whole = read_all(source, kTrades);
  ASSERT_EQ(whole.rows.size(), 5000u) << whole.error;
  EXPECT_EQ(whole.rows[0], "0 | s0 | NULL | 2024-01-01 00:00:00");
  EXPECT_EQ(whole.rows[4999], "4999 | s4999 | 2499.5 | 2024-01-01 01:23:19");
  EXPECT_EQ(read_all(source, kTrades, {7, 100, 2048}).rows, whole.rows);
  EXPECT_EQ((*source)->open(nullptr).take()->rows_total(), 5000u);
  const auto inferred = make({option("path", p)});
  ASSERT_TRUE(inferred.ok());
  const Schema all = (*inferred)->inferred_schema();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0].type.text(), "INTEGER");
  EXPECT_EQ(read_all(inferred, all).rows[3], "3 | s3 | 1.5 | 2024-01-01 00:00:03 | [3]");

  const auto wrong = make({option("path", p)}, {{"symbol", kInt, false}});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().message, "types do not match: column symbol is VARCHAR in " + p + ", declared as BIGINT");
  EXPECT_EQ(make({option("path", p)}, {{"volume", kInt, false}}).error().code, ErrorCode::kTypeMismatch);
  EXPECT_EQ(make({option("path", p), option("on_error", "skip")}, kTrades).error().code, ErrorCode::kInvalidOption);
  const Schema narrow = {{"id", Type::of(TypeKind::kInt8), false}};
  EXPECT_EQ(read_all(make({option("path", p)}, narrow), narrow).code, ErrorCode::kBadRecord);
}

TEST_F(FileSources, SameRowsHoweverTheyAreCut) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::string csv = "id,symbol,price,ts\n", json;
  for (int i = 0; i < 5000; ++i) {
    const std::string bad = random() % 50 == 0 ? "oops" : "";
    csv += std::to_string(i) + bad + ",\"s\n" + std::to_string(i % 7) + "\"," + std::to_string(i) + ".25,\n";
    json += "{\"id\":\"" + std::to_string(i) + bad + "\",\"symbol\":\"s " + std::to_string(i % 7) + "\",\"price\":" + std::to_string(i) + ".25}\n";
  }
  write("x.csv", csv);
  write("y.csv", csv);
  write("z.json", json);
  for (const std::string& pattern : {path("*.csv"), path("z.json")}) {
    for (const char* on_error : {"skip", "stop"}) {
      const auto source = make({option("path", pattern), option("on_error", on_error)}, kTrades);
      const Read whole = read_all(source, kTrades);
      std::vector<uint32_t> sizes;
      for (int i = 0; i < 9; ++i) sizes.push_back(1 + static_cast<uint32_t>(random() % 300));
      const Read cut = read_all(source, kTrades, sizes);
      EXPECT_EQ(cut.rows, whole.rows);
      EXPECT_EQ(cut.bad, whole.bad);
      EXPECT_EQ(cut.error, whole.error);
      if (on_error == std::string("skip")) {
        EXPECT_EQ(whole.rows.size() + whole.bad.size(), pattern == path("z.json") ? 5000u : 10000u);
      }
    }
  }
}

}  // namespace
}  // namespace laminar::connectors
