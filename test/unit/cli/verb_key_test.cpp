// The key verbs against a real server and a store in a directory: rotation, escrow, the recovery sheet.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "cli/engine.h"
#include "cli/verb.h"
#include "logical/backup_reader.h"
#include "support/private_postgres.h"
#include "support/temporary_directory.h"

namespace ark::test {
namespace {

namespace fs = std::filesystem;
using cli::Engine;
using testing::HasSubstr;

class VerbKey : public testing::Test {
protected:
    VerbKey() {
        fs::create_directory(directory_.path() / "store");
        fs::permissions(directory_.path() / "store", fs::perms::owner_all);
        database_ = server_.CreateDatabase("keys");
        server_.Sql(database_, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS a");
        first_ = Run("key", {{"action", "init"}}, Reference("first"))["fingerprint"];
        second_ = Run("key", {{"action", "init"}}, Reference("second"))["fingerprint"];
    }

    std::string Path(const std::string &name) { return directory_.path() / name; }
    std::string Reference(const std::string &name) { return "file:" + Path(name); }

    // What `pg_ark VERB` does with these arguments, under the key of that reference.
    Json Run(const std::string &verb, Json arguments, const std::string &key) {
        Config config;
        config.Set("store", "file://" + Path("store"), Origin::kFlag);
        config.Set("conninfo", server_.Conninfo(), Origin::kFlag);
        config.Set("pg_bindir", PrivatePostgres::Bindir(), Origin::kFlag);
        if (!key.empty()) config.Set("encryption_key", key, Origin::kFlag);
        config.Set("actor", "tester", Origin::kFlag);
        Engine engine(config, {}, SilentLog(), NeverCancelled());
        const cli::Verb *found = cli::FindVerb(verb);
        return found->run(engine, cli::Arguments(found->flags, std::move(arguments), verb));
    }
    Json Key(Json arguments, const std::string &key) { return Run("key", std::move(arguments), key); }
    Json Backup(const std::string &key) { return Run("backup", {{"database", database_}}, key); }
    Error Refusal(const std::string &verb, Json arguments, const std::string &key) {
        try {
            Run(verb, std::move(arguments), key);
        } catch (const Error &error) {
            return error;
        }
        ADD_FAILURE() << "nothing was thrown";
        return Error(Code::kInternal, "");
    }
    static std::string TextOf(const std::string &path) {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    static bool OnlyTheOwnerReads(const std::string &path) {
        return fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write);
    }

    PrivatePostgres &server_ = PrivatePostgres::Shared();
    TemporaryDirectory directory_;
    std::string database_, first_, second_;
};

TEST_F(VerbKey, InitWritesANewKeyThatOnlyItsOwnerReadsAndNeverReplacesOne) {
    EXPECT_TRUE(OnlyTheOwnerReads(Path("first")));
    EXPECT_NE(TextOf(Path("first")), TextOf(Path("second")));
    EXPECT_NE(first_, second_);
    std::string before = TextOf(Path("first"));
    EXPECT_EQ(Refusal("key", {{"action", "init"}}, Reference("first")).code, Code::kAlreadyExists);
    EXPECT_EQ(TextOf(Path("first")), before);
}

// After a rotation both keys read everything that is there; a backup under the new one is no start from nothing.
TEST_F(VerbKey, RotationLetsBothKeysReadAndGoesOnWhereItStopped) {
    Backup(Reference("first"));
    Run("verify", {}, Reference("first"));    // its record is sealed by the cluster's key
    EXPECT_EQ(Refusal("list", {}, Reference("second")).code, Code::kPermissionDenied);
    EXPECT_EQ(Refusal("key", {{"action", "rotate"}}, Reference("first")).code, Code::kInvalidArgument);
    Json rotate = {{"action", "rotate"}, {"new_key", Reference("second")}};
    EXPECT_EQ(Key(rotate, Reference("first"))["wraps"], 2);    // the cluster's and the database's
    // Broken off after the first domain: the second one's wrap is not there yet.
    std::string lost;
    for (const auto &entry : fs::recursive_directory_iterator(Path("store")))
        if (entry.path().string().ends_with("." + second_) &&
            entry.path().string().find("database-") != std::string::npos)
            lost = entry.path();
    ASSERT_FALSE(lost.empty());
    fs::remove(lost);
    EXPECT_EQ(Refusal("verify", {}, Reference("second")).code, Code::kPermissionDenied);
    EXPECT_EQ(Run("verify", {}, Reference("first"))["ok"], true);
    EXPECT_EQ(Key(rotate, Reference("first"))["wraps"], 1);
    EXPECT_EQ(Key(rotate, Reference("first"))["wraps"], 0);
    for (const char *key : {"first", "second"}) EXPECT_EQ(Run("verify", {}, Reference(key))["rows"], 1000);
    Json again = Backup(Reference("second"));
    EXPECT_EQ(Run("verify", {{"backup", again["backup_id"]}}, Reference("first"))["ok"], true);
    Json listed = Run("list", {}, Reference("second"));
    EXPECT_EQ(listed["backups"].size(), 2u);
    EXPECT_LT(listed["backups"][0]["new_bytes"], listed["backups"][1]["new_bytes"]);
}

TEST_F(VerbKey, EscrowIsConfirmedByTheFingerprintOfTheKeyInUse) {
    Backup(Reference("first"));
    auto confirmed = [&] {
        Json shown = Key({{"action", "show"}}, Reference("first"));
        EXPECT_EQ(shown["configured"], first_);
        return std::ranges::all_of(shown["keys"], [](const Json &key) { return key["escrow_confirmed"] == true; });
    };
    EXPECT_FALSE(confirmed());
    for (std::string wrong : {second_, std::string(), first_.substr(1)}) {
        Error error = Refusal("key", {{"action", "confirm"}, {"fingerprint", wrong}}, Reference("first"));
        EXPECT_EQ(error.code, Code::kInvalidArgument);
        EXPECT_THAT(error.detail, HasSubstr(first_));
    }
    EXPECT_FALSE(confirmed());
    Key({{"action", "confirm"}, {"fingerprint", first_}}, Reference("first"));
    EXPECT_TRUE(confirmed());
    Key({{"action", "rotate"}, {"new_key", Reference("second")}}, Reference("first"));
    EXPECT_FALSE(confirmed());    // a copy of the old key is no copy of the new one
}

// The sheet alone, typed in again, reads the store.
TEST_F(VerbKey, TheRecoverySheetGivesTheKeyBack) {
    Backup(Reference("first"));
    std::string path = Path("sheet"), key = TextOf(Path("first"));
    Json exported = Key({{"action", "export"}, {"output", path}}, Reference("first"));
    EXPECT_TRUE(OnlyTheOwnerReads(path));
    EXPECT_EQ(exported.dump().find(key.substr(0, 64)), std::string::npos);
    std::string sheet = TextOf(path);
    EXPECT_THAT(sheet, HasSubstr(first_));
    EXPECT_THAT(sheet, HasSubstr("file://" + Path("store")));
    std::size_t begin = sheet.find(key.substr(0, 8)), end = sheet.find("\nWith this key");
    ASSERT_LT(begin, end);
    std::string typed = sheet.substr(begin, end - begin);
    std::erase_if(typed, [](char c) { return c == ' ' || c == '\n'; });
    EXPECT_EQ(typed + "\n", key);
    std::ofstream(Path("typed")) << typed;
    fs::permissions(Path("typed"), fs::perms::owner_read);
    EXPECT_EQ(Run("verify", {}, Reference("typed"))["rows"], 1000);
    EXPECT_EQ(Refusal("key", {{"action", "export"}, {"output", path}}, Reference("first")).code, Code::kAlreadyExists);
    EXPECT_EQ(Refusal("key", {{"action", "export"}, {"output", Path("other")}}, "").code, Code::kInvalidArgument);
    EXPECT_FALSE(fs::exists(Path("other")));
}

// The hint names the flag that exists.
TEST_F(VerbKey, WithoutAKeyTheErrorSaysHowToGiveOne) {
    Backup(Reference("first"));
    Error error = Refusal("verify", {}, "");
    EXPECT_EQ(error.code, Code::kInvalidArgument);
    EXPECT_THAT(error.hint, HasSubstr("--encryption-key file:PATH"));
}

}    // namespace
}    // namespace ark::test
