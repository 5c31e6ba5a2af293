#include "pgdata/backup_label.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ark {
namespace {

const std::string kLabel =
    "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n"
    "CHECKPOINT LOCATION: 0/2000060\n"
    "BACKUP METHOD: streamed\n"
    "BACKUP FROM: primary\n"
    "START TIME: 2026-01-16 08:00:00 UTC\n"
    "LABEL: pg_ark: nightly\n"
    "START TIMELINE: 1\n";

const std::string kArchived =
    "START WAL LOCATION: 1A/FF000028 (file 000000030000001A000000FF)\n"
    "STOP WAL LOCATION: 1B/138 (file 000000030000001B00000000)\n"
    "CHECKPOINT LOCATION: 1A/FF000060\n"
    "BACKUP METHOD: streamed\n"
    "BACKUP FROM: standby\n"
    "START TIME: 2026-01-16 08:00:00 UTC\n"
    "LABEL: x\n"
    "START TIMELINE: 3\n"
    "STOP TIME: 2026-01-16 08:05:00 UTC\n"
    "STOP TIMELINE: 3\n";

std::string With(std::string text, const std::string &from, const std::string &to) {
    return text.replace(text.find(from), from.size(), to);
}

std::optional<Error> Refusal(const std::string &text) {
    try {
        ParseBackupLabel(text);
    } catch (const Error &error) {
        return error;
    }
    return std::nullopt;
}

TEST(BackupLabel, ReadsWhatStopReturns) {
    BackupLabel label = ParseBackupLabel(kLabel);
    EXPECT_EQ(label.start.Text(), "0/2000028");
    EXPECT_EQ(label.start_segment.Text(), "000000010000000000000002");
    EXPECT_EQ(label.checkpoint.Text(), "0/2000060");
    EXPECT_EQ(label.method, "streamed");
    EXPECT_FALSE(label.from_standby);
    EXPECT_EQ(label.start_time, "2026-01-16 08:00:00 UTC");
    EXPECT_EQ(label.label, "pg_ark: nightly");
    EXPECT_EQ(label.timeline.value, 1u);
    EXPECT_FALSE(label.stop);
    EXPECT_FALSE(label.incremental_from);
    EXPECT_FALSE(ParseBackupLabel(With(kLabel, "primary", "master")).from_standby);
}

TEST(BackupLabel, ReadsTheArchivedFile) {
    BackupLabel label = ParseBackupLabel(kArchived);
    EXPECT_TRUE(label.from_standby);
    ASSERT_TRUE(label.stop);
    EXPECT_EQ(label.stop->lsn.Text(), "1B/138");
    EXPECT_EQ(label.stop->segment.Text(), "000000030000001B00000000");
    EXPECT_EQ(label.stop->timeline.value, 3u);
    EXPECT_EQ(label.stop->time, "2026-01-16 08:05:00 UTC");
}

TEST(BackupLabel, ReadsAnIncrementalOne) {
    BackupLabel label = ParseBackupLabel(kLabel + "INCREMENTAL FROM LSN: 0/1000028\nINCREMENTAL FROM TLI: 1\n");
    ASSERT_TRUE(label.incremental_from);
    EXPECT_EQ(label.incremental_from->lsn.Text(), "0/1000028");
    EXPECT_EQ(label.incremental_from->timeline.value, 1u);
    EXPECT_EQ(Refusal(kLabel + "INCREMENTAL FROM LSN: 0/1000028\n")->code, Code::kCorrupt);
    EXPECT_EQ(Refusal(kLabel + "INCREMENTAL FROM TLI: 1\n")->code, Code::kCorrupt);
}

TEST(BackupLabel, PassesOverLinesOfLaterServers) {
    EXPECT_EQ(ParseBackupLabel(kLabel + "NEW: 1\nno colon\n").label, "pg_ark: nightly");
    EXPECT_EQ(ParseBackupLabel(With(kLabel, "LABEL: pg_ark: nightly", "LABEL: ")).label, "");
}

TEST(BackupLabel, FreeTextCannotSpeakForTheServer) {
    std::optional<Error> error = Refusal(With(kLabel, "nightly", "nightly\nSTART TIMELINE: 7"));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Code::kCorrupt);
    EXPECT_EQ(error->detail, "It has the line START TIMELINE twice.");
    EXPECT_EQ(ParseBackupLabel(With(kLabel, "nightly", "nightly\nsecond line")).label, "pg_ark: nightly");
}

TEST(BackupLabel, RefusesWhatIsMissingOrMalformed) {
    for (const char *line : {"START WAL LOCATION", "CHECKPOINT LOCATION", "BACKUP FROM", "START TIMELINE"})
        EXPECT_EQ(Refusal(With(kLabel, line, "X"))->detail, std::string("It has no line ") + line + ".");
    const std::pair<std::string, std::string> changes[] = {
        {"0/2000028", "0-2000028"},     {"0/2000028", "1/2000028"},
        {" (file ", " file "},          {"02)\n", "02\n"},
        {"file 000", "file 0"},         {"0/2000060", "2000060"},
        {"primary", "elsewhere"},       {"TIMELINE: 1", "TIMELINE: 0"},
        {"TIMELINE: 1", "TIMELINE: 2"}, {"TIMELINE: 1", "TIMELINE: 1x"},
        {"TIMELINE: 1", "TIMELINE: "}};
    for (const auto &[from, to] : changes)
        EXPECT_EQ(Refusal(With(kLabel, from, to))->code, Code::kCorrupt) << from << " -> " << to;
    EXPECT_EQ(Refusal("")->code, Code::kCorrupt);
    EXPECT_EQ(Refusal(With(kArchived, "STOP TIMELINE: 3\n", ""))->code, Code::kCorrupt);
}

}    // namespace
}    // namespace ark
