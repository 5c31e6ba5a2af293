# Restoring tables of every shape, those of the sample application and the awkward ones: rows afterwards equal rows before.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use Test::More;

$ENV{PGCLIENTENCODING} = 'UTF8';    # of psql, whatever the database's is
my $node = ArkCluster->make('primary');
$node->load_sample('pristine');
$node->safe_psql('pristine', q{
	CREATE TABLE people (id integer PRIMARY KEY, boss integer REFERENCES people, mentor integer REFERENCES people ON DELETE SET NULL, name text);
	INSERT INTO people SELECT i, CASE WHEN i < 100 THEN i + 1 END, nullif(i / 2, 0), 'person ' || i FROM generate_series(1, 100) AS i ORDER BY i DESC;
	CREATE TABLE teams (id integer PRIMARY KEY, leader integer NOT NULL, name text UNIQUE);
	CREATE TABLE members (id integer PRIMARY KEY, team integer NOT NULL REFERENCES teams, name text);
	ALTER TABLE teams ADD CONSTRAINT led FOREIGN KEY (leader) REFERENCES members DEFERRABLE INITIALLY DEFERRED;
	BEGIN;
	INSERT INTO teams SELECT i, 10 * i, 'team ' || i FROM generate_series(1, 5) AS i;
	INSERT INTO members SELECT i, 1 + (i - 1) / 10, 'member ' || i FROM generate_series(1, 50) AS i;
	COMMIT;
	CREATE TABLE always (id integer GENERATED ALWAYS AS IDENTITY, code integer GENERATED ALWAYS AS (id * 10) STORED UNIQUE, note text, PRIMARY KEY (id));
	INSERT INTO always (note) SELECT 'note ' || i FROM generate_series(1, 30) AS i;
	CREATE TABLE serials (id serial PRIMARY KEY, down integer NOT NULL, other bigint DEFAULT nextval('ticket_numbers'), x text);
	CREATE SEQUENCE falling INCREMENT -1 OWNED BY serials.down;
	ALTER TABLE serials ALTER COLUMN down SET DEFAULT nextval('falling');
	INSERT INTO serials (x) SELECT i FROM generate_series(1, 40) AS i;
	CREATE TABLE tree (id integer PRIMARY KEY, parent integer REFERENCES tree ON DELETE CASCADE);
	INSERT INTO tree SELECT i, nullif(i / 2, 0) FROM generate_series(1, 63) AS i;
	CREATE EXTENSION citext;
	CREATE TABLE named (name citext PRIMARY KEY, n integer);
	CREATE TABLE uses (id integer PRIMARY KEY, name citext REFERENCES named);
	INSERT INTO named VALUES ('Alpha', 1), ('beta', 2);
	INSERT INTO uses VALUES (1, 'ALPHA'), (2, 'Beta');
	CREATE TABLE slots (room integer, during int4range, PRIMARY KEY (room, during));
	INSERT INTO slots SELECT i, int4range(i, i + 5) FROM generate_series(1, 9) AS i;
	CREATE DOMAIN code AS varchar(8) NOT NULL CHECK (VALUE ~ '^[A-Z]');
	CREATE TYPE pair AS (a code, b integer[]);
	CREATE TABLE coded (id code PRIMARY KEY, pairs pair[], one pair, r tstzrange);
	INSERT INTO coded SELECT 'C' || i, ARRAY[ROW('X', '{1,2}'), ROW('Y', NULL)]::pair[], ROW('Z,"', '{}')::pair, 'empty' FROM generate_series(1, 20) AS i;
	CREATE TABLE measures (at date NOT NULL, place text, value integer) PARTITION BY RANGE (at);
	CREATE TABLE measures_1 PARTITION OF measures FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') PARTITION BY LIST (place);
	CREATE TABLE measures_1_a PARTITION OF measures_1 FOR VALUES IN ('a');
	CREATE TABLE measures_1_b (value integer, place text, at date NOT NULL);
	ALTER TABLE measures_1 ATTACH PARTITION measures_1_b FOR VALUES IN ('b');
	CREATE TABLE measures_2 PARTITION OF measures FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
	INSERT INTO measures SELECT '2026-01-01'::date + i % 59, chr(97 + i % 2), i FROM generate_series(1, 200) AS i WHERE i % 59 < 59;
	});
# What 18 brought: keys and references by periods, generated columns that are not stored, constraints that are not enforced.
my $has_periods = $node->pg_version >= 18;
$node->safe_psql('pristine', q{
	CREATE EXTENSION IF NOT EXISTS btree_gist;
	CREATE TABLE tariffs (item integer, during int4range, price integer, gross integer GENERATED ALWAYS AS (price * 2),
		CONSTRAINT cheap CHECK (price < 30) NOT ENFORCED, PRIMARY KEY (item, during WITHOUT OVERLAPS));
	INSERT INTO tariffs SELECT i % 10, int4range(i / 10 * 5, i / 10 * 5 + 5), i FROM generate_series(0, 49) AS i;
	CREATE TABLE stays (id integer PRIMARY KEY, item integer, during int4range, FOREIGN KEY (item, PERIOD during) REFERENCES tariffs);
	INSERT INTO stays SELECT i, i % 10, int4range(1 + i / 10, 8 + i / 10) FROM generate_series(1, 40) AS i;
	}) if $has_periods;
sub fresh
{
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS app');
	$node->safe_psql('postgres', 'CREATE DATABASE app TEMPLATE pristine');
	return;
}
fresh();
my $before = $node->digests('app');
is($node->safe_psql('postgres', q{SELECT state FROM ark.backup_now(database => 'app')}), 'done', 'a backup');

sub change { $node->safe_psql('app', $_[0]); return; }
sub ask { return $node->safe_psql('app', $_[0]); }
sub restore { my ($arguments, $name) = @_; return $node->ark_ok("SELECT coalesce(table_name, ''), notes FROM ark.restore_entities($arguments, database => 'app')", $name); }
# Breaks, restores, and passes if everything is as it was. Sequences only move forward, so they are left out if the test says so.
sub back
{
	my ($name, $damage, $arguments, %options) = @_;
	fresh();
	change($damage);
	isnt($node->digests('app', %options), $before, "$name: there is damage") unless $options{undamaged};
	my $said = restore($arguments, "$name: restore");
	$node->same_rows('app', $before, "$name: every row is what it was", %options);
	return $said;
}

back('self references', 'DELETE FROM people', q{'people'});
if ($has_periods)
{
	back('a key without overlaps', 'DELETE FROM stays; DELETE FROM tariffs WHERE price % 3 = 0; UPDATE tariffs SET price = -1 WHERE price % 3 = 1', q{'tariffs, stays', mode => 'upsert'});
	back('periods that became others', 'DELETE FROM stays; DELETE FROM tariffs WHERE item < 5; INSERT INTO tariffs SELECT i, int4range(3, 12), 1 FROM generate_series(0, 4) AS i; DELETE FROM tariffs WHERE item = 7', q{'tariffs, stays', mode => 'replace'});
	back('rows with a period whose parents are there', 'DELETE FROM stays WHERE id < 20', q{'stays'});
	fresh();
	change('DELETE FROM stays; DELETE FROM tariffs WHERE item = 1; INSERT INTO tariffs VALUES (1, int4range(3, 12), 1)');
	$node->ark_fails(q{SELECT * FROM ark.restore_entities('tariffs', database => 'app')}, qr/3 rows cannot come back by tariffs_pkey: another live row has their values/, 'a row in the way of periods is told');
	is(ask('SELECT count(*) FROM tariffs WHERE item = 1'), '1', 'and nothing is changed');
}
back('self references that changed', 'UPDATE people SET boss = NULL, mentor = 100; DELETE FROM people WHERE id < 50; INSERT INTO people VALUES (200, 100, 60, $$new$$)', q{'people', mode => 'replace'});
back('a circle of tables', 'BEGIN; ALTER TABLE members DISABLE TRIGGER ALL; ALTER TABLE teams DISABLE TRIGGER ALL; DELETE FROM teams; DELETE FROM members; ALTER TABLE members ENABLE TRIGGER ALL; ALTER TABLE teams ENABLE TRIGGER ALL; COMMIT', q{'teams, members'});
back('a circle of tables, changed', q{BEGIN; INSERT INTO teams VALUES (9, 90, 'new'); INSERT INTO members VALUES (90, 9, 'new'); UPDATE teams SET leader = 90 WHERE id = 1; UPDATE members SET team = 9 WHERE id < 4; COMMIT}, q{'members, teams', mode => 'replace'});
back('a tree with ON DELETE CASCADE to itself', 'DELETE FROM tree WHERE id = 2', q{'tree'});
back('a tree that grew', 'INSERT INTO tree VALUES (100, 63), (101, 100); UPDATE tree SET parent = 1 WHERE id = 30', q{'tree', mode => 'replace'});
back('identity ALWAYS and generated columns', 'DELETE FROM always WHERE id % 3 = 0; UPDATE always SET note = NULL WHERE id % 3 = 1', q{'always', mode => 'upsert'});
back('a unique key that moved to another row', q{UPDATE teams SET name = 'gone' WHERE id = 1; UPDATE teams SET name = 'team 1' WHERE id = 2}, q{'teams', mode => 'upsert'});

fresh();
change(q{TRUNCATE serials RESTART IDENTITY; TRUNCATE always RESTART IDENTITY; ALTER SEQUENCE falling RESTART; ALTER SEQUENCE ticket_numbers NO CYCLE RESTART});
my $said = restore(q{'serials, always'}, 'sequences that were set back');
like($said, qr/sequence .*serials_id_seq.* was moved forward to 40/, 'are moved forward, and that is said');
is(ask('INSERT INTO serials (x) VALUES (0) RETURNING id, down'), '41|-41', 'rising and falling');
is(ask(q{INSERT INTO always (note) VALUES ('next') RETURNING id, code}), '31|310', 'identity columns go on behind the restored rows');
is(ask('SELECT other > (SELECT max(other) FROM serials WHERE id <= 40) FROM serials WHERE id = 41'), 't', 'a sequence that is only a default is moved too');
fresh();
change(q{SELECT setval('serials_id_seq', 1000); DELETE FROM serials WHERE id > 20});
restore(q{'serials'}, 'a sequence that is ahead');
is(ask(q{SELECT nextval('serials_id_seq')}), '1001', 'is not moved back');

back('types with a domain inside', q{DELETE FROM coded WHERE id < 'C3'; UPDATE coded SET one = ROW('Q', NULL), pairs = '{}' WHERE id > 'C5'}, q{'coded', mode => 'upsert'});
back('types of an extension', q{DELETE FROM uses; DELETE FROM named}, q{'uses, named'});
fresh();
change('DELETE FROM uses; DELETE FROM named');
$said = $node->ark_fails(q{SELECT * FROM ark.restore_entities('uses', database => 'app')}, qr/cannot be restored/, 'references of a type of an extension');
like($said, qr/2 rows reference rows of .*named/, 'are compared by its own equality');
restore(q{'uses', with_referenced => true}, 'with_referenced by a case-insensitive key');
$node->same_rows('app', $before, 'brings them');
back('a range as key', 'DELETE FROM slots WHERE room < 5', q{'slots'});

back('another schema, inheritance', q{DELETE FROM ONLY "Field Ops".vehicles; UPDATE "Field Ops".vans SET load_kg = 0 WHERE plate < 'B-VN 2'}, q{'"Field Ops".vehicles, "Field Ops".vans', mode => 'replace'});
back('mixed case and quoted names', q{DELETE FROM "Order Items" WHERE "Id" % 2 = 0; UPDATE "Order Items" SET "with ""quotes"" and \ backslash" = 'changed'}, q{'"Order Items"', mode => 'upsert'});
back('rows of several megabytes', q{DELETE FROM attachments WHERE job_id < 50; UPDATE attachments SET content = NULL}, q{'attachments', mode => 'upsert'});
back('keyless tables', q{DELETE FROM import_log WHERE ctid = ANY (SELECT min(ctid) FROM import_log GROUP BY line); INSERT INTO import_log SELECT * FROM import_log LIMIT 7; DELETE FROM heartbeat; DELETE FROM "Field Ops".bookings}, q{'import_log, heartbeat, "Field Ops".bookings', mode => 'replace'});
back('every type', q{DELETE FROM oddities WHERE id < 4; UPDATE oddities SET txt = 'x', num = 0, js = '1', tsv = NULL, person = NULL, arr = '{}'}, q{'oddities', mode => 'upsert'});
back('a table with FORCE ROW LEVEL SECURITY', q{DELETE FROM salaries WHERE user_id < 50; UPDATE salaries SET monthly = 1 WHERE user_id > 100}, q{'salaries', mode => 'upsert'});
is(ask(q{SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = 'salaries'}), 't|t', 'which it still has');

# Partitions.
back('a partitioned table', 'DELETE FROM visits WHERE id % 3 = 0', q{'visits'});
back('partitions of partitions, with columns in another order', q{DELETE FROM measures WHERE value % 2 = 0; INSERT INTO measures VALUES ('2026-01-05', 'a', 7)}, q{'measures', mode => 'replace'});
back('one partition', 'TRUNCATE visits_2025_03', q{'visits_2025_03'});
back('a partition and its table are asked for together', 'TRUNCATE visits', q{'visits_2025_03, visits'});
fresh();
change(q{CREATE TABLE noticed (what text); CREATE FUNCTION notice() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.noticed VALUES (TG_TABLE_NAME); RETURN NEW; END';
	CREATE TRIGGER here BEFORE INSERT ON visits FOR EACH ROW EXECUTE FUNCTION notice(); CREATE TRIGGER there BEFORE INSERT ON visits_2025_03 FOR EACH ROW EXECUTE FUNCTION notice();
	ALTER TABLE visits_2025_04 DISABLE TRIGGER here; DELETE FROM visits});
restore(q{'visits'}, 'a partitioned table with triggers');
is(ask('SELECT count(*) FROM noticed'), 0, 'no trigger of a partition fires either');
is(ask(q{SELECT string_agg(tgrelid::regclass::text, ' ') FROM pg_trigger WHERE tgname IN ('here', 'there') AND tgenabled = 'D'}), 'visits_2025_04', 'and each is then as it was');

# Large objects that rows name come back with them; those that are there stay as they are.
back('large objects', q{SELECT lo_unlink(424242); DELETE FROM attachments WHERE name = 'contract.pdf'}, q{'attachments'});
is(ask(q{SELECT pg_get_userbyid(lomowner), lomacl::text, obj_description(oid, 'pg_largeobject') FROM pg_largeobject_metadata WHERE oid = 424242}),
	'clynr_owner|{clynr_owner=rw/clynr_owner,clynr_reports=r/clynr_owner}|the signed contract', 'with owner, grants and comment');
fresh();
change(q{SELECT lo_put(424242, 0, 'changed'); DELETE FROM attachments WHERE name = 'contract.pdf'});
restore(q{'attachments'}, 'a row whose large object is there');
is(ask(q{SELECT encode(lo_get(424242, 0, 7), 'escape')}), 'changed', 'which stays as it is');

# The table changed since the backup.
fresh();
change(q{ALTER TABLE always RENAME COLUMN note TO remark; ALTER TABLE always ADD COLUMN seen boolean DEFAULT false; DELETE FROM always WHERE id > 20});
$said = restore(q{'always'}, 'a renamed and an added column');
like($said, qr/no longer has are left out: note/, 'the one that is gone is named');
like($said, qr/get their default in new rows: remark, seen/, 'and the new ones');
is(ask('SELECT count(*), count(remark), count(seen) FROM always'), '30|20|30', 'rows are mapped by name');
fresh();
change('ALTER TABLE people DROP COLUMN name; ALTER TABLE people ADD COLUMN must integer; UPDATE people SET must = 1; ALTER TABLE people ALTER must SET NOT NULL; DELETE FROM people WHERE id = 1');
$said = $node->ark_fails(q{SELECT * FROM ark.restore_entities('people', database => 'app')}, qr/required columns that the backup does not have: must/, 'a required column that is new');
fresh();
change('ALTER TABLE serials RENAME COLUMN id TO number; DELETE FROM serials WHERE number < 5');
$said = $node->ark_fails(q{SELECT * FROM ark.restore_entities('serials', database => 'app')}, qr/the key of table "public.serials" is not in the backup/, 'a renamed key');
is(ask('SELECT count(*) FROM serials'), 36, 'doubles no row');
fresh();
change('ALTER TABLE people ALTER COLUMN name TYPE varchar(60), ALTER COLUMN id TYPE bigint; DELETE FROM people WHERE id < 10');
restore(q{'people'}, 'columns of other types');
is(ask('SELECT count(*), max(length(name)) FROM people'), '100|10', 'take the rows');
fresh();
change(q{ALTER TABLE people ALTER COLUMN name TYPE varchar(5) USING left(name, 5); DELETE FROM people WHERE id < 10});
$node->ark_fails(q{SELECT * FROM ark.restore_entities('people', database => 'app')}, qr/too long for type character varying\(5\)/, 'a type that does not take them');
is(ask('SELECT count(*) FROM people'), 91, 'changes nothing');

# Another encoding: names and rows.
$node->safe_psql('postgres', q{CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0});
$node->safe_psql('latin', q{CREATE SCHEMA "Schön"; CREATE TABLE "Schön"."größe" (id integer PRIMARY KEY, "käse" text DEFAULT 'é'); COMMENT ON TABLE "Schön"."größe" IS 'Übersicht';
	INSERT INTO "Schön"."größe" VALUES (1, 'Grüße'), (2, U&'\0080\00ff'), (3, '¿qué?')});
my $latin = $node->digests('latin');
is($node->safe_psql('postgres', q{SELECT state FROM ark.backup_now(database => 'latin')}), 'done', 'a backup of a database in LATIN1');
for my $damage (q{DELETE FROM "Schön"."größe" WHERE id < 3}, q{UPDATE "Schön"."größe" SET "käse" = 'ß'}, q{DROP TABLE "Schön"."größe"})
{
	$node->safe_psql('latin', $damage);
	my $damaged = $node->digests('latin');
	$node->ark_ok(q{SELECT * FROM ark.restore_entities('"Schön"."größe"', database => 'latin', mode => 'upsert', filter => '"käse" <> ''ñ''')}, "restored after $damage");
	$node->same_rows('latin', $latin, 'every row is what it was');
	next if $damage =~ /DROP/;
	my $id = $node->safe_psql('postgres', 'SELECT max(restore_id) FROM ark.restores');
	$node->ark_ok("SELECT * FROM ark.undo_restore($id)", 'undone');
	$node->same_rows('latin', $damaged, 'gives the damage back');
	$node->ark_ok(q{SELECT * FROM ark.restore_entities('"Schön"."größe"', database => 'latin', mode => 'upsert')}, 'and restored again');
}
is($node->safe_psql('latin', q{SELECT obj_description('"Schön"."größe"'::regclass)}), 'Übersicht', 'its comment too');

$node->stop;
done_testing();
