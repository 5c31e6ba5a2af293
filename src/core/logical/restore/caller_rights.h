// Who may restore what: a restore needs the rights that its statements would need if the caller ran them, and a filter
// the right to read. Members of the table's owner and superusers may anyway.
#pragma once

#include "logical/restore.h"
#include "logical/restore/stage.h"

namespace ark {

struct Caller {
    std::uint64_t oid = 0;
    std::string name;
};
// Empty: the connection's own role. Throws kNotFound.
Caller FindCaller(Connection &connection, const std::string &name);

// What the caller needs on a live table that a restore writes.
std::vector<std::string> NeededPrivileges(const Target &target, RestoreMode mode, bool undo);
// Throws kPermissionDenied (42501), naming what is lacking.
void CheckCallerRights(Connection &connection, const Caller &caller, const LiveTable &table,
                       const std::vector<std::string> &privileges);
// For what a restore makes: the caller must be a member of the role that will own it.
void CheckMayMakeFor(Connection &connection, const Caller &caller, std::uint64_t owner, const std::string &what);

}    // namespace ark
