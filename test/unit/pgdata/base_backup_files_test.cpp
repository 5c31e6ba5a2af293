#include "pgdata/base_backup_files.h"

#include <gtest/gtest.h>

namespace ark {
namespace {

using enum Keep;
using enum EntryKind;

const BaseBackupRules kRules(15, 202209061, {"ts1", "pg_log/ts2"});
constexpr std::string_view kInTablespace = "pg_tblspc/16385/PG_15_202209061/5";

Keep Judge(std::string_view directory, std::string_view name, EntryKind kind = kFile) {
    return kRules.Judge(directory, std::vector{DirectoryEntry{std::string(name), kind}}).at(0);
}

// The files of a directory that are kept, separated by spaces.
std::string Kept(std::string_view directory, const std::vector<std::string> &names) {
    std::vector<DirectoryEntry> entries;
    for (const std::string &name : names) entries.push_back({name, kFile});
    std::vector<Keep> answers = kRules.Judge(directory, entries);
    EXPECT_EQ(answers.size(), names.size());
    std::string kept;
    for (std::size_t i = 0; i < names.size(); i++)
        if (answers[i] == kYes) kept += (kept.empty() ? "" : " ") + names[i];
    return kept;
}

TEST(BaseBackupRules, LeaveFilesOutByName) {
    const std::pair<std::string_view, std::string_view> pairs[] = {
        // left out, and its nearest neighbour, which is kept
        {"postmaster.pid", "postmaster.pid2"},          {"postmaster.opts", "postmaster.opt"},
        {"backup_label", "backup_label.old"},           {"tablespace_map", "tablespace_map.old"},
        {"backup_manifest", "backup_manifest.tmp"},     {"postgresql.auto.conf.tmp", "postgresql.auto.conf"},
        {"current_logfiles.tmp", "current_logfiles"},   {"pg_internal.init", "pg_internal.ini"},
        {"pg_internal.init.123", "a_pg_internal.init"}, {"pgsql_tmp", "pgsql_tm"},
        {"pgsql_tmp12.0", "a_pgsql_tmp12.0"},           {".DS_Store", ".ds_store"},
        {"pg_ark_restore", "pg_ark_restored"},
    };
    for (auto [left_out, kept] : pairs)
        for (std::string_view directory : {"", "global", "base", "base/5", "pg_log", "some/folder"}) {
            EXPECT_EQ(Judge(directory, left_out), kNo) << directory << " " << left_out;
            EXPECT_EQ(Judge(directory, left_out, kDirectory), kNo) << directory << " " << left_out;
            EXPECT_EQ(Judge(directory, kept), kYes) << directory << " " << kept;
        }
    EXPECT_EQ(Judge("", "."), kNo);
    EXPECT_EQ(Judge("", ".."), kNo);
    EXPECT_EQ(Judge("", "..."), kYes);
}

TEST(BaseBackupRules, KeepWhatNoRuleNames) {
    for (std::string_view name : {"PG_VERSION", "postgresql.conf", "postgresql.auto.conf", "pg_hba.conf",
                                  "standby.signal", "recovery.signal", "server.key", "core.1"})
        EXPECT_EQ(Judge("", name), kYes) << name;
    for (std::string_view name : {"base", "global", "pg_commit_ts", "pg_logical", "pg_multixact", "pg_stat",
                                  "pg_tblspc", "pg_twophase", "pg_xact", "log", "lost+found"})
        EXPECT_EQ(Judge("", name, kDirectory), kYes) << name;
    EXPECT_EQ(Judge("global", "pg_control"), kYes) << "its caller stores it last";
    EXPECT_EQ(Judge("global", "pg_filenode.map"), kYes);
    EXPECT_EQ(Judge("base", "5", kDirectory), kYes);
    EXPECT_EQ(Judge("base/5", "PG_VERSION"), kYes);
    EXPECT_EQ(kRules.Judge("base/5", {}).size(), 0u);
}

TEST(BaseBackupRules, EmptyDirectories) {
    for (std::string_view name : {"pg_stat_tmp", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots",
                                  "pg_subtrans", "pg_wal"}) {
        EXPECT_EQ(Judge("", name, kDirectory), kEmptyDirectory) << name;
        EXPECT_EQ(Judge("", name, kLink), kEmptyDirectory) << name;
        EXPECT_EQ(Judge("", name, kFile), kNo) << name;
        EXPECT_EQ(Judge("", std::string(name) + "2", kDirectory), kYes) << name;
    }
    EXPECT_EQ(Judge("some", "pg_notify", kDirectory), kEmptyDirectory) << "PostgreSQL looks at the name alone";
    EXPECT_EQ(Judge("some", "pg_wal", kDirectory), kYes) << "and here at the path";
}

TEST(BaseBackupRules, MakeDirectoriesOfPgWal) {
    EXPECT_EQ(kRules.AlwaysMade(), std::vector<std::string>{"pg_wal/archive_status"});
    EXPECT_EQ(BaseBackupRules(16, 202307071).AlwaysMade().size(), 1u);
    EXPECT_EQ(BaseBackupRules(17, 202406281).AlwaysMade(),
              (std::vector<std::string>{"pg_wal/archive_status", "pg_wal/summaries"}));
}

TEST(BaseBackupRules, LinksAreOfTablespacesOnly) {
    EXPECT_EQ(Judge("pg_tblspc", "16385", kLink), kYes);
    EXPECT_EQ(Judge("pg_tblspc", "16385", kDirectory), kYes) << "in its place";
    EXPECT_EQ(Judge("pg_tblspc", "16385", kFile), kNo);
    EXPECT_EQ(Judge("pg_tblspc", "16385x", kLink), kNo);
    EXPECT_EQ(Judge("pg_tblspc", "notes", kDirectory), kNo);
    EXPECT_EQ(Judge("", "pg_xact", kLink), kForeign);
    EXPECT_EQ(Judge("", "postgresql.conf", kLink), kForeign);
    EXPECT_EQ(Judge("base", "5", kLink), kForeign);
    EXPECT_EQ(Judge("", "socket", kOther), kForeign);
    EXPECT_EQ(Judge("some/pg_tblspc", "16385", kLink), kForeign);
    EXPECT_EQ(Judge("", "pgsql_tmp", kLink), kNo) << "nobody misses that";
}

TEST(BaseBackupRules, OneDirectoryOfATablespaceIsOfThisServer) {
    EXPECT_EQ(kRules.version_directory(), "PG_15_202209061");
    EXPECT_EQ(Judge("pg_tblspc/16385", "PG_15_202209061", kDirectory), kYes);
    EXPECT_EQ(Judge("pg_tblspc/16385", "PG_14_202107181", kDirectory), kNo);
    EXPECT_EQ(Judge("pg_tblspc/16385", "PG_15_202209061x", kDirectory), kNo);
    EXPECT_EQ(Judge("pg_tblspc/16385", "notes.txt"), kNo);
    EXPECT_EQ(Judge("pg_tblspc/16385", "lost+found", kDirectory), kNo);
    EXPECT_EQ(Judge("pg_tblspc/16385/PG_15_202209061", "5", kDirectory), kYes);
    EXPECT_EQ(Judge("pg_tblspc/16385/PG_15_202209061", "pgsql_tmp", kDirectory), kNo);
}

TEST(BaseBackupRules, ReadNoTablespaceTwice) {
    EXPECT_EQ(Judge("", "ts1", kDirectory), kEmptyDirectory);
    EXPECT_EQ(Judge("", "ts1", kFile), kYes);
    EXPECT_EQ(Judge("", "ts2", kDirectory), kYes);
    EXPECT_EQ(Judge("pg_log", "ts2", kDirectory), kEmptyDirectory);
    EXPECT_EQ(Judge("pg_log", "ts1", kDirectory), kYes);
}

TEST(BaseBackupRules, OfAnUnloggedRelationOnlyTheInitForkIsKept) {
    const std::vector<std::string> names{
        "16384",        "16384.1",     "16384_fsm", "16384_fsm.1", "16384_init", "16384_init.1",    // unlogged
        "16384_vm",     "16384.12345",                                                              //
        "1638",         "163840",      "163840.1",  "16385",       "16385_vm",                      // others
        "16386_init.1", "16386",    // a segment of an init fork proves nothing
        "016384",       "16384.01",    "16384.0",   "16384_main",  "16384_fsmx", "16384.1x",
        "16384.",       "16384_",    // no relations
    };
    const std::string_view kept =
        "16384_init 16384_init.1 1638 163840 163840.1 16385 16385_vm 16386_init.1 16386 "
        "016384 16384.01 16384.0 16384_main 16384_fsmx 16384.1x 16384. 16384_";
    EXPECT_EQ(Kept("base/5", names), kept);
    EXPECT_EQ(Kept(kInTablespace, names), kept);
    for (std::string_view elsewhere : {"base", "base/5x", "base/5/6", "global", "pg_log/5", "", "pg_xact"})
        EXPECT_EQ(Kept(elsewhere, {"16384", "16384_init"}), "16384 16384_init") << elsewhere;
    EXPECT_EQ(Kept("base/5", {"16384_init"}), "16384_init");
    EXPECT_EQ(Kept("base/5", {"4294967295", "4294967295_init"}), "4294967295_init");
    EXPECT_EQ(Kept("base/5", {"4294967296", "4294967296_init"}), "4294967296 4294967296_init");
}

TEST(BaseBackupRules, TemporaryRelationsAreLeftOut) {
    const std::vector<std::string> temporary{"t3_16384",     "t3_16384.1",    "t3_16384_fsm", "t3_16384_vm.2",
                                             "t12_16384_vm", "t3_16384_init", "t0_0",         "t3_16384.0"};
    const std::vector<std::string> near{"t3_x",       "t_16384",  "t3_",          "t3",       "t3_16384x",
                                        "t3_16384.",  "tx_16384", "t3_16384.x",   "T3_16384", "t3_16384_",
                                        "t3_16384_x", "3_16384",  "t3_16384_fsmx"};
    for (std::string_view directory : {std::string_view("base/5"), kInTablespace}) {
        EXPECT_EQ(Kept(directory, temporary), "");
        for (const std::string &name : near) EXPECT_EQ(Judge(directory, name), kYes) << name;
    }
    for (std::string_view elsewhere : {"", "base", "global", "pg_log/5"})
        EXPECT_EQ(Judge(elsewhere, "t3_16384"), kYes) << elsewhere;
}

TEST(FirstBlock, CountsTheBlocksOfEarlierSegments) {
    constexpr std::uint32_t kBlocks = 131072;
    const std::pair<std::string, std::uint32_t> files[] = {
        {"base/5/16400", 0},
        {"base/5/16400.1", kBlocks},
        {"base/5/16400.3", 3 * kBlocks},
        {"base/5/16400_fsm", 0},
        {"base/5/16400_vm.2", 2 * kBlocks},
        {"base/5/16400_init", 0},
        {"global/1262", 0},
        {"global/1262_vm", 0},
        {"pg_tblspc/16385/PG_15_202209061/5/16400.1", kBlocks},
        {"base/5/16400.32767", 32767 * kBlocks},
    };
    for (const auto &[path, block] : files) EXPECT_EQ(FirstBlock(path, kBlocks), block) << path;
    EXPECT_EQ(FirstBlock("base/5/16400.3", 4096), 3 * 4096u) << "--with-segsize-blocks";
    for (std::string_view path : {"base/5/PG_VERSION",
                                  "base/5/pg_filenode.map",
                                  "base/5/pg_internal.init",
                                  "base/5/t3_16400",
                                  "base/5/16400.0",
                                  "base/5/16400.x",
                                  "base/5/16400x",
                                  "base/5/016400",
                                  "base/5/0",
                                  "base/5/",
                                  "base/5",
                                  "base/16400",
                                  "base/5/6/16400",
                                  "base/x/16400",
                                  "base//16400",
                                  "base/pgsql_tmp/16400",
                                  "global/pg_control",
                                  "global/pg_filenode.map",
                                  "global/5/16400",
                                  "pg_xact/0000",
                                  "pg_multixact/members/1234",
                                  "1234",
                                  "",
                                  "pg_tblspc/16385/5/16400",
                                  "pg_tblspc/16385/PG_15_202209061/16400",
                                  "pg_tblspc/x/PG_15_202209061/5/16400",
                                  "pg_tblspc/16385/XX_15_202209061/5/16400",
                                  "pg_wal/000000010000000000000001",
                                  "/base/5/16400",
                                  "pg_log/5/16400"})
        EXPECT_EQ(FirstBlock(path, kBlocks), std::nullopt) << path;
    EXPECT_EQ(FirstBlock("base/5/16400.32768", kBlocks), std::nullopt) << "PostgreSQL has no such block";
    EXPECT_EQ(FirstBlock("base/5/16400.4294967295", kBlocks), std::nullopt);
    EXPECT_EQ(FirstBlock("base/5/16400.99999999999", 1), std::nullopt);
}

TEST(BaseBackupRules, KnowWhatAServerCannotDoWithout) {
    for (const char *path : {"base", "base/5", "base/5/16400", "global/1260", "pg_xact", "PG_VERSION",
                             "pg_tblspc/16385/PG_15_202209061/5/16400"})
        EXPECT_TRUE(IsVital(path)) << path;
    for (const char *path : {"log", "log/base", "postgresql.conf", "base2", "server.key", "pg_stat", ""})
        EXPECT_FALSE(IsVital(path)) << path;
}

TEST(BaseBackupRules, NameTheForkThatTellsAnUnloggedRelation) {
    EXPECT_EQ(InitForkOf("base/5", "16400"), "16400_init");
    EXPECT_EQ(InitForkOf(kInTablespace, "16400_fsm.2"), "16400_init");
    for (const char *name : {"16400_init", "16400_init.1", "t3_16400", "PG_VERSION", "016400", "16400_x"})
        EXPECT_EQ(InitForkOf("base/5", name), "") << name;
    for (const char *place : {"", "base", "global", "base/5/6"}) EXPECT_EQ(InitForkOf(place, "16400"), "") << place;
}

}    // namespace
}    // namespace ark
