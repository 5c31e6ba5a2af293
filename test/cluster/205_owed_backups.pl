# A failover with two stores that WAL has to be in, a directory and a bucket: the new owner fills both up to the switch point, and takes the
# base backup that a promotion needs by itself, once; so after WAL was given up. Both give every row back. A copy gives no WAL up, and a
# restored cluster takes no base backup before it is adopted.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use File::Compare;
use IO::Socket::INET;
use PostgreSQL::Test::RecursiveCopy;
use Test::More;
use Time::HiRes qw(time sleep);

my $base = PostgreSQL::Test::Utils::tempdir();
my $primary = ArkCluster->new('primary');
$primary->init(allows_streaming => 1, extra => [ '--wal-segsize=1', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
my $near = "$base/near";
mkdir $near or die "$near: $!";
my %url = (
	near => "file://$near?name=near",
	far => 's3://' . ($ENV{ARK_TEST_S3_BUCKET} // die 'needs the gateway of test/support/start_ceph_rgw') . '/' . $primary->name . "-$$-" . int(time)
	  . "?endpoint=$ENV{ARK_TEST_S3_ENDPOINT}&ca_file=$ENV{ARK_TEST_S3_CA}&region=us-east-1&name=far");
my $list = "$url{near},$url{far}";
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_ark'\narchive_mode = on\narchive_command = ''\narchive_library = 'pg_ark'\nwal_keep_size = 100\n"
	  . "autovacuum = off\nark.allow_same_disk_wal = on\nark.wal_ship_interval = 0\nark.archive_backlog_patience = 0\nark.store = '$list'\n");
$primary->start;
my $system = ask($primary, 'SELECT system_identifier FROM pg_control_system()');
is($primary->engine([ 'init', '--quiet', '--store', $list ])->{exit}, 0, 'a repository in each store');
ask($primary, 'CREATE EXTENSION pg_ark; CREATE TABLE t (id bigserial PRIMARY KEY, fill text)');

sub write_wal { my ($node, $count) = @_; ask($node, q{INSERT INTO t (fill) SELECT md5(i::text) FROM generate_series(1, 2000) AS i; SELECT pg_switch_wal()}) for 1 .. $count; return; }
sub drained
{
	my $node = shift;
	my $segment = ask($node, 'SELECT pg_walfile_name(pg_switch_wal() - 1)');
	until_true($node, "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver");
	return $segment;
}
sub fetched { my ($node, $store, $name) = @_; return $node->engine([ 'wal-fetch', '--quiet', '--store', $store, '--pgdata', $node->data_dir, $name, "$base/fetched" ]); }
sub wrong_in
{
	my ($node, $store) = @_;
	my ($wal, @wrong) = $node->data_dir . '/pg_wal';
	for my $name (map { m{([^/]+)\.done$} } glob "$wal/archive_status/*.done")
	{
		my $got = fetched($node, $store, $name);
		push @wrong, "$name: exit $got->{exit} $got->{err}" if $got->{exit} != 0 || compare("$wal/$name", "$base/fetched") != 0;
	}
	return join "\n", @wrong;
}
# The launcher has looked at everything once more.
sub looked
{
	my $node = shift;
	my $since = ask($node, 'SELECT clock_timestamp()');
	until_true($node, q{SELECT launcher_pid IS NOT NULL FROM ark.scheduler_status()});
	ask($node, 'SELECT ark_private.wake_launcher()');
	return until_true($node, "SELECT state = 'idle' AND state_change > '$since' FROM pg_stat_activity WHERE backend_type = 'pg_ark launcher'");
}
sub wait_for_backup
{
	my ($node, $reason) = @_;
	for (1 .. 600)
	{
		ask($node, 'SELECT ark_private.wake_launcher()');
		my ($id) = split /\n/, ask($node, "SELECT job_id FROM ark.job_history WHERE kind = 'physical' AND arguments->>'reason' ~ '$reason' ORDER BY job_id");
		return outcome($node, $id) if $id;
		sleep 0.1;
	}
	die "no base backup was queued: " . ask($node, 'SELECT ark_private.owed_backup(), ark_private.ownership(), ark_private.identity_problem(); TABLE ark.recovery_windows; SELECT * FROM ark.wal_archive');
}
sub base_backups { return ask(shift, q{SELECT count(*) FROM ark.job_history WHERE kind = 'physical'}); }
my $copies = 0;
sub restored
{
	my ($node, $backup) = @_;
	my $copy = ArkCluster->new('copy' . ++$copies);
	$node->engine_ok([ 'restore', '--quiet', '--store', $list, '--cluster', "primary.$system", '--restore-point', $backup, '--pgdata', $copy->data_dir ], "backup $copies is restored");
	$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\nunix_socket_directories = '" . $copy->host . "'\n");
	$copy->start;
	$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end';
	return $copy;
}

# A primary with a base backup, which dies before its last WAL is archived.
write_wal($primary, 2);
drained($primary);
$primary->ark_ok(q{SELECT backup_id FROM ark.backup_now(kind => 'physical', wait => true)}, 'a base backup');
looked($primary);
is(base_backups($primary), '1', 'the only one: nothing happened that asks for another');
$primary->backup('base');
my $standby = ArkCluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
drained($primary);
set_option($primary, 'ark.enabled', 'off');
write_wal($primary, 3);
$primary->wait_for_catchup($standby);
$primary->stop('immediate');

# A copy of it that cannot know that it is one, with a limit.
my $clone = ArkCluster->new('clone');
PostgreSQL::Test::RecursiveCopy::copypath($primary->data_dir, $clone->data_dir);
chmod 0700, $clone->data_dir;
$clone->append_conf('postgresql.conf', 'port = ' . $clone->port . "\nunix_socket_directories = '" . $clone->host . "'\nark.archive_backlog_limit = '2MB'\nark.store = '$url{near}'\n");
rename $near, "$near.away" or die;
unlink $clone->data_dir . '/postgresql.auto.conf' or die;
$clone->start;
write_wal($clone, 4);
# The archiver is woken by every segment; else it would wait a minute after it has failed three times.
sub writes_until
{
	my $sql = shift;
	for (1 .. 300) { return if ask($clone, $sql) eq 't'; write_wal($clone, 1); sleep 0.2; }
	die "never became true: $sql";
}
sub fails_thrice { my $failed = ask($clone, 'SELECT failed_count + 3 FROM pg_stat_archiver'); writes_until("SELECT failed_count >= $failed FROM pg_stat_archiver"); return; }
sub keeps_its_wal
{
	my $name = shift;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok(scalar(() = glob $clone->data_dir . '/pg_wal/archive_status/*.ready'), '>', 4, "$name, and keeps its WAL");
	return ok(!-e $clone->data_dir . '/pg_wal/ark_gaps', 'all of it');
}
fails_thrice();
keeps_its_wal('a copy finds no store');
rename "$near.away", $near or die;
writes_until(q{SELECT last_error ~ 'it belongs to another one' FROM ark.wal_archive});
rename $near, "$near.away" or die;
writes_until(q{SELECT last_error !~ 'it belongs to another one' FROM ark.wal_archive});
fails_thrice();
keeps_its_wal('it was refused');
rename "$near.away", $near or die;
is(scalar(() = glob "$near/*/events/cluster/*.wal_gap"), 0, 'no gap is on record for the cluster that it was made of');
$clone->stop('immediate');

# The failover.
$standby->promote;
write_wal($standby, 2);
drained($standby);
is(wrong_in($standby, $url{$_}), '', "store $_ has all WAL as it was, also what the dead primary had not archived") for qw(near far);
my $owed = wait_for_backup($standby, '^promotion to timeline 2$');
is($owed->{state}, 'done', 'a base backup was queued, and taken') or diag("$owed->{message} $owed->{detail}");
is(ask($standby, 'SELECT state FROM ark.scheduler_status()'), 'running', 'schedules run on the new primary');
is(ask($standby, q{SELECT count(*) FROM ark.audit_log WHERE operation = 'adopt_cluster' AND reason ~ '^promotion to timeline 2'}), '1', 'which is on record');
is(ask($standby, "BEGIN; DELETE FROM ark_private.job WHERE arguments->'ark' ? 'cause'; UPDATE ark_private.backup SET timeline = 1; SELECT cause FROM ark_private.owed_backup(); ROLLBACK"),
	'timeline 2', 'a promotion asks for one');
is(ask($standby, "BEGIN; DELETE FROM ark_private.job WHERE arguments->'ark' ? 'cause'; DELETE FROM ark_private.backup; DELETE FROM ark_private.recovery_window;"
		  . ' SELECT cause IS NULL FROM ark_private.owed_backup(); ROLLBACK'), 't', 'but not of who has never taken any');
$standby->restart;
looked($standby);
is(base_backups($standby), '2', 'after a restart there is no other');
write_wal($standby, 1);
my $rows = $standby->digests('postgres');
drained($standby);
my $copy = restored($standby, $owed->{backup_id});
$copy->same_rows('postgres', $rows, 'it gives every row back, on the new timeline', without => qr/^sequence|ark_private/);
looked($copy);
is(base_backups($copy), '2', 'a restored cluster queues none by itself');
$copy->stop('immediate');

# WAL that was given up.
ask($standby, 'SELECT * FROM ark.pause_scheduler()');
set_option($standby, 'ark.archive_backlog_limit', '3MB');
rename $near, "$near.away" or die;
for (1 .. 600)
{
	write_wal($standby, 1);
	last if -s $standby->data_dir . '/pg_wal/ark_gaps';
	sleep 0.1;
}
ok(-s $standby->data_dir . '/pg_wal/ark_gaps', 'a limit gives WAL up');
rename "$near.away", $near or die;
drained($standby);
looked($standby);
is(base_backups($standby), '2', 'a scheduler that is paused queues nothing');
ask($standby, 'SELECT * FROM ark.resume_scheduler()');
$owed = wait_for_backup($standby, '^WAL segment \w+ is missing in the store');
is($owed->{state}, 'done', 'once the store is back and it goes on, a base backup is taken') or diag("$owed->{message} $owed->{detail}");
is(ask($standby, q{SELECT count(*) FROM ark.job_history WHERE action = 'look'}), '1', 'after a look into the store');
looked($standby);
is(base_backups($standby), '3', 'one');
is(ask($standby, q{SELECT string_agg(p, ' ') FROM ark.status, unnest(problems) AS p WHERE p ~ 'missing|given up'}), '', 'and nothing is wrong any more');
write_wal($standby, 1);
$rows = $standby->digests('postgres');
my $last = drained($standby);
$copy = restored($standby, $owed->{backup_id});
$copy->same_rows('postgres', $rows, 'it gives every row back', without => qr/^sequence|ark_private/);

# A bucket that is out of reach: asked once, and not again for every segment.
my $listener = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1') or die $!;
my $pid = fork // die $!;
if (!$pid)
{
	while (my $caller = $listener->accept) { open my $log, '>>', "$base/calls" or die; print $log "x\n"; close $log; close $caller; }
	exit;
}
END { my $status = $?; kill 'KILL', $pid if $pid; $? = $status; }
my $away = 's3://nobody/there?endpoint=http://127.0.0.1:' . $listener->sockport . '&region=us-east-1&name=away';
my @segments = (sort map { m{/([0-9A-F]{24})\.done$} } glob $standby->data_dir . '/pg_wal/archive_status/*.done')[ -4 .. -1 ];
is(fetched($standby, "$away,$url{near}", shift @segments)->{exit}, 0, 'a segment comes from the next store');
my $calls = -s "$base/calls";
cmp_ok($calls, '>', 0, 'after the first was asked');
is(fetched($standby, "$away,$url{near}", $_)->{exit}, 0, 'as the later ones') for @segments;
is(-s "$base/calls", $calls, 'without asking it');

# The restored cluster takes the path over, and then is adopted.
$standby->stop;
$copy->engine_ok([ 'lease', 'take', '--quiet', '--store', $url{$_}, '--reason', 'a test' ], "the restored cluster gets the path in store $_") for qw(near far);
write_wal($copy, 1);
until_true($copy, q{SELECT ark_private.ownership() = 'owner'});
looked($copy);
my $before = base_backups($copy);
is(ask($copy, q{SELECT state FROM ark.scheduler_status()}), 'copy', 'but it is not adopted yet');
is(ask($copy, q{SELECT count(*) FROM ark.job_history WHERE state IN ('queued', 'running')}), '0', 'and queues nothing');
ask($copy, q{SELECT * FROM ark.adopt_cluster('a test')});
$owed = wait_for_backup($copy, '^promotion to timeline 3$');
is("$owed->{state} " . (base_backups($copy) - $before), 'done 1', 'adopted it takes its base backup');
$copy->stop;
done_testing();
