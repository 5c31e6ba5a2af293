#include "base/log.h"

namespace ark {
namespace {

class NoLog : public Log {
public:
    void Note(std::string_view) override {}
    void Warn(std::string_view) override {}
    void Report(const Progress &) override {}
};

}    // namespace

Log &SilentLog() {
    static NoLog log;
    return log;
}

}    // namespace ark
