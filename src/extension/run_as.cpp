// SQL as another role, in a security-restricted context: what the engine uses to touch live tables, so that no code that
// a user wrote (trigger, CHECK, domain, default, generated column, index or filter function) runs with more rights than
// that user. The engine declares both functions in pg_temp of its own session:
//
//   CREATE FUNCTION pg_temp.ark_run_as(oid, text, boolean) RETURNS bigint LANGUAGE c AS '$libdir/pg_ark', 'ark_run_as'
//   CREATE FUNCTION pg_temp.ark_select_as(oid, text, boolean) RETURNS SETOF record LANGUAGE c AS '$libdir/pg_ark',
//     'ark_select_as'
//
// They need nothing of the server but the library: no shared memory, no extension in that database.
//
// For a table's own owner FORCE ROW LEVEL SECURITY does not count, as it does not in referential integrity checks: the owner
// may turn it off, and a restore that saw some rows only would lose the others.
//
// Deferred triggers would run at COMMIT as the session's user, who is a superuser. The server refuses to queue them in a
// security-restricted operation, so all constraints are made immediate before each statement, whatever the caller set.
// Rows of tables that refer to each other in a circle therefore belong in one statement (WITH a AS (INSERT …) INSERT …).
#include "extension/boundary.h"

namespace ark::pg {
namespace {

int depth = 0;    // of calls that are at work

void MakeConstraintsImmediate() {
    ConstraintsSetStmt *statement = makeNode(ConstraintsSetStmt);
    statement->constraints = NIL;    // all
    AfterTriggerSetState(statement);
}

struct Scope {
    Oid user;
    int security_context;
    int guc_level;
    bool read_only;
};

void CheckCaller(Oid role) {
    if (!superuser() || InLocalUserIdChange() || depth > 0)
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("only a superuser's own session may act as another role")));
    if (!OidIsValid(role) || !SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("role with OID %u does not exist", role)));
}

Scope Become(Oid role, bool read_only, bool as_owner) {
    Scope scope;
    GetUserIdAndSecContext(&scope.user, &scope.security_context);
    scope.guc_level = NewGUCNestLevel();
    // What the role's code changes of the session is undone with this level.
    set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                      false);
    // As a subtransaction would: since 16 the setting cannot be saved with a level. The role's code cannot turn it off.
    scope.read_only = XactReadOnly;
    XactReadOnly = XactReadOnly || read_only;
    SetUserIdAndSecContext(role, scope.security_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION |
                                     (as_owner ? SECURITY_NOFORCE_RLS : 0));
    depth++;
    return scope;
}

void Return(const Scope &scope) {
    depth--;
    AtEOXact_GUC(false, scope.guc_level);
    XactReadOnly = scope.read_only;
    SetUserIdAndSecContext(scope.user, scope.security_context);
}

uint64 Execute(const char *statement) {
    SPI_connect();
    int result = SPI_execute(statement, false, 0);
    if (result < 0)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("cannot run this statement as another role: %s", SPI_result_code_string(result))));
    uint64 processed = SPI_processed;
    SPI_finish();
    return processed;
}

// The caller's column definition list says what is expected; the rows must be exactly of those types.
void CheckColumns(TupleDesc got, TupleDesc expected) {
    bool same = got->natts == expected->natts;
    for (int i = 0; same && i < got->natts; i++)
        same = TupleDescAttr(got, i)->atttypid == TupleDescAttr(expected, i)->atttypid;
    if (!same)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("the statement's columns are not those of the column definition list")));
}

void Select(const char *statement, ReturnSetInfo *result) {
    constexpr long kRowsAtOnce = 1000;
    SPI_connect();
    SPIPlanPtr plan = SPI_prepare(statement, 0, nullptr);
    if (!plan || !SPI_is_cursor_plan(plan))
        ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("the statement does not return rows")));
    Portal portal = SPI_cursor_open(nullptr, plan, nullptr, nullptr, false);
    CheckColumns(portal->tupDesc, result->setDesc);
    do {
        SPI_cursor_fetch(portal, true, kRowsAtOnce);
        for (uint64 i = 0; i < SPI_processed; i++) tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
        SPI_freetuptable(SPI_tuptable);
    } while (SPI_processed > 0);
    SPI_cursor_close(portal);
    SPI_finish();
}

}    // namespace

// (role, statement, read only) -> rows processed
ARK_FUNCTION(ark_run_as) {
    Oid role = PG_GETARG_OID(0);
    const char *statement = text_to_cstring(PG_GETARG_TEXT_PP(1));
    CheckCaller(role);
    MakeConstraintsImmediate();
    Scope scope = Become(role, PG_GETARG_BOOL(2), true);
    uint64 processed = 0;
    PG_TRY();
    { processed = Execute(statement); }
    PG_FINALLY();
    { Return(scope); }
    PG_END_TRY();
    PG_RETURN_INT64(static_cast<int64>(processed));
}

// (role, statement, as owner) -> its rows; read only
ARK_FUNCTION(ark_select_as) {
    Oid role = PG_GETARG_OID(0);
    const char *statement = text_to_cstring(PG_GETARG_TEXT_PP(1));
    CheckCaller(role);
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    Scope scope = Become(role, true, PG_GETARG_BOOL(2));
    PG_TRY();
    { Select(statement, reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo)); }
    PG_FINALLY();
    { Return(scope); }
    PG_END_TRY();
    return Datum(0);
}

}    // namespace ark::pg
