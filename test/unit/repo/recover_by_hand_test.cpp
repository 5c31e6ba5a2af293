// Runs the commands of docs/recover-by-hand.md, as they stand there, against repositories in a directory store.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "base/encoding.h"
#include "base/file.h"
#include "storage/file_storage.h"
#include "support/temporary_directory.h"
#include "unit/repo/sample.h"

namespace ark::test {
namespace {

// The ```sh blocks of the page but those that need a server.
std::vector<std::string> ShellBlocks() {
    std::string page = ReadWholeFile(std::string(ARK_SOURCE_DIR) + "/docs/recover-by-hand.md");
    std::vector<std::string> blocks;
    constexpr std::string_view kBegin = "\n```sh\n", kEnd = "\n```\n";
    for (std::size_t at = 0; (at = page.find(kBegin, at)) != std::string::npos;) {
        at += kBegin.size();
        std::string block = page.substr(at, page.find(kEnd, at) - at) + "\n";
        if (block.find("psql") == std::string::npos) blocks.push_back(block);
    }
    return blocks;
}

void SetVariable(std::string &block, const std::string &name, const std::string &value) {
    std::size_t at = ("\n" + block).find("\n" + name + "=");
    ASSERT_NE(at, std::string::npos) << "the page no longer sets " << name;
    std::size_t end = block.find('\n', at);
    std::string quoted;
    for (char c : value) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    block.replace(at, end - at, name + "='" + quoted + "'");
}

struct Case {
    bool encrypted;
    const char *compression;
    bool deep;    // so many entries that the tree has inner nodes
};

void PrintTo(const Case &how, std::ostream *out) {
    *out << (how.encrypted ? "encrypted " : "plain ") << how.compression << (how.deep ? " deep" : "");
}

class RecoverByHand : public testing::TestWithParam<Case> {};

const std::string kSchema = "public", kTable = "Kunden \"(alt)\" für 100%";

Bytes Rows(std::size_t chunk) {
    std::string text;
    for (std::size_t i = 0; i < 500; i++)
        text += fmt::format("{}\tname {} with \\t and \\N\t\\N\n", chunk * 500 + i, i);
    return ToBytes(text);
}

// A backup with the table to be recovered among others.
BackupId WriteBackup(Sample &sample, const Case &how) {
    auto session = sample.Begin();
    PackSettings settings;
    settings.compression = ParseCompression(how.compression);
    auto packs = session->NewPackWriter(settings);
    TreeWriter tree(*packs, session->key());
    std::string pad(how.deep ? 900'000 : 100, 'x');
    for (int i = 0; i < 90; i++)
        tree.Add({{"path", fmt::format("table/aaa/t{:04}/columns", i)}, {"copy", {"wrong"}}, {"pad", pad}});
    std::string path = "table/" + PercentEncode(kSchema) + "/" + PercentEncode(kTable) + "/";
    tree.Add({{"path", path + "columns"}, {"oid", 16385}, {"copy", {"id", "Voller \"Name\"", "note"}}});
    for (std::size_t chunk = 0; chunk < 3; chunk++) {
        Bytes rows = Rows(chunk);
        FrameRef first = packs->Append(ByteView(rows).first(5000)),
                 second = packs->Append(ByteView(rows).subspan(5000));
        tree.Add({{"path", fmt::format("{}data/{:010}", path, chunk)},
                  {"rows", 500},
                  {"frames", {ToJson(first), ToJson(second)}}});
    }
    tree.Add({{"path", path + "totals"}, {"rows", 1500}});
    tree.Add({{"path", "table/" + PercentEncode(kSchema) + "/" + PercentEncode(kTable + "x") + "/data/0000000000"},
              {"frames", {ToJson(packs->Append(AsBytes("wrong\n")))}}});
    TreeRoot root = tree.Finish();
    EXPECT_EQ(root.level, how.deep ? 1 : 0);
    packs->Finish();
    session->Commit({{"kind", "logical"},
                     {"database", "app"},
                     {"encoding", "UTF8"},
                     {"started", "2026-01-16T08:00:00Z"},
                     {"label", nullptr},
                     {"tree", ToJson(root)}});
    return session->id();
}

struct Ran {
    int status;
    std::string output, work;
};

Ran RunPage(const TemporaryDirectory &place, const BackupId &backup, const std::string &keyfile) {
    std::vector<std::string> blocks = ShellBlocks();
    EXPECT_GE(blocks.size(), 5u);
    SetVariable(blocks[0], "STORE", place.path() / "store");
    SetVariable(blocks[0], "CLUSTER", kSampleCluster.Path());
    SetVariable(blocks[0], "BACKUP", backup);
    SetVariable(blocks[0], "SCHEMA", kSchema);
    SetVariable(blocks[0], "TABLE", kTable);
    SetVariable(blocks[0], "KEYFILE", keyfile);
    std::string script = place.path() / "script", output = place.path() / "output", work = place.path() / "work";
    std::filesystem::create_directory(work);
    {
        std::ofstream out(script);
        for (const std::string &block : blocks) out << block << '\n';
    }
    // TMPDIR makes the page's mktemp work below our directory.
    int status = std::system(fmt::format("TMPDIR={} bash -euo pipefail {} > {} 2>&1", work, script, output).c_str());
    for (const auto &entry : std::filesystem::directory_iterator(work)) work = entry.path();
    return {status, ReadWholeFile(output), work};
}

TEST_P(RecoverByHand, GivesTheRowsOfTheTable) {
    TemporaryDirectory place;
    Sample sample(GetParam().encrypted, MakeFileStorage(place.path() / "store"));
    BackupId backup = WriteBackup(sample, GetParam());
    std::string keyfile;
    if (GetParam().encrypted) {
        keyfile = place.path() / "key";
        std::ofstream(keyfile) << HexEncode(sample.kek->bytes()) << '\n';
    }
    Ran ran = RunPage(place, backup, keyfile);
    ASSERT_EQ(ran.status, 0) << ran.output;
    std::string expected;
    for (std::size_t chunk = 0; chunk < 3; chunk++) expected += AsText(Rows(chunk));
    EXPECT_EQ(ReadWholeFile(ran.work + "/rows.copy"), expected);
    EXPECT_EQ(ReadWholeFile(ran.work + "/table.columns"), "\"id\", \"Voller \"\"Name\"\"\", \"note\"\n");
}

INSTANTIATE_TEST_SUITE_P(Repo, RecoverByHand,
                         testing::Values(Case{false, "zstd", false}, Case{true, "zstd", false},
                                         Case{true, "gzip", false}, Case{false, "none", false},
                                         Case{true, "zstd", true}));

TEST(RecoverByHandPage, StopsAtADamagedFrame) {
    TemporaryDirectory place;
    Sample sample(true, MakeFileStorage(place.path() / "store"));
    BackupId backup = WriteBackup(sample, {true, "none", false});
    std::string keyfile = place.path() / "key";
    std::ofstream(keyfile) << Base64Encode(sample.kek->bytes()) << '\n';
    std::string pack;
    sample.repository->List("packs/", [&](const ObjectInfo &info) { return (pack = info.name).empty(); });
    std::string path = place.path() / "store" / kSampleCluster.Path() / pack;
    std::string bytes = ReadWholeFile(path);
    bytes[2000] = static_cast<char>(bytes[2000] ^ 1);    // within the first frame
    chmod(path.c_str(), 0600);
    std::ofstream(path) << bytes;
    Ran ran = RunPage(place, backup, keyfile);
    EXPECT_NE(ran.status, 0);
    EXPECT_NE(ran.output.find("damaged"), std::string::npos) << ran.output;
}

}    // namespace
}    // namespace ark::test
