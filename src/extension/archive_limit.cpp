#include "extension/archive_limit.h"

#include <chrono>

#include "base/clock.h"
#include "extension/settings.h"
#include "pgdata/owner_mark.h"
#include "pgdata/wal_gap.h"

namespace ark::pg {
namespace {

constexpr std::size_t kSegmentDigits = 24;

bool IsSegment(const char *file) {
    return strspn(file, "0123456789ABCDEF") == kSegmentDigits && file[kSegmentDigits] == '\0';
}

uint64 Limit() {
    const char *text = SettingText("archive_backlog_limit");
    return CallCore([&] { return ParseSize(text, "ark.archive_backlog_limit"); });
}

}    // namespace

bool IsOverBacklogLimit() {
    uint64 limit = Limit(), waits = 0;
    if (limit == 0) return false;
    DIR *directory = AllocateDir("pg_wal/archive_status");
    while (dirent *entry = ReadDir(directory, "pg_wal/archive_status"))
        if (strspn(entry->d_name, "0123456789ABCDEF") == kSegmentDigits &&
            strcmp(entry->d_name + kSegmentDigits, ".ready") == 0)
            waits += static_cast<uint64>(wal_segment_size);
    FreeDir(directory);
    const char *data = DataDir;
    return waits > limit && CallCore([&] { return MayGiveUpWal(data); });
}

int BacklogPatienceMs() {
    const char *text = SettingText("archive_backlog_patience");
    return CallCore([&] {
        return static_cast<int>(
            std::chrono::ceil<std::chrono::milliseconds>(ParseDuration(text, "ark.archive_backlog_patience")).count());
    });
}

bool MayGiveUpAfter(const Failure &failure) {
    return failure.sqlstate != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE && failure.sqlstate != ERRCODE_DATA_CORRUPTED &&
           failure.sqlstate != ERRCODE_QUERY_CANCELED;
}

bool GiveUpWal(const char *file, const Failure &why) {
    bool begins = false;
    if (IsSegment(file)) {
        const char *data = DataDir;
        auto size = static_cast<uint64>(wal_segment_size);
        begins = CallCore([&] {
            return NoteLocalWalGap(data, ParseSegmentName(file), WalSegmentSize(size), SystemClock().Now(), kGivenUp);
        });
    }
    ereport(
        begins ? WARNING : LOG,
        (errmsg("WAL file \"%s\" was given up unarchived: more than ark.archive_backlog_limit (%s) waits", file,
                SettingText("archive_backlog_limit")),
         errdetail_internal("%s%s%s", why.message, why.detail[0] ? "; " : "", why.detail),
         errhint("Nothing behind it can be recovered to until the next base backup. When the store is back: SELECT * "
                 "FROM ark.backup_now(kind => 'physical');")));
    return begins;
}

}    // namespace ark::pg
