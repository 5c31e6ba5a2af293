// A COMMIT whose outcome is known even if the connection is lost in the middle of it.
#pragma once

#include "server/connection.h"

namespace ark {

// Thrown where it could not be learnt whether the restore is committed.
class CommitUnknown : public Error {
public:
    using Error::Error;
};

// True: committed. False: committed too, but the connection was lost and only the server's record of the transaction says so.
// Throws the server's error if it was rolled back; CommitUnknown if that could not be learnt. `ticker` must be closed.
bool CommitForCertain(Connection &connection, const std::string &transaction, const std::string &conninfo,
                      const std::string &database, Ticker &ticker);

}    // namespace ark
