#include "pgdata/wal_gap.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"

namespace ark {
namespace {

std::string_view TakeWord(std::string_view &line) {
    std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(word.size() + 1, line.size()));
    return word;
}

std::string OneLine(std::string_view text) {
    std::string line(text);
    std::ranges::replace_if(
        line, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    return line;
}

}    // namespace

std::string WalGap::Names() const {
    return first == last ? first.Text() : fmt::format("{} to {}", first.Text(), last.Text());
}

std::vector<WalGap> ParseWalGaps(std::string_view text) {
    std::vector<WalGap> gaps;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        try {
            WalGap gap;
            gap.first = ParseSegmentName(TakeWord(line));
            gap.last = ParseSegmentName(TakeWord(line));
            gap.since = ParseTime(TakeWord(line));
            gap.until = ParseTime(TakeWord(line));
            gap.reason = line;
            if (gap.first.timeline == gap.last.timeline && gap.first <= gap.last) gaps.push_back(std::move(gap));
        } catch (const Error &) {
            continue;
        }
    }
    std::ranges::stable_sort(gaps, {}, &WalGap::first);
    return gaps;
}

std::string FormatWalGaps(const std::vector<WalGap> &gaps) {
    std::string text;
    for (const WalGap &gap : gaps)
        text += fmt::format("{} {} {} {} {}\n", gap.first.Text(), gap.last.Text(), FormatTime(gap.since, true),
                            FormatTime(gap.until, true), gap.reason);
    return text;
}

bool AddToWalGaps(std::vector<WalGap> &gaps, const SegmentName &segment, WalSegmentSize size, TimePoint at,
                  std::string_view reason) {
    for (WalGap &gap : gaps) {
        if (gap.Contains(segment)) return false;
        if (gap.last.Next(size) != segment || gap.reason != OneLine(reason)) continue;
        gap.last = segment;
        gap.until = at;
        return false;
    }
    gaps.push_back({segment, segment, at, at, OneLine(reason)});
    std::ranges::stable_sort(gaps, {}, &WalGap::first);
    return true;
}

std::vector<WalGap> ReadLocalWalGaps(const std::filesystem::path &data_directory) try {
    return ParseWalGaps(ReadWholeFile(data_directory / kWalGapsFile));
} catch (const Error &error) {
    if (error.code != Code::kNotFound) throw;
    return {};
}

bool NoteLocalWalGap(const std::filesystem::path &data_directory, const SegmentName &segment, WalSegmentSize size,
                     TimePoint at, std::string_view reason) {
    std::vector<WalGap> gaps = ReadLocalWalGaps(data_directory);
    bool begins = AddToWalGaps(gaps, segment, size, at, reason);
    WriteFileAtomically(data_directory / kWalGapsFile, AsBytes(FormatWalGaps(gaps)));
    return begins;
}

}    // namespace ark
