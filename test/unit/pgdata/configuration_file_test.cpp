#include "pgdata/configuration_file.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/temporary_directory.h"

namespace ark::test {
namespace {

TEST(ConfigurationFile, LinesAreReadAsAServerReadsThem) {
    std::vector<ConfigurationLine> expected{{"work_mem", "64MB"},         {"port", "5432"},
                                            {"ark.store", "file:///a#b"}, {"search_path", "\"a'b\", c\\d\ne"},
                                            {"log_line_prefix", ""},      {"include", "other.conf"}};
    EXPECT_EQ(ParseConfiguration("# work_mem = 1\n\n  Work_Mem=64MB # not 1\nport 5432\r\nark.store = 'file:///a#b'\n"
                                 "search_path = '\"a''b\", c\\\\d\\012e'\nlog_line_prefix = ''\ninclude 'other.conf'"),
              expected);
}

TEST(ConfigurationFile, WhatAServerRefusesSetsNothing) {
    for (const char *line : {"port = ", "port", "= 3", "port = 5432 5433", "port = 'open", "port = 'open\\",
                             "1port = 2", "port == 3", "port = a,b"})
        EXPECT_TRUE(ParseConfiguration(line).empty()) << line;
}

TEST(ConfigurationFile, TheLastValueCountsWhereverItIsIncluded) {
    TemporaryDirectory directory;
    std::filesystem::path main = directory.path() / "postgresql.conf";
    auto write = [&](const char *name, const std::string &text) {
        WriteFileAtomically(directory.path() / name, AsBytes(text));
    };
    EXPECT_EQ(ConfiguredValue(main, "port"), std::nullopt);
    write("postgresql.conf", "port = 1\nPORT = 2\nother = 9\n");
    EXPECT_EQ(ConfiguredValue(main, "port"), "2");
    EXPECT_EQ(ConfiguredValue(main, "por"), std::nullopt);
    std::filesystem::create_directory(directory.path() / "conf.d");
    write("conf.d/a.conf", "port = 3");
    write("conf.d/b.conf", "port = 4");
    write("conf.d/.c.conf", "port = 5");
    write("conf.d/d.txt", "port = 6");
    write("postgresql.conf", "port = 1\ninclude_dir = 'conf.d'\n");
    EXPECT_EQ(ConfiguredValue(main, "port"), "4");
    write("postgresql.conf", "include_if_exists 'none'\ninclude 'conf.d/a.conf'\nport = 1\n");
    EXPECT_EQ(ConfiguredValue(main, "port"), "1");
    write("postgresql.conf", "port = 1\ninclude '" + (directory.path() / "conf.d" / "d.txt").string() + "'\n");
    EXPECT_EQ(ConfiguredValue(main, "port"), "6");
    write("postgresql.conf", "port = 7\ninclude 'postgresql.conf'\n");
    EXPECT_EQ(ConfiguredValue(main, "port"), "7") << "a circle ends";
}

}    // namespace
}    // namespace ark::test
