#include "physical/wal_arrival.h"

#include <fmt/format.h>

namespace ark {
namespace {

constexpr auto kLook = std::chrono::milliseconds(200);

std::string WhatTheArchiverSays(Connection &connection) {
    Result said = connection.Query(
        "SELECT last_failed_wal, last_failed_time, last_archived_wal FROM pg_catalog.pg_stat_archiver"
        " WHERE last_failed_time > coalesce(last_archived_time, '-infinity')");
    if (said.rows() == 0) return "The server's archiver tells of no failure.";
    return fmt::format("The server's archiver failed with \"{}\" at {}.", said.Text(0, 0), said.Text(0, 1));
}

}    // namespace

void AwaitWal(const Repository &repository, Lsn start, const StoppedBackup &stopped, const DataDirectory &directory,
              Duration patience, Connection &connection, Clock &clock, Ticker &ticker, Log &log) {
    const WalSegmentSize size = directory.segment_size();
    std::uint64_t archived = 0;    // by the server, of any kind
    SegmentName segment = SegmentName::Containing(stopped.parsed.timeline, start, size);
    SegmentName last = SegmentName::Containing(stopped.parsed.timeline, {stopped.stop.value - 1}, size);
    SteadyPoint deadline = clock.Steady() + patience;
    bool waited = false;
    while (segment <= last) {
        ticker.Check();
        if (repository.Stat(layout::Wal(WalFileName::OfSegment(segment))) && !directory.IsReady(segment)) {
            segment = segment.Next(size);
            continue;
        }
        if (std::uint64_t count =
                connection.Query("SELECT archived_count FROM pg_catalog.pg_stat_archiver").Unsigned(0, 0);
            count != archived) {
            archived = count;
            deadline = clock.Steady() + patience;
        }
        if (clock.Steady() >= deadline)
            throw Error(
                Code::kUnavailable,
                fmt::format("WAL segment \"{}\" of the base backup did not arrive in the store", segment.Text()),
                fmt::format("The server archived nothing for {}. {}", HumanDuration(patience),
                            WhatTheArchiverSays(connection)),
                "Without it the backup cannot be restored, so it does not count. See the server's log; archive_command "
                "must be "
                "pg_ark wal-push with the same store (docs/wal.md).");
        log.Wait(fmt::format("the server's archiver has to store WAL segment {} ({})", segment.Text(),
                             WhatTheArchiverSays(connection)));
        waited = true;
        clock.Sleep(kLook);
    }
    if (waited) log.Wait("");
}

}    // namespace ark
