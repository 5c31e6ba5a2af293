#include <fmt/format.h>

#include "cli/recovery.h"
#include "cli/verb.h"

namespace ark::cli {
namespace {

// Whoever recovers to a name finds the first record of that name on the way.
void CheckIsNew(Engine &engine, const std::shared_ptr<Repository> &repository, const std::string &name) {
    std::optional<RestorePoint> there = FindRestorePoint(*repository, *engine.Keys(repository), name);
    if (!there) return;
    throw Error(Code::kAlreadyExists, fmt::format("there is a restore point \"{}\" already", name),
                fmt::format("It lies at {} on timeline {}, of {}.", there->lsn.Text(), there->timeline.value,
                            FormatTime(there->at)),
                "Recovery to a name ends at the first one on its way: give each a name of its own.")
        .WithSqlstate("42710");
}

RestorePoint WriteRecord(Engine &engine, const std::string &name) {
    std::unique_ptr<Connection> connection = engine.Connect();
    if (connection->Query("SELECT pg_catalog.pg_is_in_recovery()").Bool(0, 0))
        throw Error(Code::kUnsupported, "a server in recovery writes no restore point", {}, "Ask its primary.");
    Result archive =
        connection->Query("SELECT pg_catalog.current_setting('archive_mode'), pg_catalog.current_setting('wal_level')");
    if (archive.Text(0, 0) == "off" || archive.Text(0, 1) == "minimal")
        throw Error(Code::kInvalidArgument, "a restore point lies in archived WAL, and the server archives none",
                    fmt::format("archive_mode is {}, wal_level is {}.", archive.Text(0, 0), archive.Text(0, 1)),
                    "See docs/wal.md.")
            .WithSqlstate("55000");
    RestorePoint point;
    point.name = name;
    Result made = connection->Query(
        "SELECT p.lsn, pg_catalog.left(pg_catalog.pg_walfile_name(p.lsn), 8)"
        " FROM pg_catalog.pg_create_restore_point($1) AS p(lsn)",
        {name});
    point.at = engine.clock().Now();
    point.lsn = ParseLsn(made.Text(0, 0));
    point.timeline = ParseTimelineId(made.Text(0, 1));
    // On disk, and its segment on the way to the archive.
    connection->Query("SELECT pg_catalog.pg_switch_wal()");
    return point;
}

Json Run(Engine &engine, const Arguments &arguments) {
    std::string name = arguments.Text("name");
    CheckRestorePointName(name);
    std::shared_ptr<Repository> repository = engine.OpenForWriting();
    CheckIsNew(engine, repository, name);
    DomainKey key = engine.ClusterKey(repository);
    RestorePoint point = WriteRecord(engine, name);
    point.by = arguments.Text("by", engine.Actor());
    point.reason = arguments.Text("reason");
    RecordRestorePoint(*repository, key, point, engine.clock(), engine.random());
    Json result{
        {"state", "done"},
        {"name", name},
        {"lsn", point.lsn.Text()},
        {"timeline", point.timeline.value},
        {"time", FormatTime(point.at, true)},
        {"message", fmt::format("restore point \"{}\" lies at {} on timeline {}; it can be recovered to when its "
                                "segment is in the store",
                                name, point.lsn.Text(), point.timeline.value)}};
    AddRecoveryIfReadable(result, engine, repository);
    return result;
}

}    // namespace

Verb CreateRestorePointVerb() {
    return {
        "create-restore-point",
        "give this moment of the cluster a name to recover to",
        "Writes a record with the name into the server's WAL, sends its segment on the way to the archive, and keeps "
        "in "
        "the store where it lies.\n"
        "Example: pg_ark create-restore-point before-migration; later pg_ark restore --target-name before-migration",
        {{"name", FlagKind::kText, "NAME", "1 to 63 bytes, not used before", true},
         {"reason", FlagKind::kText, "TEXT", "why; kept with it"},
         {"by", FlagKind::kText, "NAME", "who asks for it, for the record"}},
        Run,
        nullptr};
}

}    // namespace ark::cli
