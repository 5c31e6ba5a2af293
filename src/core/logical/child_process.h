// A program that we start and that ends with us: its output is read, its complaints are kept.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/file.h"
#include "base/secret.h"

namespace ark {

class ChildProcess {
public:
    // argv[0] is the program's path. `secrets` are added to the environment (PGPASSWORD). Standard input is empty.
    // Throws kNotFound or kPermissionDenied if it cannot be started.
    ChildProcess(const std::vector<std::string> &argv, const std::vector<std::pair<std::string, Secret>> &secrets,
                 Ticker &ticker);
    ~ChildProcess();    // Stop()
    ChildProcess(const ChildProcess &) = delete;

    // What it prints; 0 at the end. Throws kCancelled when the ticker says so.
    std::size_t Read(MutableBytes to);
    int Wait();              // its exit status; 128 + N if signal N ended it. Call after the last Read.
    void Stop() noexcept;    // asks it to end, and a second later makes it
    std::string Complaints(std::size_t limit = 2000) const;    // the end of its standard error

private:
    Ticker &ticker_;
    std::string name_;
    Fd output_;
    Fd complaints_;
    pid_t pid_ = 0;
};

}    // namespace ark
