#include "extension/catalog.h"

#include "extension/boundary.h"

namespace ark::pg {

namespace query {
const char kReserveJobIds[] = "SELECT ark_private.reserve_job_ids($1::integer)";
const char kQueueJob[] = "SELECT ark_private.queue_job($1::bigint, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::jsonb)";
const char kBeginJob[] =
    "SELECT arguments, restore_id, ark_private.expected_repositories() FROM ark_private.begin_job($1::bigint)";
const char kNoteTransaction[] = "SELECT ark_private.note_transaction($1::bigint, $2::xid8, $3)";
const char kWasCommitted[] = "SELECT ark_private.was_committed($1::bigint)";
const char kFinishJob[] = "SELECT ark_private.finish_job($1::bigint, $2::jsonb)";
const char kInterruptJobs[] = "SELECT ark_private.interrupt_jobs($1::bigint[])";
const char kScheduleTurn[] =
    "SELECT job_id, action, verb, source, database, kind, exclusive, schedule, light, caller, arguments FROM "
    "ark_private.schedule_turn() UNION ALL SELECT job_id, action, verb, source, database, kind, exclusive, schedule, "
    "light, "
    "caller, arguments FROM ark_private.settle_restores()";
const char kLookTurn[] =
    "SELECT job_id, action, verb, source, database, kind, exclusive, schedule, light, caller, arguments FROM "
    "ark_private.look_into_store()";
const char kOwedBackupTurn[] =
    "SELECT job_id, action, verb, source, database, kind, exclusive, schedule, light, caller, arguments FROM "
    "ark_private.owed_backup_turn()";
const char kNextWake[] = "SELECT ark_private.next_wake()";
const char kSealAudit[] = "SELECT ark_private.seal_audit()";
const char kStandbyNames[] =
    "WITH f AS (SELECT f.seqno, f.setting, f.sourcefile ~ '/postgresql[.]auto[.]conf$' AS auto FROM pg_file_settings "
    "AS "
    "f WHERE lower(f.name) = 'synchronous_standby_names') SELECT (SELECT f.setting FROM f WHERE NOT f.auto ORDER BY "
    "f.seqno DESC LIMIT 1), (SELECT f.setting FROM f WHERE f.auto ORDER BY f.seqno DESC LIMIT 1), (SELECT s.source NOT "
    "IN ('default', 'configuration file') FROM pg_settings AS s WHERE s.name = 'synchronous_standby_names')";
const char kStorePosition[] =
    "SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn, coalesce((SELECT max(r.flush_lsn - '0/0'::pg_lsn) FROM "
    "pg_stat_replication AS r WHERE r.application_name = $1 AND r.state = 'streaming'), 0)";
const char kJobRows[] = "SELECT * FROM ark_private.job_rows($1::bigint)";
const char kRestoreRows[] = "SELECT * FROM ark_private.restore_rows($1::bigint)";
const char kCheckRows[] = "SELECT * FROM ark_private.check_rows($1::bigint)";
}    // namespace query

namespace {

constexpr int kMostParameters = 12;

struct Arguments {
    int count;
    Oid types[kMostParameters];
    Datum values[kMostParameters];
    char nulls[kMostParameters + 1];
};

Arguments Bind(std::initializer_list<const char *> parameters) {
    Arguments out;
    out.count = 0;
    std::memset(out.nulls, 0, sizeof out.nulls);
    for (const char *parameter : parameters) {
        out.types[out.count] = TEXTOID;
        out.values[out.count] = parameter ? CStringGetTextDatum(parameter) : Datum(0);
        out.nulls[out.count] = parameter ? ' ' : 'n';
        out.count++;
    }
    return out;
}

Row RowAt(uint64 index, MemoryContext context) {
    MemoryContext before = MemoryContextSwitchTo(context);
    Row row;
    row.columns = SPI_tuptable->tupdesc->natts;
    row.values = static_cast<char **>(palloc0(sizeof(char *) * static_cast<std::size_t>(row.columns)));
    for (int i = 0; i < row.columns; i++) {
        const char *value = SPI_getvalue(SPI_tuptable->vals[index], SPI_tuptable->tupdesc, i + 1);
        row.values[i] = value ? pstrdup(value) : nullptr;
    }
    MemoryContextSwitchTo(before);
    return row;
}

void Execute(const char *sql, Arguments &arguments) {
    int result =
        SPI_execute_with_args(sql, arguments.count, arguments.types, arguments.values, arguments.nulls, false, 0);
    if (result < 0) elog(ERROR, "query failed with %s: %s", SPI_result_code_string(result), sql);
}

void StoreRows(ReturnSetInfo *result) {
    TupleDesc from = SPI_tuptable->tupdesc;
    auto *values = static_cast<Datum *>(palloc(sizeof(Datum) * static_cast<std::size_t>(from->natts)));
    auto *nulls = static_cast<bool *>(palloc(sizeof(bool) * static_cast<std::size_t>(from->natts)));
    if (from->natts != result->setDesc->natts)
        elog(ERROR, "the query returns %d columns, the function %d", from->natts, result->setDesc->natts);
    for (uint64 i = 0; i < SPI_processed; i++) {
        heap_deform_tuple(SPI_tuptable->vals[i], from, values, nulls);
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
}

}    // namespace

OwnerScope BeginOwner() {
    OwnerScope scope;
    GetUserIdAndSecContext(&scope.user, &scope.security_context);
    scope.guc_level = NewGUCNestLevel();
    SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, scope.security_context | SECURITY_LOCAL_USERID_CHANGE);
    set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                      false);
    return scope;
}

void EndOwner(const OwnerScope &scope) {
    AtEOXact_GUC(false, scope.guc_level);
    SetUserIdAndSecContext(scope.user, scope.security_context);
}

bool RunInTransaction(void (*work)(void *), void *context, Failure *failure) {
    MemoryContext before = CurrentMemoryContext;
    volatile bool worked = true;
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    MemoryContextSwitchTo(before);    // what the work returns outlives the transaction
    PG_TRY();
    {
        PushActiveSnapshot(GetTransactionSnapshot());
        work(context);
        PopActiveSnapshot();
        CommitTransactionCommand();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(before);
        EmitErrorReport();
        ErrorData *error = CopyErrorData();
        FlushErrorState();
        AbortCurrentTransaction();
        if (failure) {
            *failure = {};
            failure->sqlstate = error->sqlerrcode;
            CopyText(failure->message, sizeof failure->message, error->message ? error->message : "");
            CopyText(failure->detail, sizeof failure->detail, error->detail ? error->detail : "");
            CopyText(failure->hint, sizeof failure->hint, error->hint ? error->hint : "");
        }
        FreeErrorData(error);
        worked = false;
    }
    PG_END_TRY();
    MemoryContextSwitchTo(before);
    pgstat_report_stat(true);
    return worked;
}

void CommitLocally() { SetConfigOption("synchronous_commit", "local", PGC_USERSET, PGC_S_OVERRIDE); }

Row RunQuery(const char *sql, std::initializer_list<const char *> parameters) {
    MemoryContext context = CurrentMemoryContext;
    OwnerScope scope = BeginOwner();
    SPI_connect();
    Arguments arguments = Bind(parameters);
    Execute(sql, arguments);
    Row row{0, nullptr};
    if (SPI_tuptable && SPI_processed > 0) row = RowAt(0, context);
    SPI_finish();
    EndOwner(scope);
    return row;
}

void RunQueryRows(const char *sql, std::initializer_list<const char *> parameters, void (*visit)(void *, const Row &),
                  void *user) {
    MemoryContext context = CurrentMemoryContext;
    OwnerScope scope = BeginOwner();
    SPI_connect();
    Arguments arguments = Bind(parameters);
    Execute(sql, arguments);
    for (uint64 i = 0; SPI_tuptable && i < SPI_processed; i++) {
        MemoryContext inner = MemoryContextSwitchTo(context);
        visit(user, RowAt(i, context));
        MemoryContextSwitchTo(inner);
    }
    SPI_finish();
    EndOwner(scope);
}

void EmitRows(FunctionCallInfo fcinfo, const char *sql, std::initializer_list<const char *> parameters) {
    OwnerScope scope = BeginOwner();
    SPI_connect();
    Arguments arguments = Bind(parameters);
    Execute(sql, arguments);
    StoreRows(reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo));
    SPI_finish();
    EndOwner(scope);
}

void EmitNewestRows(FunctionCallInfo fcinfo, const char *sql, std::initializer_list<const char *> parameters) {
    OwnerScope scope = BeginOwner();
    SPI_connect();
    Arguments arguments = Bind(parameters);
    SPIPlanPtr plan = SPI_prepare(sql, arguments.count, arguments.types);
    if (!plan) elog(ERROR, "could not prepare: %s", sql);
    int result = SPI_execute_snapshot(plan, arguments.values, arguments.nulls, GetLatestSnapshot(), InvalidSnapshot,
                                      true, false, 0);
    if (result != SPI_OK_SELECT) elog(ERROR, "query failed with %s: %s", SPI_result_code_string(result), sql);
    StoreRows(reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo));
    SPI_finish();
    EndOwner(scope);
}

Oid FindExtension() { return get_extension_oid("pg_ark", true); }

}    // namespace ark::pg
