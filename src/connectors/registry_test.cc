#include "connectors/registry.h"

#include <gtest/gtest.h>

#include <set>

namespace laminar::connectors {
namespace {

TEST(Registry, FindsByNameAndNamesTheNearest) {
  EXPECT_EQ(find_connector("Nexmark")->name(), "nexmark");
  EXPECT_EQ(find_connector("kafka"), nullptr);
  const auto found = lookup_connector("memory", 5);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ((*found)->name(), "memory");
  const auto missing = lookup_connector("nexmrak", 17);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kUnknownConnector);
  EXPECT_EQ(missing.error().offset, 17);
  EXPECT_NE(missing.error().message.find("did you mean nexmark?"), std::string::npos) << missing.error().message;
  for (const stream::Connector* connector : all_connectors()) {
    EXPECT_NE(missing.error().message.find(connector->name()), std::string::npos);
  }
}

TEST(Registry, EveryConnectorIsComplete) {
  std::set<std::string_view> names;
  for (const stream::Connector* connector : all_connectors()) {
    EXPECT_TRUE(names.insert(connector->name()).second) << connector->name();
    EXPECT_FALSE(connector->doc().empty());
    EXPECT_TRUE(connector->is_source() || connector->is_sink() || connector->is_lookup());
    EXPECT_TRUE(connector->is_source() || connector->source_options().empty());
    EXPECT_TRUE(connector->is_sink() || connector->sink_options().empty());
    for (const auto options : {connector->source_options(), connector->sink_options()}) {
      std::set<std::string_view> rows;
      for (const OptionSpec& row : options) {
        EXPECT_TRUE(rows.insert(row.name).second) << row.name;
        EXPECT_FALSE(row.doc.empty()) << connector->name() << "." << row.name;
        EXPECT_EQ(row.kind == OptionKind::kChoice, !row.choices.empty()) << row.name;
      }
      // Defaults pass their own rows; missing required ones are the only refusal of an empty list.
      const auto values = OptionValues::check(options, {}, "source s", 0);
      if (!values.ok()) {
        EXPECT_EQ(values.error().code, ErrorCode::kMissingOption) << values.error().message;
      }
    }
  }
}

TEST(Registry, MemoryHasNoReader) {
  const auto none = find_connector("memory")->make_source("s", {}, OptionValues());
  ASSERT_FALSE(none.ok());
  auto source = find_connector("memory")->make_source("s", {{"a", data::Type{}, false}}, OptionValues());
  ASSERT_TRUE(source.ok());
  EXPECT_FALSE((*source)->replayable());
  EXPECT_FALSE((*source)->bounded());
  auto reader = (*source)->open(nullptr);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(reader->get(), nullptr);
}

}  // namespace
}  // namespace laminar::connectors
