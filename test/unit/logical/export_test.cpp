#include "logical/export.h"

#include <gmock/gmock.h>

#include "base/digest.h"
#include "base/file.h"
#include "unit/logical/backup_bench.h"

namespace ark {
namespace {

using test::PrivatePostgres;
using testing::ElementsAre;
using testing::HasSubstr;

class ExportTest : public test::BackupBench {
protected:
    // Everything that a schema can hold and an export can stumble over.
    std::string ManyKinds() {
        std::string database = server_.CreateDatabase("kinds");
        server_.Run("psql", {"-qXv", "ON_ERROR_STOP=1", "-d", database, "-c", R"(
            CREATE SCHEMA "Mixed Case"; CREATE SCHEMA "ünïcode"; CREATE SCHEMA a; CREATE SCHEMA "a-b";
            CREATE TABLE a.t (x int); INSERT INTO a.t VALUES (1);
            CREATE TABLE "a-b".t (x int); INSERT INTO "a-b".t VALUES (2);
            CREATE TABLE a."t-1" (x int); INSERT INTO a."t-1" VALUES (3);
            CREATE TABLE a."t/x" (x int); INSERT INTO a."t/x" VALUES (4);
            CREATE TABLE "Mixed Case"."Order ""Items""" ("Id" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "a\b" text);
            INSERT INTO "Mixed Case"."Order ""Items""" ("a\b") VALUES (E'tab\there'), (E'back\\slash'), (E'line\nfeed'), (NULL), ('');
            CREATE TABLE "ünïcode"."täble" ("spälte" text); INSERT INTO "ünïcode"."täble" VALUES ('Ünï');
            CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN small AS int CHECK (VALUE < 100); CREATE DOMAIN smaller AS small;
            CREATE TYPE pair AS (a int, b text);
            CREATE TABLE typed (id bigserial PRIMARY KEY, m mood, d smaller, ds small[], p pair, ps pair[], r int4range, j jsonb, b bytea, f float8,
                                n numeric(10, 2), ts timestamptz, iv interval, money money, g int GENERATED ALWAYS AS (d * 2) STORED, gone int, x xml);
            INSERT INTO typed (m, d, ds, p, ps, r, j, b, f, n, ts, iv, money, gone)
                SELECT 'happy', i, ARRAY[i, i], ROW(i, 'x,"y')::pair, ARRAY[ROW(i, NULL)::pair], int4range(1, i + 2), '{"a": [1, 2]}', '\xdeadbeef', 0.1 + i, i,
                       '2024-01-01 12:00+02', '1 day 2 hours', 1.5, i FROM generate_series(1, 50) i;
            ALTER TABLE typed DROP COLUMN gone;
            CREATE TABLE late (x int); INSERT INTO late VALUES (1); ALTER TABLE late ADD COLUMN y text DEFAULT 'filled in'; INSERT INTO late VALUES (2, 'two');
            CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;
            CREATE TABLE empty (x int);
            CREATE UNLOGGED TABLE unlogged (x int); INSERT INTO unlogged VALUES (7);
            CREATE TABLE parent (k int, v text) PARTITION BY RANGE (k);
            CREATE TABLE part1 PARTITION OF parent FOR VALUES FROM (0) TO (10); CREATE TABLE part2 PARTITION OF parent DEFAULT;
            INSERT INTO parent SELECT i, 'v' || i FROM generate_series(0, 30) i;
            CREATE TABLE base (x int); CREATE TABLE derived (y int) INHERITS (base); INSERT INTO base VALUES (1); INSERT INTO derived VALUES (2, 3);
            CREATE TABLE keyed (a int NOT NULL, b int NOT NULL, c int); CREATE UNIQUE INDEX ON keyed (b, a); INSERT INTO keyed VALUES (1, 2, 3);
            CREATE TABLE keyless (a int UNIQUE); INSERT INTO keyless VALUES (NULL), (1);
            CREATE TABLE secret (x int); ALTER TABLE secret ENABLE ROW LEVEL SECURITY; ALTER TABLE secret FORCE ROW LEVEL SECURITY; INSERT INTO secret VALUES (1);
            CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM typed; CREATE VIEW v AS SELECT 1 AS one;
            CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
            CREATE FOREIGN TABLE foreign_one (line text) SERVER files OPTIONS (filename '/etc/hostname');
            CREATE SEQUENCE "Mixed Case".counter AS smallint START 5; SELECT nextval('"Mixed Case".counter');
            CREATE SEQUENCE untouched START 42;
            CREATE TABLE wide (id int, body text); INSERT INTO wide SELECT 1, repeat(md5('x'), 100000); INSERT INTO wide SELECT 2, 'short';
            CREATE TEMP TABLE not_mine (x int);
        )"});
        return database;
    }
};

TEST_F(ExportTest, HoldsEveryRowOfEveryTable) {
    std::string database = ManyKinds();
    ExportResult result = Export(database);
    BackupReader reader = Reader(result);
    ExpectSameRows(LiveRows(database), AllRows(reader));
    EXPECT_EQ(result.attempts, 1);
    EXPECT_EQ(result.reused_bytes, 0u);
    EXPECT_EQ(reader.manifest().body.at("rows"), result.rows);
    EXPECT_EQ(reader.manifest().body.at("database"), database);
    EXPECT_EQ(reader.manifest().clear.kind, "logical");
    EXPECT_GT(result.new_bytes, 0u);
}

TEST_F(ExportTest, DescribesTables) {
    BackupReader reader = Reader(Export(ManyKinds()));
    BackupTable typed = reader.Table("public", "typed").value();
    std::map<std::string, BackupColumn> columns;
    for (const BackupColumn &column : typed.columns) columns[column.name] = column;
    EXPECT_EQ(columns.count("gone"), 0u);
    EXPECT_EQ(columns["d"].type, "public.smaller");
    EXPECT_EQ(columns["d"].base_type, "integer");
    EXPECT_FALSE(columns["d"].plain);
    EXPECT_EQ(columns["ds"].base_type, "integer[]");
    EXPECT_FALSE(columns["ds"].plain);
    EXPECT_FALSE(columns["p"].plain);
    EXPECT_FALSE(columns["ps"].plain);
    EXPECT_TRUE(columns["m"].plain);
    EXPECT_TRUE(columns["r"].plain);
    EXPECT_TRUE(columns["j"].plain);
    EXPECT_EQ(columns["n"].type, "numeric(10,2)");
    EXPECT_EQ(columns["g"].generated, "s");
    EXPECT_EQ(std::count(typed.copy.begin(), typed.copy.end(), "g"), 0);
    EXPECT_THAT(typed.key, ElementsAre("id"));
    EXPECT_EQ(reader.Table("Mixed Case", "Order \"Items\"")->columns[0].identity, "a");
    EXPECT_THAT(reader.Table("public", "keyed")->key, ElementsAre("b", "a"));
    EXPECT_TRUE(reader.Table("public", "keyless")->key.empty());
    EXPECT_THAT(reader.Table("public", "part1")->partition_of, ElementsAre("public", "parent"));
    EXPECT_EQ(reader.Table("public", "parent")->kind, 'p');
    EXPECT_EQ(reader.Table("public", "derived")->inherits.at(0).second, "base");
    EXPECT_EQ(reader.Table("public", "mv")->kind, 'm');
    EXPECT_EQ(reader.Table("public", "foreign_one")->kind, 'f');
    EXPECT_EQ(reader.Table("public", "unlogged")->persistence, 'u');
    EXPECT_EQ(reader.Table("public", "nothing")->rows, 2u);
    EXPECT_FALSE(reader.Table("public", "v").has_value());
    EXPECT_FALSE(reader.Table("public", "no such table").has_value());
}

TEST_F(ExportTest, KeepsSequencesRolesAndDefinitions) {
    std::string database = ManyKinds();
    BackupReader reader = Reader(Export(database));
    std::map<std::string, BackupSequence> sequences;
    for (const BackupSequence &sequence : reader.Sequences()) sequences[sequence.name] = sequence;
    EXPECT_EQ(sequences["counter"].last_value, 5);
    EXPECT_TRUE(sequences["counter"].is_called);
    EXPECT_EQ(sequences["counter"].type, "smallint");
    EXPECT_EQ(sequences["untouched"].last_value, 42);
    EXPECT_FALSE(sequences["untouched"].is_called);
    EXPECT_THAT(sequences["typed_id_seq"].owned_by, ElementsAre("public", "typed", "id"));
    EXPECT_THAT(ContentOf(reader, "globals/roles"), HasSubstr("\"name\" : \"postgres\""));
    EXPECT_THAT(ContentOf(reader, "globals/extensions"), HasSubstr("file_fdw"));
    EXPECT_THAT(ContentOf(reader, "globals/settings"), HasSubstr(database));
    EXPECT_THAT(ContentOf(reader, "schema/toc"), testing::StartsWith("PGDMP"));
}

TEST_F(ExportTest, TableOfContentsIsThatOfPgDump) {
    std::string database = ManyKinds();
    BackupReader reader = Reader(Export(database));
    std::filesystem::path directory = server_.directory();
    std::filesystem::path ours = directory / "ours.toc", theirs = directory / (database + ".dump");
    WriteFileAtomically(ours, AsBytes(ContentOf(reader, "schema/toc")), 0644);
    server_.Run("pg_dump", {"-Fd", "-f", theirs.string(), "-d", database});
    auto listed = [&](const std::filesystem::path &path) {
        std::string list;
        for (std::string text = server_.Run("pg_restore", {"-l", path.string()}); !text.empty();) {
            std::string line = text.substr(0, text.find('\n') + 1);
            if (!line.starts_with(';')) list += line;
            text.erase(0, std::max<std::size_t>(line.size(), 1));
        }
        return list;
    };
    EXPECT_EQ(listed(ours), listed(theirs));
}

TEST_F(ExportTest, LargeObjectsComeWholeWithTheirHoles) {
    std::string database = server_.CreateDatabase("objects");
    server_.Sql(database,
                "SELECT lo_create(g) FROM generate_series(100, 700) g; "
                "SELECT lo_put(g, 0, convert_to(repeat('x', g::int), 'UTF8')) FROM generate_series(200, 600) g; "
                "SELECT lo_put(150, 5000000, 'end'); SELECT lo_put(150, 10, 'begin'); "
                "SELECT lo_put(151, 3000, decode(repeat('ab', 3000000), 'hex')); "
                "CREATE ROLE lo_owner; ALTER LARGE OBJECT 300 OWNER TO lo_owner");
    BackupReader reader = Reader(Export(database));
    int objects = 0;
    TreeCursor cursor = reader.Entries();
    for (cursor.Seek("large_object/"); cursor.Current() && cursor.Path().starts_with("large_object/"); cursor.Next()) {
        Json entry = *cursor.Current();
        std::string content = ContentOf(reader, cursor.Path());
        std::string oid = std::to_string(entry.at("oid").get<int>());
        EXPECT_EQ(content.size(), entry.at("size"));
        EXPECT_EQ(Sha256Hex(AsBytes(content)), entry.at("digest"));
        EXPECT_EQ(Sha256Hex(AsBytes(content)),
                  server_.Sql(database, "SELECT encode(sha256(lo_get(" + oid + ")), 'hex')"))
            << oid;
        EXPECT_EQ(entry.at("owner"), oid == "300" ? "lo_owner" : "postgres");
        objects++;
    }
    EXPECT_EQ(objects, 601);
    server_.Sql(database, "ALTER LARGE OBJECT 300 OWNER TO postgres; DROP ROLE lo_owner");
}

TEST_F(ExportTest, EntitiesBringTheirPartitionsAndOnlyTheRowsOfTheirFilter) {
    std::string database = ManyKinds();
    ExportRequest request = Request(database);
    request.entities = ParseEntities("typed, parent, \"Mixed Case\".\"Order \"\"Items\"\"\"");
    request.entities[1].tables[0].filter = "k % 2 = 0 AND v <> ')'";
    ExportResult result = Export(request);
    BackupReader reader = Reader(result);
    std::map<std::string, std::string> live = LiveRows(database), found = AllRows(reader);
    EXPECT_EQ(reader.manifest().clear.kind, "entities");
    EXPECT_EQ(found.size(), 4u);
    EXPECT_TRUE(found["public.typed"] == live["public.typed"]);
    EXPECT_EQ(found["public.part1"], "0\tv0\n2\tv2\n4\tv4\n6\tv6\n8\tv8\n");
    EXPECT_EQ(reader.Table("public", "part2")->filter, "k % 2 = 0 AND v <> ')'");
    EXPECT_EQ(reader.Sequences().size(), 2u);
    EXPECT_EQ(ContentOf(reader, "schema/toc").find("unlogged"), std::string::npos);
    EXPECT_EQ(reader.manifest().body.at("entities").size(), 3u);
}

TEST_F(ExportTest, UnknownAndUnusableEntitiesAreNamed) {
    std::string database = ManyKinds();
    auto failure = [&](std::string_view entities) {
        ExportRequest request = Request(database);
        request.entities = ParseEntities(entities);
        return Failure([&] { Export(request); });
    };
    Error unknown = failure("typd");
    EXPECT_EQ(unknown.code, Code::kNotFound);
    EXPECT_THAT(unknown.message, HasSubstr("\"typd\""));
    EXPECT_THAT(unknown.detail, HasSubstr("public.typed"));
    EXPECT_EQ(failure("v").code, Code::kInvalidArgument);
    Error ambiguous = failure("t");
    EXPECT_EQ(ambiguous.code, Code::kInvalidArgument);
    EXPECT_THAT(ambiguous.detail, HasSubstr("a-b"));
    ExportRequest request = Request(database);
    request.entities = {{"x", {{"", "typed", "true) UNION SELECT (true"}}}};
    EXPECT_EQ(Failure([&] { Export(request); }).code, Code::kInvalidArgument);
    EXPECT_EQ(Failure([&] { Export("no_such_database"); }).code, Code::kNotFound);
}

TEST_F(ExportTest, ExtensionTablesFollowTheirConfiguration) {
    std::string database = server_.CreateDatabase("extension");
    server_.Sql(database,
                "CREATE TABLE rules (name text, own boolean); CREATE TABLE inside (x int); INSERT INTO inside VALUES "
                "(1); CREATE TABLE mine (x int);"
                "INSERT INTO rules VALUES ('theirs', false), ('ours', true); INSERT INTO mine VALUES (1);"
                "CREATE EXTENSION file_fdw;"
                "ALTER EXTENSION file_fdw ADD TABLE rules; ALTER EXTENSION file_fdw ADD TABLE inside;"
                "UPDATE pg_extension SET extconfig = ARRAY['rules'::regclass::oid], extcondition = ARRAY['WHERE own'] "
                "WHERE extname = 'file_fdw'");
    BackupReader reader = Reader(Export(database));
    std::map<std::string, std::string> rows = AllRows(reader);
    EXPECT_EQ(rows, (std::map<std::string, std::string>{{"public.mine", "1\n"}, {"public.rules", "ours\tt\n"}}));
}

TEST_F(ExportTest, OtherEncodingsKeepTheirBytes) {
    std::string database = server_.CreateDatabase("latin", "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    server_.Sql(
        database,
        "CREATE TABLE U&\"t\\00e4ble\" (U&\"\\00e4\" text); INSERT INTO U&\"t\\00e4ble\" VALUES (U&'gr\\00fcn')");
    BackupReader reader = Reader(Export(database));
    std::optional<BackupTable> table = reader.Table("public", "täble");
    ASSERT_TRUE(table.has_value());
    EXPECT_EQ(table->copy.at(0), "ä");
    EXPECT_EQ(RowsOf(reader, *table), "gr\xfcn\n");
    EXPECT_EQ(reader.manifest().body.at("encoding"), "LATIN1");
    EXPECT_EQ(reader.manifest().body.at("session").at("client_encoding"), "LATIN1");
}

TEST_F(ExportTest, AnEmptyDatabaseIsABackupToo) {
    ExportResult result = Export(server_.CreateDatabase("empty"));
    EXPECT_EQ(result.tables, 0u);
    BackupReader reader = Reader(result);
    EXPECT_TRUE(AllRows(reader).empty());
}

TEST_F(ExportTest, EncryptedBackupsReadBack) {
    repository_ = NewRepository(server_, true);
    keys_ = std::make_shared<KeyRing>(repository_, NewKey(SystemRandom()));
    std::string database = ManyKinds();
    ExportResult result = Export(database);
    EXPECT_TRUE(result.clear.sealed);
    BackupReader reader = Reader(result);
    ExpectSameRows(LiveRows(database), AllRows(reader));
    EXPECT_EQ(Failure([&] { BackupReader(repository_, nullptr, result.backup_id); }).code, Code::kPermissionDenied);
}

// By ranges of the heap where the machine has cores for many readers, else by one COPY: the rows are the same, frames of the one
// are found again by the other, and so they are when chunks begin elsewhere.
TEST_F(ExportTest, LargeTablesAreReadByRangesOrAsOne) {
    std::string database = server_.CreateDatabase("chunks");
    server_.Sql(database,
                "CREATE TABLE big (id int PRIMARY KEY, body text); ALTER TABLE big ALTER body SET STORAGE PLAIN;"
                "INSERT INTO big SELECT g, repeat(md5(g::text), 60) FROM generate_series(1, 80000) g");
    ExportRequest request = Request(database);
    request.jobs = 3;
    std::uint64_t first_bytes = 0;
    for (unsigned cores : {8u, 2u, 8u}) {
        request.cores = cores;
        ExportResult result = Export(request);
        BackupReader reader = Reader(result);
        int chunks = 0;
        TreeCursor cursor = reader.Entries();
        for (cursor.Seek("table/public/big/data/");
             cursor.Current() && cursor.Path().find("/data/") != std::string::npos; cursor.Next()) {
            EXPECT_EQ(cursor.Current()->at("blocks").is_null(), cores == 2);
            chunks++;
        }
        EXPECT_EQ(chunks, 3);
        ExpectSameRows(LiveRows(database), AllRows(reader));
        if (first_bytes == 0)
            first_bytes = result.new_bytes;
        else
            EXPECT_LT(result.new_bytes, first_bytes / 12) << first_bytes;
        // Rows that go from the front move everything behind them.
        if (cores == 2) {
            server_.Sql(database, "DELETE FROM big WHERE id <= 4000");
            server_.Sql(database, "VACUUM FULL big");
        }
    }
}

TEST_F(ExportTest, TheSampleApplicationComesBackRowByRow) {
    std::string database = server_.CreateDatabase("sample");
    server_.Run("psql", {"-qXd", database, "-v", "scale=0.1", "-f", std::string(ARK_TEST_DATA) + "/sample_app.sql"});
    ExportResult result = Export(database);
    BackupReader reader = Reader(result);
    ExpectSameRows(LiveRows(database), AllRows(reader));
}

TEST_F(ExportTest, CancelEndsAQueryThatRunsAndFencesTheBackup) {
    std::string database = server_.CreateDatabase("cancel");
    server_.Sql(database, "CREATE TABLE slow AS SELECT g FROM generate_series(1, 100000) g");
    ExportRequest request = Request(database);
    request.entities = {{"slow", {{"public", "slow", "pg_sleep(1) IS NOT NULL"}}}};
    std::thread later([&] {
        std::this_thread::sleep_for(std::chrono::seconds(1));
        ticker_.Cancel();
    });
    EXPECT_EQ(Failure([&] { Export(request); }).code, Code::kCancelled);
    later.join();
    EXPECT_TRUE(OpenBackups(*repository_).empty());
    EXPECT_TRUE(ListBackups(*repository_, keys_.get(), SystemClock().Now()).empty());
}

}    // namespace
}    // namespace ark
