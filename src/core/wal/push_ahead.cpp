#include "wal/push_ahead.h"

#include <fmt/format.h>

#include <system_error>

#include "base/error.h"

namespace ark {
namespace {

constexpr std::size_t kSeenAtOnce = 256;    // a long backlog is not listed for every segment

std::string MessageOf(const std::exception_ptr &failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception &error) {
        return error.what();
    }
}

bool WasCancelled(const std::exception_ptr &failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error &error) {
        return error.code == Code::kCancelled;
    } catch (const std::exception &) {
        return false;
    }
}

}    // namespace

PushAhead::PushAhead(Push push, const DataDirectory &directory, WalSpool &spool, Limits limits, Log &log)
    : push_(std::move(push)), directory_(directory), spool_(spool), limits_(limits), log_(log) {}

PushAhead::~PushAhead() {
    {
        std::scoped_lock lock(mutex_);
        closing_ = true;
        work_.notify_all();
    }
    for (std::thread &thread : threads_) thread.join();
}

PushAhead::Answer PushAhead::Ask(const WalFileName &name, const std::filesystem::path &file, bool look_ahead) {
    std::unique_lock lock(mutex_);
    bool segment = name.kind == WalFileName::Kind::kSegment;
    if (segment) Follow(name.segment);
    look_ahead_ = look_ahead_ || (segment && look_ahead);
    look_again_ = true;
    failed_.clear();
    Wake();
    if (segment && running_.contains(name.segment)) {
        news_.wait(lock, [&] { return !running_.contains(name.segment); });
        if (auto failure = failed_.find(name.segment); failure != failed_.end())
            std::rethrow_exception(failure->second);
    }
    if (spool_.TakePushed(name, file)) return {true, {}};
    Asked asked{name, file, false, false, {}, nullptr};
    asked_ = &asked;
    Wake();
    news_.wait(lock, [&] { return asked.done; });
    asked_ = nullptr;
    if (asked.failure) {
        look_ahead_ = false;    // what stood in its way stands in theirs
        std::rethrow_exception(asked.failure);
    }
    return {false, asked.result};
}

std::size_t PushAhead::Finish() {
    std::unique_lock lock(mutex_);
    news_.wait(lock, [&] { return running_.empty() && (!MayLookAhead() || (waiting_.empty() && !look_again_)); });
    return stored_;
}

// What was asked for, and what lies before it, is not ahead any more.
void PushAhead::Follow(const SegmentName &asked) {
    bool goes_on = last_asked_ && last_asked_->timeline == asked.timeline && *last_asked_ <= asked;
    if (!goes_on) {    // another timeline, or the server began anew
        waiting_.clear();
        ahead_.clear();
        last_taken_.reset();
    }
    last_asked_ = asked;
    ahead_.erase(ahead_.begin(), ahead_.upper_bound(asked));
    while (!waiting_.empty() && waiting_.front() <= asked) waiting_.pop_front();
}

// One thread more where all are busy, up to the limit.
void PushAhead::Wake() {
    if (idle_ == 0 && threads_.size() < limits_.threads) {
        try {
            threads_.emplace_back([this] { Work(); });
        } catch (const std::system_error &) {
            if (threads_.empty()) throw;    // else those that there are will do
        }
    }
    work_.notify_all();
}

bool PushAhead::MayLookAhead() const {
    return look_ahead_ && !closing_ && last_asked_ && ahead_.size() < limits_.most_ahead;
}

std::optional<SegmentName> PushAhead::Next() {
    while (MayLookAhead()) {
        if (waiting_.empty()) {
            if (!look_again_) return std::nullopt;
            look_again_ = false;
            SegmentName after = last_taken_ ? std::max(*last_taken_, *last_asked_) : *last_asked_;
            for (const SegmentName &segment : directory_.Ready(after, kSeenAtOnce)) waiting_.push_back(segment);
            continue;
        }
        SegmentName next = waiting_.front();
        waiting_.pop_front();
        last_taken_ = next;
        if (running_.contains(next)) continue;
        ahead_.insert(next);
        WalFileName name = WalFileName::OfSegment(next);
        if (!spool_.IsPushed(name, directory_.WalFile(name))) return next;    // else an earlier process did it
    }
    return std::nullopt;
}

void PushAhead::Work() {
    std::unique_lock lock(mutex_);
    while (!closing_) {
        if (asked_ && !asked_->taken) {
            PushAsked(lock);
            continue;
        }
        std::optional<SegmentName> next;
        try {
            next = Next();
        } catch (const std::exception &error) {
            look_ahead_ = false;
            log_.Warn(fmt::format("WAL that waits is not stored ahead: {}", error.what()));
        }
        news_.notify_all();
        if (next) {
            Wake();    // there may be work for one thread more
            PushNext(lock, *next);
            continue;
        }
        idle_++;
        work_.wait(lock);
        idle_--;
    }
}

void PushAhead::PushAsked(std::unique_lock<std::mutex> &lock) {
    Asked &asked = *asked_;
    asked.taken = true;
    Wake();
    lock.unlock();
    SegmentResult result;
    std::exception_ptr failure;
    try {
        result = push_(asked.name, asked.file);
    } catch (...) {
        failure = std::current_exception();
    }
    lock.lock();
    asked.result = std::move(result);
    asked.failure = failure;
    asked.done = true;
    look_again_ = true;
    news_.notify_all();
}

void PushAhead::PushNext(std::unique_lock<std::mutex> &lock, const SegmentName &segment) {
    WalFileName name = WalFileName::OfSegment(segment);
    std::filesystem::path file = directory_.WalFile(name);
    running_.insert(segment);
    lock.unlock();
    std::exception_ptr failure;
    try {
        push_(name, file);
        spool_.MarkPushed(name, file);
    } catch (...) {
        failure = std::current_exception();
    }
    lock.lock();
    running_.erase(segment);
    look_again_ = true;
    if (failure) {
        ahead_.erase(segment);
        bool first = failed_.empty();
        failed_[segment] = failure;
        look_ahead_ = false;    // the next request begins anew
        if (first && !WasCancelled(failure) && segment != last_asked_)
            log_.Warn(fmt::format("{} (it will be tried again)", MessageOf(failure)));
    } else {
        stored_++;
    }
    news_.notify_all();
}

}    // namespace ark
