#include "pgdata/configuration_file.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace ark {
namespace {

constexpr int kDeepest = 10;    // CONF_FILE_MAX_DEPTH

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r'; }
bool IsLetter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (c & 0x80) != 0; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsOctal(char c) { return c >= '0' && c <= '7'; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// One line, from its front.
class Scanner {
public:
    explicit Scanner(std::string_view line) : rest_(line) {}

    bool AtEnd() {
        SkipSpace();
        return rest_.empty() || rest_.front() == '#';
    }
    bool Take(char sign) {
        SkipSpace();
        if (rest_.empty() || rest_.front() != sign) return false;
        rest_.remove_prefix(1);
        return true;
    }
    // Empty: none begins here.
    std::string TakeName() {
        SkipSpace();
        if (rest_.empty() || !IsLetter(rest_.front())) return {};
        std::string name(TakeWhile([](char c) { return IsLetter(c) || IsDigit(c) || c == '.'; }));
        std::ranges::transform(name, name.begin(), Lower);
        return name;
    }
    std::optional<std::string> TakeValue() {
        if (Take('\'')) return TakeQuoted();
        std::string value(TakeWhile([](char c) {
            return IsLetter(c) || IsDigit(c) || std::string_view("-+._:/").find(c) != std::string_view::npos;
        }));
        return value.empty() ? std::nullopt : std::optional(std::move(value));
    }

private:
    void SkipSpace() { TakeWhile(IsSpace); }

    template <class Fits>
    std::string_view TakeWhile(Fits fits) {
        auto end = std::find_if_not(rest_.begin(), rest_.end(), fits);
        std::string_view taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(taken.size());
        return taken;
    }

    // Behind its first quote; nullopt if there is no last one.
    std::optional<std::string> TakeQuoted() {
        std::string value;
        while (!rest_.empty()) {
            char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '\'') {
                if (rest_.empty() || rest_.front() != '\'') return value;
                rest_.remove_prefix(1);
            } else if (c == '\\') {
                if (rest_.empty()) break;
                c = TakeEscaped();
            }
            value += c;
        }
        return std::nullopt;
    }

    // Behind its backslash.
    char TakeEscaped() {
        constexpr std::size_t kOctalDigits = 3;
        if (IsOctal(rest_.front())) {
            unsigned code = 0;
            for (std::size_t i = 0; i < kOctalDigits && !rest_.empty() && IsOctal(rest_.front()); i++) {
                code = code * 8 + static_cast<unsigned>(rest_.front() - '0');
                rest_.remove_prefix(1);
            }
            return static_cast<char>(code);
        }
        char c = rest_.front();
        rest_.remove_prefix(1);
        constexpr std::string_view kNames = "bfnrt", kMeanings = "\b\f\n\r\t";
        std::size_t known = kNames.find(c);
        return known == std::string_view::npos ? c : kMeanings[known];
    }

    std::string_view rest_;
};

std::vector<std::filesystem::path> FilesIn(const std::filesystem::path &directory) {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    std::filesystem::directory_iterator entries(directory, error), end;
    for (; !error && entries != end; entries.increment(error)) {
        std::string name = entries->path().filename().string();
        if (name.ends_with(".conf") && !name.starts_with('.')) files.push_back(entries->path());
    }
    std::ranges::sort(files);
    return files;
}

std::string TextOf(const std::filesystem::path &file) {
    try {
        return ReadWholeFile(file);
    } catch (const Error &) {    // a server would not start on it, or does without it
        return {};
    }
}

void Read(const std::filesystem::path &file, std::string_view name, std::optional<std::string> &value, int depth) {
    if (depth > kDeepest) return;
    for (ConfigurationLine &line : ParseConfiguration(TextOf(file))) {
        std::filesystem::path other = file.parent_path() / line.value;    // an absolute one stays what it is
        if (line.name == name)
            value = std::move(line.value);
        else if (line.name == "include" || line.name == "include_if_exists")
            Read(other, name, value, depth + 1);
        else if (line.name == "include_dir")
            for (const std::filesystem::path &one : FilesIn(other)) Read(one, name, value, depth + 1);
    }
}

}    // namespace

std::vector<ConfigurationLine> ParseConfiguration(std::string_view text) {
    std::vector<ConfigurationLine> lines;
    while (!text.empty()) {
        Scanner scanner(text.substr(0, text.find('\n')));
        text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
        std::string name = scanner.TakeName();
        if (name.empty()) continue;
        scanner.Take('=');
        std::optional<std::string> value = scanner.TakeValue();
        if (value && scanner.AtEnd()) lines.push_back({std::move(name), std::move(*value)});
    }
    return lines;
}

std::optional<std::string> ConfiguredValue(const std::filesystem::path &file, std::string_view name) {
    std::optional<std::string> value;
    Read(file, name, value, 0);
    return value;
}

}    // namespace ark
