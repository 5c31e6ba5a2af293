// Locks first, snapshot second: REPOSITORY rule 22. LOCK TABLE takes no snapshot, so what the snapshot of the same
// transaction shows afterwards is what was locked; CompareWithSnapshot proves it.
#pragma once

#include <utility>
#include <vector>

#include "logical/relations.h"
#include "logical/repeat_export.h"

namespace ark {

class TableLocks {
public:
    // Begins the coordinator's transaction and locks the tables that `latest` lists, all ACCESS SHARE. Gives up soon when one is not to
    // be had: then it throws RepeatExport, and the caller rolls back, so that nobody waits behind what was locked so far.
    TableLocks(Connection &coordinator, Connection &latest, const ExportScope &scope);

    // Takes the transaction's snapshot if it has none yet; throws RepeatExport if it shows other tables.
    void CompareWithSnapshot(Connection &coordinator, const ExportScope &scope) const;
    std::size_t size() const { return tables_.size(); }

private:
    using Names = std::vector<std::pair<Oid, std::uint64_t>>;    // oid and hash of the name, by oid
    static Names Remember(const Result &list);
    Names tables_;
};

// Sessions that wait for a lock which one of these backends holds, or waits for in front of them.
struct Waiter {
    int pid = 0;
    std::string
        what;    // "ALTER TABLE": the statement's first words, since the rest may hold what is nobody's business
};
std::vector<Waiter> WaitersBehind(Connection &observer, const std::vector<int> &pids);

}    // namespace ark
