// synchronous_standby_names, and where it is set. Server code.
#pragma once

#include "extension/shared_state.h"

namespace ark::pg {

bool StoreIsNamed();    // in the value in force

// Palloc'd: the text that waits for the store and for whom `own` waits. Nullptr: there is none, and `failure` says why.
char *NamesWithStore(const char *own, Failure *failure);

struct StandbySetting {
    char own[2048];      // outside postgresql.auto.conf; "" if nothing
    char entry[2048];    // in it
    bool has_entry, entry_has_store, own_has_store;
    bool from_elsewhere;    // neither is in force, but the server's command line
};
// As the files are now; in a transaction.
void ReadStandbySetting(void *setting);

// Sets the entry in postgresql.auto.conf, or removes it (nullptr). False: it is as it was, and the log says why.
bool AlterStandbyNames(const char *names, Failure *failure);
void ReloadServer();

}    // namespace ark::pg
