#include "logical/restore_database.h"

#include <fmt/format.h>

#include "logical/whole/analyze.h"
#include "logical/whole/definitions.h"
#include "logical/whole/load_rows.h"
#include "logical/whole/missing.h"
#include "logical/whole/target_database.h"

namespace ark {
namespace {

// The locale as the manifest has it, where pg_dump's archive has no CREATE DATABASE.
std::string OptionsOfManifest(const Json &body) {
    return fmt::format(" ENCODING = {} LC_COLLATE = {} LC_CTYPE = {}", QuoteLiteral(body.value("encoding", "UTF8")),
                       QuoteLiteral(body.value("collate", "C")), QuoteLiteral(body.value("ctype", "C")));
}

class WholeRestore {
public:
    WholeRestore(const DatabaseRestoreRequest &request, BackupReader &backup, Clock &clock, Ticker &ticker, Log &log)
        : request_(request), backup_(backup), clock_(clock), ticker_(ticker), log_(log), schema_(backup) {}

    DatabaseRestoreResult Run() {
        const Json &body = backup_.manifest().body;
        DumpContents contents = ReadDumpContents(schema_);
        std::string options = contents.create_options.empty() ? OptionsOfManifest(body) : contents.create_options;
        if (request_.tablespaces && !contents.create_tablespace.empty())
            options += " TABLESPACE = " + QuoteIdentifier(contents.create_tablespace);
        result_.encoding = body.value("encoding", "UTF8");
        result_.locale = options;
        result_.tables = body.value("tables", std::uint64_t{0});
        result_.rows = body.value("rows", std::uint64_t{0});
        result_.bytes = body.value("plain_bytes", std::uint64_t{0});
        result_.large_objects = contents.large_objects.size();

        TargetDatabase target(request_, ticker_, log_);
        result_.creates_database = !target.Exists();
        if (!result_.creates_database) target.CheckEmpty();
        result_.missing = FindMissing(target.maintenance(), contents, request_);
        if (request_.dry_run) return std::move(result_);
        if (!result_.missing.empty()) ThrowMissing(result_.missing);
        LoadPlan plan = PlanLoad(backup_, contents, ticker_);
        try {
            target.Take(options, backup_.manifest().clear.backup);
            Fill(target, plan, contents);
            target.Finish();
        } catch (Error &error) {
            target.GiveUp(error);
            throw;
        }
        if (request_.analyze) Analyze();
        result_.rows = plan.rows;
        return std::move(result_);
    }

private:
    void Fill(TargetDatabase &target, LoadPlan &plan, const DumpContents &contents) {
        Definitions definitions(request_, backup_, schema_, target.connection(), ticker_);
        Step("definitions", [&] {
            definitions.Restore("pre-data");
            definitions.Restore("data");
        });
        std::vector<std::int32_t> left;
        Step("rows", [&] {
            left =
                LoadRows(request_, backup_, plan, contents.indexes, definitions, contents.large_objects, ticker_, log_);
        });
        Step("indexes", [&] {
            if (!left.empty()) definitions.Restore(left, request_.jobs);
        });
    }

    // The database is whole: what keeps its statistics from being gathered does not undo that.
    void Analyze() {
        try {
            Step("analyze", [&] { AnalyzeDatabase(request_, ticker_, log_); });
        } catch (const Error &error) {
            result_.warnings.push_back(
                fmt::format("database \"{}\" is restored, but its statistics could not be "
                            "gathered ({}): run ANALYZE in it",
                            request_.target, error.message));
        }
    }

    template <class Work>
    void Step(const char *name, Work work) {
        ticker_.Check();
        Progress progress;
        progress.phase = name;
        log_.Report(progress);
        SteadyPoint started = clock_.Steady();
        work();
        result_.seconds.emplace_back(name, std::chrono::duration<double>(clock_.Steady() - started).count());
    }

    const DatabaseRestoreRequest &request_;
    BackupReader &backup_;
    Clock &clock_;
    Ticker &ticker_;
    Log &log_;
    SchemaFile schema_;
    DatabaseRestoreResult result_;
};

}    // namespace

DatabaseRestoreResult RestoreDatabase(const DatabaseRestoreRequest &request, BackupReader &backup, Clock &clock,
                                      Ticker &ticker, Log &log) {
    return WholeRestore(request, backup, clock, ticker, log).Run();
}

}    // namespace ark
