// ark.wal_sync: the launcher puts the shipper's name into synchronous_standby_names once the store has caught up, so that commits wait for it,
// and takes it out when the store does not get ahead or is not wanted any more. It does so by ALTER SYSTEM: the entry in
// postgresql.auto.conf is ours as long as it has our name, the DBA's own names stand in the other files and are waited for beside us.
//
// Nothing may wait for us where nothing ships. So the entry goes with the server that stops in order, and comes back, before anybody can
// commit, with the next one that has this library loaded.
#pragma once

#include "extension/server.h"

namespace ark::pg {

// In the launcher, whether it is connected to its database or not: looks, and acts. Returns in how many milliseconds to look again, or -1.
long KeepWalSync(bool connected);

// In the launcher, when it ends.
void LeaveWalSync();
// In the postmaster, from _PG_init.
void ReturnToWalSync();

}    // namespace ark::pg
