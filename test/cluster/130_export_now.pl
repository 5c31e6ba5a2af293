# export_now(): plain objects in the store under the users' own layout, which stock tools read, and which nothing overwrites.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use PostgreSQL::Test::Utils ();
use Test::More;

my $node = ArkCluster->make('primary');
$node->load_sample('clynr');
my $before = $node->digests('clynr');
sub ask { return $node->safe_psql('postgres', $_[0]); }
sub keys_of { my $job = shift; return split /\n/, ask("SELECT o->>'key' FROM ark_private.job AS j, jsonb_array_elements(j.result->'objects') AS o WHERE j.job_id = $job"); }
sub object { return $node->store . '/' . $_[0]; }
sub slurp { return PostgreSQL::Test::Utils::slurp_file($_[0]); }
sub export { my ($arguments, $name) = @_; return keys_of($node->ark_ok("SELECT job_id FROM ark.export_now($arguments)", $name)); }

# The whole database, as the users' scripts write it: psql restores it.
my ($key) = export(q{database => 'clynr'}, 'a whole database');
like($key, qr{^database/full/clynr-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.sql\.gz$}, 'has the name that the users\' buckets have');
$node->safe_psql('postgres', 'CREATE DATABASE again TEMPLATE template0');
my $file = object($key);
is(system("gunzip -c '$file' | psql -XAtq -v ON_ERROR_STOP=1 -d \"" . $node->connstr('again') . '" > /dev/null'), 0, 'gunzip and psql take it');
$node->same_rows('again', $before, 'every row is there');

# Entities.
my @keys = export(q{'clients, "Order Items", visits', database => 'clynr'}, 'entities');
is(join(' ', map { s/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d/TIME/r } @keys), 'exports/clients/TIME.json exports/Order Items/TIME.json exports/visits/TIME.json', 'have the names that the users\' buckets have');
for my $table ([ 'clients', 0 ], [ '"Order Items"', 1 ], [ 'visits', 2 ])
{
	my ($sql, $file) = ($table->[0], object($keys[ $table->[1] ]));
	is($node->safe_psql('clynr', "SELECT count(*) FROM json_array_elements(pg_read_file('$file')::json)"), $node->safe_psql('clynr', "SELECT count(*) FROM $sql"), "$sql: every row is in it");
}
is($node->safe_psql('clynr', "SELECT count(*) FROM json_populate_recordset(NULL::clients, pg_read_file('" . object($keys[0]) . "')::json) AS j JOIN clients AS c USING (id) WHERE ROW(j.name, j.email, j.home, j.tags, j.profile, j.balance, j.rating, j.contract, j.created_at)::text = ROW(c.name, c.email, c.home, c.tags, c.profile, c.balance, c.rating, c.contract, c.created_at)::text"),
	200, 'and equal to what it was made of');
for my $format (qw(csv jsonl sql))
{
	my ($key) = export(qq{'users', database => 'clynr', format => '$format'}, "as $format");
	like($key, qr{^exports/users/\S+\.$format$}, 'the name says what it is');
	cmp_ok(-s object($key), '>', 10000, 'and it has content');
}

# An entity of several tables, and one with a filter.
$node->safe_psql('postgres', q{SELECT * FROM ark.set_entity('billing', ARRAY['invoices', '"Order Items"'], database => 'clynr'); SELECT * FROM ark.set_entity('admins', 'users', filter => $$role = 'admin'$$, database => 'clynr')});
@keys = export(q{'billing', database => 'clynr', format => 'csv'}, 'an entity of two tables');
is(join(' ', map { s/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d/TIME/r } @keys), 'exports/billing/invoices/TIME.csv exports/billing/Order Items/TIME.csv', 'has an object for each');
($key) = export(q{'admins', database => 'clynr'}, 'an entity with a filter');
is($node->safe_psql('clynr', "SELECT count(*), count(*) FILTER (WHERE r->>'role' = 'admin') FROM json_array_elements(pg_read_file('" . object($key) . "')::json) AS r"), '50|50', 'holds what matches only');

# A layout of one's own, and nothing is overwritten.
my $backup = ask(q{SELECT backup_id FROM ark.backup_now(database => 'clynr', label => 'base')});
my $arguments = q{'clients', database => 'clynr', restore_point => 'base', format => 'csv', layout => 'nightly/{database}/{entity}.csv.gz'};
($key) = export($arguments, 'a layout of one\'s own');
is($key, 'nightly/clynr/clients.csv.gz', 'is followed');
my $content = slurp(object($key));
my $said = $node->ark_fails("SELECT * FROM ark.export_now($arguments)", qr/object "nightly\/clynr\/clients.csv.gz" exists already, and nothing is overwritten/, 'an object that exists is refused');
is(slurp(object($key)), $content, 'and stays as it was');
is(`gunzip -c '${\object($key)}' | head -1` =~ s/\n//r, 'id,name,email,phone,home,tags,profile,balance,rating,contract,referred_by,account_manager,created_at', 'and gunzip reads it');
$node->ark_fails(q{SELECT * FROM ark.export_now('clients, jobs', database => 'clynr', layout => 'same.json')}, qr/gives several tables the name "same.json"/, 'a layout that gives two the same name');
ok(!-e object('same.json'), 'writes neither');
$node->ark_fails(q{SELECT * FROM ark.export_now('clients', database => 'clynr', layout => '{color}.json')}, qr/in braces that is not known/, 'an unknown word');
$node->ark_fails(q{SELECT * FROM ark.export_now('clients', database => 'clynr', layout => '../{entity}.json')}, qr/not valid/, 'a way out of the store');
my ($cluster) = grep { -d object($_) && /\.\d+$/ } map { s/.*\///r } glob($node->store . '/*');
$node->ark_fails("SELECT * FROM ark.export_now('clients', database => 'clynr', layout => '$cluster/backups/{entity}')", qr/leads into a repository/, 'a way into the repository');
$node->ark_fails(q{SELECT * FROM ark.export_now('nothing', database => 'clynr')}, qr/nothing/, 'an unknown entity');
$node->ark_fails(q{SELECT * FROM ark.export_now('clients', database => 'clynr', format => 'yaml')}, qr/yaml/, 'an unknown format');
$node->ark_fails(q{SELECT * FROM ark.export_now('admins', database => 'clynr', restore_point => 'base')}, qr/entity "admins" is a part of table "public.users"/, 'a filter that the backup was not taken with');
is(ask(q{SELECT state FROM ark.verify_backup('base')}), 'done', 'the repository beside is whole');
like($node->engine_ok([ 'list', '--json' ], 'and is listed'), qr/$backup/, 'with its backups');

$node->stop;
done_testing();
