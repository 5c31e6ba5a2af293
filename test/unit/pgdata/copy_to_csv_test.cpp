// Compared with what COPY … CSV of PostgreSQL 15 printed for the same rows (test/data/copy_text/record.sql).
#include "pgdata/copy_to_csv.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"

namespace ark {
namespace {

std::string Recorded(const std::string &name) {
    return ReadWholeFile(std::string(ARK_TEST_DATA) + "/copy_text/" + name);
}

std::string Convert(const std::string &rows, std::vector<std::string> columns) {
    CopyToCsv csv(std::move(columns));
    std::string to;
    csv.AppendHeader(to);
    CopyRowScanner().Feed(AsBytes(rows), [&](std::string_view row) { csv.AppendRow(row, to); });
    return to;
}

TEST(CopyToCsv, PrintsWhatPostgresPrints) {
    EXPECT_EQ(Convert(Recorded("rows.copy"),
                      {"id",      "truth", "small",  "large", "real", "double \"p",  "exact", "words", "padded",
                       "doc",     "docb",  "bytes",  "day",   "at",   "numbers",     "texts", "grid",  "exacts",
                       "truths",  "docs",  "floats", "blobs", "mood", "moods",       "n",     "money", "mac",
                       "address", "span",  "range",  "bits",  "name", "naïve,column"}),
              Recorded("rows.csv"));
}

TEST(CopyToCsv, QuotesTheEndMarkInALoneColumn) {
    EXPECT_EQ(Convert(Recorded("lone.copy"), {"value"}), Recorded("lone.csv"));
}

TEST(CopyToCsv, OfATableWithoutColumnsIsALineARow) { EXPECT_EQ(Convert("\n\n", {}), "\n\n\n"); }

TEST(CopyToCsv, RefusesARowOfAnotherTable) { EXPECT_THROW(Convert("a\tb\n", {"a"}), Error); }

}    // namespace
}    // namespace ark
