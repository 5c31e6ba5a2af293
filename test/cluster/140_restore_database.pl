# A whole database comes back into a new one: the same definitions by stock pg_dump, the same rows by digest. What fails,
# or is cancelled, leaves no database; what is killed leaves one that says what it is.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use IPC::Run;
use PostgreSQL::Test::Utils ();
use Test::More;

my $node = ArkCluster->make('primary', extension => 0, preload => 0);
my $key = $node->basedir . '/key';
PostgreSQL::Test::Utils::append_to_file($key, 'c0ffee11' x 8 . "\n");
PostgreSQL::Test::Utils::append_to_file("$key.wrong", 'deadbeef' x 8 . "\n");
chmod 0600, $key, "$key.wrong" or die;
my %env = (ARK_ENCRYPTION_KEY => "file:$key", ARK_DATABASE => 'postgres');

sub databases { return $node->safe_psql('postgres', 'SELECT datname FROM pg_database ORDER BY 1') }
sub schema
{
	my ($out, $err) = PostgreSQL::Test::Utils::run_command([ 'pg_dump', '--schema-only', '-d', $node->connstr($_[0]) ]);
	is($err, '', "pg_dump of $_[0]");
	$out =~ s/^\\(un)?restrict .*\n//mg;
	return $out;
}
sub backup { my $name = shift; $node->engine_ok([ 'backup', '--quiet', '--database', $name, @_ ], "a backup of $name", env => \%env) }
sub restore { return $node->engine([ 'restore-database', '--quiet', @_ ], env => \%env) }
sub restored
{
	my ($name, @arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = restore(@arguments);
	is($run->{exit}, 0, $name) or diag("$run->{out}\n$run->{err}");
	is($run->{err}, '', 'without a complaint');
	return $run->{out};
}
sub refused
{
	my ($exit, $expected, $name, @arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = databases();
	my $run = restore(@arguments);
	ok($run->{exit} == $exit && $run->{err} =~ $expected, $name) or diag("exit $run->{exit}\n$run->{out}\n$run->{err}\nexpected $exit, $expected");
	is(databases(), $before, 'and no database came or went');
	return $run->{err};
}
sub same_database
{
	my ($from, $to, $rows) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->same_rows($to, $rows, "$to has the rows of $from");
	is(schema($to), schema($from), 'and its definitions');
	is($node->safe_psql('postgres', "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '$to'"), '', 'nothing says that it is unfinished');
}

# The sample application, and what it has not: a table of several chunks and of TOAST, names that need quotes, many small
# tables, configuration of an extension, large objects with an owner, a partition that moved.
$node->load_sample('app');
$node->safe_psql('app', <<'SQL');
	CREATE TABLE large AS SELECT i AS id, repeat(md5(i::text), 12) AS filler FROM generate_series(1, 320000) AS i;
	ALTER TABLE large ADD PRIMARY KEY (id);
	CREATE TABLE toasted AS SELECT i AS id, (SELECT string_agg(md5((i * k)::text), '') FROM generate_series(1, 300) AS k) AS body FROM generate_series(1, 500) AS i;
	CREATE SCHEMA "Ünïcödé/%";
	CREATE TABLE "Ünïcödé/%"."a ""b"" . c" ("A""b" integer GENERATED ALWAYS AS IDENTITY, "select" text DEFAULT E'\\.\n', "d" integer GENERATED ALWAYS AS ("A""b" * 2) STORED);
	INSERT INTO "Ünïcödé/%"."a ""b"" . c" ("select") VALUES (DEFAULT), (NULL), (''), ('\N');
	ALTER TABLE "Ünïcödé/%"."a ""b"" . c" DROP COLUMN "d";
	INSERT INTO heartbeat SELECT FROM generate_series(1, 3);
	DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE TABLE many_%s (id integer); INSERT INTO many_%s SELECT generate_series(1, %s)', i, i, i % 7); END LOOP; END $$;
	CREATE TABLE config (id integer PRIMARY KEY, parent integer REFERENCES config, what text);
	INSERT INTO config SELECT i, nullif(i - 1, 0), 'value ' || i FROM generate_series(1, 5) AS i;
	SELECT lo_from_bytea(777, ''); SELECT lo_from_bytea(778, '\x00010a0d5c'); ALTER LARGE OBJECT 778 OWNER TO clynr_owner; GRANT SELECT ON LARGE OBJECT 778 TO clynr_reports;
	COMMENT ON LARGE OBJECT 777 IS 'empty'; SELECT lo_from_bytea(779, convert_to(repeat('0123456789abcdef', 200000), 'UTF8'));
	CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $x$a trigger fired$x$; END';
	CREATE TRIGGER fires BEFORE INSERT ON config FOR EACH ROW EXECUTE FUNCTION touched();
SQL
my $rows = $node->digests('app');
backup('app', '--label', 'first');

# A dry run says what will be, and changes nothing.
my $before = databases();
my $said = restored('a dry run', '--database', 'app', '--target-database', 'back', '--dry-run');
like($said, qr/^would restore \d+ tables, \d+ rows, .* 4 large objects of backup \S+ into new database "back"$/m, 'says what would be made');
like($said, qr/^encoding and locale: ENCODING = 'UTF8'/m, 'and how');
is(databases(), $before, 'and makes nothing');

restored('the whole database', '--database', 'app', '--target-database', 'back');
same_database('app', 'back', $rows);
is($node->safe_psql('back', q{SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples < 0}), 0, 'with statistics');
is($node->safe_psql('back', q{SELECT lomowner::regrole || ' ' || lomacl::text FROM pg_largeobject_metadata WHERE oid = 778}), 'clynr_owner {clynr_owner=rw/clynr_owner,clynr_reports=r/clynr_owner}', 'large objects have owner and grants');
refused(7, qr/database "back" exists already and is not empty\ndetail: it holds .*(relation|function|schema|extension) /, 'a database with objects is refused', '--database', 'app', '--target-database', 'back');
$node->safe_psql('postgres', 'DROP DATABASE back');

my $json = restored('one connection, without statistics, by label', '--database', 'app', '--restore-point', 'first', '--target-database', 'back', '--no-analyze', '--jobs', '1', '--json');
like($json, qr/"target_database": "back"/, 'as JSON');
same_database('app', 'back', $rows);
is($node->safe_psql('back', q{SELECT reltuples FROM pg_class WHERE relname = 'many_1'}), -1, 'which autovacuum will find');
$node->safe_psql('postgres', q{DROP DATABASE back; });
$node->safe_psql('postgres', q{CREATE DATABASE back TEMPLATE template0});
$node->safe_psql('postgres', q{COMMENT ON DATABASE back IS 'mine'});
restored('four connections into an empty database', '--database', 'app', '--target-database', 'back', '--jobs', '4');
$node->same_rows('back', $rows, 'the same rows');
is($node->safe_psql('postgres', q{SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'back'}), 'mine', 'its comment stays');
$node->safe_psql('postgres', 'DROP DATABASE back');

# Rows of an extension's configuration tables, which the extension makes and which refer to one another.
$node->safe_psql('postgres', 'CREATE DATABASE configured');
$node->safe_psql('configured', 'SET client_min_messages = error; CREATE EXTENSION pg_ark');
$node->safe_psql('configured', q{SELECT ark.set_policy('mine', keep_last => 7)});
my $policies = q{SELECT name, rules FROM ark_private.policy ORDER BY 1; SELECT count(*) > 0, max(id) FROM ark_private.audit_log; SELECT last_value FROM ark_private.audit_log_id_seq};
backup('configured');
restored('a database with an extension that keeps rows', '--database', 'configured', '--target-database', 'configured_back');
is($node->safe_psql('configured_back', $policies), $node->safe_psql('configured', $policies), 'brings those rows back');

# Another encoding, another provider of the locale.
$node->safe_psql('postgres', q{CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0});
$node->safe_psql('latin', q{SET client_encoding = 'UTF8'; CREATE TABLE "größe" (id integer PRIMARY KEY, "käse" text);
	INSERT INTO "größe" VALUES (1, 'Grüße aus Nîmes ¿'), (2, U&'\0080\009f\00ff'), (3, NULL)});
my $latin = $node->digests('latin');
backup('latin');
restored('a database in LATIN1', '--database', 'latin', '--target-database', 'latin_back');
same_database('latin', 'latin_back', $latin);
$node->safe_psql('postgres', q{CREATE DATABASE latin_utf TEMPLATE template0});
restored('the same into an empty one in UTF8', '--database', 'latin', '--target-database', 'latin_utf');
is($node->safe_psql('latin_utf', 'SELECT * FROM "größe" ORDER BY id'), $node->safe_psql('latin', q{SET client_encoding = 'UTF8'; SELECT * FROM "größe" ORDER BY id}), 'has the same text');
# The locale's column is daticulocale up to 16, datlocale since 17.
my $facts = q{SELECT d.encoding, d.datlocprovider, d.datcollate, d.datctype, coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') FROM pg_database d WHERE d.datname =};
$node->safe_psql('postgres', q{CREATE DATABASE "Icu ""db""" ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LOCALE 'C.UTF-8' TEMPLATE template0});
$node->safe_psql('Icu "db"', q{CREATE TABLE words (word text PRIMARY KEY); INSERT INTO words VALUES ('Zahl'), ('ähnlich'), ('Apfel')});
backup('Icu "db"');
restored('a database of ICU', '--database', 'Icu "db"', '--target-database', 'Back of "icu"');
is($node->safe_psql('postgres', qq{$facts 'Back of "icu"'}), $node->safe_psql('postgres', qq{$facts 'Icu "db"'}), 'has the same locale');
is($node->safe_psql('Back of "icu"', q{SELECT string_agg(word, ',' ORDER BY word) FROM words}), 'ähnlich,Apfel,Zahl', 'and sorts by it');

# What cannot be.
refused(2, qr/into which database shall the backup be restored\?\n(detail.*\n)?hint: Give --target-database/, 'no target', '--database', 'app');
refused(2, qr/is the one that is connected to while databases are made/, 'the database that is connected to', '--database', 'app', '--target-database', 'postgres');
refused(3, qr/nothing/, 'an unknown backup', '--database', 'app', '--restore-point', 'nothing', '--target-database', 'back');
$env{ARK_ENCRYPTION_KEY} = "file:$key.wrong";
refused(4, qr/key/, 'a wrong key', '--database', 'app', '--target-database', 'back');
$env{ARK_ENCRYPTION_KEY} = "file:$key";

# A function that a CHECK calls can fail, or wait, in the middle of the rows.
$node->safe_psql('postgres', 'CREATE ROLE "Gone Owner"; CREATE ROLE gone_reader');
$node->safe_psql('postgres', 'CREATE DATABASE slow');
$node->safe_psql('slow', <<'SQL');
	CREATE FUNCTION meets(id integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		IF current_database() = 'fails' AND id = 3 THEN RAISE EXCEPTION 'this row is not wanted'; END IF;
		IF current_database() = 'waits' AND id = 3 THEN PERFORM pg_sleep(300); END IF;
		RETURN true;
	END $$;
	CREATE TABLE other AS SELECT generate_series(1, 1000) AS id;
	CREATE TABLE checked (id integer CHECK (public.meets(id)));
	INSERT INTO checked SELECT generate_series(1, 5);
	CREATE TABLE owned (id integer); ALTER TABLE owned OWNER TO "Gone Owner"; GRANT SELECT ON owned TO gone_reader;
SQL
backup('slow');
my $error = refused(1, qr/could not load table "public.checked": this row is not wanted\ndetail: PL\/pgSQL function/, 'a restore that fails in the middle', '--database', 'slow', '--target-database', 'fails');
$node->safe_psql('postgres', 'CREATE DATABASE fails TEMPLATE template0');
refused(1, qr/this row is not wanted.*\n.*\nhint: .*Database "fails" existed before and may hold a part of the restore now/s, 'the same into an empty database', '--database', 'slow', '--target-database', 'fails');
refused(7, qr/database "fails" holds a part of a restore that did not end\ndetail: its comment is: pg_ark restore of backup \S+ not finished\nhint: .*DROP DATABASE "fails"/, 'which is recognised later', '--database', 'slow', '--target-database', 'fails');
$node->safe_psql('postgres', 'DROP DATABASE fails');

sub start_waiting
{
	my %run = (out => '', err => '');
	local %ENV = (%ENV, %env, ARK_STORE => 'file://' . $node->store, ARK_CONNINFO => 'host=' . $node->host . ' port=' . $node->port . ' user=' . getpwuid($<));
	$run{handle} = IPC::Run::start([ $node->config_data('--bindir') . '/pg_ark', 'restore-database', '--quiet', '--database', 'slow', '--target-database', 'waits' ],
		'<', \'', '>', \$run{out}, '2>', \$run{err}, IPC::Run::timeout(180));
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'waits' AND wait_event = 'PgSleep'}) or die "it did not begin to wait: $run{err}";
	return \%run;
}
my $run = start_waiting();
refused(7, qr/another restore into database "waits" is running/, 'two restores into one database', '--database', 'slow', '--target-database', 'waits');
$run->{handle}->signal('INT');
$run->{handle}->finish;
is($run->{handle}->result(0), 130, 'a restore is cancelled');
like($run->{err}, qr/cancelled on request/, 'and says so');
unlike(databases(), qr/^waits$/m, 'its database is gone');
$run = start_waiting();
$run->{handle}->signal('KILL');
eval { $run->{handle}->finish };
$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'waits'}) or die;
refused(7, qr/database "waits" holds a part of a restore that did not end/, 'one that was killed is recognised', '--database', 'slow', '--target-database', 'waits');
$node->safe_psql('postgres', 'DROP DATABASE waits');

# What the server lacks is said before anything is made.
$node->safe_psql('slow', 'DROP TABLE owned');
$node->safe_psql('postgres', 'DROP ROLE "Gone Owner"; DROP ROLE gone_reader');
refused(3, qr/the server lacks what the backup's definitions name\ndetail: roles "Gone Owner", "gone_reader"\nhint: .*--no-owners/, 'roles that are missing', '--database', 'slow', '--target-database', 'back');
like(restored('a dry run', '--database', 'slow', '--target-database', 'back', '--dry-run'), qr/^roles that the server lacks: Gone Owner, gone_reader$/m, 'names them too');
restored('without owners and grants', '--database', 'slow', '--target-database', 'back', '--no-owners', '--no-privileges');
is($node->safe_psql('back', 'SELECT count(*) FROM checked'), 5, 'it comes back');
is($node->safe_psql('back', q{SELECT relowner::regrole = current_user::regrole FROM pg_class WHERE relname = 'owned'}), 't', 'and belongs to who restored it');


# A role that is no superuser restores what it may make, and code of the backup runs as that role.
$node->safe_psql('postgres', 'CREATE ROLE restorer LOGIN');
sub as_restorer { return $node->engine([ 'restore-database', '--quiet', '--database', 'slow', '--target-database', 'plain', '--no-owners', '--no-privileges' ],
	env => { %env, ARK_CONNINFO => 'host=' . $node->host . ' port=' . $node->port . ' user=restorer' }) }
my $plain = as_restorer();
is($plain->{exit}, 4, 'a role that may not make databases');
like($plain->{err}, qr/could not create database "plain": permission denied/, 'is told so');
$node->safe_psql('postgres', 'ALTER ROLE restorer CREATEDB');
$plain = as_restorer();
is($plain->{exit}, 0, 'one that may') or diag($plain->{err});
is($node->safe_psql('plain', q{SELECT string_agg(DISTINCT relowner::regrole::text, ',') FROM pg_class WHERE relnamespace = 'public'::regnamespace}), 'restorer', 'owns what it made');

$node->stop;
done_testing();
