#include "pgdata/copy_text.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"

namespace ark {
namespace {

std::string Recorded(const std::string &name) {
    return ReadWholeFile(std::string(ARK_TEST_DATA) + "/copy_text/" + name);
}

std::vector<std::string> Scan(std::string_view text, std::size_t block) {
    CopyRowScanner scanner;
    std::vector<std::string> rows;
    for (std::size_t at = 0; at < text.size(); at += block)
        scanner.Feed(AsBytes(text.substr(at, block)), [&](std::string_view row) { rows.emplace_back(row); });
    scanner.Finish();
    return rows;
}

std::string Value(std::string_view field) {
    std::string scratch;
    return std::string(UnescapeCopyField(field, scratch).value());
}

TEST(CopyText, RowsAreTheSameHoweverTheBlocksAreCut) {
    std::string text = Recorded("rows.copy");
    std::vector<std::string> whole = Scan(text, text.size());
    EXPECT_EQ(whole.size(), 6U);
    EXPECT_EQ(CountRows(AsBytes(text)), 6U);
    for (std::size_t block : {1, 2, 3, 7, 100, 1000}) EXPECT_EQ(Scan(text, block), whole);
    EXPECT_EQ(Scan("\n\na\n", 1), (std::vector<std::string>{"", "", "a"}));
}

TEST(CopyText, ARowWithoutItsEndIsCorrupt) { EXPECT_THROW(Scan("a\nb", 10), Error); }

TEST(CopyText, LastRowEndCutsABlockBetweenRows) {
    EXPECT_EQ(LastRowEnd(AsBytes("ab\ncd\nef")), 6U);
    EXPECT_EQ(LastRowEnd(AsBytes("ab")), 0U);
    EXPECT_EQ(LastRowEnd({}), 0U);
}

TEST(CopyText, UnescapingAndEscapingGivesTheRowBack) {
    std::string text = Recorded("rows.copy");
    std::string again;
    std::string scratch;
    std::vector<std::string_view> fields;
    for (const std::string &row : Scan(text, text.size())) {
        SplitCopyRow(row, 33, fields);
        for (std::size_t i = 0; i < fields.size(); i++) {
            if (i > 0) again += '\t';
            AppendCopyField(UnescapeCopyField(fields[i], scratch), again);
        }
        again += '\n';
    }
    EXPECT_EQ(again, text);
}

TEST(CopyText, EveryByteSurvivesEscaping) {
    std::string all;
    for (int c = 1; c < 256; c++) all += static_cast<char>(c);
    std::string field;
    AppendCopyField(all, field);
    EXPECT_EQ(field.find_first_of("\n\t"), std::string::npos);
    EXPECT_EQ(Value(field), all);
}

TEST(CopyText, UnescapesWhatPostgresReads) {
    EXPECT_EQ(Value("a\\tb\\n\\r\\b\\f\\v\\\\"), "a\tb\n\r\b\f\v\\");
    EXPECT_EQ(Value("\\101\\7\\0018\\x41\\x4a4\\xz\\q"), "A\7\0018AJ4xzq");
    EXPECT_EQ(Value("\\\\N"), "\\N");
    EXPECT_EQ(Value("\\\\."), "\\.");
    EXPECT_EQ(Value(""), "");
    std::string scratch;
    EXPECT_FALSE(UnescapeCopyField("\\N", scratch));
    EXPECT_THROW(UnescapeCopyField("ab\\", scratch), Error);
    EXPECT_THROW(UnescapeCopyField("\\.", scratch), Error);
}

TEST(CopyText, ARowHasTheFieldsOfItsTable) {
    std::vector<std::string_view> fields;
    SplitCopyRow("", 0, fields);
    EXPECT_TRUE(fields.empty());
    SplitCopyRow("", 1, fields);
    EXPECT_EQ(fields, std::vector<std::string_view>{""});
    SplitCopyRow("a\t\t", 3, fields);
    EXPECT_EQ(fields, (std::vector<std::string_view>{"a", "", ""}));
    EXPECT_THROW(SplitCopyRow("a\tb", 3, fields), Error);
    EXPECT_THROW(SplitCopyRow("a", 0, fields), Error);
}

TEST(CopyText, TheEndMarkIsNoRow) {
    EXPECT_TRUE(IsCopyEnd("\\."));
    std::string escaped;
    AppendCopyField("\\.", escaped);
    EXPECT_FALSE(IsCopyEnd(escaped));
}

}    // namespace
}    // namespace ark
