# Definitions that change while backups are taken, in every way that users have: each backup either comes back as one consistent state,
# whose definitions fit its rows, or it failed with an error that says what changed.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use IPC::Run;
use Test::More;
use Time::HiRes qw(time);

my $node = ArkCluster->make('primary', conf => "max_connections = 60\nmax_prepared_transactions = 4\nlog_statement = none\nautovacuum = off\n");
ask($node, 'CREATE DATABASE churn');
ask($node, q{
	CREATE TABLE account (id integer PRIMARY KEY, balance integer NOT NULL);
	INSERT INTO account SELECT i, 0 FROM generate_series(1, 2000) AS i;
	CREATE TABLE mirror (id integer PRIMARY KEY, balance integer NOT NULL);
	INSERT INTO mirror SELECT i, 0 FROM generate_series(1, 2000) AS i;
	CREATE TABLE columns_of (id integer PRIMARY KEY, a integer);
	INSERT INTO columns_of SELECT i, i FROM generate_series(1, 1000) AS i;
	CREATE TABLE whole (id integer);
	INSERT INTO whole SELECT generate_series(1, 100);
	CREATE TYPE mood AS ENUM ('glad', 'sad');
	CREATE TABLE feeling (id integer PRIMARY KEY, mood mood);
	INSERT INTO feeling SELECT i, (ARRAY['glad', 'sad'])[1 + i % 2]::mood FROM generate_series(1, 1000) AS i;
	CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
	CREATE TABLE counted (n positive);
	INSERT INTO counted SELECT generate_series(1, 1000);
	CREATE TABLE part_root (id integer, what text) PARTITION BY RANGE (id);
	CREATE TABLE part_1 PARTITION OF part_root FOR VALUES FROM (1) TO (501);
	CREATE TABLE part_2 PARTITION OF part_root FOR VALUES FROM (501) TO (1001);
	INSERT INTO part_root SELECT i, 'row ' || i FROM generate_series(1, 1000) AS i;
	CREATE TABLE name_1 AS SELECT generate_series(1, 100) AS id;
	CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n, sum(balance) AS total FROM account;
	CREATE SEQUENCE ticket;
	CREATE ROLE keeper;
	CREATE TABLE kept AS SELECT generate_series(1, 10) AS id;
	ALTER TABLE kept OWNER TO keeper}, 'churn');

# Both tables move the same amount in one transaction: at any moment account plus mirror is zero, and each sums to the other's opposite.
my %scripts = (
	transfer => q{\set id random(1, 2000)
\set amount random(1, 100)
BEGIN;
UPDATE account SET balance = balance + :amount WHERE id = :id;
UPDATE mirror SET balance = balance - :amount WHERE id = :id;
END;
\sleep 5 ms
},
	columns => q{ALTER TABLE columns_of ADD COLUMN b integer DEFAULT 7;
\sleep 300 ms
UPDATE columns_of SET b = a WHERE id < 100;
ALTER TABLE columns_of RENAME b TO c;
\sleep 300 ms
ALTER TABLE columns_of ALTER c TYPE text;
\sleep 300 ms
ALTER TABLE columns_of DROP COLUMN c;
\sleep 300 ms
},
	whole => q{BEGIN;
DROP TABLE whole;
CREATE TABLE whole (id integer, what text DEFAULT 'made anew');
INSERT INTO whole SELECT generate_series(1, 100);
END;
\sleep 400 ms
BEGIN;
TRUNCATE whole;
INSERT INTO whole SELECT generate_series(1, 100);
END;
\sleep 400 ms
},
	rewrite => q{VACUUM FULL mirror;
\sleep 400 ms
CLUSTER account USING account_pkey;
\sleep 400 ms
},
	enum => q{\set n random(1, 1000000)
ALTER TYPE mood RENAME VALUE 'glad' TO 'happy';
\sleep 500 ms
ALTER TYPE mood ADD VALUE IF NOT EXISTS 'mood :n';
\sleep 500 ms
ALTER TYPE mood RENAME VALUE 'happy' TO 'glad';
\sleep 500 ms
},
	domain => q{ALTER DOMAIN positive SET DEFAULT 1;
\sleep 400 ms
ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 100000);
\sleep 400 ms
ALTER DOMAIN positive DROP CONSTRAINT small;
ALTER DOMAIN positive DROP DEFAULT;
\sleep 400 ms
},
	index => q{CREATE INDEX feeling_mood ON feeling (mood);
\sleep 400 ms
REINDEX TABLE feeling;
DROP INDEX feeling_mood;
\sleep 400 ms
},
	partition => q{ALTER TABLE part_root DETACH PARTITION part_2;
\sleep 400 ms
ALTER TABLE part_root ATTACH PARTITION part_2 FOR VALUES FROM (501) TO (1001);
\sleep 400 ms
},
	schema => q{CREATE SCHEMA passing;
CREATE TABLE passing.here AS SELECT generate_series(1, 50) AS id;
\sleep 400 ms
ALTER SCHEMA passing RENAME TO passed;
\sleep 400 ms
DROP SCHEMA passed CASCADE;
\sleep 400 ms
},
	name => q{ALTER TABLE name_1 RENAME TO name_2;
\sleep 500 ms
ALTER TABLE name_2 RENAME TO name_1;
\sleep 500 ms
},
	refresh => q{REFRESH MATERIALIZED VIEW sums;
\sleep 300 ms
SELECT nextval('ticket');
},
	role => q{DO $$ BEGIN DROP ROLE keeper; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END $$;
CREATE ROLE visitor;
GRANT SELECT ON account TO visitor;
\sleep 400 ms
REVOKE ALL ON account FROM visitor;
DROP ROLE visitor;
\sleep 400 ms
});

my @running;
for my $name (sort keys %scripts)
{
	my $file = $node->basedir . "/$name.sql";
	PostgreSQL::Test::Utils::append_to_file($file, $scripts{$name});
	my $out = '';
	push @running, {
		name => $name,
		out => \$out,
		harness => IPC::Run::start([ 'pgbench', '-n', '-T', 600, '-c', $name eq 'transfer' ? 2 : 1, '-f', $file, $node->connstr('churn') ],
			'<', \undef, '>', \$out, '2>&1', IPC::Run::timeout(600)) };
}

# What must hold in every state that was ever committed.
my $invariants = q{
	SELECT string_agg(fault, ', ') FROM (
		SELECT 'account and mirror' FROM account JOIN mirror USING (id) HAVING count(*) <> 2000 OR sum(account.balance) + sum(mirror.balance) <> 0
			OR count(*) FILTER (WHERE account.balance <> -mirror.balance) > 0
		UNION ALL SELECT 'columns' FROM columns_of HAVING count(*) <> 1000 OR sum(a) <> 500500
		UNION ALL SELECT 'whole' FROM whole HAVING count(*) <> 100
		UNION ALL SELECT 'feeling' FROM feeling HAVING count(*) <> 1000 OR count(*) FILTER (WHERE mood::text NOT IN ('glad', 'happy', 'sad')) > 0
			OR count(DISTINCT mood) <> 2
		UNION ALL SELECT 'counted' FROM counted HAVING count(*) <> 1000
		UNION ALL SELECT 'partitions' FROM (SELECT id FROM part_1 UNION ALL SELECT id FROM part_2) AS p HAVING count(*) <> 1000
		UNION ALL SELECT 'kept' FROM kept HAVING count(*) <> 10) AS f(fault)};
my $more = q{
	SELECT (SELECT count(*) FROM pg_class WHERE relname IN ('name_1', 'name_2')) = 1
		AND (SELECT coalesce(sum((xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s', c.oid::regclass), false, true, '')))[1]::text::bigint), 0)
		       FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname IN ('passing', 'passed') AND relkind = 'r') IN (0, 50)};
my ($whole, @errors) = (0);
for my $round (1 .. 12)
{
	my $job = ask($node, q{SELECT job_id FROM ark.backup_now(database => 'churn', wait => false)});
	my $end = outcome($node, $job);
	if ($end->{state} ne 'done')
	{
		push @errors, "$end->{state}: $end->{message} ($end->{detail})";
		like($end->{message}, qr/kept changing|kept being created|could not lock all|kept waiting/, "backup $round failed and says why: $end->{message}");
		next;
	}
	my $error = restored_beside($node, $end->{backup_id}, "copy_$round", pg_restore => ['--no-privileges']);    # the visitor may be gone
	is($error, '', "backup $round comes back, definitions and rows fit") or next;
	is(ask($node, $invariants, "copy_$round"), '', 'as one consistent state');
	is(ask($node, $more, "copy_$round"), 't', 'with whole tables under one of their names');
	ask($node, "DROP DATABASE copy_$round");
	$whole++;
	last if $whole >= 5 && @errors == 0 && $round >= 6;
}
cmp_ok($whole, '>=', 3, "$whole backups in the middle of it all were whole");
diag($_) for @errors;
for my $one (@running)
{
	ok($one->{harness}->pumpable, "the session of $one->{name} was never hindered to the point of an error") or diag(${ $one->{out} });
	$one->{harness}->kill_kill;
}
ask($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'churn' AND pid <> pg_backend_pid()});
is(ask($node, $invariants, 'churn'), '', 'the live data keeps its own invariants');
works($node, 'churn', 'the schema came to rest');

# Giving way: a session that wants to change a table gets through a backup that would last, and the job says so. pg_dump waits for a
# view that the test holds.
ask($node, 'CREATE VIEW beside AS SELECT 1 AS one', 'churn');
hold_lock($node, 'churn', 'ALTER VIEW beside SET (security_barrier = true)');
my $job = ask($node, q{SELECT job_id FROM ark.backup_now(database => 'churn', wait => false)});
my $is_waiting = q{SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'relation' AND NOT granted AND mode = 'AccessShareLock')};
until_true($node, $is_waiting);
my $began = time;
is(finished(background($node, 'ALTER TABLE whole ADD COLUMN came_through integer', 'churn'))->{exit}, 0, 'ALTER TABLE gets through a backup that would last');
took_less($began, 30, 'waiting behind it (ark.yield_after is 2 s)');
is(ask($node, "SELECT state FROM ark.job_history WHERE job_id = $job"), 'running', 'which begins again');
release_lock($node, 'churn');
my $end = outcome($node, $job);
is($end->{state}, 'done', 'and is done') or diag("$end->{message} $end->{detail}");
like(ask($node, "SELECT warnings FROM ark.job_history WHERE job_id = $job"), qr/gave way to another session, the last one to let through: pid \d+ \(ALTER TABLE\)/, 'its history says so');
is(restored_beside($node, $end->{backup_id}, 'after', pg_restore => ['--no-privileges']), '', 'it comes back');
is(ask($node, 'SELECT count(came_through), count(*) FROM whole', 'after'), '0|100', 'with the new column');

# The deadlock that no server detects: we hold a table, an ALTER TABLE waits for it, and our other sessions would wait for the ALTER.
# Told to give way never, the backup must come to an end all the same, and so must every ALTER.
set_option($node, 'ark.yield_after', '0');
my $file = $node->basedir . '/alter.sql';
PostgreSQL::Test::Utils::append_to_file($file, "\\sleep 20 ms\nALTER TABLE account SET (fillfactor = 90);\n");
my $out = '';
my $alters = IPC::Run::start([ 'pgbench', '-n', '-T', 600, '-c', 3, '-f', $file, $node->connstr('churn') ], '<', \undef, '>', \$out, '2>&1', IPC::Run::timeout(600));
for my $round (1 .. 3)
{
	my $end = outcome($node, ask($node, q{SELECT job_id FROM ark.backup_now(database => 'churn', wait => false)}));
	like("$end->{state} $end->{message}", qr/^done|^failed (could not lock all tables|pg_dump could not lock)/, "backup $round among ALTER TABLEs ends: $end->{state}");
	next if $end->{state} ne 'done';
	is(restored_beside($node, $end->{backup_id}, "among_$round", pg_restore => ['--no-privileges']), '', 'and comes back');
}
ok($alters->pumpable, 'no ALTER TABLE failed');
$alters->kill_kill;
$node->stop;
done_testing();
