# A store in a directory that fills up, cannot be written, or disappears: an error that says so, a job that is recorded, nothing broken
# left behind, and a next run that works.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use IPC::Run;
use Test::More;

my ($small, $turn) = ArkCluster::small_disk();
my $node = ArkCluster->make('primary');
$node->load_sample('app');
ask($node, q{CREATE TABLE big AS SELECT i AS id, decode(string_agg(md5(i::text || j), ''), 'hex') AS data
	FROM generate_series(1, 2000) AS i, generate_series(1, 100) AS j GROUP BY i}, 'app');
my $rows = $node->digests('app');
my $copies = 0;
sub comes_back
{
	my ($backup, $store, $name) = @_;
	$copies++;
	is(restored_beside($node, $backup, "copy_$copies", env => { ARK_STORE => "file://$store" }), '', $name);
	return $node->same_rows("copy_$copies", $rows, 'to the same rows');
}
my $take = q{SELECT backup_id FROM ark.backup_now(database => 'app')};
sub fails
{
	my ($expected, $name) = @_;
	my $said = $node->ark_fails($take, $expected, $name);
	like($said, qr/HINT/, 'with a hint') or diag($said);
	diag((split /\n/, $said)[0]);
	my $end = outcome($node, ask($node, 'SELECT max(job_id) FROM ark.job_history'));
	like("$end->{state} $end->{message} $end->{detail}", qr/^failed .*$expected/s, 'and a row in the history');
	return $said;
}

# Full.
my $store = "$small/" . $node->name . $$;
mkdir $store or die "$store: $!";
set_option($node, 'ark.store', "file://$store");
my $first = $node->ark_ok($take, 'a backup into a small file system');
comes_back($first, $store, 'it comes back');
# Full in the middle of it, and nothing may be left that takes the room away.
open my $ballast, '>', "$small/ballast.$$" or die;
my $room = (split ' ', (split /\n/, `df -k --output=avail "$small"`)[1])[0];
syswrite $ballast, 'x' x (1024 * ($room - 1500)) if $room > 1500;
close $ballast;
ask($node, q{UPDATE big SET data = substr(data, 17) || substr(data, 1, 16)}, 'app');
my $before = ask($node, 'SELECT count(*) FROM ark.backups');
fails(qr/space|full/i, 'a store that fills up in the middle is an error');
is(ask($node, 'SELECT count(*) FROM ark.backups'), $before, 'there is no backup more');
my $after = (split ' ', (split /\n/, `df -k --output=avail "$small"`)[1])[0];
cmp_ok($after, '>', 1000, "what was written in vain takes little room ($after kB of 1500 are free)");
# Full for a while: whoever looks is told, and it goes on by itself.
my $by_hand = IPC::Run::start([ $node->config_data('--bindir') . '/pg_ark', 'backup', '--database', 'app', '--store', "file://$store",
		'--conninfo', 'host=' . $node->host . ' port=' . $node->port . ' user=' . getpwuid($<) ], '<', \undef, '>', \my $printed, '2>', \my $told_by_hand);
$by_hand->pump until $told_by_hand =~ /\n/;
like($told_by_hand, qr/^waiting for the store: \d+ attempts? since \S+, tried until \S+: could not .*\n\z/, 'by hand it is one line');
$by_hand->signal('TERM');
$by_hand->finish;
is($printed, '', 'a cancelled backup prints nothing else');
my $waits = start_job($node, q{SELECT job_id FROM ark.backup_now(database => 'app', wait => false)});
until_true($node, "SELECT EXISTS (SELECT FROM ark.progress WHERE job_id = $waits->{id} AND phase = 'waiting for the store' AND current ~ 'attempts? since .*, tried until .*: could not')");
pass('ark.progress says what a job waits for');
unlink "$small/ballast.$$" or die;
is(outcome($node, $waits->{id})->{state}, 'done', 'when there is room it goes on');
$rows = $node->digests('app');
$node->ark_ok("SELECT * FROM ark.verify_backup('$first')", 'what was there is whole');
comes_back(works($node, 'app', 'there is room again'), $store, 'it comes back');
PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', $store);
close $turn;

# Not to be written.
$store = $node->store;
set_option($node, 'ark.store', undef);
until_true($node, "SELECT current_setting('ark.store') = 'file://$store'");
works($node, 'app', 'a change of stores');
PostgreSQL::Test::Utils::system_or_bail('chmod', '-R', 'a-w', $store);
fails(qr/permission denied|read-only/i, 'a store that cannot be written is an error');
$node->ark_ok('SELECT * FROM ark.verify_backup()', 'it can be read');
PostgreSQL::Test::Utils::system_or_bail('chmod', '-R', 'u+w', $store);
comes_back(works($node, 'app', 'it can be written'), $store, 'it comes back');

# Gone in mid-backup, as with a file system that is unmounted.
ask($node, q{UPDATE big SET data = substr(data, 17) || substr(data, 1, 16)}, 'app');
$rows = $node->digests('app');
set_option($node, 'ark.max_rate', '256kB');
my $job = start_job($node, q{SELECT job_id FROM ark.backup_now(database => 'app', wait => false)});
until_true($node, "SELECT EXISTS (SELECT FROM ark.progress WHERE job_id = $job->{id} AND done_bytes > 0)");
rename $store, "$store.away" or die;
set_option($node, 'ark.max_rate', undef);
my $end = outcome($node, $job->{id});
is($end->{state}, 'failed', "a store that disappears fails the backup: $end->{message}");
isnt($end->{hint}, '', 'with a hint');
ok(!-e $store, 'and nothing is written where it was');
my $lost = qr/holds no repository, but backups were taken into it/;
fails($lost, 'as long as it is away there is an error');
ok(!-e $store, 'and nothing is made in its place');
$node->ark_fails('SELECT * FROM ark.verify_backup()', $lost, 'who reads is told the same');
mkdir $store or die;    # an empty mount point
my $newest = ask($node, 'SELECT backup_id FROM ark.backups ORDER BY backup_id DESC LIMIT 1');
my $told = fails($lost, 'an empty directory in its place is not taken for a new store');
like($told, qr/DETAIL:\s+Repository [0-9a-f]{32} at \S+ is missing; its newest backup is $newest/, 'what is missing is named');
like($told, qr/HINT:\s+If it is on another file system, mount that.*rebuild_catalog\(accept_empty => true\)/, 'and the way out');
$node->ark_fails('SELECT * FROM ark.rebuild_catalog()', $lost, 'nor is the catalog emptied');
is(ask($node, q{SELECT ok, detail ~ 'holds no repository' FROM ark.check_store() WHERE "check" = 'right to write'}), 'f|t', 'the check sees it');
is(ask($node, "SELECT count(*) FROM ark.backups WHERE backup_id = '$newest' AND ended_at IS NULL"), '1', 'no backup is forgotten');
PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', $store);
rename "$store.away", $store or die;
comes_back(works($node, 'app', 'it is back'), $store, 'it comes back');

# Removed for good: what was there is lost, and is said to be; a new one begins anew.
PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', $store);
fails($lost, 'a store that was removed is an error');
$node->ark_ok('SELECT * FROM ark.rebuild_catalog(accept_empty => true)', 'until it is said to be meant');
is(ask($node, 'SELECT count(*) FROM ark.backups WHERE ended_at IS NULL'), '0', 'which forgets what was in it');
my $new = works($node, 'app', 'the store was removed');
is((stat $store)[2] & 07777, 0700, 'the first backup makes the directory again, for its owner alone');
comes_back($new, $store, 'a new store begins with a whole backup, not with references to what is lost');
$node->ark_fails("SELECT * FROM ark.verify_backup('$first')", qr/$first/, 'a backup that is gone is an error');
ask($node, 'SELECT * FROM ark.rebuild_catalog()');
is(ask($node, 'SELECT count(*) FROM ark.backups WHERE ended_at IS NULL'), '1', 'and the catalog follows the store');
$node->stop;
done_testing();
