#include "config/settings.h"
#include "config/shapes.h"

namespace ark {
namespace {

constexpr std::int64_t kSecond = 1'000'000, kMinute = 60 * kSecond, kDay = 24 * 60 * kMinute;
constexpr std::int64_t kMebibyte = std::int64_t{1} << 20, kTebibyte = std::int64_t{1} << 40;
constexpr unsigned kBoth = kUsedByServer | kUsedByEngine;
using enum SettingType;
using enum SettingContext;

// clang-format off
constexpr Setting kSettings[] = {
    {.name = "store", .group = "Where backups live", .type = kText, .default_value = "", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::Stores, .unset = "a directory pg_ark_store beside the data directory", .context = kReload, .for_superusers = false, .may_hold_secret = true, .used_by = kBoth,
     .summary = "where backups are kept: one URL, or several with commas between them",
     .help = "The first store is read first, and gets the backups; further ones do not get them yet, and every status says so. WAL is archived to all: the server keeps it until every store has it that is not ack=async; "
             "what is ack=async is copied there behind the others. Parameters stand in the URL: name, region, endpoint, profile, path_style, sse, kms_key, "
             "storage_class, ca_file, max_parts, ack=required (the default) or ack=async. Credentials are never part of it. A copy on the disk of the database "
             "is not a backup, and every status says so as long as the default is in use.",
     .example = "s3://acme-backups/prod?region=eu-central-1"},
    {.name = "cluster", .group = "Where backups live", .type = kText, .default_value = "", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::ClusterName, .unset = "the server's cluster_name, or main", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kBoth,
     .summary = "the name of this cluster in the store",
     .help = "Several clusters may share a store: the path of each is this name and the system identifier. Choose it before the first backup; under "
             "another name the earlier backups are another cluster's. The command line takes the full path too (name.systemidentifier), to read "
             "the backups of any cluster without its server.",
     .example = "shop"},
    {.name = "tls_min_version", .group = "Where backups live", .type = kEnum, .default_value = "1.2", .min = 0, .max = 0, .unit = "", .choices = "1.2|1.3",
     .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "the oldest TLS version spoken with a store",
     .help = "A store that offers only older versions is refused with an error that says so.",
     .example = "1.3"},

    {.name = "encryption_key", .group = "Secrets", .type = kText, .default_value = "", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::SecretReference, .unset = "backups are not encrypted", .context = kConfigFile, .for_superusers = true, .may_hold_secret = true, .used_by = kBoth,
     .summary = "where the key that encrypts backups is found",
     .help = "A reference, never the key: file:PATH (a file that only its owner may read), env:NAME (a variable of the engine's environment) or "
             "command:LINE (its standard output). Without the key no backup can be restored: export a recovery sheet with pg_ark key export and "
             "keep it elsewhere.",
     .example = "file:/etc/pg_ark/key"},
    {.name = "secrets_dir", .group = "Secrets", .type = kText, .default_value = "", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::AbsolutePath, .unset = "SQL may name no secret file", .context = kConfigFile, .for_superusers = true, .may_hold_secret = false, .used_by = kBoth,
     .summary = "the only directory in which SQL may name files with secrets",
     .help = "Functions that take a reference to a secret accept file: only below this directory, so that a role with rights in the schema ark cannot "
             "read other files of the server.",
     .example = "/etc/pg_ark/secrets"},

    {.name = "database", .group = "The server", .type = kText, .default_value = "postgres", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::DatabaseName, .unset = "", .context = kRestart, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByServer,
     .summary = "the database in which the extension is created",
     .help = "The launcher and the scheduler connect to it, and the catalog lives in it. Any database can be backed up from there. An application team "
             "that owns one database sets this to that database.",
     .example = "app"},
    {.name = "enabled", .group = "The server", .type = kBool, .default_value = "on", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByServer,
     .summary = "whether pg_ark does anything at all",
     .help = "off is the switch for emergencies: no job is started, running ones are cancelled, and nothing else of the server changes.",
     .example = "off"},
    {.name = "conninfo", .group = "The server", .type = kText, .default_value = "", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::ConnectionString, .unset = "the local socket, as the bootstrap superuser", .context = kReload, .for_superusers = true, .may_hold_secret = true, .used_by = kBoth,
     .summary = "how the engine connects to the database server",
     .help = "A libpq connection string without a password (use passfile) and without dbname. A role with pg_read_all_data, "
             "pg_read_all_settings and BYPASSRLS suffices for backups; ark.check_store and pg_ark check print what is missing. Granted SET on the "
             "parameters log_min_messages and log_min_error_statement too, it leaves no line in the server's log.",
     .example = "host=/var/run/postgresql user=backup"},
    {.name = "pg_bindir", .group = "The server", .type = kText, .default_value = "", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::AbsolutePath, .unset = "beside the engine, then the PATH", .context = kConfigFile, .for_superusers = true, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "the directory of pg_dump and pg_restore",
     .help = "Their major version must be at least that of the server; an older pg_dump is refused before anything is read.",
     .example = "/usr/lib/postgresql/17/bin"},

    {.name = "compression", .group = "How backups are taken", .type = kText, .default_value = "zstd:3", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::Compression, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "how data is compressed: zstd, gzip or none, with a level",
     .help = "zstd:1 to zstd:19, gzip:1 to gzip:9, or none. What earlier backups stored with another setting stays readable and is reused.",
     .example = "gzip:6"},
    {.name = "jobs", .group = "How backups are taken", .type = kInt, .default_value = "2", .min = 1, .max = 64, .unit = "connections", .choices = "",
     .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "connections that read or write at the same time in one job",
     .help = "Each is a connection to the server and a thread that compresses and uploads.",
     .example = "4"},
    {.name = "max_rate", .group = "How backups are taken", .type = kSize, .default_value = "0", .min = 0, .max = kTebibyte, .unit = "per second", .choices = "",
     .shape = nullptr, .unset = "no limit", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "the most bytes a second that a job sends to or reads from a store",
     .help = "For a network that others share. It bounds each job by itself. A base backup reads the files of the cluster no faster either, so that it "
             "leaves the disks to the server.",
     .example = "50MB"},
    {.name = "standby", .group = "How backups are taken", .type = kEnum, .default_value = "never", .min = 0, .max = 0, .unit = "",
     .choices = "never|prefer|require|only", .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "whether a base backup may copy the files of a standby",
     .help = "The engine copies the server on whose machine it runs. never: a primary only. prefer: a primary or a standby, whichever it is. require: a standby "
             "only. In both a standby's backup is begun and ended on its primary. only: a standby only, whose primary is not asked; such a backup waits until the "
             "primary has finished a WAL segment.",
     .example = "prefer"},
    {.name = "primary_conninfo", .group = "How backups are taken", .type = kText, .default_value = "", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::ConnectionString, .unset = "primary_conninfo of the standby", .context = kReload, .for_superusers = true, .may_hold_secret = true, .used_by = kUsedByEngine,
     .summary = "how a base backup of a standby reaches the primary",
     .help = "A libpq connection string without a password (use passfile) and without dbname. The role needs EXECUTE on pg_backup_start and pg_backup_stop, and on pg_switch_wal where the standby is fed by an archive alone.",
     .example = "host=db1 user=backup"},
    {.name = "standby_max_lag", .group = "How backups are taken", .type = kDuration, .default_value = "1min", .min = 0, .max = kDay, .unit = "", .choices = "",
     .shape = nullptr, .unset = "no limit", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "how long a standby may take to replay what its primary has written, to be copied",
     .help = "It is measured: a standby that has not replayed within this time what its primary had when the backup began is not copied, and the error "
             "says how far behind it is and why.",
     .example = "10min"},
    {.name = "standby_deadline", .group = "How backups are taken", .type = kDuration, .default_value = "15min", .min = kSecond, .max = kDay, .unit = "", .choices = "",
     .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "how long a backup of a standby only waits for its WAL",
     .help = "With standby = only nobody tells the primary to finish the WAL segment in which the backup ends. On a quiet primary without archive_timeout "
             "somebody has to: SELECT pg_switch_wal().",
     .example = "1h"},
    {.name = "memory_limit", .group = "How backups are taken", .type = kSize, .default_value = "256MB", .min = 64 * kMebibyte, .max = kTebibyte, .unit = "",
     .choices = "", .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "the memory a job plans with",
     .help = "Buffers of all connections together. A row that is larger than a buffer takes up to three times its size on top while it is read.",
     .example = "1GB"},
    {.name = "yield_after", .group = "How backups are taken", .type = kDuration, .default_value = "2s", .min = 0, .max = kDay, .unit = "", .choices = "",
     .shape = nullptr, .unset = "never give way", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "how long another session may wait behind the locks of an export",
     .help = "An export holds the weakest lock there is on each table, but a session that wants to change a table waits behind it, and others behind that "
             "session. After this time the export gives way, says so, and is tried again.",
     .example = "10s"},
    {.name = "max_snapshot_age", .group = "How backups are taken", .type = kDuration, .default_value = "0", .min = 0, .max = 30 * kDay, .unit = "", .choices = "",
     .shape = nullptr, .unset = "no limit", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "how long an export may hold its snapshot",
     .help = "While a snapshot is held, vacuum cannot remove rows that died after it. An export that would hold it longer ends with an error.",
     .example = "6h"},
    {.name = "full_every", .group = "How backups are taken", .type = kDuration, .default_value = "30 days", .min = kDay, .max = 3650 * kDay, .unit = "", .choices = "",
     .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "how old stored data may be to be reused instead of stored again",
     .help = "Data that does not change is stored anew after this time, so that no byte exists only once for ever.",
     .example = "7 days"},
    {.name = "rewrite_share", .group = "How backups are taken", .type = kInt, .default_value = "10", .min = 0, .max = 100, .unit = "percent", .choices = "",
     .shape = nullptr, .unset = "nothing is stored again for tidiness", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "the share of a backup's bytes that may be stored again to tidy the store",
     .help = "A backup stores afresh what lies in packs that are mostly dead, or scattered over so many that reading it takes too many requests, within this share, so that restores stay fast and space is given back.",
     .example = "20"},
    {.name = "reuse_max_age", .group = "How backups are taken", .type = kDuration, .default_value = "90 days", .min = kDay, .max = 3650 * kDay, .unit = "", .choices = "",
     .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "how long ago reused data may have been written and read back",
     .help = "Data stored longer ago than this is not reused but stored again, even where full_every allows it: nothing is trusted for ever.",
     .example = "30 days"},

    {.name = "archive_parallel", .group = "WAL archiving", .type = kInt, .default_value = "4", .min = 1, .max = 64, .unit = "", .choices = "",
     .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "how many WAL segments are sent to or fetched from a store at once",
     .help = "A server asks for one segment after the other. While one is sent, the next that wait are sent too, and answered at once when they are "
             "asked for; recovery finds the next ones fetched already. Each costs a connection to the store and a few MB of memory.",
     .example = "8"},
    {.name = "wal_compression", .group = "WAL archiving", .type = kText, .default_value = "zstd:1", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::Compression, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByEngine,
     .summary = "how archived WAL is compressed",
     .help = "As ark.compression. A fast level keeps the archive from falling behind a busy server.",
     .example = "zstd:3"},

    {.name = "wal_ship_interval", .group = "WAL archiving", .type = kDuration, .default_value = "10s", .min = 0, .max = kDay, .unit = "", .choices = "",
     .shape = nullptr, .unset = "WAL is stored when its segment is finished, and not before", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kBoth,
     .summary = "how often the WAL of the unfinished segment is stored",
     .help = "What a server that is lost for ever takes with it: what was committed within this time and that of one upload. While it is above 0, ark.store is set and the server archives with pg_ark, "
             "the server runs a process that ships its WAL. Each time costs a request to the store, on a quiet server two.",
     .example = "1s"},

    {.name = "wal_sync", .group = "WAL archiving", .type = kBool, .default_value = "off", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kBoth,
     .summary = "whether commits wait until the store has their WAL",
     .help = "The shipper stores what comes at once, as a synchronous standby named pg_ark_wal_sync, which the server puts into synchronous_standby_names once it has caught up. "
             "What was acknowledged survives the loss of the server; each commit takes the time of a request to the store. It needs what ark.wal_ship_interval needs. docs/wal.md tells what it costs.",
     .example = "on"},
    {.name = "wal_sync_timeout", .group = "WAL archiving", .type = kDuration, .default_value = "30s", .min = 0, .max = kDay, .unit = "", .choices = "",
     .shape = nullptr, .unset = "for ever", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByServer,
     .summary = "how long commits wait for a store that does not get ahead",
     .help = "Then pg_ark takes itself out of synchronous_standby_names: commits go on without the store, ark.status says so as critical, and they wait again once the store has caught up.",
     .example = "5min"},
    {.name = "archive_backlog_limit", .group = "WAL archiving", .type = kSize, .default_value = "0", .min = 0, .max = 1024 * kTebibyte, .unit = "", .choices = "",
     .shape = nullptr, .unset = "no limit: the server keeps its WAL until it is archived", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kBoth,
     .summary = "how much WAL may wait while it cannot be archived, before the oldest is given up",
     .help = "A server whose WAL cannot be archived keeps it until its disk is full, and then stops. With a limit it goes on: the oldest WAL is given up without being stored, and nothing behind it can be recovered to until the next base backup. "
             "Each such gap is written down in pg_wal and in the stores, told in the log, and a critical problem of ark.status. WAL that a store refuses (another server's, another content) is never given up.",
     .example = "100GB"},
    {.name = "archive_backlog_patience", .group = "WAL archiving", .type = kDuration, .default_value = "15s", .min = 0, .max = kDay, .unit = "", .choices = "",
     .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kBoth,
     .summary = "how long archiving must have failed before archive_backlog_limit gives WAL up",
     .help = "A store that is away for a moment costs no WAL, however much waits.",
     .example = "5min"},
    {.name = "async_limit", .group = "WAL archiving", .type = kDuration, .default_value = "24h", .min = 0, .max = 3650 * kDay, .unit = "", .choices = "",
     .shape = nullptr, .unset = "nothing waits for a store with ack=async", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kBoth,
     .summary = "how long WAL is kept for a store with ack=async that has not copied it yet",
     .help = "Expiry leaves WAL alone that such a store still lacks, for this time since it was archived. A store that is behind for longer is a critical problem of ark.status; what it then loses is a gap that it keeps on record.",
     .example = "3 days"},

    {.name = "allow_same_disk_wal", .group = "WAL archiving", .type = kBool, .default_value = "off", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByServer,
     .summary = "whether archive_library = 'pg_ark' may archive to a directory on the data directory's disk",
     .help = "Such an archive fills the disk that the server needs, and is lost with it. While this is off the server keeps its WAL and says why.",
     .example = "on"},

    {.name = "scheduler", .group = "Scheduler and jobs", .type = kBool, .default_value = "on", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = nullptr, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByServer,
     .summary = "whether schedules are run",
     .help = "off leaves jobs that are started by hand as they are. To pause schedules for a while, with a record of who did it and when, use "
             "ark.pause_scheduler().",
     .example = "off"},
    {.name = "timezone", .group = "Scheduler and jobs", .type = kText, .default_value = "UTC", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::ZoneName, .unset = "", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kBoth,
     .summary = "the time zone of schedules that name none, and of retention's days",
     .help = "A name of the IANA list, in exactly its spelling. What happens when clocks change is described with ark.set_schedule.",
     .example = "Europe/Vienna"},
    {.name = "catalog_refresh_interval", .group = "Scheduler and jobs", .type = kDuration, .default_value = "5min", .min = 0, .max = kDay, .unit = "", .choices = "",
     .shape = nullptr, .unset = "the catalog learns of them by ark.rebuild_catalog() alone", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByServer,
     .summary = "how often the server looks into the store for what others did there",
     .help = "Backups that the program took, on this machine or on a standby, and backups that were deleted or expired elsewhere: ark.backups and ark.recovery_windows follow within this time. "
             "A look lists names, a request for 250 backups, and reads only what is new; one that finds something is in ark.job_history.",
     .example = "1min"},
    {.name = "max_concurrent_jobs", .group = "Scheduler and jobs", .type = kInt, .default_value = "2", .min = 1, .max = 64, .unit = "jobs", .choices = "",
     .shape = nullptr, .unset = "", .context = kRestart, .for_superusers = false, .may_hold_secret = false, .used_by = kUsedByServer,
     .summary = "jobs that run at the same time",
     .help = "Each takes one of max_worker_processes. Further jobs wait in a queue; jobs of one source, database and kind always run one after the other.",
     .example = "4"},

    {.name = "environment", .group = "What is recorded", .type = kText, .default_value = "", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::ShortLabel, .unset = "none", .context = kReload, .for_superusers = false, .may_hold_secret = false, .used_by = kBoth,
     .summary = "what this server is: production, staging, …",
     .help = "Recorded with each backup, for those who look for one: nothing depends on it.",
     .example = "production"},
    {.name = "actor", .group = "What is recorded", .type = kText, .default_value = "", .min = 0, .max = 0, .unit = "", .choices = "",
     .shape = shape::ShortLabel, .unset = "the session's user", .context = kSession, .for_superusers = false, .may_hold_secret = false, .used_by = kBoth,
     .summary = "the person on whose behalf a session acts",
     .help = "For applications that connect with one role for many people. It is recorded beside the session's user, never instead of it, and gives no "
             "rights.",
     .example = "alice@example.com"},
};
// clang-format on

}    // namespace

std::span<const Setting> Settings() { return kSettings; }

}    // namespace ark
