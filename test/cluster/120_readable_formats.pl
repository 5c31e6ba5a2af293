# A backup in other people's formats is what their own tools make: an archive that stock pg_restore takes, a script for
# psql, CSV as COPY prints it, JSON that gives the same rows.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use PostgreSQL::Test::Utils ();
use Test::More;

$ENV{PGCLIENTENCODING} = 'UTF8';    # of psql, whatever the database's is
my $node = ArkCluster->make('primary');
my $out = $node->basedir . '/out';
mkdir $out or die;
$node->load_sample('app');
$node->safe_psql('app', <<'SQL');
	CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy "quoted"');
	CREATE TABLE kinds (
		id integer PRIMARY KEY, b boolean, i2 smallint, i8 bigint, r real, d double precision, n numeric, m money, t text, v varchar(20), c char(6), n_ame name,
		ts timestamp, tz timestamptz, da date, ti time, tt timetz, iv interval, by bytea, bi bit(5), vb bit varying, u uuid, ip inet, ci cidr, mac macaddr, x xml, js json, jb jsonb,
		tv tsvector, tq tsquery, mo mood, ad address, em email_address, po point, bx box, li line, ci_r circle, i4r int4range, mr nummultirange, o oid, rc regclass, ls pg_lsn,
		ai integer[], at text[], ab boolean[], an numeric[], aj jsonb[], am mood[], aa address[], abx box[], ats timestamptz[], aai integer[][], arr_r daterange[], ae email_address[], ch "char", jp jsonpath);
	INSERT INTO kinds (id) VALUES (1);
	INSERT INTO kinds VALUES (2, true, -32768, 9223372036854775807, 'NaN', 'Infinity', 'NaN', '-12.34', '', '', '', '',
		'infinity', '-infinity', 'infinity', '24:00', '23:59:59.999999-12', '-1 year 2 mons -3 days 04:05:06.7', '', B'00000', B'', '00000000-0000-0000-0000-000000000000', '::', '::/0', '08:00:2b:01:02:03',
		'', '""', '{}', '', '', 'sad', ROW(NULL, NULL, NULL, NULL), 'a@b.de', '(0,-0)', '((1,1),(0,0))', '{1,-1,0}', '<(1,2),3>', 'empty', '{}', 4294967295, 'pg_class', '0/0',
		'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '', '$');
	INSERT INTO kinds VALUES (3, false, 1, -1, -1.5e-30, 1e300, -0.00000000000000000000000001, '$1,234,567.89', E'tab\there\nline\r\nback\\slash "quoted" \'single\' , comma \x01\x7f', E'a\\', '  x', E'na"me',
		'0044-03-15 12:00:00 BC', '0044-03-15 12:00:00+00 BC', '4713-01-01 BC', '00:00:00.000001', '12:00+05:30', '178000000 years', '\x00ff5c0a0d', B'10101', B'1', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '10.1.2.3/8', '10.0.0.0/8', 'ff:ff:ff:ff:ff:ff',
		'<a b="c">&amp;</a>', E'{"a" : 1,\n "a":2, "u":"\\u00e4\\ud83d\\ude00"}', '{"k": [1, 2.50, null, true, {"x": "\"\\\n"}]}', '''it''''s'':1A fat:2', 'fat & (rat | !cat:*)', 'happy "quoted"',
		ROW('a "b", (c)', E'\\', '12345', '(1.5,2)'), 'x.y@z.org', '(1e10,-1e-10)', '((2,3),(1,-1))', '{0,1,2}', '<(0,0),0>', '[1,)', '{[1.5,2.5),(3,4]}', 1, 'clients', '16/B374D848',
		'{1,NULL,-3}', E'{"",NULL,"NULL","a,b","c\\\\d","e\\"f","{}"," g "}', '{t,f,NULL}', '{NaN,1.50,-Infinity}', ARRAY['{"a":1}', 'null', '"x"']::jsonb[], '{sad,"happy \"quoted\""}', ARRAY[ROW('x,y', 'z"', NULL, NULL)::address, NULL],
		'{((1,1),(0,0));((3,3),(2,2))}', '{infinity,"2026-01-01 00:00:00+00"}', '{{1,2},{3,NULL}}', '{"[2026-01-01,2026-02-01)",empty}', '{a@b.de}', 'x', '$.a[*] ? (@ > 1)');
	INSERT INTO kinds (id, t, ai, n, jb) VALUES (4, 'Ünïcödé 漢字 🚢', '[2:3]={7,8}', 'Infinity', '1e400'), (5, '\.', '{}', 1e-400, '[[], {}]'), (6, '\N', NULL, 0, 'null');
	CREATE TABLE mixed (a integer, b text, "C d" integer) PARTITION BY LIST (a);
	CREATE TABLE mixed_1 PARTITION OF mixed FOR VALUES IN (1);
	CREATE TABLE mixed_2 ("C d" integer, dropped text, b text, a integer);
	ALTER TABLE mixed_2 DROP COLUMN dropped;
	ALTER TABLE mixed ATTACH PARTITION mixed_2 FOR VALUES IN (2);
	INSERT INTO mixed SELECT 1 + i % 2, CASE WHEN i % 3 > 0 THEN E'b\t' || i END, i FROM generate_series(1, 20) AS i;
	SELECT lo_from_bytea(777, ''); SELECT lo_from_bytea(778, '\x00010a0d5c');
	CREATE TABLE config (id integer, what text);
	INSERT INTO config SELECT i, 'value ' || i FROM generate_series(1, 5) AS i;
SQL
my $before = $node->digests('app');
is($node->safe_psql('postgres', q{SELECT state FROM ark.backup_now(database => 'app')}), 'done', 'a backup');

sub run_ok
{
	my ($command, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($stdout, $stderr);
	my $ok = IPC::Run::run($command, '<', \undef, '>', \$stdout, '2>', \$stderr);
	ok($ok, $name) or diag("@$command\n" . substr($stderr, 0, 2000));
	return $stdout;
}
sub slurp { return PostgreSQL::Test::Utils::slurp_file($_[0]); }
sub schema
{
	my $dump = run_ok([ 'pg_dump', '--schema-only', '-d', $node->connstr($_[0]) ], "the schema of $_[0]");
	$dump =~ s/^\\(un)?restrict .*\n//mg;
	return $dump;
}
# pg_restore -l without what differs between any two dumps; data files by the entry they belong to.
sub listing
{
	my ($archive) = @_;
	my (@entries, %file);
	for (split /\n/, run_ok([ 'pg_restore', '-l', $archive ], "pg_restore -l $archive"))
	{
		next unless /^(\d+); (.*)/;
		push @entries, $2;
		$file{$2} = "$archive/$1.dat";
	}
	return (join("\n", @entries), \%file);
}

# The archive, against that of stock pg_dump of the same database.
my $schema = schema('app');
run_ok([ 'pg_dump', '-Fd', '-Z0', '-f', "$out/stock", '-d', $node->connstr('app') ], 'stock pg_dump');
$node->engine_ok([ 'export', '--database', 'app', '--format', 'directory', '--output', "$out/ours" ], 'export to a directory archive');
my ($stock, $stock_files) = listing("$out/stock");
my ($ours, $our_files) = listing("$out/ours");
is($ours, $stock, 'both list the same entries, in the same order');
my ($files, $differ) = (0, '');
for my $entry (grep { /TABLE DATA/ } sort keys %$stock_files)
{
	$files++;
	$differ .= "$entry\n" if slurp($stock_files->{$entry}) ne slurp($our_files->{$entry});
}
cmp_ok($files, '>', 30, 'every table has a data file');
is($differ, '', 'with the same bytes');
# One list, or since 17 one for each owner and grants.
sub large_objects { return join "\n", sort map { split /\n/, slurp($_) } glob "$_[0]/blobs*.toc"; }
is(large_objects("$out/ours"), large_objects("$out/stock"), 'the same large objects');
like(large_objects("$out/ours"), qr/^777 .*^778 /ms, 'all of them');
is(slurp("$out/ours/blob_$_.dat"), slurp("$out/stock/blob_$_.dat"), "large object $_") for 777, 778, 424242;

sub comes_back
{
	my ($database, $name, @command) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	run_ok(\@command, "$name: restored");
	is(schema($database), $schema, "$name: the schema is equal");
	$node->same_rows($database, $before, "$name: so are rows, large objects, sequences and materialized views");
	return;
}
comes_back('stock_tools', 'pg_restore -j2', 'pg_restore', '-e', '-j2', '-d', $node->connstr('stock_tools'), "$out/ours");
$node->engine_ok([ 'export', '--database', 'app', '--gzip', '6', '--output', "$out/zipped/" ], 'export to a compressed archive');
comes_back('zipped', 'a compressed archive', 'pg_restore', '-e', '-d', $node->connstr('zipped'), "$out/zipped");
$node->engine_ok([ 'export', '--database', 'app', '--format', 'sql', '--output', "$out/app.sql" ], 'export to a script');
comes_back('script', 'the script', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('script'), '-f', "$out/app.sql");
my $again = $node->engine([ 'export', '--database', 'app', '--output', "$out/ours" ]);
like($again->{err}, qr/exists already and is not an empty directory/, 'an archive is not overwritten');
isnt($again->{exit}, 0, 'which is an error');
run_ok([ 'pg_restore', '-f', "$out/one.sql", '-t', 'clients', '-a', "$out/ours" ], 'pg_restore -t takes one table out of it');
is(() = slurp("$out/one.sql") =~ /^1\d\d\d\t/mg, 200, 'with its rows');

# What an extension says is configuration, and only that.
$node->safe_psql('app', q{ALTER EXTENSION btree_gist ADD TABLE config;
	UPDATE pg_extension SET extconfig = ARRAY['config'::regclass::oid], extcondition = ARRAY['WHERE id > 2'] WHERE extname = 'btree_gist'});
$node->safe_psql('postgres', q{SELECT * FROM ark.backup_now(database => 'app', label => 'configured')});
run_ok([ 'pg_dump', '-Fd', '-Z0', '-f', "$out/stock_configured", '-d', $node->connstr('app') ], 'stock pg_dump');
$node->engine_ok([ 'export', '--restore-point', 'configured', '--database', 'app', '--output', "$out/ours_configured" ], 'export with configuration of an extension');
($stock, $stock_files) = listing("$out/stock_configured");
($ours, $our_files) = listing("$out/ours_configured");
is($ours, $stock, 'both list the same entries');
my ($config) = grep { /TABLE DATA public config/ } keys %$stock_files;
is(slurp($our_files->{$config}), slurp($stock_files->{$config}), 'and hold the same rows of it');
like(slurp($our_files->{$config}), qr/\A3\tvalue 3\n4\tvalue 4\n5\tvalue 5\n\\\./, 'those of its condition');
$node->safe_psql('app', q{UPDATE pg_extension SET extconfig = NULL, extcondition = NULL WHERE extname = 'btree_gist'; ALTER EXTENSION btree_gist DROP TABLE config});

# CSV is what COPY prints. JSON gives the server the same rows again.
my $contract = q{SET search_path = ''; SET datestyle = ISO; SET intervalstyle = postgres; SET timezone = 'UTC'; SET extra_float_digits = 3; SET bytea_output = hex; SET lc_monetary = 'C'; SET row_security = off; SET synchronize_seqscans = off;};
for my $table ('kinds', 'oddities', 'clients', 'jobs', 'users', 'invoices', 'Order Items', 'client_notes', 'import_log', 'settings', 'attachments', 'mixed', 'visits', 'session_cache')
{
	my $sql = qq{public."$table"};
	# JSON does not tell a null from a json value null, nor [0:1]={7,8} from {7,8}; the rest of these is compared below.
	my $columns = $node->safe_psql('app', "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '$sql'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''");
	$node->engine_ok([ 'export', '--database', 'app', '--entities', $sql, '--format', $_, '--output', "$out/$table.$_" ], "$table as $_") for qw(csv json jsonl sql);
	my $image = $table =~ /^(kinds|jobs|oddities)$/ ? 'to_jsonb(x)::text' : "ROW($columns)::text";
	my $from = $table =~ /^(mixed|visits)$/ ? "(SELECT $columns FROM $sql ORDER BY tableoid::regclass::text COLLATE \"C\", ctid)" : "$sql ($columns)";
	my $csv = run_ok([ 'psql', '-XAtq', '-d', $node->connstr('app'), '-c', "$contract COPY $from TO STDOUT WITH (FORMAT csv, HEADER)" ], "COPY $table");
	ok(slurp("$out/$table.csv") eq $csv, "$table: the CSV is byte for byte what COPY prints") or diag(substr(slurp("$out/$table.csv"), 0, 800) . "\n---\n" . substr($csv, 0, 800));

	my $rows = $node->safe_psql('app', "SELECT count(*) FROM $sql");
	my %load = (json => "SELECT json_array_elements(pg_read_file('$out/$table.json')::json)", jsonl => "SELECT line::json FROM string_to_table(rtrim(pg_read_file('$out/$table.jsonl'), E'\\n'), E'\\n') AS line WHERE line <> ''");
	for my $format (sort keys %load)
	{
		my $difference = $node->safe_psql('app', qq{
			CREATE TEMP TABLE back AS SELECT $columns FROM ($load{$format}) AS j(row), json_populate_record(NULL::$sql, j.row);
			SELECT count(*) FROM back;
			SELECT coalesce(string_agg(left(i, 500), E'\n'), 'none') FROM (SELECT i, count(*) FROM (SELECT $image AS i FROM back AS x) x GROUP BY i EXCEPT SELECT i, count(*) FROM (SELECT $image AS i FROM (SELECT $columns FROM $sql) AS x) x GROUP BY i) AS y}, timeout => 60);
		is($difference, "$rows\nnone", "$table: the $format gives the same rows");
	}
}
# Where JSON has a kind of its own, it is the kind that row_to_json prints, and the same text.
my @same = qw(id b i2 i8 r d n t v c n_ame iv by bi vb u ip ci mac x jb tv tq mo em po bx li ci_r i4r mr rc ls at ab an aj am arr_r ae ch jp da ti tt);
my $kinds = "SELECT json_array_elements(pg_read_file('$out/kinds.json')::json)";
for my $column (@same)
{
	is($node->safe_psql('app', qq{$contract SELECT j.row->'$column', to_json(k.$column) FROM ($kinds) AS j(row) JOIN public.kinds AS k ON k.id = (j.row->>'id')::integer
		WHERE (j.row->'$column')::text IS DISTINCT FROM coalesce(to_json(k.$column)::text, 'null')}), '', "$column is printed as row_to_json prints it");
}
is($node->safe_psql('app', "SELECT count(*) FROM ($kinds) AS j(row) WHERE json_typeof(row->'js') = 'object' OR json_typeof(row->'jb') = 'object'"), 2, 'json values are embedded');
is((() = slurp("$out/kinds.jsonl") =~ /\n/g), 6, 'one line a row');

# The SQL of tables loads into empty ones.
$node->safe_psql('postgres', 'CREATE DATABASE loaded TEMPLATE template0');
run_ok([ 'pg_restore', '-e', '-s', '-d', $node->connstr('loaded'), "$out/ours" ], 'an empty schema');
for my $table (qw(kinds oddities mixed import_log))
{
	run_ok([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('loaded'), '-f', "$out/$table.sql" ], "psql loads the rows of $table");
	$node->same_rows('loaded', $before, "$table: they are the same", only => qr/^public\.$table/);
}

# Another encoding.
$node->safe_psql('postgres', q{CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0});
$node->safe_psql('latin', q{CREATE TABLE "größe" (id integer PRIMARY KEY, "käse" text, tags text[], js json);
	INSERT INTO "größe" VALUES (1, 'Grüße aus Nîmes ¿', '{ä,"ö,ü"}', '{"ß": "é"}'), (2, U&'\0080\009f\00ff', NULL, NULL), (3, NULL, '{}', '"plain"')});
my $latin = $node->digests('latin');
is($node->safe_psql('postgres', q{SELECT state FROM ark.backup_now(database => 'latin')}), 'done', 'a backup of a database in LATIN1');
$node->engine_ok([ 'export', '--database', 'latin', '--output', "$out/latin" ], 'its archive');
$node->safe_psql('postgres', q{CREATE DATABASE latin_back ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0});
run_ok([ 'pg_restore', '-e', '-d', $node->connstr('latin_back'), "$out/latin" ], 'goes into another of its kind');
$node->same_rows('latin_back', $latin, 'with the same rows');
$node->engine_ok([ 'export', '--database', 'latin', '--format', 'sql', '--output', "$out/latin.sql" ], 'its script');
$node->safe_psql('postgres', q{CREATE DATABASE latin_utf TEMPLATE template0});
run_ok([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('latin_utf'), '-f', "$out/latin.sql" ], 'goes into one in UTF8');
is($node->safe_psql('latin_utf', 'SELECT * FROM "größe" ORDER BY id'), $node->safe_psql('latin', 'SELECT * FROM "größe" ORDER BY id'), 'with the same text');
$node->engine_ok([ 'export', '--database', 'latin', '--entities', '"größe"', '--format', $_, '--output', "$out/latin.$_" ], "as $_") for qw(csv json);
my $csv = run_ok([ 'psql', '-XAtq', '-d', $node->connstr('latin'), '-c', 'SET client_encoding = UTF8; COPY "größe" TO STDOUT WITH (FORMAT csv, HEADER)' ], 'COPY in UTF8');
is(slurp("$out/latin.csv"), $csv, 'CSV is in UTF-8');
is($node->safe_psql('latin_utf', qq{SELECT count(*) FROM json_populate_recordset(NULL::"größe", pg_read_file('$out/latin.json')::json) AS j JOIN "größe" AS g USING (id) WHERE ROW(j.*)::text = ROW(g.*)::text}), 3, 'and so is JSON');

# Bad input.
like($node->engine([ 'export', '--database', 'app', '--entities', 'nothing', '--format', 'csv', '--output', "$out/x" ])->{err}, qr/the backup has no table "nothing"/, 'an unknown table');
like($node->engine([ 'export', '--database', 'app', '--format', 'yaml', '--output', "$out/x" ])->{err}, qr/no export format "yaml"/, 'an unknown format');
like($node->engine([ 'export', '--database', 'app', '--entities', 'jobs,clients', '--format', 'csv', '--output', "$out/x" ])->{err}, qr/holds one table, not 2/, 'two tables in one CSV');
ok(!-e "$out/x", 'leave no file');

$node->stop;
done_testing();
