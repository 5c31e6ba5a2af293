#include "logical/whole/workers.h"

#include <exception>
#include <mutex>
#include <thread>

namespace ark {
namespace {

constexpr const char *kApplicationName = "pg_ark";

}    // namespace

void RunWorkers(const DatabaseRestoreRequest &request, int count, Ticker &ticker, Log &log,
                const std::function<void(Connection &, Ticker &)> &work) {
    StoppableTicker stoppable(ticker);
    std::mutex mutex;
    std::exception_ptr failure;
    auto run = [&] {
        try {
            Connection connection(request.conninfo, request.target, kApplicationName, stoppable, log);
            ApplySessionContract(connection, false);
            // The last commit of the restore waits for the disk, and all before it with it.
            connection.Execute("SET synchronous_commit = 'off'");
            work(connection, stoppable);
        } catch (...) {    // carried to the thread that asked
            std::scoped_lock lock(mutex);
            if (!failure) failure = std::current_exception();
            stoppable.Stop();
        }
    };
    std::vector<std::jthread> threads;
    for (int i = 1; i < count; i++) threads.emplace_back(run);
    run();
    threads.clear();
    if (failure) std::rethrow_exception(failure);
}

}    // namespace ark
