#include "pgdata/data_directory.h"

#include <gtest/gtest.h>

#include "unit/wal/directory_sample.h"

namespace ark::test {
namespace {

std::vector<std::string> Texts(const std::vector<SegmentName> &names) {
    std::vector<std::string> texts;
    for (const SegmentName &name : names) texts.push_back(name.Text());
    return texts;
}

TEST(DataDirectory, SaysWhatClusterItIs) {
    DirectorySample sample;
    DataDirectory directory = sample.Open();
    EXPECT_EQ(std::to_string(directory.control().system_identifier), kSampleCluster.system_identifier);
    EXPECT_EQ(directory.segment_size().bytes(), kSmallSegment);
    EXPECT_FALSE(directory.InRecovery());
    sample.SetState(ClusterState::kInArchiveRecovery);
    EXPECT_FALSE(directory.InRecovery()) << "as it was when it was opened";
    EXPECT_TRUE(sample.Open().InRecovery());
}

TEST(DataDirectory, RefusesAnotherDirectory) {
    TemporaryDirectory empty;
    Error error = ErrorOf([&] { DataDirectory directory(empty.path()); });
    EXPECT_EQ(error.code, Code::kInvalidArgument);
    EXPECT_NE(error.message.find("is no data directory"), std::string::npos);
}

TEST(DataDirectory, ListsTheSegmentsThatWaitBehindOne) {
    DirectorySample sample;
    for (const char *name : {"000000010000000000000007", "000000010000000000000003", "000000010000000000000005",
                             "000000020000000000000006", "000000010000000000000004"})
        sample.AddSegment(name, 1, true);
    sample.Write(sample.path() / "pg_wal/archive_status/00000002.history.ready", {});
    sample.Write(sample.path() / "pg_wal/archive_status/000000010000000000000006.done", {});
    SegmentName third = ParseSegmentName("000000010000000000000003");
    EXPECT_EQ(
        Texts(sample.Open().Ready(third, 10)),
        (std::vector<std::string>{"000000010000000000000004", "000000010000000000000005", "000000010000000000000007"}));
    EXPECT_EQ(Texts(sample.Open().Ready(third, 1)), (std::vector<std::string>{"000000010000000000000004"}));
    EXPECT_EQ(Texts(sample.Open().Segments({2})), (std::vector<std::string>{"000000020000000000000006"}));
}

TEST(DataDirectory, ReadsTheHistoryThatItHas) {
    DirectorySample sample;
    EXPECT_EQ(sample.Open().History({1})->switches().size(), 0u);
    EXPECT_FALSE(sample.Open().History({2}));
    sample.Add("00000002.history", AsBytes("1\t0/500000\tno recovery target specified\n"));
    EXPECT_EQ(sample.Open().History({2})->Left({1})->Text(), "0/500000");
}

TEST(DataDirectory, TellsARestoreFromAStandby) {
    DirectorySample sample;
    EXPECT_FALSE(sample.Open().IsBeingRestored());
    sample.Write(sample.path() / "recovery.signal", {});
    EXPECT_TRUE(sample.Open().IsBeingRestored());
    sample.Write(sample.path() / "standby.signal", {});
    EXPECT_FALSE(sample.Open().IsBeingRestored());
}

}    // namespace
}    // namespace ark::test
