# What a restore changes can be given back: the safety copy, undo_restore(), and undoing an undo.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use Test::More;

my $node = ArkCluster->make('primary');
$node->load_sample('pristine');
$node->safe_psql('pristine', q{
	CREATE TABLE log (line text);
	INSERT INTO log VALUES ('a'), ('a'), ('b'), ('b'), ('c');
	CREATE TABLE groups (id integer PRIMARY KEY, lead integer);
	CREATE TABLE staff (id integer PRIMARY KEY, grp integer REFERENCES groups ON DELETE CASCADE, name text);
	CREATE TABLE desks (id integer PRIMARY KEY, staff integer REFERENCES staff ON DELETE SET NULL, n integer DEFAULT 5);
	CREATE TABLE badges (staff integer REFERENCES staff ON DELETE CASCADE, code text);
	CREATE TABLE touched (what text);
	CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.touched VALUES (TG_TABLE_NAME || TG_OP); RETURN coalesce(NEW, OLD); END';
	CREATE TRIGGER touch BEFORE UPDATE OR DELETE ON desks FOR EACH ROW EXECUTE FUNCTION touch();
	INSERT INTO groups SELECT i FROM generate_series(1, 10) AS i;
	INSERT INTO staff SELECT i, 1 + i % 10, 'name ' || i FROM generate_series(1, 40) AS i;
	INSERT INTO desks SELECT i, i FROM generate_series(1, 40) AS i;
	INSERT INTO badges SELECT 1 + i % 40, 'code ' || i % 3 FROM generate_series(1, 80) AS i;
	});
sub fresh
{
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS app');
	$node->safe_psql('postgres', 'CREATE DATABASE app TEMPLATE pristine');
	return;
}
sub change { $node->safe_psql('app', $_[0]); return; }
sub ask { return $node->safe_psql('app', $_[0]); }
sub restore
{
	my ($arguments, $name) = @_;
	my $id = $node->ark_ok("SELECT DISTINCT restore_id FROM ark.restore_entities($arguments, database => 'app')", $name);
	die "no restore: $id" unless $id =~ /^\d+$/;
	return $id;
}
sub undo { my ($id, $name) = @_; return $node->ark_ok("SELECT DISTINCT restore_id FROM ark.undo_restore($id)", $name); }
my $no_sequences = qr/^sequence/;

fresh();
my $old = $node->digests('app');
is($node->safe_psql('postgres', q{SELECT state FROM ark.backup_now(database => 'app', label => 'old')}), 'done', 'a backup');

# Changes, restores, undoes, and undoes that: the first and third state are equal, and so are the second and fourth.
sub there_and_back
{
	my ($name, $damage, $arguments) = @_;
	fresh();
	change($damage);
	my $damaged = $node->digests('app', without => $no_sequences);
	my $id = restore($arguments, "$name: restore");
	my $restored = $node->digests('app', without => $no_sequences);
	isnt($restored, $damaged, "$name: something was changed");
	my $backup = $node->safe_psql('postgres', "SELECT safety_backup_id FROM ark.restores WHERE restore_id = $id");
	is($node->safe_psql('postgres', "SELECT label, held_until FROM ark.backups WHERE backup_id = '$backup' AND held"), "before restore $id|", "$name: what it changed is kept, and held");
	my $plan = $node->ark_ok("SELECT table_name, to_insert, to_update, to_delete FROM ark.undo_restore($id, dry_run => true) WHERE table_name IS NOT NULL", "$name: the undo's dry run");
	$node->same_rows('app', $restored, "$name: which changes nothing", without => $no_sequences);
	my $undo = undo($id, "$name: undo");
	$node->same_rows('app', $damaged, "$name: everything is as it was before the restore", without => $no_sequences);
	my $again = undo($undo, "$name: undo of the undo");
	$node->same_rows('app', $restored, "$name: everything is restored again", without => $no_sequences);
	$node->ark_fails("SELECT * FROM ark.undo_restore($id)", qr/was undone by restore $undo/, "$name: once is enough");
	return;
}

there_and_back('insert_missing', 'DELETE FROM jobs WHERE id % 3 = 0', q{'jobs'});
there_and_back('upsert', q{UPDATE clients SET name = 'x', rating = NULL WHERE id % 2 = 0; DELETE FROM clients WHERE id = 1001}, q{'clients', mode => 'upsert'});
there_and_back('replace', q{UPDATE clients SET balance = 1; DELETE FROM clients WHERE id % 5 = 0; INSERT INTO clients (name, account_manager) SELECT 'new ' || i, 1 FROM generate_series(1, 20) AS i}, q{'clients, jobs, invoices, visits, attachments, client_notes, "Order Items"', mode => 'replace'});
there_and_back('columns', q{UPDATE clients SET name = 'x', balance = 7}, q{'clients', mode => 'upsert', columns => '{name}'});
there_and_back('a filter', q{DELETE FROM users WHERE false; UPDATE users SET name = 'x'}, q{'users', mode => 'upsert', filter => $f$role = 'admin'$f$});
there_and_back('partitions', 'DELETE FROM visits WHERE id % 2 = 0; UPDATE visits SET report = NULL', q{'visits', mode => 'upsert'});
there_and_back('quoted names', 'UPDATE "Order Items" SET "Größe" = 0; DELETE FROM "Order Items" WHERE "select" = 7', q{'"Order Items"', mode => 'upsert'});
there_and_back('every type', q{UPDATE oddities SET txt = 'x', chr = NULL, js = '1'; DELETE FROM oddities WHERE id IN (3, 4)}, q{'oddities', mode => 'upsert'});
there_and_back('rows of several megabytes', 'UPDATE attachments SET content = NULL; DELETE FROM attachments WHERE id > 20', q{'attachments', mode => 'upsert'});
there_and_back('FORCE ROW LEVEL SECURITY', q{UPDATE salaries SET monthly = 1; DELETE FROM salaries WHERE user_id < 20}, q{'salaries', mode => 'upsert'});
there_and_back('copies of keyless rows that were missing', q{DELETE FROM log WHERE ctid = (SELECT min(ctid) FROM log WHERE line = 'a'); DELETE FROM log WHERE line = 'c'}, q{'log'});
there_and_back('copies of keyless rows that were too many', q{INSERT INTO log VALUES ('a'), ('d'), ('d')}, q{'log', mode => 'replace'});
there_and_back('rows without columns', 'DELETE FROM heartbeat; INSERT INTO heartbeat DEFAULT VALUES; INSERT INTO import_log VALUES (NULL, NULL)', q{'heartbeat, import_log', mode => 'replace'});

# Rows that foreign keys delete or change are part of it.
fresh();
change(q{INSERT INTO groups VALUES (99); INSERT INTO staff VALUES (100, 99, 'new'), (101, 99, 'new'); UPDATE desks SET staff = 100 WHERE id = 1; INSERT INTO badges VALUES (100, 'x'), (100, 'x'), (101, 'y'); TRUNCATE touched});
my $damaged = $node->digests('app');
my $said = $node->ark_ok(q{SELECT table_name, to_insert, to_update, to_delete FROM ark.restore_entities('groups', database => 'app', mode => 'replace', cascade => true, dry_run => true) WHERE table_name IS NOT NULL}, 'a cascade, dry');
is($said, "public.groups|0|0|1\npublic.staff|0|0|2\npublic.badges|0|0|3\npublic.desks|0|1|0", 'names every table that it reaches, at any depth') or diag($said);
my $id = restore(q{'groups', mode => 'replace', cascade => true}, 'a cascade');
is(ask('SELECT count(*) FROM staff'), 40, 'deletes what hangs on the deleted');
is(ask('SELECT count(*) FROM badges'), 80, 'at any depth');
is(ask('SELECT staff IS NULL FROM desks WHERE id = 1'), 't', 'and sets references to null');
is(ask('SELECT count(*) FROM touched'), 0, 'without firing their triggers');
undo($id, 'its undo');
$node->same_rows('app', $damaged, 'gives all of it back');

# Changes in between.
fresh();
change('DELETE FROM staff WHERE id <= 10');
my $before_restore = $node->digests('app');
$id = restore(q{'staff'}, 'restored');
change(q{UPDATE staff SET name = 'changed since' WHERE id IN (3, 30); INSERT INTO staff VALUES (200, 1, 'since'); DELETE FROM staff WHERE id = 4; ALTER TABLE staff ADD COLUMN extra text DEFAULT 'e'});
my $between = ask('SELECT * FROM staff ORDER BY id');
my $undo = undo($id, 'undone after changes');
is(ask(q{SELECT string_agg(id::text, ',' ORDER BY id) FROM staff WHERE id <= 10 OR id > 40}), '200', 'what the restore had inserted goes, what came since stays');
is(ask('SELECT name FROM staff WHERE id = 30'), 'changed since', 'and so do changes to other rows');
undo($undo, 'and that undone');
is(ask('SELECT * FROM staff ORDER BY id'), $between, 'gives the state in between');
fresh();
change('DELETE FROM groups WHERE id = 1');
$id = restore(q{'groups, staff'}, 'restored');
change(q{INSERT INTO staff VALUES (300, 1, 'new in the restored group')});
$said = $node->ark_fails("SELECT * FROM ark.undo_restore($id)", qr/would change rows of tables that were not named/, 'an undo that would delete what came since');
like($said, qr/1 rows of .*staff.* would be deleted/, 'says so');
is(ask('SELECT count(*) FROM staff'), 41, 'and changes nothing');

# Without a copy.
fresh();
change('DELETE FROM staff WHERE id <= 10');
$id = restore(q{'staff', safety => false}, 'safety => false');
$node->ark_fails("SELECT * FROM ark.undo_restore($id)", qr/restore $id kept no safety copy/, 'cannot be undone');
$id = restore(q{'staff'}, 'a restore that finds nothing to do');
$node->ark_fails("SELECT * FROM ark.undo_restore($id)", qr/kept no safety copy/, 'has nothing to undo');
$node->ark_fails('SELECT * FROM ark.undo_restore(4711)', qr/there is no restore 4711/, 'an unknown restore');
change('DELETE FROM staff WHERE id <= 10');
system('chmod', '-R', 'a-w', $node->store) == 0 or die;
SKIP:
{
	skip 'the test runs as root, whom no mode stops', 2 if $> == 0;
	$node->ark_fails(q{SELECT * FROM ark.restore_entities('staff', database => 'app')}, qr/./, 'a store that takes no copy');
	is(ask('SELECT count(*) FROM staff'), 30, 'stops the restore');
}
system('chmod', '-R', 'u+w', $node->store) == 0 or die;

$node->stop;
done_testing();
