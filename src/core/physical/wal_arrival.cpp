#include "physical/wal_arrival.h"

#include <fmt/format.h>

namespace ark {
namespace {

constexpr auto kLook = std::chrono::milliseconds(200);

}    // namespace

WalOfBackup WalOf(Lsn start, const StoppedBackup &stopped, WalSegmentSize size) {
    return {SegmentName::Containing(stopped.parsed.timeline, start, size),
            SegmentName::Containing(stopped.parsed.timeline, {stopped.stop.value - 1}, size), size};
}

std::uint64_t ServerArchiver::Archived() {
    return connection_.Query("SELECT archived_count FROM pg_catalog.pg_stat_archiver").Unsigned(0, 0);
}

std::string ServerArchiver::Says() {
    Result said = connection_.Query(
        "SELECT last_failed_wal, last_failed_time, last_archived_wal FROM pg_catalog.pg_stat_archiver"
        " WHERE last_failed_time > coalesce(last_archived_time, '-infinity')");
    if (said.rows() == 0) return "The server's archiver tells of no failure.";
    return fmt::format("The server's archiver failed with \"{}\" at {}.", said.Text(0, 0), said.Text(0, 1));
}

std::string ServerArchiver::NextStep() const {
    return "Without it the backup cannot be restored, so it does not count. See the server's log; archive_command must "
           "be pg_ark wal-push with the same store (docs/wal.md).";
}

void AwaitWal(const Repository &repository, const WalOfBackup &wal, Duration patience, WalArchiver &archiver,
              Clock &clock, Ticker &ticker, Log &log) {
    std::uint64_t archived = 0;    // by the server, of any kind
    SegmentName segment = wal.first;
    SteadyPoint deadline = clock.Steady() + patience;
    bool waited = false;
    while (segment <= wal.last) {
        ticker.Check();
        if (repository.Stat(layout::Wal(WalFileName::OfSegment(segment))) && archiver.IsDoneWith(segment)) {
            segment = segment.Next(wal.size);
            continue;
        }
        archiver.Check();
        if (std::uint64_t count = archiver.Archived(); count != archived) {
            archived = count;
            deadline = clock.Steady() + patience;
        }
        std::string says = archiver.Says();
        if (clock.Steady() >= deadline)
            throw Error(
                Code::kUnavailable,
                fmt::format("WAL segment \"{}\" of the base backup did not arrive in the store", segment.Text()),
                fmt::format("Nothing was archived for {}. {}", HumanDuration(patience), says), archiver.NextStep());
        log.Wait(fmt::format("the server's archiver has to store WAL segment {} ({})", segment.Text(), says));
        waited = true;
        clock.Sleep(kLook);
    }
    if (waited) log.Wait("");
}

}    // namespace ark
