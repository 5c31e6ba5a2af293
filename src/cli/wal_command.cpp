#include "cli/wal_command.h"

namespace ark::cli {

WalCommand::WalCommand(Engine &engine, const Arguments &arguments)
    : engine_(engine),
      directory_(arguments.Text("pgdata", ".")),
      spool_(directory_.WalDirectory(), engine.config().Text("store") + "\n" + engine.config().Text("cluster")) {}

std::filesystem::path WalCommand::Path(const std::string &text) const {
    if (text.empty())
        throw Error(Code::kInvalidArgument, "the path of a WAL file is missing", {}, "Give it as the server does: %p.");
    return directory_.path() / text;
}

void WalCommand::TellEngine(const WalFileName &name) {
    const ControlFile &control = directory_.control();
    bool segment = name.kind == WalFileName::Kind::kSegment || name.kind == WalFileName::Kind::kPartial;
    // pg_control learns of a promotion with the checkpoint behind it.
    engine_.UseDataDirectory(directory_, std::max(name.timeline, control.timeline),
                             segment ? name.segment.Start(directory_.segment_size()) : control.redo);
}

Flag PgdataFlag() {
    return {"pgdata", FlagKind::kText, "DIR",
            "the server's data directory (default: the current directory, as the server runs it)"};
}

}    // namespace ark::cli
