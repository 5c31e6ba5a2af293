// The stores that the setting names, each as settings that name it alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"

namespace ark::cli {

struct OneStore {
    std::string name;
    bool async = false;
    Config config;
};

// In their order. Where none is set, one whose use says so.
std::vector<OneStore> EachStore(const Config &config);

// 'store "eu"': how messages tell several apart.
std::string StoreWords(std::string_view name);

// Tells what it is told, waits and warnings with the store's name; what one of several stores waits for is known to be its.
class StoreLog : public Log {
public:
    StoreLog(std::string name, Log &log) : name_(std::move(name)), log_(log) {}
    void Note(std::string_view message) override { log_.Note(Named(message)); }
    void Warn(std::string_view message) override { log_.Warn(Named(message)); }
    void Report(const Progress &progress) override { log_.Report(progress); }
    void Wait(std::string_view why) override { log_.Wait(why.empty() ? std::string() : Named(why)); }

private:
    std::string Named(std::string_view message) const { return StoreWords(name_) + ": " + std::string(message); }

    std::string name_;
    Log &log_;
};

// Ends the calls to a store that is only looked at beside the work, when they take long.
class Patience : public Ticker {
public:
    Patience(Ticker &outer, Clock &clock) : outer_(outer), clock_(clock), end_(clock.Steady() + kMost) {}
    bool Cancelled() override { return clock_.Steady() > end_ || outer_.Cancelled(); }

private:
    static constexpr auto kMost = std::chrono::seconds(20);
    Ticker &outer_;
    Clock &clock_;
    SteadyPoint end_;
};

}    // namespace ark::cli
