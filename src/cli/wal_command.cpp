#include "cli/wal_command.h"

namespace ark::cli {

// pg_control learns of a promotion with the checkpoint behind it.
TimelineId TimelineOf(const DataDirectory &directory, const WalFileName &asked) {
    return std::max(asked.timeline, directory.control().timeline);
}

void SpeakFor(Engine &engine, const DataDirectory &directory, const WalFileName &asked) {
    bool segment = asked.kind == WalFileName::Kind::kSegment || asked.kind == WalFileName::Kind::kPartial;
    engine.UseDataDirectory(directory, TimelineOf(directory, asked),
                            segment ? asked.segment.Start(directory.segment_size()) : directory.control().redo);
}

WalCommand::WalCommand(Engine &engine, const Arguments &arguments)
    : directory_(arguments.Text("pgdata", ".")),
      spool_(directory_.WalDirectory(), engine.config().Text("store") + "\n" + engine.config().Text("cluster")) {}

std::filesystem::path WalCommand::Path(const std::string &text) const {
    if (text.empty())
        throw Error(Code::kInvalidArgument, "the path of a WAL file is missing", {}, "Give it as the server does: %p.");
    return directory_.path() / text;
}

Flag PgdataFlag() {
    return {"pgdata", FlagKind::kText, "DIR",
            "the server's data directory (default: the current directory, as the server runs it)"};
}

}    // namespace ark::cli
