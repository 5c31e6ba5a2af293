// The engine as a child of a job worker: a process group of its own that dies with the worker, hears no signal meant for
// the server, and inherits nothing but its pipes, the server's log as standard error, and an allow-list of variables.
// Server code: no C++ objects.
#pragma once

#include "extension/server.h"

namespace ark::pg {

struct EngineProcess {
    pid_t pid;        // 0: none; also its process group
    int to_engine;    // -1: closed
    int from_engine;
    int status;    // of waitpid, once it is reaped
    bool reaped;
};

// The program that the settings name; of ark.encryption_key = 'env:NAME' it may see that variable too.
// Raises an error if it cannot be started.
void SpawnEngine(EngineProcess *engine);
// Wakes for this process's latch, for what the engine writes, and ends this process if the server's first one is gone.
WaitEventSet *MakeEngineEvents(const EngineProcess &engine);
void CloseRequestPipe(EngineProcess *engine);
// To the whole group; harmless when it is gone.
void SignalEngine(EngineProcess *engine, int signal);
// True once it has ended; does not wait.
bool ReapEngine(EngineProcess *engine);
// Kills the group, waits for the engine and closes the pipes. Safe in exit callbacks.
void EndEngine(EngineProcess *engine);
// It goes on by itself: nothing is waited for or killed any more.
void ReleaseEngine(EngineProcess *engine);
// "it exited with status 1", "it was ended by signal 9 (Killed)"
void DescribeEnd(const EngineProcess *engine, char *text, std::size_t size);

}    // namespace ark::pg
