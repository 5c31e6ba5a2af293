// synchronous_standby_names, and where it is set. Server code.
#pragma once

#include "extension/shared_state.h"

namespace ark::pg {

bool StoreIsNamed();    // in the value in force

struct StandbySetting {
    char own[2048];      // outside postgresql.auto.conf; "" if nothing
    char entry[2048];    // in it
    bool has_entry, entry_has_store, own_has_store;
    bool
        over_nobody;    // the entry names nobody, or did before it named the store: `own` is not in force, and shall not be
    bool from_elsewhere;    // neither is in force, but the server's command line
};
// As the files are now; in a transaction.
void ReadStandbySetting(void *setting);

// The entry as the file is now, for whoever has no database. False: the file cannot be read.
bool ReadStandbyEntry(StandbySetting *out);

// Palloc'd: the text that waits for the store, and for whom the server waits without it. Nullptr: there is none, and `failure` says why.
char *NamesWithStore(const StandbySetting &setting, Failure *failure);

// Sets the entry in postgresql.auto.conf, or removes it (nullptr). False: it is as it was, and the log says why.
bool AlterStandbyNames(const char *names, Failure *failure);
// Gives the entry back: there is none then, or one that names nobody where there was such a one.
bool GiveStandbyNamesBack(Failure *failure);
void ReloadServer();

}    // namespace ark::pg
