// pg_ark: the engine program. Every verb is a row of Verbs(); settings are flags from the table in core/config.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <map>

#include "base/file.h"
#include "cli/engine.h"
#include "cli/exit_code.h"
#include "cli/farewell.h"
#include "cli/job.h"
#include "cli/output.h"
#include "cli/plugin.h"
#include "cli/reference.h"
#include "cli/verb.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace ark::cli {
namespace {

// Frames of about 1 MiB come and go all the time. By default the C library takes memory for each from the system and gives it back,
// page fault by page fault, and keeps a heap for every thread: this costs a third less system time, and less memory.
void KeepMemoryAtHand() {
#ifdef __GLIBC__
    constexpr int kLargerThanFrames = 32 << 20;
    mallopt(M_MMAP_THRESHOLD, kLargerThanFrames);
    mallopt(M_TRIM_THRESHOLD, kLargerThanFrames);
    mallopt(M_ARENA_MAX, 2);
#endif
}

FlagTicker *g_ticker = nullptr;    // for the signal handler, which may do no more than raise it

void OnSignal(int) {
    if (g_ticker) g_ticker->Cancel();
}

std::string Dashed(std::string name) {
    for (char &c : name)
        if (c == '_') c = '-';
    return name;
}

// What CLI11 fills while it parses one verb.
struct Parsed {
    std::map<std::string, std::string> texts;
    std::map<std::string, bool> bools;
    std::map<std::string, std::int64_t> numbers;
    std::map<std::string, std::string> settings;
    bool json = false, quiet = false;
};

void AddFlags(CLI::App &app, const Verb &verb, Parsed &parsed) {
    for (const Flag &flag : verb.flags) {
        std::string option = "--" + Dashed(flag.name);
        CLI::Option *added = nullptr;
        switch (flag.kind) {
        case FlagKind::kBool:
            added = app.add_flag(option + ",!--no-" + Dashed(flag.name), parsed.bools[flag.name], flag.help);
            break;
        case FlagKind::kNumber: added = app.add_option(option, parsed.numbers[flag.name], flag.help); break;
        case FlagKind::kText:
        case FlagKind::kList:
        case FlagKind::kJson:
            added =
                app.add_option(flag.positional ? flag.name + "," + option : option, parsed.texts[flag.name], flag.help);
            break;
        }
        if (!flag.value_name.empty()) added->type_name(flag.value_name);
    }
    for (const Setting &setting : Settings()) {
        if (!(setting.used_by & kUsedByEngine)) continue;
        app.add_option("--" + Dashed(setting.name), parsed.settings[setting.name], setting.summary)
            ->type_name("VALUE")
            ->group("Settings");
    }
    app.add_flag("--json", parsed.json, "print the result as one JSON document on standard output");
    app.add_flag("--quiet", parsed.quiet,
                 "no progress and no notes; of a run that worked, only what it was asked to show");
}

Json ArgumentsOf(const CLI::App &app, const Verb &verb, const Parsed &parsed) {
    Json values = Json::object();
    for (const Flag &flag : verb.flags) {
        if (app.get_option("--" + Dashed(flag.name))->count() == 0) continue;
        switch (flag.kind) {
        case FlagKind::kBool: values[flag.name] = parsed.bools.at(flag.name); break;
        case FlagKind::kNumber: values[flag.name] = parsed.numbers.at(flag.name); break;
        case FlagKind::kText:
        case FlagKind::kList: values[flag.name] = parsed.texts.at(flag.name); break;
        case FlagKind::kJson: {
            const std::string &text = parsed.texts.at(flag.name);
            Json json = Json::parse(text, nullptr, false);
            values[flag.name] = json.is_structured() ? json : Json(text);
            break;
        }
        }
    }
    return values;
}

void PrintError(const Error &error, bool json) {
    if (json) {
        Json out{{"state", "failed"},        {"code", CodeName(error.code)}, {"sqlstate", error.Sqlstate()},
                 {"message", error.message}, {"detail", error.detail},       {"hint", error.hint}};
        std::cout << out.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
    }
    std::cerr << "pg_ark: error: " << error.message << '\n';
    if (!error.detail.empty()) std::cerr << "detail: " << error.detail << '\n';
    if (!error.hint.empty()) std::cerr << "hint: " << error.hint << '\n';
}

bool IsPlugin(const Verb &verb, const Parsed &parsed) {
    if (!verb.plugin_flag) return false;
    auto given = parsed.bools.find(verb.plugin_flag);
    return given != parsed.bools.end() && given->second;
}

// Returns the exit status.
int Fail(const Error &error, const Verb &verb, const Parsed &parsed) {
    bool plugin = IsPlugin(verb, parsed);
    if (plugin && !parsed.json) std::cout << PluginLine(error) << '\n';
    PrintError(error, parsed.json);
    return plugin ? PluginStatusOf(error.code) : verb.exit_code(error.code);
}

// Of a command line that could not be parsed.
bool AsksForPlugin(const Verb &verb, int argc, char **argv) {
    return verb.plugin_flag && std::find(argv + 1, argv + argc, "--" + Dashed(verb.plugin_flag)) != argv + argc;
}

int RunVerb(const Verb &verb, const CLI::App &app, const Parsed &parsed) {
    Farewell farewell(SystemClock());
    FarewellTicker ticker(farewell);
    g_ticker = &ticker;
    std::unique_ptr<Log> log = MakeTerminalLog(parsed.quiet);
    try {
        Config config = FromEnvironment(ReadVariable);
        for (const auto &[name, value] : parsed.settings)
            if (app.get_option("--" + Dashed(name))->count() > 0) config.Set(name, value, Origin::kFlag);
        const Arguments arguments(verb.flags, ArgumentsOf(app, verb, parsed), verb.name);
        Json result;
        {
            Engine engine(std::move(config), {}, *log, ticker);
            engine.farewell = &farewell;
            result = verb.run(engine, arguments);
        }
        log.reset();    // takes the progress line away
        if (parsed.json) {
            std::cout << result.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
        } else {
            for (const Json &warning : result.value("warnings", Json::array()))
                std::cerr << "warning: " << TextOf(warning) << '\n';
            if (IsPrinted(verb, arguments, parsed.quiet)) {
                if (verb.print)
                    verb.print(result, std::cout);
                else
                    std::cout << TextOf(result["message"]) << '\n';
            }
        }
        std::cout.flush();
        if (result.contains("ok") && result["ok"] == false) return 1;
        return result.value("exit_code", 0);
    } catch (const Error &error) {
        log.reset();
        return Fail(error, verb, parsed);
    } catch (const std::filesystem::filesystem_error &error) {
        log.reset();
        return Fail(FileError(error), verb, parsed);
    } catch (const std::exception &error) {
        log.reset();
        return Fail(Error(Code::kInternal, error.what()), verb, parsed);
    }
}

}    // namespace

int Main(int argc, char **argv) {
    KeepMemoryAtHand();
    struct sigaction action = {};
    action.sa_handler = OnSignal;
    for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);

    CLI::App app{
        "pg_ark: backups of PostgreSQL in S3 or a directory: take, list, verify, restore.\n"
        "Settings come from flags, from ARK_* in the environment, or from the server (ark.*) for jobs that SQL starts.",
        "pg_ark"};
    app.require_subcommand(1);
    app.set_version_flag("--version", fmt::format("pg_ark {} (repository format {})", ARK_VERSION, kFormatVersion));
    app.get_formatter()->column_width(34);

    std::map<std::string, Parsed> parsed;
    for (const Verb &verb : Verbs()) {
        CLI::App *sub = app.add_subcommand(verb.name, verb.summary);
        sub->footer(verb.details);
        // Flags of the others are not asked for, and a server runs this program for every WAL segment.
        if (argc < 2 || argv[1][0] == '-' || verb.name == argv[1]) AddFlags(*sub, verb, parsed[verb.name]);
    }
    app.add_subcommand("job", "run one request of the server (docs/engine-protocol.md)")->group("");
    std::string topic;
    app.add_subcommand("reference", "print a page of the reference")
        ->group("")
        ->add_option("topic", topic, "settings or commands");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        int code = app.exit(error);
        if (code == 0) return 0;
        const Verb *verb = argc > 1 ? FindVerb(argv[1]) : nullptr;
        if (!verb) return ExitCodeOf(Code::kInvalidArgument);
        if (!AsksForPlugin(*verb, argc, argv)) return verb->exit_code(Code::kInvalidArgument);
        std::cout << PluginLine(Error(Code::kInvalidArgument, error.what())) << '\n';
        return kPluginUnknown;
    }
    CLI::App *chosen = app.get_subcommands().front();
    if (chosen->get_name() == "job") return RunJob();
    if (chosen->get_name() == "reference") return PrintReference(topic);
    return RunVerb(*FindVerb(chosen->get_name()), *chosen, parsed[chosen->get_name()]);
}

}    // namespace ark::cli

int main(int argc, char **argv) { return ark::cli::Main(argc, argv); }
