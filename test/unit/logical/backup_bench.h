// A repository in memory and a private server: what the tests of exports share.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "logical/backup_reader.h"
#include "logical/rows_digest.h"
#include "storage/memory_storage.h"
#include "support/private_postgres.h"

namespace ark::test {

class KeptLog : public Log {
public:
    void Note(std::string_view message) override { Keep(notes_, message); }
    void Warn(std::string_view message) override { Keep(warnings_, message); }
    void Report(const Progress &progress) override {
        std::lock_guard lock(mutex_);
        last_ = progress;
    }
    std::vector<std::string> notes() const { return Copy(notes_); }
    std::vector<std::string> warnings() const { return Copy(warnings_); }
    Progress last() const {
        std::lock_guard lock(mutex_);
        return last_;
    }

private:
    void Keep(std::vector<std::string> &list, std::string_view message) {
        std::lock_guard lock(mutex_);
        list.emplace_back(message);
    }
    std::vector<std::string> Copy(const std::vector<std::string> &list) const {
        std::lock_guard lock(mutex_);
        return list;
    }
    mutable std::mutex mutex_;
    std::vector<std::string> notes_, warnings_;
    Progress last_;
};

class BackupBench : public testing::Test {
protected:
    static std::shared_ptr<Repository> NewRepository(const PrivatePostgres &server, bool encrypted = false) {
        ClusterName cluster{"main", server.Sql("postgres", "SELECT system_identifier FROM pg_control_system()")};
        std::shared_ptr<Repository> repository =
            Repository::Init(MakeMemoryStorage(), cluster, encrypted, SystemClock(), SystemRandom());
        repository->SetEpoch(1);
        return repository;
    }

    ExportRequest Request(const std::string &database) const {
        ExportRequest request;
        request.conninfo = server_.Conninfo();
        request.database = database;
        request.pg_bindir = PrivatePostgres::Bindir();
        return request;
    }
    ExportResult Export(const ExportRequest &request) {
        return ExportDatabase(request, repository_, keys_, SystemClock(), SystemRandom(), ticker_, log_);
    }
    ExportResult Export(const std::string &database) { return Export(Request(database)); }
    BackupReader Reader(const ExportResult &result) { return BackupReader(repository_, keys_, result.backup_id); }

    static std::string RowsOf(BackupReader &reader, const BackupTable &table) {
        std::string rows;
        reader.Rows(table, [&](ByteView part) { rows += AsText(part); });
        return rows;
    }
    static std::string ContentOf(BackupReader &reader, std::string_view path) {
        std::string content;
        reader.Content(path, [&](ByteView part) { content += AsText(part); });
        return content;
    }
    // All rows of a backup by "schema.table", of tables that have any.
    static std::map<std::string, std::string> AllRows(BackupReader &reader) {
        std::map<std::string, std::string> all;
        std::vector<BackupTable> tables;
        reader.Tables([&](const BackupTable &table) { tables.push_back(table); });
        for (const BackupTable &table : tables) {
            std::string rows = RowsOf(reader, table);
            RowsDigest digest;
            EXPECT_EQ(digest.AddRows(AsBytes(rows)), table.rows) << table.name;
            EXPECT_EQ(rows.size(), table.bytes) << table.name;
            EXPECT_EQ(digest.Hex(), table.rows_digest) << table.name;
            if (!rows.empty()) all[table.schema + "." + table.name] = std::move(rows);
        }
        return all;
    }
    // The same straight from the server, by another way: psql's view of which tables there are, COPY of each.
    std::map<std::string, std::string> LiveRows(const std::string &database) const {
        Connection connection(server_.Conninfo(database), "", "compare", NeverCancelled(), SilentLog());
        ApplySessionContract(connection, true);
        Result tables = connection.Query(
            "SELECT schemaname, tablename, CASE WHEN attributes.none THEN '' ELSE '(' || attributes.list || ')' END"
            " FROM pg_tables JOIN pg_class c ON c.oid = format('%I.%I', schemaname, tablename)::regclass,"
            " LATERAL (SELECT string_agg(quote_ident(attname), ',' ORDER BY attnum) AS list, count(*) = 0 AS none"
            "  FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') "
            "attributes"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND c.relkind = 'r' AND c.relpersistence <> "
            "'t'");
        std::map<std::string, std::string> all;
        for (int row = 0; row < tables.rows(); row++) {
            std::string rows;
            connection.CopyOut("COPY " + QualifiedName(tables.Text(row, 0), tables.Text(row, 1)) + " " +
                                   tables.String(row, 2) + " TO STDOUT",
                               [&](std::string_view text) { rows += text; });
            if (!rows.empty()) all[tables.String(row, 0) + "." + tables.String(row, 1)] = std::move(rows);
        }
        return all;
    }
    static void ExpectSameRows(const std::map<std::string, std::string> &expected,
                               const std::map<std::string, std::string> &found) {
        for (const auto &[name, rows] : expected) {
            ASSERT_TRUE(found.contains(name)) << name << " is missing";
            EXPECT_TRUE(rows == found.at(name)) << name << " differs";
        }
        for (const auto &[name, rows] : found) EXPECT_TRUE(expected.contains(name)) << name << " is too much";
    }
    Error Failure(const std::function<void()> &act) {
        try {
            act();
        } catch (const Error &error) {
            return error;
        }
        ADD_FAILURE() << "no error";
        return {Code::kInternal, ""};
    }

    PrivatePostgres &server_ = PrivatePostgres::Shared();
    std::shared_ptr<Repository> repository_ = NewRepository(server_);
    std::shared_ptr<KeyRing> keys_ = std::make_shared<KeyRing>(repository_, std::nullopt);
    FlagTicker ticker_;
    KeptLog log_;
};

}    // namespace ark::test
