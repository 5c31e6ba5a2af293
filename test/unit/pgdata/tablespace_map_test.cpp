#include "pgdata/tablespace_map.h"

#include <gmock/gmock.h>

namespace ark::test {
namespace {

TEST(TablespaceMap, IsWrittenAsTheServerReadsIt) {
    EXPECT_EQ(FormatTablespaceMap({}), "");
    EXPECT_EQ(FormatTablespaceMap({{16385, "/srv/fast"}, {16390, "/srv/ two\nlines\\r"}}),
              "16385 /srv/fast\n16390 /srv/ two\\\nlines\\\\r\n");
}

TEST(TablespaceMap, TellsItsTablespaces) {
    EXPECT_THAT(OidsOfTablespaceMap(""), testing::IsEmpty());
    EXPECT_THAT(OidsOfTablespaceMap(FormatTablespaceMap({{16385, "/a\n16386 /b\\"}, {16390, "/c\\\n7 d"}})),
                testing::ElementsAre(16385, 16390));
}

}    // namespace
}    // namespace ark::test
