#include <fmt/format.h>

#include <filesystem>
#include <ostream>

#include "base/encoding.h"
#include "base/file.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/verb.h"

namespace ark::cli {
namespace {

std::string PathOfFileReference(const std::string &reference) {
    if (reference.rfind("file:", 0) != 0)
        throw Error(
            Code::kInvalidArgument,
            fmt::format("a new key is written to a file, not to \"{}\"", reference.substr(0, reference.find(':'))), {},
            "Set ark.encryption_key (or --encryption-key) to file:/etc/pg_ark/key, with a directory that only the "
            "server's user can write.");
    return reference.substr(5);
}

Json Init(Engine &engine, const Arguments &) {
    std::string reference = engine.config().Text("encryption_key");
    if (reference.empty())
        throw Error(Code::kInvalidArgument, "where shall the key be written?", {},
                    "Give --encryption-key file:/etc/pg_ark/key.");
    std::string path = PathOfFileReference(reference);
    if (std::filesystem::exists(path))
        throw Error(Code::kAlreadyExists, fmt::format("file \"{}\" exists already", path), "Nothing was written.",
                    "A key that is in use must not be replaced; to change it see pg_ark key rotate.");
    Key key = NewKey(engine.random());
    WriteFileAtomically(path, AsBytes(HexEncode(key.bytes()) + "\n"), 0600);
    std::string fingerprint = KeyFingerprint(key);
    return {{"state", "done"},
            {"fingerprint", fingerprint},
            {"file", path},
            {"message", fmt::format("key {} was written to {}; keep a copy elsewhere: without it no backup can be read",
                                    fingerprint, path)}};
}

Json Show(Engine &engine, const Arguments &) {
    std::shared_ptr<Repository> repository = engine.OpenForReading();
    Json result{{"state", "done"}, {"encrypted", repository->encrypted()}, {"keys", Json::array()}};
    std::optional<Key> key = engine.ConfiguredKey();
    result["configured"] = key ? Json(KeyFingerprint(*key)) : Json();
    if (repository->encrypted() && key) {
        std::vector<Event> events = ReadEvents(*repository, "cluster", engine.Keys(repository).get());
        for (const KeyRing::Wrap &wrap : engine.Keys(repository)->Wraps()) {
            bool confirmed = false;
            for (const Event &event : events)
                if (event.type == "escrow" && event.body.is_object() &&
                    event.body.value("fingerprint", "") == wrap.fingerprint)
                    confirmed = true;
            result["keys"].push_back({{"domain", wrap.domain},
                                      {"generation", wrap.generation},
                                      {"fingerprint", wrap.fingerprint},
                                      {"created", FormatTime(wrap.created)},
                                      {"escrow_confirmed", confirmed}});
        }
    }
    result["message"] = !repository->encrypted() ? "the store is not encrypted"
                        : key                    ? fmt::format("configured key: {}", KeyFingerprint(*key))
                                                 : "the store is encrypted and no key is configured";
    return result;
}

Json Rotate(Engine &engine, const Arguments &arguments) {
    std::string reference = arguments.Text("new_key");
    if (reference.empty())
        throw Error(Code::kInvalidArgument, "which key shall be used from now on?", {},
                    "Make one with pg_ark key init --encryption-key file:NEW, then give --new-key file:NEW.");
    Key next = LoadKey(reference);
    std::shared_ptr<Repository> repository = engine.OpenForWriting();
    std::size_t wraps = engine.Keys(repository)->Rewrap(next, engine.random());
    return {
        {"state", "done"},
        {"fingerprint", KeyFingerprint(next)},
        {"wraps", wraps},
        {"message", fmt::format("{} domain keys are now readable with key {} too; no data was rewritten", wraps,
                                KeyFingerprint(next))},
        {"warnings", Json::array({"set ark.encryption_key to the new reference on every server, then rotate once more "
                                  "with the old key before it is destroyed: a database that was backed up for the "
                                  "first time in between has a key that only the old one opens"})}};
}

Json Confirm(Engine &engine, const Arguments &arguments) {
    std::optional<Key> key = engine.ConfiguredKey();
    std::string given = arguments.Text("fingerprint");
    if (!key) throw Error(Code::kInvalidArgument, "no key is configured", {}, "Set ark.encryption_key first.");
    std::string fingerprint = KeyFingerprint(*key);
    if (given != fingerprint)
        throw Error(Code::kInvalidArgument, "the fingerprint is not that of the configured key",
                    fmt::format("Given \"{}\"; the configured key has {}.", given, fingerprint),
                    "Read it from the copy you keep elsewhere: that copy may be of another key.");
    std::shared_ptr<Repository> repository = engine.OpenOrMake();
    WriteEvent(*repository, engine.ClusterKey(repository),
               {.subject = "cluster", .type = "escrow", .body = {{"by", engine.Actor()}, {"fingerprint", fingerprint}}},
               engine.clock(), engine.random());
    return {{"state", "done"},
            {"fingerprint", fingerprint},
            {"message", fmt::format("it is recorded that key {} is kept elsewhere", fingerprint)}};
}

// A sheet to print and lock away: the one place where the key itself is written out, and only into a new 0600 file.
Json Export(Engine &engine, const Arguments &arguments) {
    std::string output = arguments.Text("output");
    if (output.empty())
        throw Error(Code::kInvalidArgument, "where shall the recovery sheet go?", {},
                    "Give --output FILE; it will hold the key in clear.");
    if (std::filesystem::exists(output))
        throw Error(Code::kAlreadyExists, fmt::format("file \"{}\" exists already", output));
    std::optional<Key> key = engine.ConfiguredKey();
    if (!key) throw Error(Code::kInvalidArgument, "no key is configured", {}, "Set ark.encryption_key first.");
    std::shared_ptr<Repository> repository = engine.OpenForReading();
    std::string fingerprint = KeyFingerprint(*key);
    std::string hex = HexEncode(key->bytes()), grouped;
    for (std::size_t i = 0; i < hex.size(); i += 8) grouped += hex.substr(i, 8) + (i % 32 == 24 ? "\n" : " ");
    std::string sheet = fmt::format(
        "pg_ark recovery sheet, {}\n\nCluster      {}\nStore        {}\nKey          {}\n\n{}\n"
        "With this key (its 64 digits without spaces and line ends, in a file that only you can read) and the store:\n"
        "  pg_ark list --store URL --cluster {} --encryption-key file:KEYFILE\n"
        "  pg_ark export --store URL --cluster {} --encryption-key file:KEYFILE --output DIR && pg_restore -d NEW DIR\n"
        "Without pg_ark: docs/recover-by-hand.md. Who has this sheet can read every backup.\n",
        FormatTime(engine.clock().Now()), repository->cluster().Path(), engine.Store()->Describe(), fingerprint,
        grouped, repository->cluster().Path(), repository->cluster().Path());
    WriteFileAtomically(output, AsBytes(sheet), 0600);
    return {
        {"state", "done"},
        {"fingerprint", fingerprint},
        {"output", output},
        {"message", fmt::format("recovery sheet of key {} written to {}", fingerprint, output)},
        {"warnings", Json::array({"print it, lock it away, remove the file, then: pg_ark key confirm --fingerprint " +
                                  fingerprint})}};
}

Json Run(Engine &engine, const Arguments &arguments) {
    std::string action = arguments.Text("action", "show");
    if (action == "init") return Init(engine, arguments);
    if (action == "show") return Show(engine, arguments);
    if (action == "rotate") return Rotate(engine, arguments);
    if (action == "confirm") return Confirm(engine, arguments);
    if (action == "export") return Export(engine, arguments);
    throw Error(Code::kInvalidArgument, fmt::format("there is no action \"{}\"", action),
                "The actions are init, show, rotate, confirm and export.");
}

void Print(const Json &result, std::ostream &out) {
    if (result.contains("keys") && !result["keys"].empty()) {
        TextTable table({"domain", "generation", "key", "since", "kept elsewhere"});
        for (const Json &key : result["keys"])
            table.Row({TextOf(key["domain"]), TextOf(key["generation"]), TextOf(key["fingerprint"]),
                       TextOf(key["created"]), TextOf(key["escrow_confirmed"])});
        table.Print(out, "");
    }
    out << TextOf(result["message"]) << '\n';
}

}    // namespace

Verb KeyVerb() {
    return {"key",
            "make, show, rotate, confirm and export the encryption key",
            "init writes a new key to the file that --encryption-key names; rotate lets a new key read all domain keys "
            "without rewriting data;\n"
            "export writes a recovery sheet; confirm records that a copy is kept elsewhere.",
            {{"action", FlagKind::kText, "ACTION", "init, show (default), rotate, confirm or export", true},
             {"new_key", FlagKind::kText, "REFERENCE", "rotate: the next key (file:, env:, command:)"},
             {"fingerprint", FlagKind::kText, "HEX", "confirm: as read from the copy"},
             {"output", FlagKind::kText, "FILE", "export: the sheet"}},
            Run,
            Print,
            ShowsWithoutAction};
}

}    // namespace ark::cli
