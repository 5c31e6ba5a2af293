// Compared with what row_to_json of PostgreSQL 15 printed for the same rows (test/data/copy_text/record.sql).
#include "pgdata/copy_to_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/error.h"
#include "base/file.h"

namespace ark {
namespace {

constexpr JsonKind kString = JsonKind::kString;
constexpr JsonKind kNumber = JsonKind::kNumber;
constexpr JsonKind kBoolean = JsonKind::kBoolean;
constexpr JsonKind kJson = JsonKind::kJson;

std::string Recorded(const std::string &name) {
    return ReadWholeFile(std::string(ARK_TEST_DATA) + "/copy_text/" + name);
}

std::string Row(const std::vector<JsonColumn> &columns, std::string_view row) {
    std::string to;
    CopyToJson(columns).AppendRow(row, to);
    return to;
}

std::string One(JsonKind kind, std::string_view field) { return Row({{"v", kind, false}}, field); }
std::string Array(JsonKind kind, std::string_view field) { return Row({{"v", kind, true}}, field); }

TEST(CopyToJson, PrintsWhatRowToJsonPrints) {
    CopyToJson json({{"id", kNumber},
                     {"truth", kBoolean},
                     {"small", kNumber},
                     {"large", kNumber},
                     {"real", kNumber},
                     {"double \"p", kNumber},
                     {"exact", kNumber},
                     {"words", kString},
                     {"padded", kString},
                     {"doc", kJson},
                     {"docb", kJson},
                     {"bytes", kString},
                     {"day", kString},
                     {"at", kString},
                     {"numbers", kNumber, true},
                     {"texts", kString, true},
                     {"grid", kNumber, true},
                     {"exacts", kNumber, true},
                     {"truths", kBoolean, true},
                     {"docs", kJson, true},
                     {"floats", kNumber, true},
                     {"blobs", kString, true},
                     {"mood", kString},
                     {"moods", kString, true},
                     {"n", kNumber},
                     {"money", kString},
                     {"mac", kString},
                     {"address", kString},
                     {"span", kString},
                     {"range", kString},
                     {"bits", kString},
                     {"name", kString},
                     {"naïve,column", kString}});
    std::string ours;
    CopyRowScanner().Feed(AsBytes(Recorded("rows.copy")), [&](std::string_view row) {
        json.AppendRow(row, ours);
        ours += '\n';
    });
    EXPECT_EQ(ours, Recorded("rows.jsonl"));
    EXPECT_EQ(json.ReplacedBytes(), 0U);
}

TEST(CopyToJson, KeepsAJsonValueOfSeveralLinesOnOne) {
    EXPECT_EQ(One(kJson, "{\\n\\t\"a\": 1,\\r\\n \"b\": \"\\\\n\"}"), "{\"v\":{  \"a\": 1,   \"b\": \"\\n\"}}");
}

TEST(CopyToJson, WritesOnlyJsonNumbersAsNumbers) {
    for (const char *number : {"0", "-0", "10.50", "1e+300", "1E-7", "-1.5e5", "0.0"})
        EXPECT_EQ(One(kNumber, number), "{\"v\":" + std::string(number) + "}");
    for (const char *text : {"NaN", "Infinity", "-Infinity", "", "-", "01", "1.", ".5", "1e", "+1", "0x1", "1 "})
        EXPECT_EQ(One(kNumber, text), "{\"v\":\"" + std::string(text) + "\"}");
}

TEST(CopyToJson, IsAlwaysValidUtf8AndCountsWhatItReplaced) {
    for (const char *bad :
         {"\x80", "a\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xF0\x80\x80\x80", "\xE2\x82", "\xFF\xFE"})
        for (JsonKind kind : {kString, kJson}) {
            CopyToJson json({{"v", kind, false}});
            std::string to;
            json.AppendRow(kind == kJson ? "\"" + std::string(bad) + "\"" : bad, to);
            EXPECT_TRUE(nlohmann::json::accept(to)) << to;
            EXPECT_TRUE(IsValidUtf8(to));
            EXPECT_GT(json.ReplacedBytes(), 0U);
        }
    EXPECT_EQ(One(kString, "x\xE9y"), "{\"v\":\"x\xEF\xBF\xBDy\"}");
}

TEST(CopyToJson, IsValidForEveryStringOfTwoBytes) {
    CopyToJson converter({{"v", kString}});
    std::string json;
    std::string field;
    for (int first = 1; first < 256; first++)
        for (int second = 1; second < 256; second++) {
            field.clear();
            json.clear();
            AppendCopyField(std::string{static_cast<char>(first), static_cast<char>(second)}, field);
            converter.AppendRow(field, json);
            ASSERT_TRUE(nlohmann::json::accept(json)) << json;
        }
}

TEST(CopyToJson, NestsArrays) {
    EXPECT_EQ(Array(kNumber, "[-1:0][1:2]={{1,2},{NULL,4}}"), "{\"v\":[[1,2],[null,4]]}");
    EXPECT_EQ(Array(kString, "{null,\"null\",\"a\\\\\\\\b\"}"), "{\"v\":[null,\"null\",\"a\\\\b\"]}");
}

TEST(CopyToJson, RefusesWhatIsNotOfItsType) {
    for (const char *broken : {"", "1", "{", "{1", "{1,", "{1,}", "{,1}", "{1}}", "{\"a", "{\"a\"b}", "[1:2]",
                               "[1:2]=1", "{{1},2", "{{{{{{{1}}}}}}}"})
        EXPECT_THROW(Array(kNumber, broken), Error) << broken;
    EXPECT_THROW(One(kBoolean, "true"), Error);
    EXPECT_THROW(Row({{"a"}, {"b"}}, "1"), Error);
}

TEST(CopyToJson, KnowsTheKindsOfBuiltInTypes) {
    EXPECT_EQ(JsonKindOf(16), kBoolean);
    EXPECT_EQ(JsonKindOf(1700), kNumber);
    EXPECT_EQ(JsonKindOf(3802), kJson);
    EXPECT_EQ(JsonKindOf(25), kString);
    EXPECT_EQ(JsonKindOf(26), kString);    // oid, as in row_to_json
}

TEST(CopyToJson, OfATableWithoutColumnsIsAnEmptyObject) { EXPECT_EQ(Row({}, ""), "{}"); }

}    // namespace
}    // namespace ark
