// `pg_ark job`: the engine's side of docs/engine-protocol.md. One request on standard input, events on standard output.
#pragma once

namespace ark::cli {

int RunJob();    // the process's exit status

}    // namespace ark::cli
