// What wal-push and wal-fetch have in common: the server runs them in its data directory, often while it takes no connections.
#pragma once

#include <filesystem>

#include "cli/engine.h"
#include "cli/verb.h"
#include "wal/spool.h"

namespace ark::cli {

// Which timeline the server of this directory is on when it asks for that file.
TimelineId TimelineOf(const DataDirectory &directory, const WalFileName &asked);
// The engine speaks for the server of this directory from here on, which is at the timeline and position of that file.
void SpeakFor(Engine &engine, const DataDirectory &directory, const WalFileName &asked);

class WalCommand {
public:
    WalCommand(Engine &engine, const Arguments &arguments);

    const DataDirectory &directory() const { return directory_; }
    WalSpool &spool() { return spool_; }
    // As the server gives it: absolute, or from its data directory.
    std::filesystem::path Path(const std::string &text) const;

private:
    DataDirectory directory_;
    WalSpool spool_;
};

Flag PgdataFlag();

}    // namespace ark::cli
