// Any text is either refused with kInvalidArgument or a schedule that moves forward, in a zone with clock changes too.
#include <cstdlib>

#include "base/error.h"
#include "schedule/cron.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    using namespace ark;
    static const TimeZone zone = TimeZone::Load("Europe/Vienna");
    std::string_view text(reinterpret_cast<const char *>(data), size);
    try {
        Cron cron = ParseCron(text);
        TimePoint at = ParseTime("2026-03-28T20:30:00Z");
        for (int i = 0; i < 5; i++) {
            TimePoint next = NextRun(cron, zone, at);
            if (next <= at) std::abort();
            if (NextRun(cron, zone, next - Duration(1)) != next) std::abort();
            at = next;
        }
        if (PreviousRun(cron, zone, at, TimePoint::min()) != at) std::abort();
        if (ParseCron(cron.text) != cron) std::abort();
    } catch (const Error &error) {
        if (error.code != Code::kInvalidArgument) std::abort();
    }
    return 0;
}
