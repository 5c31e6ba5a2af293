// Every query this library runs on the tables of the extension. What is relational is a function in the schema
// ark_private (extension/sql); here are only the calls. All parameters travel as text.
// Server code: errors are server errors; what a call returns is palloc'd in the caller's memory context.
#pragma once

#include <initializer_list>

#include "extension/server.h"

namespace ark::pg {

namespace query {
extern const char kReserveJobIds[];      // (how many) -> first id
extern const char kQueueJob[];           // (id, action, verb, source, database, kind, schedule, caller, arguments)
extern const char kBeginJob[];           // (id) -> arguments, restore id
extern const char kNoteTransaction[];    // (id, transaction, safety copy)
extern const char kWasCommitted[];       // (id)
extern const char kFinishJob[];          // (id, outcome)
extern const char kInterruptJobs[];      // (array of ids that are alive) -> count
extern const char kScheduleTurn[];       // () -> rows of jobs to start
extern const char kLookTurn[];           // () -> rows of jobs to start
extern const char kOwedBackupTurn[];     // () -> rows of jobs to start
extern const char kNextWake[];           // () -> milliseconds
extern const char kSealAudit[];          // ()
extern const char kStandbyNames[];       // () -> in postgresql.conf, in postgresql.auto.conf, set elsewhere
extern const char
    kStorePosition[];            // (standby) -> flushed by the server, by the standby; from the beginning of the log
extern const char kJobRows[];    // (id) -> ark.job_result
extern const char kRestoreRows[];    // (id) -> rows of restore_entities
extern const char kCheckRows[];      // (id) -> rows of check_store
}    // namespace query

// One row of a result, or none (null values); columns as text.
struct Row {
    int columns;
    char **values;    // nullptr: no row came
};

// A transaction of its own, for background workers. False: it failed; then it is rolled back, `failure` says why if it is
// given, and the error is in the log. What `work` allocates outlives the transaction.
struct Failure;
bool RunInTransaction(void (*work)(void *), void *context, Failure *failure);
// From here on this process waits for no standby when it commits: what it does may be what the standby needs.
void CommitLocally();

// In the transaction that runs.
Row RunQuery(const char *sql, std::initializer_list<const char *> parameters);

// Like RunQuery for any number of rows: calls `visit` with each.
void RunQueryRows(const char *sql, std::initializer_list<const char *> parameters, void (*visit)(void *, const Row &),
                  void *context);

// Runs a query under the newest snapshot, whatever the isolation level of the transaction, and adds its rows to the
// result of a set-returning function.
void EmitNewestRows(FunctionCallInfo fcinfo, const char *sql, std::initializer_list<const char *> parameters);
// The same, but as an ordinary statement of the transaction, which may write.
void EmitRows(FunctionCallInfo fcinfo, const char *sql, std::initializer_list<const char *> parameters);

// The tables belong to whoever created the extension: their queries run as the bootstrap superuser under a search_path
// that nobody else can write to. Undone by EndOwner, and by the (sub)transaction's abort after an error.
struct OwnerScope {
    Oid user;
    int security_context;
    int guc_level;
};
OwnerScope BeginOwner();
void EndOwner(const OwnerScope &scope);

Oid FindExtension();    // InvalidOid: it is not in this database; needs a transaction

}    // namespace ark::pg
