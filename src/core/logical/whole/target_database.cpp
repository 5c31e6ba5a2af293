#include "logical/whole/target_database.h"

#include <fmt/format.h>

#include <utility>

namespace ark {
namespace {

constexpr const char *kApplicationName = "pg_ark";
constexpr std::int64_t kRestoreLock = 0x61726b5f64620001;    // an advisory lock of the target database
constexpr std::string_view kMarkBegin = "pg_ark restore of backup ";
constexpr std::string_view kMarkEnd = " not finished";

bool IsMark(std::string_view comment) { return comment.starts_with(kMarkBegin) && comment.ends_with(kMarkEnd); }

// What template0 has not: up to ten objects, as text for people. 16384 is the first oid that no catalog comes with.
constexpr const char *kUserObjects =
    "SELECT what FROM ("
    " SELECT 'schema ' || n.nspname FROM pg_catalog.pg_namespace n WHERE n.oid >= 16384 AND n.nspname !~ "
    "'^pg_(toast|temp)'"
    " UNION ALL SELECT 'extension ' || e.extname FROM pg_catalog.pg_extension e WHERE e.oid >= 16384"
    " UNION ALL SELECT 'relation ' || n.nspname || '.' || c.relname FROM pg_catalog.pg_class c"
    "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    "  WHERE c.oid >= 16384 AND n.nspname !~ '^pg_' AND c.relkind NOT IN ('i', 'I')"
    " UNION ALL SELECT 'function ' || n.nspname || '.' || p.proname FROM pg_catalog.pg_proc p"
    "  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE p.oid >= 16384 AND n.nspname !~ '^pg_'"
    " UNION ALL SELECT 'type ' || n.nspname || '.' || t.typname FROM pg_catalog.pg_type t"
    "  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace"
    "  WHERE t.oid >= 16384 AND n.nspname !~ '^pg_' AND t.typrelid = 0 AND t.typelem = 0"
    " UNION ALL SELECT 'large object ' || l.oid FROM pg_catalog.pg_largeobject_metadata l"
    ") AS objects(what) ORDER BY what LIMIT 10";

}    // namespace

TargetDatabase::TargetDatabase(const DatabaseRestoreRequest &request, Ticker &ticker, Log &log)
    : request_(request), ticker_(ticker), log_(log) {
    ConnectForMaintenance();
    if (maintenance_->Query("SELECT pg_catalog.current_database()").Text(0, 0) == request.target)
        throw Error(
            Code::kInvalidArgument,
            fmt::format("database \"{}\" is the one that is connected to while databases are made", request.target), {},
            "Restore into a new name, or connect to another database (ARK_DATABASE, or dbname in conninfo).");
}

void TargetDatabase::ConnectForMaintenance() {
    maintenance_ =
        std::make_unique<Connection>(request_.conninfo, request_.maintenance, kApplicationName, NeverCancelled(), log_);
    ApplySessionContract(*maintenance_, false);
    maintenance_->Execute("SET client_encoding = 'UTF8'");
}

void TargetDatabase::Maintain(const std::string &sql) {
    try {
        maintenance_->Execute(sql);
    } catch (const Error &error) {    // it was silent as long as the restore took
        if (error.code != Code::kUnavailable) throw;
        ConnectForMaintenance();
        maintenance_->Execute(sql);
    }
}

bool TargetDatabase::IsOurs() {
    Maintain("SELECT");
    Result found = maintenance_->Query("SELECT oid FROM pg_catalog.pg_database WHERE datname = $1", {request_.target});
    return found.rows() == 1 && found.Unsigned(0, 0) == oid_;
}

bool TargetDatabase::Exists() {
    return maintenance_->Query("SELECT FROM pg_catalog.pg_database WHERE datname = $1", {request_.target}).rows() > 0;
}

void TargetDatabase::Connect() {
    guard_ = std::make_unique<Connection>(request_.conninfo, request_.target, kApplicationName, ticker_, log_);
    ApplySessionContract(*guard_, false);
    guard_->Execute("SET client_encoding = 'UTF8'");
}

void TargetDatabase::CheckEmpty() {
    if (!guard_) Connect();
    if (!guard_->Query(fmt::format("SELECT pg_catalog.pg_try_advisory_lock({})", kRestoreLock)).Bool(0, 0))
        throw Error(Code::kConflict, fmt::format("another restore into database \"{}\" is running", request_.target));
    Result comment = guard_->Query(
        "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database WHERE datname = $1",
        {request_.target});
    comment_before_.reset();
    if (!comment.IsNull(0, 0)) comment_before_ = comment.String(0, 0);
    Result objects = guard_->Query(kUserObjects);
    bool unfinished = comment_before_ && IsMark(*comment_before_);
    if (objects.rows() == 0) {
        if (unfinished) comment_before_.reset();
        return;
    }
    if (unfinished)
        throw Error(Code::kAlreadyExists,
                    fmt::format("database \"{}\" holds a part of a restore that did not end", request_.target),
                    fmt::format("its comment is: {}", *comment_before_),
                    fmt::format("Nothing is lost with it: DROP DATABASE {}, then restore again.",
                                QuoteIdentifier(request_.target)));
    std::string some;
    for (int row = 0; row < objects.rows(); row++) some += (row == 0 ? "" : ", ") + objects.String(row, 0);
    throw Error(Code::kAlreadyExists, fmt::format("database \"{}\" exists already and is not empty", request_.target),
                fmt::format("it holds {}{}", some, objects.rows() == 10 ? ", …" : ""),
                "Restore into a new name, look at what came back, and rename the databases.");
}

void TargetDatabase::Comment(const std::optional<std::string> &text) {
    maintenance_->Execute(fmt::format("COMMENT ON DATABASE {} IS {}", QuoteIdentifier(request_.target),
                                      text ? QuoteLiteral(*text) : "NULL"));
}

void TargetDatabase::Take(const std::string &options, const BackupId &backup) {
    mark_ = fmt::format("{}{}{}", kMarkBegin, backup, kMarkEnd);
    if (!Exists()) {
        try {
            maintenance_->Execute(
                fmt::format("CREATE DATABASE {} TEMPLATE template0{}", QuoteIdentifier(request_.target), options));
        } catch (Error &error) {
            error.InContext(fmt::format("could not create database \"{}\"", request_.target));
            throw;
        }
        made_ = true;
        oid_ = maintenance_->Query("SELECT oid FROM pg_catalog.pg_database WHERE datname = $1", {request_.target})
                   .Unsigned(0, 0);
    }
    CheckEmpty();
    taken_ = true;
    try {
        Comment(mark_);
        marked_ = true;
    } catch (const Error &error) {    // somebody else's database: it can be filled, and not be marked
        if (made_ || error.code != Code::kPermissionDenied) throw;
    }
}

void TargetDatabase::Finish() {
    // The loaders' commits did not wait for the disk. The last one does, and all WAL before it with it.
    if (!marked_)
        guard_->Execute("SET synchronous_commit = 'local'; SELECT pg_catalog.lo_unlink(pg_catalog.lo_create(0))");
    guard_.reset();
    Maintain("SET synchronous_commit = 'local'");
    if (marked_) Comment(comment_before_);
    made_ = taken_ = false;
}

TargetDatabase::~TargetDatabase() {
    Error unknown(Code::kInternal, "");
    if (made_) GiveUp(unknown);
}

void TargetDatabase::GiveUp(Error &error) noexcept {
    guard_.reset();
    bool made = std::exchange(made_, false), taken = std::exchange(taken_, false);
    auto advise = [&](const std::string &text) { error.hint += (error.hint.empty() ? "" : " ") + text; };
    if (taken && !made)
        advise(
            fmt::format("Database \"{}\" existed before and may hold a part of the restore now: drop it and make it "
                        "again.",
                        request_.target));
    if (!made) return;
    try {
        if (!IsOurs()) return;    // somebody dropped it, and may have made another
        maintenance_->Execute(fmt::format("DROP DATABASE IF EXISTS {}{}", QuoteIdentifier(request_.target),
                                          maintenance_->server_version_num() >= 130000 ? " WITH (FORCE)" : ""));
    } catch (const Error &failed) {    // the first error is the one to tell
        advise(fmt::format("Database \"{}\" holds a part of the restore and could not be dropped ({}): drop it.",
                           request_.target, failed.message));
    }
}

}    // namespace ark
