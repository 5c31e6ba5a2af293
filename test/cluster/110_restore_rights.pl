# No code that a user wrote runs with more rights than that user, whatever a restore makes it run (docs/architecture.md,
# "Rights"): a plain role plants code wherever a table may carry code, and each piece tries to become superuser. And
# nobody restores what they may not write.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use PostgreSQL::Test::Utils ();
use Test::More;

my $node = ArkCluster->make('primary', conf => "log_min_messages = log\n");
my $marker = $node->basedir . '/planted';
$node->safe_psql('postgres', 'CREATE DATABASE pristine');
$node->safe_psql('pristine', qq{
	CREATE ROLE mallory LOGIN; CREATE ROLE bob; CREATE ROLE alice LOGIN; CREATE ROLE carol LOGIN;
	CREATE SCHEMA trap AUTHORIZATION mallory; CREATE SCHEMA ours AUTHORIZATION bob; GRANT USAGE ON SCHEMA trap TO PUBLIC;
	GRANT CREATE ON DATABASE pristine TO mallory;
	CREATE TABLE trap.armed (yes boolean);
	GRANT SELECT ON trap.armed TO PUBLIC;
	SET ROLE mallory;
	-- Says who runs it, and tries everything to become somebody else.
	CREATE FUNCTION trap.attempt(place text, statement text) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		EXECUTE statement;
		RAISE LOG 'TRAP % did "%" as %', place, statement, current_user;
	EXCEPTION WHEN OTHERS THEN NULL;
	END \$\$;
	CREATE FUNCTION trap.spring(place text) RETURNS text LANGUAGE plpgsql AS \$\$
	DECLARE
		statement text;
	BEGIN
		IF current_database() = 'pristine' OR NOT EXISTS (SELECT FROM trap.armed) THEN RETURN place; END IF;
		RAISE LOG 'TRAP % runs as %', place, current_user;
		IF EXISTS (SELECT FROM trap.armed WHERE yes) THEN
			PERFORM trap.attempt(place, 'SET CONSTRAINTS ALL DEFERRED');
			PERFORM trap.attempt(place, 'INSERT INTO trap.later VALUES (1)');
		END IF;
		FOREACH statement IN ARRAY ARRAY['RESET ROLE', 'RESET SESSION AUTHORIZATION', 'SET ROLE NONE', 'SET SESSION AUTHORIZATION DEFAULT', 'SET ROLE postgres',
			'ALTER ROLE mallory SUPERUSER', 'CREATE FUNCTION pg_catalog.planted() RETURNS integer LANGUAGE sql AS ''SELECT 1''', 'CREATE TEMPORARY TABLE planted (x integer)',
			'COPY (SELECT 1) TO PROGRAM ''touch $marker''', 'DECLARE kept CURSOR WITH HOLD FOR SELECT trap.spring(''cursor'')',
			'SELECT lo_export(1, ''$marker'')', 'DELETE FROM ours.secrets',
			'DO \$d\$ BEGIN PERFORM pg_temp.ark_run_as(10, ''ALTER ROLE mallory SUPERUSER'', false); END \$d\$',
			'DO \$d\$ BEGIN PERFORM FROM pg_temp.ark_stage_1 WHERE secret IS NOT NULL; END \$d\$', 'DO \$d\$ BEGIN PERFORM FROM pg_temp.ark_stage_2 WHERE secret IS NOT NULL; END \$d\$']
		LOOP
			PERFORM trap.attempt(place, statement);
		END LOOP;
		RAISE LOG 'TRAP % ends as %', place, current_user;
		RETURN place;
	END \$\$;
	CREATE FUNCTION trap.on_row() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM trap.spring(TG_TABLE_NAME || '.' || TG_NAME); RETURN coalesce(NEW, OLD); END \$\$;
	CREATE FUNCTION trap.fine(x anyelement, place text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN PERFORM trap.spring(place); RETURN true; END \$\$;
	CREATE FUNCTION trap.same(x text, place text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN PERFORM trap.spring(place); RETURN x; END \$\$;
	CREATE TABLE trap.later (x integer);
	CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON trap.later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap.on_row();
	CREATE DOMAIN trap.word AS text CHECK (trap.fine(VALUE, 'domain'));
	CREATE TYPE trap.pair AS (a trap.word, b integer);
	CREATE FUNCTION trap.distance(a numeric, b numeric) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN PERFORM trap.spring('subtype_diff'); RETURN a - b; END \$\$;
	CREATE TYPE trap.span AS RANGE (subtype = numeric, subtype_diff = trap.distance);
	CREATE TYPE trap.kind AS ENUM ('1', '2', '3');
	CREATE FUNCTION trap.kind_to_integer(k trap.kind) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN IF current_database() <> 'pristine' THEN RAISE LOG 'TRAP cast runs as %', current_user; END IF; RETURN k::text::integer; END \$\$;
	CREATE CAST (trap.kind AS integer) WITH FUNCTION trap.kind_to_integer(trap.kind) AS IMPLICIT;
	CREATE TABLE trap.base (id integer PRIMARY KEY);
	CREATE TABLE trap.bait (
		id integer PRIMARY KEY, word trap.word, pair trap.pair, span trap.span, kind trap.kind REFERENCES trap.base ON DELETE CASCADE,
		checked text CHECK (trap.fine(checked, 'check')), folded text CHECK (trap.fine(1, 'folded check')),
		given text DEFAULT trap.spring('default'), made text GENERATED ALWAYS AS (trap.same(checked, 'generated column')) STORED);
	CREATE TABLE trap.spans (span trap.span PRIMARY KEY, n integer);
	CREATE INDEX ON trap.bait (trap.same(checked, 'index'));
	CREATE INDEX ON trap.bait ((trap.same('x', 'folded index') || checked));
	CREATE INDEX ON trap.bait (id) WHERE trap.fine(checked, 'index predicate') AND trap.fine(1, 'folded predicate');
	CREATE STATISTICS trap.stats ON (trap.same(checked, 'statistics')), id FROM trap.bait;
	CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON trap.bait FOR EACH ROW EXECUTE FUNCTION trap.on_row();
	CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON trap.bait FOR EACH ROW EXECUTE FUNCTION trap.on_row();
	CREATE CONSTRAINT TRIGGER deferred_row AFTER INSERT OR UPDATE OR DELETE ON trap.bait DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap.on_row();
	CREATE POLICY policy ON trap.bait USING (trap.fine(checked, 'policy'));
	ALTER TABLE trap.bait ENABLE ROW LEVEL SECURITY;
	ALTER TABLE trap.bait FORCE ROW LEVEL SECURITY;
	CREATE TABLE trap.split (x text, y integer) PARTITION BY RANGE ((trap.same('x', 'folded partition key') || x), (trap.same(x, 'partition key')));
	CREATE TABLE trap.split_1 PARTITION OF trap.split FOR VALUES FROM ('xa', 'a') TO ('xm', 'm');
	CREATE TABLE trap.split_rest PARTITION OF trap.split DEFAULT;
	CREATE MATERIALIZED VIEW trap.seen AS SELECT trap.same(checked, 'materialized view') AS x FROM trap.bait;
	INSERT INTO trap.base SELECT i FROM generate_series(1, 3) AS i;
	INSERT INTO trap.bait (id, word, pair, span, kind, checked) SELECT i, 'w' || i, ROW('p', i)::trap.pair, trap.span(i, i + 1), (1 + i % 3)::text::trap.kind, 'c' || i FROM generate_series(1, 20) AS i;
	INSERT INTO trap.spans SELECT trap.span(i, i + 1), i FROM generate_series(1, 300) AS i;
	INSERT INTO trap.split SELECT chr(97 + i), i FROM generate_series(0, 20) AS i;
	RESET ROLE;
	CREATE TABLE ours.secrets (id integer PRIMARY KEY, secret text);
	ALTER TABLE ours.secrets OWNER TO bob;
	GRANT REFERENCES ON ours.secrets TO mallory; GRANT USAGE ON SCHEMA ours TO mallory, carol;
	INSERT INTO ours.secrets SELECT i, 'secret ' || i FROM generate_series(1, 20) AS i;
	SET ROLE mallory;
	CREATE TABLE trap.hangs_on (id integer PRIMARY KEY, of_secret trap.kind REFERENCES ours.secrets ON DELETE CASCADE, word trap.word);
	CREATE INDEX ON trap.hangs_on ((trap.same('x', 'folded index of a referencing table') || word));
	CREATE TRIGGER on_row BEFORE INSERT OR DELETE ON trap.hangs_on FOR EACH ROW EXECUTE FUNCTION trap.on_row();
	INSERT INTO trap.hangs_on SELECT i, i::text::trap.kind, 'w' FROM generate_series(1, 3) AS i;
	REFRESH MATERIALIZED VIEW trap.seen;
	RESET ROLE;
	CREATE SCHEMA closed;
	GRANT USAGE ON SCHEMA closed TO mallory;
	CREATE TABLE closed.bait (id integer PRIMARY KEY, x text CHECK (trap.fine(1, 'check of a closed schema')));
	CREATE INDEX ON closed.bait ((trap.same('x', 'index of a closed schema') || x));
	ALTER TABLE closed.bait OWNER TO mallory;
	INSERT INTO closed.bait SELECT i, 'x' FROM generate_series(1, 5) AS i;
	GRANT ark_restorer TO alice, carol;
	GRANT SELECT ON ours.secrets TO carol;
});

sub fresh
{
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS app');
	$node->safe_psql('postgres', 'CREATE DATABASE app TEMPLATE pristine');
	return;
}
sub change { $node->safe_psql('app', $_[0]); return; }
sub ask { return $node->safe_psql('app', $_[0]); }
fresh();
my $before = $node->digests('app');
is($node->safe_psql('postgres', q{SELECT state FROM ark.backup_now(database => 'app')}), 'done', 'a backup');

my %seen;

# Damages, arms the traps, runs a statement, and looks who ran what.
sub springs
{
	my ($name, $damage, $statement, %options) = @_;
	fresh();
	change($damage);
	change('INSERT INTO trap.armed VALUES (' . ($options{defers} ? 'true' : 'false') . ')');
	my $log = -s $node->logfile;
	my ($code, $out, $err) = $node->psql('postgres', $statement, timeout => 120);
	my $said = PostgreSQL::Test::Utils::slurp_file($node->logfile, $log);
	change('DELETE FROM trap.armed');
	if ($options{refused}) { ok($code != 0 && $err =~ $options{refused}, "$name: refused clearly") or diag("$code $out $err"); }
	else { is($code, 0, "$name: succeeds") or diag($err); }
	my (%others, %places, @done);
	while ($said =~ /TRAP (.*?) (?:runs|ends) as (\S+)/g) { $places{$1}++; $seen{$1}++; $others{"$1 as $2"}++ unless $2 eq 'mallory' || ($options{except} // '') eq "$1 as $2"; }
	while ($said =~ /TRAP (.*? did "(.*?)" as \S+)/g) { push @done, $1 unless $2 eq 'SET CONSTRAINTS ALL DEFERRED' || $2 eq 'INSERT INTO trap.later VALUES (1)'; }
	is(join('; ', sort keys %others), '', "$name: planted code runs as nobody but who planted it");
	is(join('; ', @done), '', "$name: nothing that it tried works");
	note("$name: sprung " . join(', ', sort keys %places));
	is(ask(q{SELECT (SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolsuper AND rolname IN ('mallory', 'alice', 'bob', 'carol')) IS NULL AND to_regproc('pg_catalog.planted') IS NULL
		AND (SELECT count(*) FROM ours.secrets) >= 0}), 't', "$name: nobody gained anything");
	ok(!-e $marker, "$name: nor on the machine");
	return $out;
}
sub restored { $node->same_rows('app', $before, $_[0], without => qr/trap\.(armed|later)/); return; }

my $lost = 'ALTER TABLE trap.bait DISABLE TRIGGER USER; DELETE FROM trap.bait WHERE id > 5; ALTER TABLE trap.bait ENABLE TRIGGER USER';
springs('insert_missing', $lost, q{SELECT * FROM ark.restore_entities('trap.bait', database => 'app')});
restored('and every row is back');
springs('triggers fire', $lost, q{SELECT * FROM ark.restore_entities('trap.bait', database => 'app', triggers => 'fire')});
restored('and every row is back');
springs('triggers that make others deferred', $lost, q{SELECT * FROM ark.restore_entities('trap.bait', database => 'app', triggers => 'fire')}, defers => 1,
	refused => qr/cannot fire deferred trigger within security-restricted operation/);
springs('upsert', $lost . q{; UPDATE trap.bait SET word = 'x', checked = 'y'}, q{SELECT * FROM ark.restore_entities('trap.bait', database => 'app', mode => 'upsert')});
restored('and every row is back');
springs('replace', $lost . q{; INSERT INTO trap.bait (id, word, checked) VALUES (100, 'new', 'new')}, q{SELECT * FROM ark.restore_entities('trap.bait', database => 'app', mode => 'replace')});
restored('and every row is back');
springs('replace with a filter', q{INSERT INTO trap.bait (id, word, checked) VALUES (100, 'new', 'new')}, q{SELECT * FROM ark.restore_entities('trap.bait', database => 'app', mode => 'replace', filter => 'word > ''a'' AND (pair).b IS NOT NULL OR id = 100')});
springs('a dry run', $lost, q{SELECT * FROM ark.restore_entities('trap.bait', database => 'app', mode => 'replace', dry_run => true)});
springs('a new column with a default', $lost . q{; ALTER TABLE trap.bait ADD COLUMN newer text; ALTER TABLE trap.bait ALTER COLUMN newer SET DEFAULT trap.spring('default of a new column')},
	q{SELECT * FROM ark.restore_entities('trap.bait', database => 'app')});
springs('side by side', 'SELECT 1', q{SELECT * FROM ark.restore_entities('trap.bait', database => 'app', mode => 'side_by_side')});
is(ask('SELECT count(*) FROM trap.bait_restored'), 20, 'and the copy is there');
springs('side by side in a schema where the owner may not create', 'SELECT 1', q{SELECT * FROM ark.restore_entities('closed.bait', database => 'app', mode => 'side_by_side')});
is(ask('SELECT count(*) FROM closed.bait_restored'), 5, 'and the copy is there');
springs('a dropped table', 'DROP TABLE trap.bait CASCADE', q{SELECT * FROM ark.restore_entities('trap.bait', database => 'app')});
restored('and every row is back');
springs('a dropped table that others reference', 'DROP TABLE trap.base CASCADE', q{SELECT * FROM ark.restore_entities('trap.base', database => 'app')});
restored('and every row is back');
springs('a dropped partitioned table', 'DROP TABLE trap.split', q{SELECT * FROM ark.restore_entities('trap.split', database => 'app')});
restored('and every row is back');
springs('a dropped partition beside a default one', 'DROP TABLE trap.split_1', q{SELECT * FROM ark.restore_entities('trap.split_1', database => 'app')});
restored('and every row is back');
springs('a partitioned table', 'DELETE FROM trap.split', q{SELECT * FROM ark.restore_entities('trap.split', database => 'app')});
springs('a range of its own as key', 'DELETE FROM trap.spans WHERE n > 10; UPDATE trap.spans SET n = 0', q{SELECT * FROM ark.restore_entities('trap.spans', database => 'app', mode => 'upsert')});
restored('and every row is back');
springs('a dropped materialized view', 'DROP MATERIALIZED VIEW trap.seen', q{SELECT * FROM ark.restore_entities('trap.seen', database => 'app')});
restored('and every row is back');
springs('with_referenced through a cast', 'DELETE FROM trap.base', q{SELECT * FROM ark.restore_entities('trap.bait', database => 'app', with_referenced => true)});
restored('and every row is back');
springs('a delete that reaches a table of another owner', q{INSERT INTO ours.secrets VALUES (0, 'new'); UPDATE trap.hangs_on SET id = id},
	q{SELECT * FROM ark.restore_entities('ours.secrets', database => 'app', mode => 'replace', cascade => true, filter => 'id >= 0')});
# The server's own check of a reference casts as the owner of the referenced table, in any INSERT; ours do not.
springs('rows that a table of another owner references', 'DELETE FROM ours.secrets WHERE id > 1',
	q{SELECT * FROM ark.restore_entities('ours.secrets, trap.hangs_on', database => 'app', mode => 'replace')},
	except => 'cast as bob');
restored('and every row is back');
springs('the same, dry', 'DELETE FROM ours.secrets WHERE id > 1', q{SELECT * FROM ark.restore_entities('ours.secrets, trap.hangs_on', database => 'app', mode => 'replace', dry_run => true)});
springs('references that are missing', 'DELETE FROM ours.secrets', q{SELECT * FROM ark.restore_entities('trap.hangs_on', database => 'app', dry_run => true)});
springs('references that are missing, brought along', 'DELETE FROM ours.secrets', q{SELECT * FROM ark.restore_entities('trap.hangs_on', database => 'app', with_referenced => true, dry_run => true)});
springs('rows of another owner beside', 'DELETE FROM trap.hangs_on; DELETE FROM ours.secrets', q{SELECT * FROM ark.restore_entities('ours.secrets, trap.hangs_on', database => 'app', triggers => 'fire')},
	except => 'cast as bob');

# Undo.
springs('a restore that is to be undone', $lost . q{; UPDATE trap.bait SET word = 'x'; INSERT INTO trap.bait (id, word) VALUES (100, 'new')},
	q{SELECT * FROM ark.restore_entities('trap.bait', database => 'app', mode => 'replace')});
my $id = $node->safe_psql('postgres', 'SELECT max(restore_id) FROM ark.restores');
{
	no warnings 'redefine';
	local *fresh = sub { };
	springs('its undo', 'SELECT 1', "SELECT * FROM ark.undo_restore($id)");
}
is(ask(q{SELECT count(*), count(*) FILTER (WHERE word = 'x') FROM trap.bait}), '6|5', 'gives back what it changed');

# The traps would have sprung: each place was reached at least once.
for my $place ('domain', 'check', 'folded check', 'generated column', 'index', 'folded index', 'index predicate', 'folded predicate', 'cast', 'partition key',
	'folded partition key', 'materialized view', 'default of a new column', 'folded index of a referencing table', 'bait.before_row', 'bait.after_row', 'bait.deferred_row', 'hangs_on.on_row')
{
	ok($seen{$place}, "planted code was reached: $place");
}

# A filter has the rights of the caller, and writes nothing.
fresh();
change(q{CREATE FUNCTION public.writes() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN DELETE FROM ours.secrets; RETURN true; END $$; DELETE FROM ours.secrets WHERE id > 3; DELETE FROM trap.hangs_on});
$node->ark_fails(q{SELECT * FROM ark.restore_entities('ours.secrets', database => 'app', filter => 'public.writes()')}, qr/cannot execute DELETE in a read-only transaction/, 'a filter that writes');
is(ask('SELECT count(*) FROM ours.secrets'), 3, 'writes nothing');
change(q{CREATE FUNCTION public.insists() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('transaction_read_only', 'off', true); DELETE FROM ours.secrets; RETURN true; END $$});
$node->ark_fails(q{SELECT * FROM ark.restore_entities('ours.secrets', database => 'app', filter => 'public.insists()')}, qr/transaction read-write mode/, 'nor can it allow itself to write');
is(ask('SELECT count(*) FROM ours.secrets'), 3, 'which changes nothing');
sub as { my ($role, $sql) = @_; return "SET SESSION AUTHORIZATION $role; $sql"; }
my $secrets = q{SELECT * FROM ark.restore_entities('ours.secrets', database => 'app'};
change('GRANT CONNECT ON DATABASE app TO alice, carol');
my $said = $node->ark_fails("\\set VERBOSITY verbose\n" . as('alice', "$secrets)"), qr/42501.*role "alice" may not restore "ours.secrets"/, 'a restorer without rights on the table');
like($said, qr/It lacks INSERT/, 'says which');
for my $arguments (q{, dry_run => true}, q{, mode => 'replace'}, q{, filter => 'secret LIKE ''%1%''', dry_run => true}, q{, mode => 'side_by_side'})
{
	$node->ark_fails(as('alice', "$secrets$arguments)"), qr/may not restore/, "nor with$arguments");
}
change('GRANT USAGE ON SCHEMA ours TO alice; GRANT INSERT ON ours.secrets TO alice');
$node->ark_fails(as('alice', "$secrets, filter => 'id = 5')"), qr/It lacks SELECT/, 'a filter reads');
$node->ark_fails(as('alice', "$secrets, mode => 'upsert')"), qr/It lacks UPDATE/, 'an upsert updates');
$node->ark_fails(as('alice', "$secrets, mode => 'replace')"), qr/It lacks UPDATE, DELETE/, 'a replace deletes');
is($node->ark_ok(as('alice', "SELECT to_insert, sample_keys FROM ark.restore_entities('ours.secrets', database => 'app', dry_run => true) WHERE table_name IS NOT NULL"), 'with the right to insert a restorer inserts'),
	'17|{}', 'and sees no key without the right to read');
$node->ark_ok(as('alice', "$secrets)"), 'the restore');
is(ask('SELECT count(*) FROM ours.secrets'), 20, 'and the rows are there');
my $restore = $node->safe_psql('postgres', 'SELECT max(restore_id) FROM ark.restores WHERE committed');
$node->ark_fails(as('alice', "SELECT * FROM ark.undo_restore($restore)"), qr/may not restore "ours.secrets"/, 'undoing deletes, which she may not');
$node->ark_fails(as('carol', "$secrets, filter => 'EXISTS (SELECT FROM trap.bait)')"), qr/may not restore/, 'one who may only read restores nothing');
change('GRANT INSERT ON ours.secrets TO carol; DELETE FROM ours.secrets WHERE id > 10');
$node->ark_fails(as('carol', "$secrets, filter => 'EXISTS (SELECT FROM trap.later)')"), qr/permission denied for table later/, 'a filter has the rights of the caller only');
$node->ark_ok(as('carol', "$secrets, filter => 'id <= 15')"), 'and those it has');
is(ask('SELECT count(*) FROM ours.secrets'), 15, 'are enough');
change('ALTER TABLE ours.secrets ENABLE ROW LEVEL SECURITY; GRANT UPDATE, DELETE ON ours.secrets TO carol; CREATE POLICY part ON ours.secrets TO carol USING (id < 3)');
$node->ark_fails(as('carol', "$secrets, mode => 'replace')"), qr/Row security shows it a part of the table only/, 'whom row security limits restores nothing');
change('DROP TABLE ours.secrets CASCADE');
$node->ark_fails(as('carol', "$secrets)"), qr/made again for its owner, "bob", of whom the role is no member/, 'nor makes tables for others');
is(ask(q{SELECT to_regclass('ours.secrets')}), '', 'and none is left');
$node->safe_psql('postgres', 'GRANT bob TO carol');
$node->ark_ok(as('carol', "$secrets)"), 'a member of the owner may');
is(ask(q{SELECT tableowner FROM pg_tables WHERE tablename = 'secrets'}), 'bob', 'and it is the owner\'s again');

$node->stop;
done_testing();
