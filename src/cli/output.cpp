#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <ostream>
#include <utility>

#include "base/clock.h"

namespace ark::cli {
namespace {

std::size_t Width(std::string_view text) {    // characters, not bytes
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool LooksNumeric(const std::string &text) {
    return !text.empty() && text.find_first_not_of("0123456789.,- kMGTPB") == std::string::npos &&
           text.find_first_of("0123456789") == 0;
}

class TerminalLog : public Log {
public:
    explicit TerminalLog(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {}
    ~TerminalLog() override { Clear(); }

    void Note(std::string_view message) override { Line("", message, quiet_); }
    void Warn(std::string_view message) override { Line("warning: ", message, false); }

    void Wait(std::string_view why) override {
        bool goes_on = why.empty();
        {
            std::scoped_lock lock(mutex_);
            if (std::exchange(waiting_, !goes_on) || goes_on) return;
        }
        Line("waiting for the store: ", why, quiet_);
    }

    void Report(const Progress &progress) override {
        if (quiet_ || !terminal_) return;
        std::scoped_lock lock(mutex_);
        auto now = std::chrono::steady_clock::now();
        if (now - last_ < std::chrono::milliseconds(200)) return;
        if (first_ == std::chrono::steady_clock::time_point{} || progress.phase != phase_) {
            first_ = now;
            first_bytes_ = progress.done_bytes;
            phase_ = progress.phase;
        }
        last_ = now;
        double seconds = std::chrono::duration<double>(now - first_).count();
        double rate = seconds > 0.5 ? static_cast<double>(progress.done_bytes - first_bytes_) / seconds : 0;
        std::string line = fmt::format("{:<8} {}", progress.phase, HumanBytes(progress.done_bytes));
        if (progress.total_bytes > 0) {
            double share =
                std::min(1.0, static_cast<double>(progress.done_bytes) / static_cast<double>(progress.total_bytes));
            auto filled = static_cast<std::size_t>(share * 24);
            line = fmt::format("{:<8} [{:#<{}}{:.<{}}] {:3.0f} %  {}", progress.phase, "", filled, "", 24 - filled,
                               share * 100, HumanBytes(progress.done_bytes));
            if (rate > 0 && share < 1)
                line += fmt::format("  about {} left",
                                    HumanDuration(Duration(static_cast<std::int64_t>(
                                        static_cast<double>(progress.total_bytes -
                                                            std::min(progress.total_bytes, progress.done_bytes)) /
                                        rate * 1e6))));
        }
        if (rate > 0) line += fmt::format("  {}/s", HumanBytes(static_cast<std::uint64_t>(rate)));
        if (!progress.current.empty()) line += "  " + progress.current.substr(0, 40);
        std::fprintf(stderr, "\r\033[K%s", line.c_str());
        std::fflush(stderr);
        drawn_ = true;
    }

private:
    void Clear() {
        if (drawn_) std::fputs("\r\033[K", stderr);
        drawn_ = false;
    }
    void Line(std::string_view prefix, std::string_view message, bool skip) {
        if (skip) return;
        std::scoped_lock lock(mutex_);
        Clear();
        std::fprintf(stderr, "%.*s%.*s\n", static_cast<int>(prefix.size()), prefix.data(),
                     static_cast<int>(message.size()), message.data());
    }

    bool quiet_, terminal_;
    std::mutex mutex_;
    bool drawn_ = false, waiting_ = false;
    std::chrono::steady_clock::time_point last_{}, first_{};
    std::uint64_t first_bytes_ = 0;
    std::string phase_;
};

}    // namespace

TextTable::TextTable(std::vector<std::string> headings) : headings_(std::move(headings)) {}

void TextTable::Row(std::vector<std::string> cells) {
    cells.resize(headings_.size());
    rows_.push_back(std::move(cells));
}

void TextTable::Print(std::ostream &out, std::string_view when_empty) const {
    if (rows_.empty()) {
        out << when_empty << '\n';
        return;
    }
    std::vector<std::size_t> widths;
    std::vector<bool> numeric(headings_.size(), true);
    for (std::size_t c = 0; c < headings_.size(); c++) {
        std::size_t width = Width(headings_[c]);
        for (const auto &row : rows_) {
            width = std::max(width, Width(row[c]));
            if (!row[c].empty() && !LooksNumeric(row[c])) numeric[c] = false;
        }
        widths.push_back(width);
    }
    auto print = [&](const std::vector<std::string> &cells, bool heading) {
        std::string line;
        for (std::size_t c = 0; c < cells.size(); c++) {
            std::string pad(widths[c] - Width(cells[c]), ' ');
            if (c > 0) line += "  ";
            line += numeric[c] && !heading ? pad + cells[c] : cells[c] + pad;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << '\n';
    };
    print(headings_, true);
    for (const auto &row : rows_) print(row, false);
}

std::string TextOf(const Json &value) {
    if (value.is_null()) return {};
    if (value.is_string()) return value.get<std::string>();
    if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
    if (value.is_array()) {
        std::string out;
        for (const Json &item : value) out += (out.empty() ? "" : ", ") + TextOf(item);
        return out;
    }
    return value.dump();
}

std::string BytesOf(const Json &value) {
    return value.is_number_unsigned() || value.is_number_integer() ? HumanBytes(value.get<std::uint64_t>())
                                                                   : std::string();
}

std::unique_ptr<Log> MakeTerminalLog(bool quiet) { return std::make_unique<TerminalLog>(quiet); }

}    // namespace ark::cli
