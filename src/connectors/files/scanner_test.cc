#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "connectors/files/byte_window.h"
#include "connectors/files/csv_scanner.h"
#include "connectors/files/decode.h"
#include "connectors/files/json_scanner.h"
#include "data/value.h"

namespace laminar::connectors {
namespace {

class Scanners : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "laminar_scan_" + std::to_string(reinterpret_cast<uintptr_t>(this)) + "_" + std::to_string(::getpid());
  }
  void TearDown() override { std::filesystem::remove(path_); }
  ByteWindow window(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    ByteWindow w;
    EXPECT_TRUE(w.open(path_, *io::file_info(path_)).ok());
    return w;
  }
  // "line:field|field", quoted fields in <>, or "line!problem[text]".
  std::vector<std::string> csv(const std::string& bytes, bool skip_empty = true) {
    ByteWindow w = window(bytes);
    CsvScanner scanner(',');
    scanner.start();
    std::vector<std::string> out;
    for (;;) {
      auto any = scanner.next(w, skip_empty);
      EXPECT_TRUE(any.ok());
      if (!any.ok() || !*any) return out;
      std::string text = std::to_string(scanner.line());
      if (!scanner.problem().empty()) {
        text += "!" + std::string(scanner.problem()) + "[" + std::string(scanner.text()) + "]";
      } else {
        for (size_t i = 0; i < scanner.fields().size(); ++i) {
          const CsvField& field = scanner.fields()[i];
          text += i == 0 ? ":" : "|";
          text += field.quoted ? "<" + std::string(field.text) + ">" : std::string(field.text);
        }
      }
      out.push_back(text);
    }
  }
  std::vector<std::string> json(const std::string& bytes) {
    ByteWindow w = window(bytes);
    JsonScanner scanner;
    scanner.start();
    std::vector<std::string> out;
    for (;;) {
      auto any = scanner.next(w);
      EXPECT_TRUE(any.ok());
      if (!any.ok() || !*any) return out;
      std::string text = std::to_string(scanner.line());
      if (!scanner.problem().empty()) {
        text += "!" + std::string(scanner.problem());
      } else {
        for (const JsonMember& member : scanner.members()) {
          text += " " + std::string(member.key) + "=" + "nb#sx"[static_cast<int>(member.kind)] + std::string(member.text);
        }
      }
      out.push_back(text);
    }
  }
  std::string path_;
};

using Lines = std::vector<std::string>;

TEST_F(Scanners, CsvGoodRecords) {
  EXPECT_EQ(csv(""), Lines{});
  EXPECT_EQ(csv("a,b\n1,2\n"), (Lines{"1:a|b", "2:1|2"}));
  EXPECT_EQ(csv("a,b\r\n1,2"), (Lines{"1:a|b", "2:1|2"}));
  EXPECT_EQ(csv("\xef\xbb\xbf" "a,b\n"), (Lines{"1:a|b"}));
  EXPECT_EQ(csv(",\n"), (Lines{"1:|"}));
  EXPECT_EQ(csv("a,"), (Lines{"1:a|"}));
  EXPECT_EQ(csv("\"x,y\",\"he said \"\"no\"\"\"\n"), (Lines{"1:<x,y>|<he said \"no\">"}));
  EXPECT_EQ(csv("\"two\nlines\r\n\",b\r\nc,d\r\n"), (Lines{"1:<two\nlines\r\n>|b", "4:c|d"}));
  EXPECT_EQ(csv("\n\na,b\n\r\n\nc,d\n\n"), (Lines{"3:a|b", "6:c|d"}));
  EXPECT_EQ(csv("a\n\nb\n", false), (Lines{"1:a", "2:", "3:b"}));
  EXPECT_EQ(csv("\"\"\na\n", true), (Lines{"1:<>", "2:a"}));
  EXPECT_EQ(csv("a b, \"c\"\n"), (Lines{"1:a b| \"c\""}));  // a quote inside an unquoted field is a character
  EXPECT_EQ(csv("\"a\"\r\n\"b\"\r"), (Lines{"1:<a>", "2:<b>"}));
}

TEST_F(Scanners, CsvBrokenRecordsLoseNoOtherLine) {
  EXPECT_EQ(csv("a,b\n\"x\"y,2\nc,d\n"), (Lines{"1:a|b", "2!text after a closing quote[\"x\"y,2]", "3:c|d"}));
  EXPECT_EQ(csv("\"open,2\nc,d\ne,f"), (Lines{"1!a quote is not closed[\"open,2]", "2:c|d", "3:e|f"}));
  EXPECT_EQ(csv("a,\"open\r\nc,\"d\"\r\n"), (Lines{"1!text after a closing quote[a,\"open]", "2:c|<d>"}));
  EXPECT_EQ(csv("\"\n\"\n\"\n"), (Lines{"1:<\n>", "3!a quote is not closed[\"]"}));
}

TEST_F(Scanners, CsvLongRecordsAcrossReads) {
  const std::string big(3 << 20, 'x');
  const std::string lines(1 << 20, '\n');
  EXPECT_EQ(csv("1," + big + "\n2,\"" + big + "\"\"" + big + "\"\n3,z\n"),
            (Lines{"1:1|" + big, "2:2|<" + big + "\"" + big + ">", "3:3|z"}));
  EXPECT_EQ(csv("1,\"" + lines + "\"\n3,z\n"), (Lines{"1:1|<" + lines + ">", std::to_string((1 << 20) + 2) + ":3|z"}));
}

TEST_F(Scanners, CsvWhateverIsWrittenComesBack) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    std::string bytes;
    Lines expected;
    size_t line = 1;
    const size_t columns = 2 + random() % 4;
    for (size_t r = random() % 2000; r > 0; --r) {
      std::string text = std::to_string(line);
      for (size_t c = 0; c < columns; ++c) {
        std::string value;
        for (size_t n = random() % 12; n > 0; --n) value += "ab,\"\n\r "[random() % 7];
        const bool quote = value.find_first_of(",\"\n\r") != std::string::npos || random() % 3 == 0;
        text += c == 0 ? ":" : "|";
        text += quote ? "<" + value + ">" : value;
        bytes += c == 0 ? "" : ",";
        if (quote) bytes += '"';
        for (const char ch : value) {
          bytes.append(ch == '"' ? 2 : 1, ch);
          line += ch == '\n';
        }
        if (quote) bytes += '"';
      }
      bytes += random() % 2 ? "\r\n" : "\n";
      ++line;
      expected.push_back(text);
    }
    ASSERT_EQ(csv(bytes), expected);
  }
}

// Random bytes: no crash, and every byte but blanks and line ends is in exactly one record.
TEST_F(Scanners, NoByteIsLostOrSeenTwice) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto without_blanks = [](std::string text) {
    std::erase_if(text, [](char c) { return c == '\n' || c == '\r' || c == ' '; });
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    const std::string_view alphabet = round % 2 ? "ab,\"\n\r" : "{}[]\":,1a\\un \n\n";
    std::string bytes;
    for (size_t n = random() % (round % 100 == 0 ? 100'000 : 200); n > 0; --n) bytes += alphabet[random() % alphabet.size()];
    ByteWindow w = window(bytes);
    std::string seen;
    uint64_t last_line = 0;
    if (round % 2) {
      CsvScanner scanner(',');
      scanner.start();
      while (*scanner.next(w, false)) {
        seen += scanner.text();
        ASSERT_GT(scanner.line(), last_line);
        last_line = scanner.line();
      }
    } else {
      JsonScanner scanner;
      scanner.start();
      while (*scanner.next(w)) {
        seen += scanner.text();
        ASSERT_GT(scanner.line(), last_line);
        last_line = scanner.line();
      }
    }
    ASSERT_EQ(without_blanks(seen), without_blanks(bytes));
    ASSERT_LE(last_line, 1 + static_cast<uint64_t>(std::count(bytes.begin(), bytes.end(), '\n')));
  }
}

TEST_F(Scanners, JsonLines) {
  EXPECT_EQ(json(""), Lines{});
  EXPECT_EQ(json("{}\n\n  {\"a\" : 1 , \"b\":\"x\\n\\u00e9\\ud83d\\ude00\"}\r\n"), (Lines{"1", "3 a=#1 b=sx\n\xc3\xa9\xf0\x9f\x98\x80"}));
  EXPECT_EQ(json("{\"a\":null,\"b\":true,\"c\":false,\"d\":-1.5e+3,\"e\":[1,{\"x\":\"]\"}],\"f\":{}}"),
            (Lines{"1 a=nnull b=btrue c=bfalse d=#-1.5e+3 e=x[1,{\"x\":\"]\"}] f=x{}"}));
  EXPECT_EQ(json("{\"k\\\"\":1}\n"), (Lines{"1 k\"=#1"}));
  for (const char* bad : {"[1]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{\"a\":01}", "{\"a\":1.}", "{\"a\":nul}",
                          "{\"a\":\"x}", "{\"a\":\"\\x\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\t\"}", "{} x", "{a:1}", "{\"a\":[1,]}",
                          "{\"a\":{\"b\":1}", "{\"a\":+1}", "{\"a\":\"\\u12\"}", "null", "{\"a\":[\"\\q\"]}"}) {
    const Lines lines = json(std::string(bad) + "\n{\"z\":1}\n");
    ASSERT_EQ(lines.size(), 2u) << bad;
    EXPECT_EQ(lines[0].substr(0, 2), "1!") << bad << " " << lines[0];
    EXPECT_EQ(lines[1], "2 z=#1");
  }
  const std::string deep = "{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_EQ(json(deep), (Lines{"1!nested too deeply"}));
  const std::string big(3 << 20, 'y');
  EXPECT_EQ(json("{\"a\":\"" + big + "\"}\n{\"b\":2}"), (Lines{"1 a=s" + big, "2 b=#2"}));
}

TEST_F(Scanners, ChangedAndCompressedFilesAreRefused) {
  std::ofstream(path_) << "a,b\n";
  const io::FileInfo before = *io::file_info(path_);
  std::ofstream(path_, std::ios::app) << "c,d\n";
  ByteWindow w;
  EXPECT_EQ(w.open(path_, before).error().code, ErrorCode::kFileUnreadable);
  std::ofstream(path_, std::ios::trunc) << "\x1f\x8b zip";
  EXPECT_EQ(w.open(path_, *io::file_info(path_)).error().code, ErrorCode::kFileUnreadable);
}

TEST(Utf8, Rules) {
  for (const char* good : {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "12345678\xc3\xa9"}) EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5", "12345678\xff", "\xe2\x82"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

// The short cuts of decode() must give what DuckDB's CAST gives, and may never accept what it refuses.
TEST(Decode, AgreesWithCast) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  using data::Type;
  using data::TypeKind;
  std::vector<Type> types;
  for (const TypeKind kind : {TypeKind::kBoolean, TypeKind::kInt8, TypeKind::kInt16, TypeKind::kInt32, TypeKind::kInt64, TypeKind::kUInt8,
                              TypeKind::kUInt16, TypeKind::kUInt32, TypeKind::kUInt64, TypeKind::kInt128, TypeKind::kFloat, TypeKind::kDouble,
                              TypeKind::kDate, TypeKind::kTime, TypeKind::kTimestamp, TypeKind::kTimestampTz, TypeKind::kVarchar,
                              TypeKind::kInterval, TypeKind::kUuid}) {
    types.push_back(Type::of(kind));
  }
  for (const auto& [width, scale] : {std::pair{4, 1}, {9, 0}, {18, 3}, {18, 18}, {5, 5}, {38, 10}}) {
    types.push_back(Type::decimal(static_cast<uint8_t>(width), static_cast<uint8_t>(scale)));
  }
  const std::vector<std::string> fixed = {
      "", " ", "0", "-0", "1", "-1", "+1", "007", "12.5", ".5", "5.", "-", ".", "1e3", "1E-2", "1e400", "1_000", " 12 ", "127", "128", "-128",
      "-129", "255", "256", "65536", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
      "18446744073709551615", "999999999999999999", "1000000000000000000", "0.1", "0.05", "0.005", "99.95", "999.9", "1000", "0.000000000000000001",
      "nan", "inf", "-inf", "Infinity", "0x10", "true", "false", "TRUE", "t", "yes", "2024-02-29", "2023-02-29", "2024-1-1", "0001-01-01",
      "0000-01-01", "9999-12-31", "10000-01-01", "-0001-01-01", "1969-12-31 23:59:59.999999", "2024-01-01 00:00", "2024-01-01T12:34:56Z",
      "2024-01-01 12:34:56.1", "2024-01-01 12:34:56.1234567", "2024-01-01 12:34:56.", "2024-01-01 24:00:00", "2024-01-01 12:60:00",
      "2024-01-01 12:34:56+02", "2024-01-01 12:34:56 UTC", "12:34:56", "1 day", "epoch", "infinity", "2024-01-01 ", "2024/01/01", "x",
      "1.7976931348623157e308", "4.9e-324", "1e-400", "3.4028236e38", "1-2", "1e", "--1", "e5", "1.2.3", "00000000000000000000001",
      "123e4567-e89b-12d3-a456-426614174000"};
  size_t accepted = 0;
  for (const Type& type : types) {
    const Decoder decoder(type);
    const std::vector<Type> both = {type, type};
    data::BatchBuffer rows(both, 8);
    const auto check = [&](const std::string& text) {
      rows.clear();
      const bool by_decode = decoder.decode(text, rows.column(0), 0, rows.strings());
      const bool by_cast = decoder.decode_by_cast(text, rows.column(1), 0, rows.strings());
      ASSERT_EQ(by_decode, by_cast) << type.text() << " '" << text << "'";
      if (!by_decode) return;
      ++accepted;
      ASSERT_EQ(data::Value::from_column(type, rows.column(0), 0), data::Value::from_column(type, rows.column(1), 0)) << type.text() << " '" << text << "'";
    };
    for (const std::string& text : fixed) check(text);
    for (int i = 0; i < 300; ++i) {
      std::string text;
      switch (random() % 4) {
        case 0:
          text = std::to_string(static_cast<int64_t>(random() >> random() % 64)).substr(0, 1 + random() % 20);
          if (random() % 2) text.insert(random() % (text.size() + 1), ".");
          if (random() % 3 == 0) text.insert(0, "-");
          break;
        case 1:
          for (size_t n = random() % 10; n > 0; --n) text += "0123456789.-e+"[random() % 14];
          break;
        case 2: {
          char bytes[64];
          std::snprintf(bytes, sizeof bytes, "%04d-%02d-%02d", static_cast<int>(random() % 3000), static_cast<int>(random() % 14), static_cast<int>(random() % 33));
          text = bytes;
          break;
        }
        case 3: {
          char bytes[96];
          std::snprintf(bytes, sizeof bytes, "%04d-%02d-%02d%c%02d:%02d:%02d.%0*d%s", static_cast<int>(1 + random() % 2999), static_cast<int>(1 + random() % 12),
                        static_cast<int>(1 + random() % 31), " T"[random() % 2], static_cast<int>(random() % 25), static_cast<int>(random() % 61),
                        static_cast<int>(random() % 60), static_cast<int>(1 + random() % 6), static_cast<int>(random() % 10), random() % 2 ? "Z" : "");
          text = bytes;
          break;
        }
      }
      check(text);
    }
  }
  EXPECT_GT(accepted, 1000u);
}

TEST(Decode, NestedJson) {
  Decoder list(data::Type{data::TypeKind::kBoxed, 0, 0, "INTEGER[]"});
  const std::vector<data::Type> two = {list.type(), list.type()};
  data::BatchBuffer rows(two, 8);
  ASSERT_TRUE(list.decode_json("[1,2,null]", rows.column(0), 0, rows.strings()));
  ASSERT_TRUE(list.decode("[1,2,NULL]", rows.column(1), 0, rows.strings()));
  EXPECT_EQ(data::Value::from_column(list.type(), rows.column(0), 0), data::Value::from_column(list.type(), rows.column(1), 0));
  EXPECT_FALSE(list.decode_json("{\"a\":1}", rows.column(0), 1, rows.strings()));
  Decoder number(data::Type::of(data::TypeKind::kInt64));
  const std::vector<data::Type> one = {number.type()};
  data::BatchBuffer numbers(one, 8);
  EXPECT_FALSE(number.decode_json("[1]", numbers.column(0), 0, numbers.strings()));
}

}  // namespace
}  // namespace laminar::connectors
