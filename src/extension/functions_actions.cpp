// The doors of every public function. They are C and not plpgsql because only so the caller's own role is known: a
// SECURITY DEFINER function would hide it. Each gathers its named arguments as JSON and calls the function of the same name
// in ark_private, which checks them and says what shall be done.
//
//   ark_action   a job; returns ark.job_result
//   ark_restore  a job; returns the tables of a restore
//   ark_check    a job; returns what was checked
//   ark_decide   no job: a decision that is rows in tables, committed and rolled back with the caller's transaction
//   ark_adopt    the same of this cluster itself: with ark.wal_sync nobody ships that commit before the path is taken over, and that asks for
//                the adoption first, so the transaction does not wait for it
#include "extension/catalog.h"
#include "extension/submit.h"

namespace ark::pg {
namespace {

void AppendTextArray(StringInfo out, Datum value) {
    Datum *items;
    bool *nulls;
    int count;
    deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &count);
    appendStringInfoChar(out, '[');
    for (int i = 0; i < count; i++) {
        if (i > 0) appendStringInfoChar(out, ',');
        if (nulls[i])
            appendStringInfoString(out, "null");
        else
            escape_json(out, TextDatumGetCString(items[i]));
    }
    appendStringInfoChar(out, ']');
}

void AppendValue(StringInfo out, Datum value, Oid type) {
    char buffer[MAXDATELEN + 1];
    Oid output;
    bool varlena;
    switch (type) {
    case BOOLOID: appendStringInfoString(out, DatumGetBool(value) ? "true" : "false"); return;
    case TEXTARRAYOID: AppendTextArray(out, value); return;
    case TIMESTAMPTZOID: escape_json(out, JsonEncodeDateTime(buffer, value, type, nullptr)); return;
    default: break;
    }
    getTypeOutputInfo(type, &output, &varlena);
    char *text = OidOutputFunctionCall(output, value);
    if (type == INT4OID || type == INT8OID || type == JSONBOID)
        appendStringInfoString(out, text);
    else
        escape_json(out, text);
}

// {"kind":"logical","database":null,…} as the function was declared and called.
char *ArgumentsAsJson(FunctionCallInfo fcinfo) {
    HeapTuple function = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
    if (!HeapTupleIsValid(function)) elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
    Oid *types;
    char **names, *modes;
    int count = get_func_arg_info(function, &types, &names, &modes);
    StringInfoData out;
    initStringInfo(&out);
    appendStringInfoChar(&out, '{');
    int argument = 0;
    for (int i = 0; i < count; i++) {
        if (modes && modes[i] != PROARGMODE_IN) continue;
        if (argument > 0) appendStringInfoChar(&out, ',');
        escape_json(&out, names[i]);
        appendStringInfoChar(&out, ':');
        if (PG_ARGISNULL(argument))
            appendStringInfoString(&out, "null");
        else
            AppendValue(&out, PG_GETARG_DATUM(argument), types[i]);
        argument++;
    }
    appendStringInfoChar(&out, '}');
    ReleaseSysCache(function);
    return out.data;
}

// A query on the function of the same name in ark_private; $1 arguments, $2 to $4 the caller.
char *PrivateCall(FunctionCallInfo fcinfo, const char *columns) {
    char *name = get_func_name(fcinfo->flinfo->fn_oid);
    return psprintf("SELECT %s FROM ark_private.%s($1::jsonb, ark_private.caller($2, $3::boolean, $4::boolean))",
                    columns, quote_identifier(name));
}

struct Caller {
    const char *role, *has_written, *in_block;
};

Caller DescribeCaller() {
    return {GetUserNameFromId(GetUserId(), false), TransactionIdIsValid(GetTopTransactionIdIfAny()) ? "true" : "false",
            IsTransactionBlock() ? "true" : "false"};
}

// Errors of the private function are told without its call stack, which would mean nothing to the caller.
Row Prepare(FunctionCallInfo fcinfo) {
    const char *sql = PrivateCall(
        fcinfo, "action, verb, source, database, kind, exclusive, NULL::text, light, caller, arguments, wait");
    const char *arguments = ArgumentsAsJson(fcinfo);
    Caller caller = DescribeCaller();
    Row row{0, nullptr};
    MemoryContext context = CurrentMemoryContext;
    PG_TRY();
    { row = RunQuery(sql, {arguments, caller.role, caller.has_written, caller.in_block}); }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        ErrorData *error = CopyErrorData();
        FlushErrorState();
        error->context = nullptr;
        ReThrowError(error);
    }
    PG_END_TRY();
    if (!row.values) elog(ERROR, "%s prepared nothing", sql);
    return row;
}

Datum RunAction(FunctionCallInfo fcinfo, const char *outcome) {
    RequireRunningLauncher();
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    Row row = Prepare(fcinfo);
    auto *request = static_cast<JobRequest *>(palloc0(sizeof(JobRequest)));
    ReadJobRequest(row, 0, request);
    bool waits = row.values[10] && row.values[10][0] == 't';
    int64 job_id = SubmitJob(*request, waits);
    if (waits) WaitForJob(job_id);
    EmitNewestRows(fcinfo, outcome, {psprintf("%lld", static_cast<long long>(job_id))});
    return Datum(0);
}

}    // namespace

ARK_FUNCTION(ark_action) { return RunAction(fcinfo, query::kJobRows); }

ARK_FUNCTION(ark_restore) { return RunAction(fcinfo, query::kRestoreRows); }

ARK_FUNCTION(ark_check) { return RunAction(fcinfo, query::kCheckRows); }

namespace {

Datum Decide(FunctionCallInfo fcinfo) {
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    const char *sql = PrivateCall(fcinfo, "*");
    const char *arguments = ArgumentsAsJson(fcinfo);
    Caller caller = DescribeCaller();
    MemoryContext context = CurrentMemoryContext;
    PG_TRY();
    { EmitRows(fcinfo, sql, {arguments, caller.role, caller.has_written, caller.in_block}); }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        ErrorData *error = CopyErrorData();
        FlushErrorState();
        error->context = nullptr;
        ReThrowError(error);
    }
    PG_END_TRY();
    return Datum(0);
}

}    // namespace

ARK_FUNCTION(ark_decide) { return Decide(fcinfo); }

ARK_FUNCTION(ark_adopt) {
    set_config_option("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
    return Decide(fcinfo);
}

}    // namespace ark::pg
