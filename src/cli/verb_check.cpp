#include <fmt/format.h>

#include <functional>
#include <ostream>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "logical/rights.h"

namespace ark::cli {
namespace {

class Checks {
public:
    explicit Checks(std::string store) : store_(std::move(store)) {}

    // Runs one check; what it throws is its failure. Returns whether it held.
    bool Run(const std::string &name, const std::function<std::string()> &check) {
        try {
            Add(name, true, check(), "");
            return true;
        } catch (const Error &error) {
            if (error.code == Code::kCancelled) throw;
            Add(name, false, error.message + (error.detail.empty() ? "" : ": " + error.detail), error.hint);
            return false;
        }
    }
    void Add(const std::string &name, bool ok, const std::string &detail, const std::string &hint) {
        AddOf(store_, name, ok, detail, hint);
    }
    void AddOf(const std::string &store, const std::string &name, bool ok, const std::string &detail,
               const std::string &hint) {
        rows.push_back({{"store", store},
                        {"check", name},
                        {"ok", ok},
                        {"detail", detail},
                        {"hint", hint.empty() ? Json() : Json(hint)}});
        failed += ok ? 0 : 1;
    }

    Json rows = Json::array();
    int failed = 0;

private:
    std::string store_;
};

void CheckStore(Engine &engine, Checks &checks) {
    StoragePtr store = engine.Store();
    std::string name = ".probe/" + engine.random().Hex(16), content = "pg_ark probe " + name;
    if (store->CanBeMade()) {
        checks.Run("reachable", [&] {
            engine.OpenIfThere();    // throws if there should be one
            return store->Describe() + " does not exist, so there is no repository; the first backup makes it";
        });
        return;
    }
    if (!checks.Run("reachable", [&] {
            store->List(".probe/", [](const ObjectInfo &) { return false; });
            return store->Describe();
        }))
        return;
    if (!checks.Run("write", [&] {
            MemorySource source(content);
            store->Put(name, source, PutMode::kCreate);
            return fmt::format("wrote {} bytes", content.size());
        }))
        return;
    checks.Run("read back", [&] {
        std::optional<Bytes> back = ReadObject(*store, name);
        if (!back || AsText(*back) != content)
            throw Error(Code::kCorrupt, "the store returned other bytes than were written", {},
                        "Do not trust this store.");
        return std::string("the same bytes came back");
    });
    checks.Run("conditional creation", [&] {
        if (!store->Probe().conditional_create)
            throw Error(Code::kUnsupported, "the store ignores If-None-Match", {},
                        "It is treated as single-writer: let one server alone write to it, and take over by hand.");
        try {
            MemorySource other(std::string_view("other"));
            store->Put(name, other, PutMode::kCreate);
        } catch (const Error &error) {
            if (error.code == Code::kAlreadyExists) return std::string("a taken name is refused");
            throw;
        }
        throw Error(Code::kUnsupported, "a taken name was written over", {},
                    "It is treated as single-writer: let one server alone write to it, and take over by hand.");
    });
    checks.Run("delete", [&] {
        store->Remove({name});
        return std::string("this credential can delete (needed by expiry; object lock protects against its misuse)");
    });
    checks.Run("clock", [&] {
        std::string probe = ".probe/" + engine.random().Hex(16);
        MemorySource source(content);
        store->Put(probe, source, PutMode::kCreate);
        std::optional<ObjectInfo> info = store->Stat(probe);
        store->Remove({probe});
        if (!info) throw Error(Code::kCorrupt, "an object that was just written is not there");
        Duration apart = std::chrono::abs(info->modified - engine.clock().Now());
        if (apart > std::chrono::minutes(5))
            throw Error(Code::kConflict, fmt::format("the store's clock and ours are {} apart", HumanDuration(apart)),
                        {}, "Set the clocks: S3 refuses requests signed 15 minutes off.");
        return fmt::format("{} apart", HumanDuration(apart));
    });
}

void InspectStore(Engine &engine, Checks &checks) {
    if (engine.Store()->CanBeMade()) return;
    checks.Run("settings of the store", [&] {
        std::vector<Finding> findings = engine.Store()->Inspect();
        for (const Finding &finding : findings) checks.Add(finding.check, finding.ok, finding.detail, finding.hint);
        return fmt::format("{} questions answered", findings.size());
    });
}

void CheckServer(Engine &engine, Checks &checks) {
    if (!checks.Run("server", [&] {
            const ServerIdentity &server = engine.Server();
            return fmt::format("PostgreSQL {}, system identifier {}", server.version_num / 10000,
                               server.system_identifier);
        }))
        return;
    checks.Run("rights", [&] {
        std::unique_ptr<Connection> connection = engine.Connect();
        std::vector<std::string> missing = MissingRights(*connection);
        if (missing.empty())
            return fmt::format("role \"{}\" can read every database it connects to", connection->user());
        std::string all;
        for (const std::string &statement : missing) all += (all.empty() ? "" : " ") + statement;
        throw Error(Code::kPermissionDenied, fmt::format("role \"{}\" lacks rights", connection->user()), {}, all);
    });
    checks.Run("pg_dump",
               [&] { return DescribePgDump(engine.config().Text("pg_bindir"), engine.Server().version_num); });
    checks.Run("right to write", [&] {
        if (!engine.OpenIfThere()) return std::string("there is no repository yet; the first backup makes it");
        std::shared_ptr<Repository> repository = engine.OpenForWriting();
        return fmt::format("{} (epoch {})", repository->cluster().Path(), repository->epoch());
    });
}

void CheckKey(Engine &engine, Checks &checks) {
    if (engine.config().Text("encryption_key").empty()) {
        checks.Add("encryption", true, "off: no encryption key is set; who can read the store can read the data",
                   "Set ark.encryption_key before the first backup if that matters.");
        return;
    }
    checks.Run("encryption", [&] {
        std::shared_ptr<Repository> repository = engine.OpenIfThere();
        if (!repository)
            return fmt::format("key {} can be read; there is no repository yet",
                               KeyFingerprint(*engine.ConfiguredKey()));
        engine.Keys(repository)->Wraps();
        if (!engine.Keys(repository)->Wraps().empty())
            engine.Keys(repository)->Newest("cluster", false, engine.random());
        return fmt::format("key {} opens this cluster's path", KeyFingerprint(*engine.ConfiguredKey()));
    });
}

Json Run(Engine &engine, const Arguments &arguments) {
    engine.Store(arguments.Text("store_name"));
    Checks checks(engine.StoreName());
    CheckStore(engine, checks);
    InspectStore(engine, checks);
    CheckServer(engine, checks);
    CheckKey(engine, checks);
    for (const std::string &store : engine.UnwrittenStores())
        checks.AddOf(store, "backups", false,
                     "it gets no backups yet: this version keeps them in the first store only, and WAL in all",
                     "Do not count on a copy of the backups here: copy them with a tool of its own, or take some with "
                     "pg_ark backup --store and this store's URL alone.");
    return {{"state", "done"},
            {"ok", checks.failed == 0},
            {"checks", checks.rows},
            {"message", checks.failed == 0 ? std::string("everything that was checked holds")
                                           : fmt::format("{} of {} checks failed", checks.failed, checks.rows.size())}};
}

void Print(const Json &result, std::ostream &out) {
    TextTable table({"store", "check", "ok", "detail"});
    for (const Json &check : result["checks"])
        table.Row({TextOf(check["store"]), TextOf(check["check"]), TextOf(check["ok"]), TextOf(check["detail"])});
    table.Print(out, "");
    for (const Json &check : result["checks"])
        if (!check["hint"].is_null()) out << TextOf(check["check"]) << ": " << TextOf(check["hint"]) << '\n';
    out << TextOf(result["message"]) << '\n';
}

}    // namespace

Verb CheckVerb() {
    return {"check",
            "try everything that a backup needs: store, server, rights, pg_dump, key",
            "Writes and removes small objects under .probe/, and makes no repository. Prints what is missing and the "
            "statement or setting that "
            "cures it.",
            {{"store_name", FlagKind::kText, "NAME", "name of the store to check (default: the first)"}},
            Run,
            Print,
            ShowsAlways};
}

}    // namespace ark::cli
