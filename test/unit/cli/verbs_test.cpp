#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "cli/verb.h"
#include "config/settings.h"

namespace ark::cli {
namespace {

TEST(Verbs, NoFlagHidesASettingOrAnotherFlag) {
    for (const Verb &verb : Verbs()) {
        std::set<std::string> names = {"json", "quiet", "help"};
        for (const Setting &setting : Settings())
            if (setting.used_by & kUsedByEngine) names.insert(setting.name);
        for (const Flag &flag : verb.flags)
            EXPECT_TRUE(names.insert(flag.name).second) << "pg_ark " << verb.name << " --" << flag.name;
    }
}

TEST(Verbs, EveryVerbAndFlagSaysWhatItIs) {
    std::set<std::string> names;
    for (const Verb &verb : Verbs()) {
        EXPECT_TRUE(names.insert(verb.name).second) << verb.name;
        EXPECT_FALSE(verb.summary.empty()) << verb.name;
        EXPECT_TRUE(verb.run != nullptr) << verb.name;
        EXPECT_EQ(FindVerb(verb.name), &*std::find_if(Verbs().begin(), Verbs().end(),
                                                      [&](const Verb &other) { return other.name == verb.name; }));
        for (const Flag &flag : verb.flags) {
            EXPECT_FALSE(flag.help.empty()) << verb.name << " --" << flag.name;
            EXPECT_EQ(flag.name.find('-'), std::string::npos) << verb.name << " --" << flag.name;
        }
    }
    EXPECT_EQ(FindVerb("no such verb"), nullptr);
}

TEST(Arguments, RefusesWhatTheVerbDoesNotKnow) {
    const Verb *verb = FindVerb("backup");
    ASSERT_TRUE(verb);
    EXPECT_NO_THROW(Arguments(verb->flags, Json{{"database", "app"}}, verb->name));
    try {
        Arguments(verb->flags, Json{{"databse", "app"}}, verb->name);
        FAIL() << "an unknown argument was taken";
    } catch (const Error &error) {
        EXPECT_EQ(error.code, Code::kInvalidArgument);
        EXPECT_NE(error.message.find("databse"), std::string::npos) << error.message;
    }
}

}    // namespace
}    // namespace ark::cli
