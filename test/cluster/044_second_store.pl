# A store that is listed after the first gets no backups yet: wherever somebody might count on it, that is said. And what a server is
# stands with its backups.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use JSON::PP;
use Test::More;

my $node = ArkCluster->make('primary', conf => "ark.environment = 'staging'\n");
my ($first, $second) = ($node->store, $node->basedir . '/second');
mkdir $second or die;
my $unwritten = qr/store \\?"b\\?" gets no backups yet: this version keeps them in the first store only/;
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('app', 'CREATE TABLE t AS SELECT i FROM generate_series(1, 10) AS i');
unlike($node->ark_ok('SELECT problems FROM ark.status'), qr/gets no backups/, 'one store: nothing is said');

$node->safe_psql('postgres', "ALTER SYSTEM SET ark.store = 'file://$first?name=a, file://$second?name=b'");
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('ark.store') LIKE '%second%'}) or die;
my $id = $node->safe_psql('postgres', q{SELECT backup_id FROM ark.backup_now(database => 'app')});
like($id, qr/^\d{8}T/, 'a backup is taken');
opendir my $dir, $second or die;
is(join(' ', grep { !/^\.\.?$/ } readdir $dir), '', 'the second store is empty');
like($node->safe_psql('postgres', 'SELECT warnings FROM ark.job_history LIMIT 1'), $unwritten, 'the job says so');
like($node->ark_ok('SELECT overall, problems FROM ark.status'), qr/^(?:warning|critical)\|.*store \\"b\\" gets no backups yet/, 'and the status');
is($node->safe_psql('postgres', 'SELECT name, warning FROM ark.stores WHERE "position" = 2'), 'b|it gets no backups yet: this version keeps them in the first store only, and WAL in all', 'and the view of stores');
is($node->safe_psql('postgres', q{SELECT store_name, ok, hint IS NOT NULL FROM ark.check_store() WHERE "check" = 'backups'}), 'b|f|t', 'and its check');
is(scalar(() = $node->ark_ok('SELECT problems FROM ark.status') =~ /gets no backups yet/g), 1, 'after which the status says it once');
$node->ark_fails(q{SELECT * FROM ark.backup_now(database => 'app', store => 'b')}, qr/store "b" is not the first one/, 'a backup into it is refused');

my @stores = ('--store', "file://$first?name=a,file://$second?name=b");
my $said = decode_json($node->engine_ok([ 'status', '--json', @stores ], 'pg_ark status'));
is_deeply($said->{not_written}, ['b'], 'names it');
is($said->{verdict}{code}, 1, 'as a warning');
my $nagios = $node->engine([ 'status', '--nagios', @stores ]);
is($nagios->{exit}, 1, 'a monitoring plugin too');
like($nagios->{out}, qr/^WARNING: .*$unwritten/, 'in words');
is($node->engine([ 'status', '--nagios' ])->{exit}, 0, 'with one store there is nothing to warn of');

# What keeps a monitoring plugin from looking is one line too, and a status that monitoring knows.
my $away = 's3://nobody/there?region=us-east-1&endpoint=http://127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();
my %credentials = (AWS_ACCESS_KEY_ID => 'nobody', AWS_SECRET_ACCESS_KEY => 'nothing');
for my $case (
	[ 'a store out of reach', 2, 'CRITICAL', qr/could not/, "--store=$away" ],
	[ 'a store that holds nothing', 2, 'CRITICAL', qr/no repository/, "--store=file://$second" ],
	[ 'a wrong value', 3, 'UNKNOWN', qr/soon/, '--warn=soon' ],
	[ 'a wrong setting', 3, 'UNKNOWN', qr/"store"/, '--store=ftp://there' ],
	[ 'an argument that there is not', 3, 'UNKNOWN', qr/--worn/, '--worn=1h' ])
{
	my ($name, $exit, $state, $told, @arguments) = @$case;
	my $said = $node->engine([ 'status', '--nagios', @arguments ], env => \%credentials);
	is($said->{exit}, $exit, "$name: $state") or diag("$said->{out}\n$said->{err}");
	like($said->{out}, qr/^$state: [^\n|]*$told[^\n|]*\n\z/, 'in one line');
}

is($node->safe_psql('postgres', "SELECT environment FROM ark.backups WHERE backup_id = '$id'"), 'staging', 'the environment is recorded');
$node->safe_psql('postgres', 'SELECT * FROM ark.rebuild_catalog()');
is($node->safe_psql('postgres', "SELECT environment FROM ark.backups WHERE backup_id = '$id'"), 'staging', 'in the store');
$node->safe_psql('app', 'DELETE FROM t');
$node->safe_psql('postgres', q{SELECT * FROM ark.restore_entities('t', database => 'app')});
is($node->safe_psql('postgres', q{SELECT environment FROM ark.backups WHERE label LIKE 'before restore %'}), 'staging', 'and with the copy that a restore makes');

# The other one comes first now. Of what the server knows of both, a look compares what lies there.
$node->safe_psql('postgres', "ALTER SYSTEM SET $_") for "ark.store = 'file://$second?name=b'", q{ark.catalog_refresh_interval = '200ms'};
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('ark.store') LIKE '%name=b'}) or die;
my $moved = $node->safe_psql('postgres', q{SELECT backup_id FROM ark.backup_now(database => 'app')});
$node->safe_psql('postgres', q{DELETE FROM ark_private.job WHERE action = 'refresh_catalog'});    # there was no repository yet
sub after_some_looks
{
	# The server takes sixteen numbers at once for jobs of sessions, one for each look.
	my $ids = $node->safe_psql('postgres', 'SELECT last_value FROM ark_private.job_id_seq');
	return $node->poll_query_until('postgres', "SELECT last_value > $ids + 19 FROM ark_private.job_id_seq");
}
ok(after_some_looks(), 'the server looks into the store');
is($node->safe_psql('postgres', q{SELECT string_agg(concat_ws(' ', state, message, detail), ', ') FROM ark.job_history WHERE action = 'refresh_catalog' AND state NOT IN ('queued', 'running')}), '', 'and finds nothing that it does not know');
is($node->safe_psql('postgres', "SELECT count(*) FROM ark.backups WHERE ended_at IS NULL AND backup_id IN ('$id', '$moved')"), '2', 'nor is anything gone that lies elsewhere');
$node->engine_ok([ 'delete', '--reason=test', "--store=file://$second", $moved ], 'one that is deleted by the program');
ok($node->poll_query_until('postgres', "SELECT ended_at IS NOT NULL FROM ark.backups WHERE backup_id = '$moved'"), 'is gone');
is($node->safe_psql('postgres', "SELECT ended_at IS NULL FROM ark.backups WHERE backup_id = '$id'"), 't', 'alone');

# Schedules run whatever becomes of such a look.
$node->safe_psql('postgres', q{ALTER FUNCTION ark_private.look_into_store() RENAME TO is_missing; SELECT * FROM ark.set_schedule('often', '* * * * *', 'backup', database => 'app')});
$node->safe_psql('postgres', q{UPDATE ark_private.schedule SET decided_until = clock_timestamp() - interval '10 minutes'; SELECT ark_private.wake_launcher()});
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM ark.job_history WHERE schedule = 'often' AND state = 'done'}), 'a schedule runs beside one that fails');

$node->stop;
done_testing();
