# Dropped tables, partitions and views made again: the schema afterwards is the schema before, and so are the rows.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use Test::More;

my $node = ArkCluster->make('primary');
$node->load_sample('pristine');
$node->safe_psql('pristine', q{
	SET ROLE clynr_owner;
	CREATE TABLE audited (id serial PRIMARY KEY, client bigint REFERENCES clients, note text CHECK (note <> ''), at timestamptz DEFAULT now());
	CREATE INDEX audited_note ON audited (lower(note)) WHERE note IS NOT NULL;
	CREATE STATISTICS audited_stats (dependencies) ON client, note FROM audited;
	COMMENT ON COLUMN audited.note IS 'what was said';
	COMMENT ON INDEX audited_note IS 'for the search';
	COMMENT ON CONSTRAINT audited_note_check ON audited IS 'no empty notes';
	GRANT SELECT (id), UPDATE (note) ON audited TO clynr_reports;
	ALTER TABLE audited ENABLE ROW LEVEL SECURITY;
	CREATE POLICY mine ON audited FOR SELECT TO clynr_app USING (note = current_user);
	CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := ''fired''; RETURN NEW; END';
	CREATE TRIGGER audit BEFORE INSERT OR UPDATE ON audited FOR EACH ROW EXECUTE FUNCTION audit();
	ALTER TABLE audited ENABLE ALWAYS TRIGGER audit;
	CREATE RULE quiet AS ON DELETE TO audited WHERE OLD.id = 0 DO INSTEAD NOTHING;
	CREATE VIEW audited_view AS SELECT id, note FROM audited;
	CREATE MATERIALIZED VIEW audited_count AS SELECT count(*) AS n FROM audited_view;
	CREATE UNIQUE INDEX audited_count_n ON audited_count (n);
	GRANT SELECT ON audited_view, audited_count TO clynr_reports;
	RESET ROLE;
	ALTER TABLE audited REPLICA IDENTITY FULL;
	ALTER TABLE audited DISABLE TRIGGER audit;
	INSERT INTO audited (client, note) SELECT 1000 + i, 'note ' || i FROM generate_series(1, 50) AS i;
	DELETE FROM audited WHERE id > 45;
	SELECT setval('audited_id_seq', 60);
	ALTER TABLE audited ENABLE ALWAYS TRIGGER audit;
	REFRESH MATERIALIZED VIEW audited_count;
	CREATE PUBLICATION pub FOR TABLE audited;
	CREATE TABLE parts (id integer, at date, PRIMARY KEY (id, at), client bigint REFERENCES clients) PARTITION BY RANGE (at);
	CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
	CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01') PARTITION BY RANGE (id);
	CREATE TABLE parts_b_1 PARTITION OF parts_b FOR VALUES FROM (0) TO (1000);
	CREATE TABLE part_notes (part integer, at date, note text, FOREIGN KEY (part, at) REFERENCES parts ON DELETE CASCADE);
	INSERT INTO parts SELECT i, '2026-01-01'::date + i % 59, 1001 + i % 100 FROM generate_series(1, 200) AS i;
	INSERT INTO part_notes SELECT i, '2026-01-01'::date + i % 59, 'n' FROM generate_series(1, 50) AS i;
	});

sub fresh
{
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS app');
	$node->safe_psql('postgres', 'CREATE DATABASE app TEMPLATE pristine');
	return;
}
sub change { $node->safe_psql('app', $_[0]); return; }
sub ask { return $node->safe_psql('app', $_[0]); }
sub schema
{
	my ($out, $err) = PostgreSQL::Test::Utils::run_command([ 'pg_dump', '--schema-only', '-d', $node->connstr('app') ]);
	die $err if $err;
	$out =~ s/^\\(un)?restrict .*\n//mg;
	return $out;
}
# Passes if there are the same statements, in any order, since pg_dump sorts things of equal name by OID.
sub same_schema
{
	my ($expected, $name) = @_;
	my %count;
	$count{$_}++ for split /\n(?=GRANT )|\n\n+/, schema();
	$count{$_}-- for split /\n(?=GRANT )|\n\n+/, $expected;
	my @differ = map { ($count{$_} > 0 ? 'new: ' : 'gone: ') . $_ } grep { $count{$_} != 0 } sort keys %count;
	return is(join("\n\n", @differ), '', $name);
}

fresh();
my $before = $node->digests('app');
my $schema = schema();
is($node->safe_psql('postgres', q{SELECT state FROM ark.backup_now(database => 'app')}), 'done', 'a backup');

sub comes_back
{
	my ($name, $damage, $arguments) = @_;
	fresh();
	change($damage);
	my $damaged = schema();
	$node->ark_ok("SELECT * FROM ark.restore_entities($arguments, database => 'app', dry_run => true)", "$name: dry run");
	is(schema(), $damaged, "$name: the dry run makes nothing");
	my $said = $node->ark_ok("SELECT notes FROM ark.restore_entities($arguments, database => 'app')", "$name: restore");
	same_schema($schema, "$name: the schema is what it was");
	$node->same_rows('app', $before, "$name: and so is every row");
	return $said;
}

comes_back('a dropped table with everything that hangs on it', 'DROP TABLE audited CASCADE', q{'audited'});
is(ask(q{INSERT INTO audited (client) VALUES (1001) RETURNING id, note}), '61|fired', 'its sequence and trigger work as before');
comes_back('a table that others reference', 'DROP TABLE jobs CASCADE', q{'jobs'});
is(ask('SELECT count(*) FROM pg_constraint WHERE NOT convalidated'), 0, 'every foreign key is validated');
$node->ark_fails('DELETE FROM jobs WHERE false; INSERT INTO visits (job_id, visited_on) VALUES (999999, now())', qr/violates foreign key/, 'and enforced', database => 'app');
comes_back('several at once', 'DROP TABLE clients, jobs, invoices, "Order Items" CASCADE', q{'clients, jobs, invoices, "Order Items"'});
comes_back('a partitioned table', 'DROP TABLE visits', q{'visits'});
comes_back('partitions of partitions, referenced', 'DROP TABLE parts CASCADE', q{'parts'});
comes_back('one partition', 'DROP TABLE visits_2025_03', q{'visits_2025_03'});
comes_back('partitions that are gone from a live table', 'DROP TABLE visits_2025_03, visits_2025_05, visits_other; DELETE FROM visits WHERE id % 2 = 0', q{'visits'});
comes_back('an inheritance parent and its child', 'DROP TABLE "Field Ops".vehicles CASCADE', q{'"Field Ops".vehicles, "Field Ops".vans'});
comes_back('a table with FORCE ROW LEVEL SECURITY', 'DROP TABLE salaries', q{'salaries'});
comes_back('a keyless table', 'DROP TABLE import_log, heartbeat', q{'import_log, heartbeat'});
like(comes_back('a materialized view', 'DROP MATERIALIZED VIEW audited_count', q{'audited_count'}), qr/materialized view was dropped: it is made again and refreshed/, 'is refreshed, and that is said');
comes_back('a view', 'DROP VIEW audited_view CASCADE', q{'audited_view'});
$node->ark_fails(q{SELECT * FROM ark.restore_entities('monthly_revenue', database => 'app')}, qr/is a view and exists/, 'a view that exists');

fresh();
change(q{DROP TABLE visits_2025_03, visits_2025_04; CREATE TABLE visits_spring PARTITION OF visits FOR VALUES FROM ('2025-03-01') TO ('2025-05-01')});
my $said = $node->ark_ok(q{SELECT notes FROM ark.restore_entities('visits', database => 'app')}, 'partitions whose place newer ones have taken');
like($said, qr/not made again, since others take their rows: public.visits_2025_03, public.visits_2025_04/, 'are not made again');
is(ask('SELECT count(*) FROM visits'), ask('SELECT 200 * 3'), 'and the rows go where live ones take them');

fresh();
change('DROP TABLE jobs CASCADE; DROP TYPE job_state CASCADE');
$said = $node->ark_fails(q{SELECT * FROM ark.restore_entities('jobs', database => 'app')}, qr/could not make TABLE "jobs" again: type "public.job_state" does not exist/, 'a table whose type was dropped too');
is(ask(q{SELECT to_regclass('jobs')}), '', 'and nothing is left of the attempt');
fresh();
change('DROP TABLE jobs CASCADE; DELETE FROM audited; DELETE FROM part_notes; DELETE FROM parts; DELETE FROM clients WHERE id = 1001');
$said = $node->ark_fails(q{SELECT * FROM ark.restore_entities('jobs', database => 'app')}, qr/FK CONSTRAINT "jobs jobs_client_id_fkey" again: .*violates foreign key/, 'a dropped table whose rows reference what is gone');
is(ask(q{SELECT to_regclass('jobs')}), '', 'all or nothing');
change('CREATE TABLE jobs (id bigint)');
$node->ark_fails(q{SELECT * FROM ark.restore_entities('open_jobs', database => 'app')}, qr/open_jobs/, 'a view that the tables no longer fit');

# From a backup of chosen entities a table cannot be made, and the error says what can.
fresh();
$node->safe_psql('postgres', q{SELECT * FROM ark.backup_now(database => 'app', entities => 'settings, users', label => 'some')});
change('DROP TABLE settings');
$node->ark_fails(q{SELECT * FROM ark.restore_entities('settings', restore_point => 'some', database => 'app')}, qr/table "public.settings" does not exist/, 'a dropped table from a backup of entities');
$node->ark_ok(q{SELECT * FROM ark.restore_entities('settings', restore_point => 'some', database => 'app', mode => 'side_by_side')}, 'comes back side by side');
is(ask('SELECT count(*) FROM settings_restored'), 0, 'with its rows');

$node->stop;
done_testing();
