#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logical/export.h"

namespace ark {
namespace {

using testing::ElementsAre;

std::vector<std::string> Spelled(std::string_view text) {
    std::vector<std::string> spelled;
    for (const Entity &entity : ParseEntities(text))
        spelled.push_back(entity.name + "=" + entity.tables.at(0).schema + "/" + entity.tables.at(0).table);
    return spelled;
}

TEST(Entities, AreSplitAtCommasAndFolded) {
    EXPECT_THAT(Spelled("clients, Jobs ,\n public.users,sales . visits"),
                ElementsAre("clients=/clients", "jobs=/jobs", "users=public/users", "sales.visits=sales/visits"));
}

TEST(Entities, KeepQuotedNamesAsTheyAre) {
    EXPECT_THAT(Spelled(R"("Order Items", "a,b"."c.d", "say ""hi""")"),
                ElementsAre("Order Items=/Order Items", "a,b.c.d=a,b/c.d", "say \"hi\"=/say \"hi\""));
}

TEST(Entities, AreNamedOnce) { EXPECT_THAT(Spelled("clients, CLIENTS, \"clients\""), ElementsAre("clients=/clients")); }

TEST(Entities, RefuseWhatIsNoList) {
    for (const char *text : {"", "  ", "a,,b", "a,", ",a", "a b", "\"a", "a.", "\"\"", "a.b.c", "a\"b\""}) {
        try {
            ParseEntities(text);
            FAIL() << text;
        } catch (const Error &error) {
            EXPECT_EQ(error.code, Code::kInvalidArgument) << text;
            EXPECT_FALSE(error.hint.empty());
        }
    }
}

}    // namespace
}    // namespace ark
