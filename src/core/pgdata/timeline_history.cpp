#include "pgdata/timeline_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace ark {
namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view WithoutLeadingSpace(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size() && IsSpace(text[at])) at++;
    return text.substr(at);
}

Error Refuse(TimelineId timeline, std::string detail) {
    return Error(Code::kCorrupt, fmt::format("the history of timeline {} cannot be read", timeline.value),
                 std::move(detail));
}

// Takes a number from the front of `text`; nullopt if there is none or it does not fit.
std::optional<std::uint32_t> TakeNumber(std::string_view &text, int base) {
    std::uint32_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

TimelineSwitch ParseLine(TimelineId timeline, std::string_view line) {
    std::string_view rest = WithoutLeadingSpace(line);
    std::optional<std::uint32_t> parent = TakeNumber(rest, 10);
    if (!parent || *parent == 0)
        throw Refuse(timeline, fmt::format("A line does not begin with a timeline: \"{}\".", line));
    rest = WithoutLeadingSpace(rest);
    std::optional<std::uint32_t> high = TakeNumber(rest, 16), low;
    if (high && rest.starts_with('/')) {
        rest.remove_prefix(1);
        low = TakeNumber(rest, 16);
    }
    if (!high || !low)
        throw Refuse(timeline, fmt::format("A line has no position in the write-ahead log: \"{}\".", line));
    rest = WithoutLeadingSpace(rest);
    while (!rest.empty() && IsSpace(rest.back())) rest.remove_suffix(1);
    return {{*parent}, {std::uint64_t{*high} << 32 | *low}, std::string(rest)};
}

}    // namespace

TimelineHistory::TimelineHistory(TimelineId timeline, std::vector<TimelineSwitch> switches)
    : timeline_(timeline), switches_(std::move(switches)) {
    TimelineId last;
    for (const TimelineSwitch &one : switches_) {
        if (one.parent <= last)
            throw Refuse(timeline_, fmt::format("Timeline {} follows timeline {}, and they must ascend.",
                                                one.parent.value, last.value));
        if (one.at == Lsn{})
            throw Refuse(timeline_, fmt::format("Timeline {} would have been left at 0/0.", one.parent.value));
        last = one.parent;
    }
    if (timeline_ <= last)
        throw Refuse(timeline_,
                     fmt::format("It names timeline {} among its ancestors, which must be smaller.", last.value));
}

TimelineHistory TimelineHistory::Parse(TimelineId timeline, std::string_view text) {
    std::vector<TimelineSwitch> switches;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        std::string_view content = WithoutLeadingSpace(line);
        if (content.empty() || content.starts_with('#')) continue;
        switches.push_back(ParseLine(timeline, line));
    }
    return TimelineHistory(timeline, std::move(switches));
}

std::string TimelineHistory::Format() const {
    std::string text;
    for (const TimelineSwitch &one : switches_) {
        // A server copies the parent's file and puts a newline before its own line, in case that file had none at its end.
        if (!text.empty()) text += '\n';
        text += fmt::format("{}\t{}\t{}\n", one.parent.value, one.at.Text(), one.reason);
    }
    return text;
}

std::vector<TimelineId> TimelineHistory::Chain() const {
    std::vector<TimelineId> chain{timeline_};
    for (auto one = switches_.rbegin(); one != switches_.rend(); ++one) chain.push_back(one->parent);
    return chain;
}

std::optional<Lsn> TimelineHistory::Begin() const {
    return switches_.empty() ? std::nullopt : std::optional(switches_.back().at);
}

std::optional<Lsn> TimelineHistory::Left(TimelineId ancestor) const {
    std::optional<Lsn> left;
    for (auto one = switches_.rbegin(); one != switches_.rend(); ++one) {
        left = left ? std::min(*left, one->at) : one->at;    // a newer timeline may have left an older point
        if (one->parent == ancestor) return left;
    }
    return std::nullopt;
}

TimelineId TimelineHistory::At(Lsn lsn) const {
    TimelineId found = timeline_;
    for (auto one = switches_.rbegin(); one != switches_.rend() && lsn < one->at; ++one) found = one->parent;
    return found;
}

bool TimelineHistory::DescendsFrom(TimelineId id, Lsn lsn) const {
    Lsn begin;    // of the timeline that is looked at
    for (const TimelineSwitch &one : switches_) {
        if (one.parent == id) return begin <= lsn && lsn <= *Left(id);
        begin = one.at;
    }
    return id == timeline_ && begin <= lsn;
}

}    // namespace ark
