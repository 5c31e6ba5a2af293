# Values that must not meet: unique values that rows exchange, that live rows keep, and references in circles. What the dry run says is what
# the run does.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use Test::More;

my $node = ArkCluster->make('primary');
$node->safe_psql('postgres', 'CREATE ROLE one; CREATE ROLE two; CREATE ROLE clerk LOGIN; GRANT ark_restorer TO clerk; CREATE DATABASE pristine');
$node->safe_psql('pristine', q{
	CREATE EXTENSION btree_gist;
	GRANT CREATE ON SCHEMA public TO one, two;
	CREATE TABLE accounts (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, place integer UNIQUE, city text,
		domain text GENERATED ALWAYS AS (split_part(email, '@', 2)) STORED);
	CREATE TABLE logins (id integer PRIMARY KEY, email text REFERENCES accounts (email), account integer NOT NULL REFERENCES accounts);
	CREATE TABLE parents (id integer PRIMARY KEY, code text NOT NULL UNIQUE, name text);
	CREATE TABLE children (id integer PRIMARY KEY, parent integer REFERENCES parents ON DELETE CASCADE);
	CREATE TABLE late (id integer PRIMARY KEY, place integer CONSTRAINT late_place UNIQUE DEFERRABLE);
	CREATE TABLE late_lines (late integer REFERENCES late ON DELETE CASCADE);
	CREATE TABLE tags (id integer PRIMARY KEY, tenant integer NOT NULL, name text, dead boolean NOT NULL DEFAULT false);
	CREATE UNIQUE INDEX living ON tags (tenant, lower(name)) WHERE NOT dead;
	CREATE TABLE booked (id integer PRIMARY KEY, room integer, during int4range, CONSTRAINT one_guest EXCLUDE USING gist (room WITH =, during WITH &&));
	CREATE TABLE parts (id integer, kind text, seat integer, PRIMARY KEY (id, kind), UNIQUE (kind, seat)) PARTITION BY LIST (kind);
	CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
	CREATE TABLE parts_b PARTITION OF parts FOR VALUES IN ('b');
	CREATE TABLE plain (id integer PRIMARY KEY, word text);
	CREATE TABLE touched (what text);
	CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.touched VALUES (TG_OP); RETURN coalesce(NEW, OLD); END';
	CREATE TRIGGER touch BEFORE INSERT OR UPDATE OR DELETE ON parents FOR EACH ROW EXECUTE FUNCTION touch();
	CREATE TRIGGER touch BEFORE INSERT OR UPDATE OR DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION touch();
	CREATE TABLE heads (id integer PRIMARY KEY, hand integer NOT NULL, slot integer UNIQUE);
	CREATE TABLE hands (id integer PRIMARY KEY, head integer REFERENCES heads);
	ALTER TABLE heads ADD CONSTRAINT has_hand FOREIGN KEY (hand) REFERENCES hands DEFERRABLE;
	CREATE TABLE mine (id integer PRIMARY KEY, yours integer, word text);
	CREATE TABLE yours (id integer PRIMARY KEY, mine integer CONSTRAINT to_mine REFERENCES mine);
	ALTER TABLE mine ADD CONSTRAINT to_yours FOREIGN KEY (yours) REFERENCES yours DEFERRABLE INITIALLY DEFERRED;
	ALTER TABLE mine OWNER TO one;
	ALTER TABLE yours OWNER TO two;
	INSERT INTO accounts (email, place, city) SELECT i || '@example.com', i, 'town ' || i FROM generate_series(1, 3000) AS i;
	INSERT INTO logins SELECT i, i || '@example.com', i FROM generate_series(1, 20) AS i;
	INSERT INTO parents SELECT i, 'code ' || i, 'name ' || i FROM generate_series(1, 50) AS i;
	INSERT INTO children SELECT i, i FROM generate_series(1, 50) AS i;
	INSERT INTO late SELECT i, i FROM generate_series(1, 50) AS i;
	INSERT INTO late_lines SELECT i FROM generate_series(1, 50) AS i;
	INSERT INTO tags SELECT i, i % 2, 'Tag ' || i, i > 90 FROM generate_series(1, 100) AS i;
	INSERT INTO booked SELECT i, i % 3, int4range(10 * i, 10 * i + 5) FROM generate_series(1, 30) AS i;
	INSERT INTO parts SELECT i, CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END, i FROM generate_series(1, 20) AS i;
	INSERT INTO plain SELECT i, 'word ' || i % 10 FROM generate_series(1, 20) AS i;
	BEGIN; SET CONSTRAINTS ALL DEFERRED;
	INSERT INTO hands SELECT i, NULL FROM generate_series(1, 10) AS i;
	INSERT INTO heads SELECT i, i, i FROM generate_series(1, 10) AS i;
	UPDATE hands SET head = id;
	INSERT INTO mine SELECT i, i, 'word ' || i FROM generate_series(1, 10) AS i;
	INSERT INTO yours SELECT i, CASE WHEN i > 5 THEN i END FROM generate_series(1, 10) AS i;
	COMMIT;
	TRUNCATE touched});

sub fresh
{
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS app');
	$node->safe_psql('postgres', 'CREATE DATABASE app TEMPLATE pristine');
	return;
}
fresh();
my $before = $node->digests('app');
is($node->safe_psql('postgres', q{SELECT state FROM ark.backup_now(database => 'app')}), 'done', 'a backup');

my $columns = q{table_name || ' +' || to_insert || ' ~' || to_update || ' -' || to_delete || ' !' || conflicts};
sub change { $node->safe_psql('app', $_[0]); return; }
sub ask { return $node->safe_psql('app', $_[0]); }

# Breaks, restores as the dry run foresaw it without a conflict, and passes if every row is what it was; the undo gives the damage back.
sub back
{
	my ($name, $damage, $arguments, %options) = @_;
	fresh();
	change($damage);
	my $damaged = $node->digests('app');
	isnt($damaged, $before, "$name: there is damage");
	my $from = "FROM ark.restore_entities($arguments, database => 'app'";
	my $plan = $node->ark_ok("SELECT $columns $from, dry_run => true) WHERE table_name IS NOT NULL", "$name: dry run");
	unlike($plan, qr/![1-9]/, "$name: nothing speaks against it");
	$node->same_rows('app', $damaged, "$name: the dry run changes nothing");
	is($node->ark_ok("SELECT $columns $from) WHERE table_name IS NOT NULL", "$name: run"), $plan, "$name: it does what the dry run said");
	return if $options{else};
	$node->same_rows('app', $before, "$name: every row is what it was", without => qr/^(sequence|public.touched)/);
	my $id = $node->safe_psql('postgres', 'SELECT max(restore_id) FROM ark.restores');
	$node->ark_ok("SELECT * FROM ark.undo_restore($id)", "$name: undo");
	$node->same_rows('app', $damaged, "$name: gives the damage back", without => qr/^(sequence|public.touched)/);
	return;
}

# The dry run counts conflicts and says why; the run refuses for that and changes nothing.
sub foreseen
{
	my ($name, $damage, $arguments, $count, @reasons) = @_;
	fresh();
	change($damage);
	my $damaged = $node->digests('app');
	my $plan = $node->ark_ok(
		"SELECT sum(conflicts), string_agg(notes, '; ') FROM ark.restore_entities($arguments, database => 'app', dry_run => true) WHERE table_name IS NOT NULL",
		"$name: dry run");
	like($plan, qr/^$count\|/, "$name: it counts the rows");
	like($node->safe_psql('postgres', 'SELECT notes FROM ark_private.restore_rows((SELECT max(job_id) FROM ark.job_history)) WHERE table_name IS NULL'),
		qr/A run would refuse: $count rows cannot be restored/, "$name: and what a run would do");
	my $said = $node->ark_fails("SELECT * FROM ark.restore_entities($arguments, database => 'app')", qr/cannot be restored; nothing was changed/, "$name: the run refuses");
	for my $reason (@reasons)
	{
		like($plan, $reason, "$name: the dry run says why");
	}
	like($said, $reasons[0], "$name: and so does the run");
	$node->same_rows('app', $damaged, "$name: nothing was changed");
	return $plan;
}

my $swap = q{UPDATE accounts SET email = 'x' WHERE id = %1$d; UPDATE accounts SET email = '%1$d@example.com' WHERE id = %2$d; UPDATE accounts SET email = '%2$d@example.com' WHERE id = %1$d;};
back('two rows exchange a unique value', sprintf($swap, 100, 200), q{'accounts', mode => 'upsert'});
is(ask('SELECT count(*) FROM touched'), 2 + 1, 'no trigger fires: the damage alone is there');
back('rows that others reference exchange the values that are referenced', 'UPDATE logins SET email = NULL WHERE id IN (5, 6);' . sprintf($swap, 5, 6) . q{UPDATE logins SET email = id || '@example.com'}, q{'accounts', mode => 'upsert'});
back('every row takes the value of the next', q{UPDATE accounts SET place = NULL WHERE id = 3000; ALTER TABLE accounts DROP CONSTRAINT accounts_place_key; UPDATE accounts SET place = place + 1;
	ALTER TABLE accounts ADD CONSTRAINT accounts_place_key UNIQUE (place)}, q{'accounts', mode => 'upsert'});
back('a circle of all rows, by two unique values', q{ALTER TABLE accounts DROP CONSTRAINT accounts_place_key; ALTER TABLE accounts DROP CONSTRAINT accounts_email_key CASCADE;
	UPDATE accounts SET place = 1 + place % 3000, email = (1 + (place + 1500) % 3000) || '@example.com';
	ALTER TABLE accounts ADD CONSTRAINT accounts_place_key UNIQUE (place), ADD CONSTRAINT accounts_email_key UNIQUE (email)}, q{'accounts', mode => 'replace'});
back('exchanged values, missing and new rows together', sprintf($swap, 100, 200) . q{DELETE FROM accounts WHERE id = 300; UPDATE accounts SET email = '300@example.com' WHERE id = 400;
	UPDATE accounts SET email = 'other' WHERE id = 500; INSERT INTO accounts (email) VALUES ('500@example.com')}, q{'accounts', mode => 'replace'});
back('a partial index over an expression', q{UPDATE tags SET name = CASE id WHEN 1 THEN 'tag 3' ELSE 'TAG 1' END, dead = true WHERE id IN (1, 3); UPDATE tags SET dead = false WHERE id IN (1, 3)}, q{'tags', mode => 'upsert'});
back('an exclusion constraint', q{UPDATE booked SET room = 9 WHERE id = 3; UPDATE booked SET during = '[32, 35)' WHERE id = 6; UPDATE booked SET room = 0, during = '[62, 66)' WHERE id = 3}, q{'booked', mode => 'upsert'});
back('partitions', q{UPDATE parts SET seat = NULL WHERE id = 2; UPDATE parts SET seat = 2 WHERE id = 4; UPDATE parts SET seat = 4 WHERE id = 2}, q{'parts', mode => 'upsert'});
back('a deferrable constraint, though deletes reach further', 'BEGIN; SET CONSTRAINTS late_place DEFERRED; UPDATE late SET place = 51 - place; COMMIT', q{'late', mode => 'upsert'});
back('values that move in turn, though deletes reach further', q{UPDATE parents SET code = 'gone' WHERE id = 1; UPDATE parents SET code = 'code ' || id - 1 WHERE id = 2; UPDATE parents SET code = 'code 2' WHERE id = 3;
	UPDATE parents SET code = 'code 3' WHERE id = 4}, q{'parents', mode => 'upsert'});
is(ask('SELECT count(*) FROM children'), 50, 'no child goes');

# What the backup does not have is kept, in rows that are deleted and inserted too; only chosen columns are set.
back('a column that came after the backup', q{ALTER TABLE accounts ADD COLUMN seen text DEFAULT 'no'; UPDATE accounts SET seen = 'row ' || id, city = 'here';} . sprintf($swap, 100, 200),
	q{'accounts', mode => 'upsert', columns => '{email}'}, else => 1);
is(ask(q{SELECT string_agg(email || seen || city || domain, ' ' ORDER BY id) FROM accounts WHERE id IN (100, 200)}), '100@example.comrow 100hereexample.com 200@example.comrow 200hereexample.com', 'is kept');
is(ask(q{SELECT count(*) FROM accounts WHERE seen = 'row ' || id AND city = 'here'}), 3000, 'in every row');

# Triggers that fire see updates, one after the other.
back('triggers that fire', q{UPDATE parents SET code = 'gone' WHERE id = 1; UPDATE parents SET code = 'code 1' WHERE id = 2; TRUNCATE touched}, q{'parents', mode => 'upsert', triggers => 'fire'}, else => 1);
is(ask('SELECT string_agg(what, $$,$$) FROM touched'), 'UPDATE,UPDATE', 'for each row once');
my $exchange = q{UPDATE parents SET code = 'x' WHERE id = 1; UPDATE parents SET code = 'code 1' WHERE id = 2; UPDATE parents SET code = 'code 2' WHERE id = 1};
foreseen('an exchange with triggers that fire', sprintf($swap, 100, 200), q{'accounts', mode => 'upsert', triggers => 'fire'}, 2, qr/2 rows cannot come back by accounts_email_key: they exchange values.*\(keys 100, 200\)/);
foreseen('an exchange where deletes reach further', $exchange, q{'parents', mode => 'upsert'}, 2, qr/2 rows cannot come back by parents_code_key: they exchange values.*first give one of them another value \(keys 1, 2\)/);

# Values that live rows keep.
foreseen('a unique value that is taken', q{DELETE FROM accounts WHERE id = 700; UPDATE accounts SET email = '700@example.com' WHERE id = 701}, q{'accounts'}, 1,
	qr/1 rows cannot come back by accounts_email_key: another live row has their values \(keys 700\)/);
foreseen('one of an expression', q{UPDATE tags SET name = 'x' || id WHERE id IN (5, 7); INSERT INTO tags VALUES (1000, 1, 'TAG 5', false), (1001, 1, 'tag 7', true)}, q{'tags', mode => 'upsert'}, 1,
	qr/1 rows cannot come back by living: another live row has their values \(keys 5\)/);
foreseen('one that is excluded', q{DELETE FROM booked WHERE id = 9; INSERT INTO booked VALUES (99, 0, '[94, 100)')}, q{'booked'}, 1, qr/by one_guest: another live row has their values \(keys 9\)/);
foreseen('values of the backup that are unique by now', q{DELETE FROM plain; CREATE UNIQUE INDEX once ON plain (word)}, q{'plain'}, 20, qr/20 rows cannot come back by once: several of them have the same values \(keys 1, 2, 3, …\)/);
foreseen('a value that its holder keeps, since only other columns are set', q{DELETE FROM parents WHERE id = 10; UPDATE parents SET name = 'x', code = 'code 10' WHERE id = 11},
	q{'parents', mode => 'upsert', columns => '{name}'}, 1, qr/by parents_code_key/);
fresh();
change(q{DELETE FROM accounts WHERE id = 700; UPDATE accounts SET email = '700@example.com' WHERE id = 701; GRANT INSERT, UPDATE ON accounts TO clerk});
my $hidden = $node->ark_fails(q{SET SESSION AUTHORIZATION clerk; SELECT * FROM ark.restore_entities('accounts', database => 'app')}, qr/cannot be restored/, 'who may not read the table');
like($hidden, qr/accounts_email_key/, 'is told the constraint');
unlike($hidden, qr/700/, 'and no key');

# References in circles.
my $off = 'ALTER TABLE %1$s DISABLE TRIGGER ALL; ALTER TABLE %2$s DISABLE TRIGGER ALL; %3$s; ALTER TABLE %1$s ENABLE TRIGGER ALL; ALTER TABLE %2$s ENABLE TRIGGER ALL';
back('a circle of one owner, with exchanged values', sprintf($off, 'heads', 'hands', 'UPDATE heads SET slot = NULL WHERE id = 1; UPDATE heads SET slot = 1 WHERE id = 2; UPDATE heads SET slot = 2 WHERE id = 1; DELETE FROM hands WHERE id > 3; DELETE FROM heads WHERE id > 3'),
	q{'heads, hands', mode => 'upsert'});
back('tables of two owners that reference each other, rows that do not', sprintf($off, 'mine', 'yours', 'DELETE FROM mine WHERE id <= 5; DELETE FROM yours WHERE id <= 5'), q{'mine, yours'});
back('the same in the other order', sprintf($off, 'mine', 'yours', 'DELETE FROM mine WHERE id <= 5; DELETE FROM yours WHERE id <= 5'), q{'yours, mine'});
my $circle = sprintf($off, 'mine', 'yours', 'DELETE FROM mine WHERE id > 4; DELETE FROM yours WHERE id > 4');
foreseen('rows of two owners that reference each other', $circle, q{'mine, yours'}, 11, qr/6 rows need new rows of public.yours by to_yours, in a circle of tables that several roles own/, qr/5 rows need new rows of public.mine by to_mine/,
	qr/ALTER TABLE … OWNER TO/);
back('after giving them one owner', "$circle; ALTER TABLE yours OWNER TO one", q{'mine, yours'});
foreseen('new rows of two owners that reference each other', 'BEGIN; INSERT INTO mine VALUES (100, 100); INSERT INTO yours VALUES (100, 100); COMMIT', q{'mine, yours', mode => 'replace'}, 2,
	qr/1 rows go together with rows of public.yours by to_yours, in a circle/, qr/1 rows go together with rows of public.mine by to_mine/);

$node->stop;
done_testing();
