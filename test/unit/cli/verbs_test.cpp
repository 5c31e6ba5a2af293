#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

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

bool IsPrintedQuietly(std::string_view name, Json values = Json::object()) {
    const Verb *verb = FindVerb(name);
    return IsPrinted(*verb, Arguments(verb->flags, std::move(values), name), true);
}

TEST(Verbs, QuietlyOnlyWhatWasAskedForIsPrinted) {
    for (const char *name : {"list", "check", "status", "key", "lease"}) EXPECT_TRUE(IsPrintedQuietly(name)) << name;
    for (const char *name : {"restore", "expire", "restore-entities", "restore-database"}) {
        EXPECT_FALSE(IsPrintedQuietly(name)) << name;
        EXPECT_TRUE(IsPrintedQuietly(name, {{"dry_run", true}})) << name;
    }
    EXPECT_TRUE(IsPrintedQuietly("lease", {{"action", "show"}}));
    EXPECT_FALSE(IsPrintedQuietly("lease", {{"action", "take"}}));
    EXPECT_FALSE(IsPrintedQuietly("key", {{"action", "rotate"}}));
    for (const char *name : {"backup", "verify", "export", "init", "delete", "wal-push", "wal-fetch", "wal-ship"})
        EXPECT_FALSE(IsPrintedQuietly(name)) << name;
}

// A dry run changes nothing: what it says is all that there is of it.
TEST(Verbs, NoDryRunIsSilent) {
    for (const Verb &verb : Verbs()) {
        bool runs_dry = std::ranges::any_of(verb.flags, [](const Flag &flag) { return flag.name == "dry_run"; });
        if (!runs_dry) continue;
        EXPECT_TRUE(IsPrintedQuietly(verb.name, {{"dry_run", true}})) << verb.name;
    }
    const Verb &backup = *FindVerb("backup");
    EXPECT_TRUE(IsPrinted(backup, Arguments(backup.flags, Json::object(), backup.name), false));
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
