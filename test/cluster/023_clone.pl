# A copy of a cluster, started: it writes nothing, expires nothing and schedules nothing for the one it was made from, until somebody
# says that it is a cluster of its own.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use PostgreSQL::Test::RecursiveCopy;
use Test::More;

my $node = ArkCluster->make('primary');
$node->load_sample('app');
my $rows = $node->digests('app');
my $first = ask($node, q{SELECT backup_id FROM ark.backup_now(database => 'app')});
ask($node, q{SELECT * FROM ark.set_policy('keep_one', keep_last => 1)});
ask($node, q{SELECT * FROM ark.set_schedule('often', '* * * * *', 'backup', database => 'app')});
ask($node, q{SELECT * FROM ark.pause_scheduler('the test')});
$node->stop;

my $clone = ArkCluster->new('clone');
PostgreSQL::Test::RecursiveCopy::copypath($node->basedir . '/pgdata', $clone->basedir . '/pgdata');
chmod 0700, $clone->data_dir;
$clone->append_conf('postgresql.conf', 'port = ' . $clone->port . "\nunix_socket_directories = '" . $clone->host . "'\n");
$node->start;
$clone->start;
my $jobs = ask($clone, 'SELECT count(*) FROM ark.job_history');
my $objects = sub { my @found = sort split /\n/, `cd "@{[ $node->store ]}" && find . -type f`; return join "\n", @found; };
my $in_store = $objects->();

until_true($clone, q{SELECT launcher_pid IS NOT NULL FROM ark.scheduler_status()});
like(ask($clone, 'SELECT state, reason FROM ark.scheduler_status()'), qr/^copy\|it was adopted in another data directory/, 'the copy knows what it is');
like(ask($clone, 'SELECT problems::text FROM ark.status'), qr/this cluster looks like a copy/, 'and says so in its status');
# A run that is due: a launcher that did not notice the copy would start it.
my $since = ask($clone, q{
	DELETE FROM ark_private.pause;
	UPDATE ark_private.schedule SET decided_until = clock_timestamp() - interval '10 minutes';
	SELECT clock_timestamp()});
ask($clone, 'SELECT ark_private.wake_launcher()');
until_true($clone, "SELECT state = 'idle' AND state_change > '$since' FROM pg_stat_activity WHERE backend_type = 'pg_ark launcher'");
for my $statement (
	q{ark.backup_now(database => 'app')}, q{ark.export_now('clients', database => 'app')}, 'ark.expire_now()',
	"ark.delete_backup('$first')", "ark.hold_backup('$first')", "ark.annotate_backup('$first', label => 'mine')",
	'ark.verify_backup()', q{ark.restore_entities('clients', database => 'app')})
{
	my $said = $clone->ark_fails("SELECT * FROM $statement", qr/this cluster looks like a copy/, "$statement is refused");
	like($said, qr/HINT:.*adopt_cluster/, 'with the way out');
}
my $by_hand = $clone->engine([ 'backup', '--database', 'app' ], env => { ARK_STORE => 'file://' . $node->store });
isnt($by_hand->{exit}, 0, 'the engine by hand is refused too');
like($by_hand->{err}, qr/copy|another/, 'and says why: ' . (split /\n/, $by_hand->{err})[0]);
is(ask($clone, 'SELECT count(*) FROM ark.job_history'), $jobs, 'no job was begun');
is($objects->(), $in_store, 'nothing was written into the store or removed from it');

# The original goes on as if there were no copy.
$node->ark_ok(q{SELECT state FROM ark.backup_now(database => 'app')}, 'the original takes its next backup');

# Adopted, with a store of its own.
mkdir $clone->store or die;
$clone->append_conf('postgresql.conf', "ark.store = 'file://" . $clone->store . "'\n");
$clone->reload;
ask($clone, 'SELECT * FROM ark.pause_scheduler()');
is(ask($clone, q{SELECT state FROM ark.adopt_cluster('a cluster of its own')}), 'done', 'adopting it');
is(ask($clone, 'SELECT state FROM ark.scheduler_status()'), 'paused', 'it is no copy any more');
my $own = ask($clone, q{SELECT backup_id FROM ark.backup_now(database => 'app')});
ask($clone, 'DROP TABLE IF EXISTS heartbeat CASCADE; DELETE FROM import_log', 'app');
$clone->ark_ok(q{SELECT * FROM ark.restore_entities('import_log, heartbeat', restore_point => 'latest', database => 'app')}, 'it restores from its own backup');
$clone->same_rows('app', $rows, 'to the same rows');
is(ask($node, "SELECT count(*) FROM ark.backups WHERE backup_id = '$own'"), '0', 'of which the original knows nothing');

# Adopted, and left with the store of the original: that store still refuses it.
$clone->append_conf('postgresql.conf', "ark.store = 'file://" . $node->store . "'\n");
$clone->reload;
until_true($clone, "SELECT current_setting('ark.store') LIKE '%" . $node->name . "%'");
$in_store = $objects->();
my $said = $clone->ark_fails(q{SELECT * FROM ark.backup_now(database => 'app')}, qr/./, 'in the store of the original it is refused even so');
like($said, qr/HINT/, 'with a hint: ' . ($said =~ /ERROR:\s+(.*)/)[0]);
is($objects->(), $in_store, 'and writes nothing there');
$node->ark_ok(q{SELECT state FROM ark.backup_now(database => 'app')}, 'the original goes on');
$_->stop for $clone, $node;
done_testing();
