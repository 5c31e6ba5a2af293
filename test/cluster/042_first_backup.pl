# A store that is not there yet: with nothing set the first backup makes it, beside the data directory; what only reads makes nothing,
# and where even the parent is missing nothing is made at all.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;

my $node = ArkCluster->make('primary', preload => 0, extension => 0, conf => "shared_preload_libraries = 'pg_ark'\n");
rmdir $node->store or die;
my $store = $node->basedir . '/pg_ark_store';
ask($node, 'CREATE EXTENSION pg_ark; CREATE TABLE t AS SELECT generate_series(1, 100) AS i');

# What only reads.
for my $read (q{SELECT * FROM ark.verify_backup()}, q{SELECT * FROM ark.rebuild_catalog()}, q{SELECT * FROM ark.restore_entities('t')})
{
	my $said = $node->ark_fails($read, qr/there is no repository in store file:\S+pg_ark_store/, "$read: there is nothing to read");
	like($said, qr/HINT:.*backup_now/, 'with the next step');
}
is(ask($node, q{SELECT bool_and(ok), string_agg(detail, ' ') ~ 'does not exist, so there is no repository; the first backup makes it' FROM ark.check_store()}),
	't|t', 'a check finds nothing wrong, and says what is not there yet');
is(ask($node, q{SELECT overall FROM ark.status}), 'critical', 'the status can be asked');
my %at = (env => { ARK_STORE => "file://$store" });
for my $verb ('list', 'status', 'verify', 'check')
{
	my $result = $node->engine([$verb], %at);
	like($result->{out} . $result->{err}, qr/no repository/, "pg_ark $verb says so too");
	is($result->{exit} == 0, $verb eq 'check', 'its exit status');
}
ok(!-e $store, 'nothing was made');

# One call, nothing set.
is(ask($node, 'SELECT state FROM ark.backup_now()'), 'done', 'a first backup with nothing set');
is((stat $store)[2] & 07777, 0700, 'it made the directory, for its owner alone');
my $backup = ask($node, 'SELECT backup_id FROM ark.backups');
is(restored_beside($node, $backup, 'beside', %at, pg_restore => [ '-t', 't' ]), '', 'and is read by hand from beside the data directory');
is(ask($node, 'SELECT count(*), sum(i) FROM t', 'beside'), '100|5050', 'to the same rows');
is(ask($node, 'SELECT bool_and(ok) FROM ark.check_store()'), 't', 'a check agrees');

# Another store, named in the settings or by hand: the last folder is made, those above are not.
my $named = $node->basedir . '/named';
set_option($node, 'ark.store', "file://$named/deep");
my $said = $node->ark_fails('SELECT * FROM ark.backup_now()', qr/store directory ".*deep" does not exist/, 'a store whose parent is not there');
like($said, qr/HINT:.*mount that.*install -d -m 0700/, 'with the command that makes it');
ok(!-e $named, 'nothing was made');
set_option($node, 'ark.store', "file://$named");
works($node, 'postgres', 'a new store was named');
is((stat $named)[2] & 07777, 0700, 'which the backup made');
for my $verb ('init', 'backup')
{
	my $by_hand = $node->basedir . "/by_hand_$verb";
	silent($verb, env => { ARK_STORE => "file://$by_hand" });
	is((stat $by_hand)[2] & 07777, 0700, 'makes it too');
}

# By hand and with --quiet, as cron runs it: no word on work that was done, and what was asked for all the same.
sub by_hand
{
	my ($verb, %options) = @_;
	return $node->engine([ split(/ /, $verb), '--quiet', @{ delete $options{also} // [] } ], %options);
}
sub silent
{
	my ($verb, @options) = @_;
	my $run = by_hand($verb, @options);
	return is("$run->{exit}$run->{out}$run->{err}", '0', "pg_ark $verb --quiet says nothing");
}
sub shown
{
	my ($verb, $expected, @options) = @_;
	my $run = by_hand($verb, @options);
	return ok($run->{exit} == 0 && $run->{out} =~ $expected, "pg_ark $verb --quiet shows what it is run for") || diag("$run->{out}\n$run->{err}");
}
%at = (env => { ARK_STORE => "file://$named" });
my @policy = (also => [ '--policy={"keep_last":1}', '--grace=1ms' ]);
silent('backup', %at) for 1, 2;
shown('expire --dry-run', qr/^1 of 3 backups would expire/m, %at, @policy);
silent($_, %at) for 'annotate latest --label kept', 'verify', 'hold latest', 'release latest', 'lease take --reason test', 'export --format sql --output ' . $node->basedir . '/export.sql';
silent('expire', %at, @policy);
shown('expire --dry-run', qr/^0 of 1 backups would expire/m, %at, @policy);
shown($_, qr/./, %at) for 'list', 'status', 'check', 'lease', 'key', 'backup --json', 'restore-entities t --dry-run';
my $warned = $node->engine([ 'lease', '--quiet' ], env => { ARK_STORE => "file://$named/missing" });
is($warned->{out}, '', 'what failed is told');
like($warned->{err}, qr/^pg_ark: error: /, 'on standard error');
$node->stop;
done_testing();
