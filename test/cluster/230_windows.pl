# Recovery windows: what a restore chooses and refuses by them, named points, WAL that expires when no kept backup needs it, a promotion,
# and a hole. The scheduler is paused, so that no base backup is taken by itself. Whatever expired, what is still promised comes back, row by row.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;

my $engine = ArkCluster->new('nowhere')->config_data('--bindir') . '/pg_ark';
my $store = PostgreSQL::Test::Utils::tempdir();
mkdir "$store/ark" or die "$store/ark: $!";
my $key = "$store/key";
open my $file, '>', $key or die $!;
print $file unpack('H*', join '', map { chr int rand 256 } 1 .. 32), "\n";
close $file;
chmod 0600, $key;
my @where = ("--store=file://$store/ark", "--encryption-key=file:$key");

my $node = ArkCluster->new('primary');
$node->init(allows_streaming => 1, extra => [ '--wal-segsize=1', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
$node->append_conf('postgresql.conf',
	"archive_mode = on\narchive_command = '$engine wal-push --quiet @where %p'\nautovacuum = off\nwal_keep_size = 0\nmax_wal_size = 8MB\ncheckpoint_timeout = 1h\n"
	  . "shared_preload_libraries = 'pg_ark'\nark.store = 'file://$store/ark'\nark.encryption_key = 'file:$key'\n"
	  . "ark.wal_ship_interval = 0\n");    # pieces would fill the hole
$node->start;
my $system = $node->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()');
my $path = "$store/ark/primary.$system";

sub ark { my ($verb, @arguments) = @_; return $node->engine([ $verb, @where, @arguments ]); }
sub ark_does
{
	my ($name, @arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = ark(@arguments);
	is($result->{exit}, 0, $name) or diag("$result->{out}\n$result->{err}");
	return $result->{out};
}
sub ark_refuses
{
	my ($name, $expected, $exit, @arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = ark(@arguments);
	is($result->{exit}, $exit, $name);
	like($result->{err}, $expected, 'and says why') or diag($result->{out});
	return;
}
sub member { my ($json, $name) = @_; return $json =~ /"$name": "?([^",\n]*)/ ? $1 : die "no $name in $json"; }

# Rows, and WAL over several segments, all of it archived. Returns the position behind it.
my $round = 0;
sub work
{
	$round++;
	$node->safe_psql('postgres', "INSERT INTO t SELECT $round, i, repeat('x', 500) FROM generate_series(1, 5000) AS i");
	my $lsn = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
	archived();
	return $lsn;
}
sub archived
{
	$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
	my $segment = $node->safe_psql('postgres', "CREATE TABLE switched AS SELECT 1 AS id; DROP TABLE switched; SELECT pg_walfile_name(pg_switch_wal() - 1)");
	$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver") or die "$segment was not archived";
	return;
}
sub rounds { my $node = shift; return $node->safe_psql('postgres', 'SELECT round, count(*), md5(string_agg(n::text, $$,$$ ORDER BY n)) FROM t GROUP BY round ORDER BY round'); }

my $restored = 0;
my $said;    # by the restore that was the last
sub restore
{
	my ($name, @arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $copy = ArkCluster->new('restored' . ++$restored);
	my $result = $copy->engine([ 'restore', '--json', @where, '--pgdata', $copy->data_dir, "--cluster=primary.$system", @arguments ]);
	is($result->{exit}, 0, $name) or diag("$result->{out}\n$result->{err}");
	$said = $result->{out};
	$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\narchive_mode = off\nunix_socket_directories = '" . $copy->host . "'\nshared_preload_libraries = ''\n");
	$copy->start;
	$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end';
	return $copy;
}
sub chosen { my ($name, @arguments) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; return ark_does($name, 'restore', '--json', '--dry-run', '--pgdata', "$store/empty", "--cluster=primary.$system", @arguments); }
# Behind what came just now a missing segment is looked for again and again.
sub settled { my $then = time - 60; utime $then, $then, glob("$path/wal/*/*"); return; }
sub wal_of { my $timeline = shift; return sort map { m|([^/]*)$|; $1 } glob("$path/wal/$timeline/*"); }

$node->safe_psql('postgres', q{CREATE TABLE t (round int, n int, fill text); INSERT INTO t VALUES (0, 0, 'first')});
my $at_first = rounds($node);
my $first = member(ark_does('a first base backup', 'backup', '--json', '--kind=physical', '--label=first'), 'backup_id');
my $early = work();
my $between = ark_does('a restore point by hand', 'create-restore-point', 'between the backups', '--json');
like($between, qr/"timeline": 1/, 'says where it lies');
ark_refuses('the same name again', qr/there is a restore point "between the backups" already/, 7, 'create-restore-point', 'between the backups');
ark_refuses('no name', qr/no name of a restore point/, 2, 'create-restore-point', '');
work();
my $xid = $node->safe_psql('postgres', q{BEGIN; INSERT INTO t VALUES (-1, 0, 'a transaction'); SELECT pg_current_xact_id(); COMMIT});
my $at_xid = rounds($node);
$node->safe_psql('postgres', q{INSERT INTO t VALUES (-2, 0, 'the next one')});
my $taken = ark_does('a second base backup', 'backup', '--json', '--kind=physical', '--label=second');
my ($second, $second_start) = (member($taken, 'backup_id'), member($taken, 'start_lsn'));
work();
$node->safe_psql('postgres', 'CREATE EXTENSION pg_ark; SELECT ark.pause_scheduler(); CREATE ROLE operator LOGIN IN ROLE ark_operator; CREATE ROLE reader LOGIN IN ROLE ark_reader');
my $at_name = rounds($node);
is($node->safe_psql('postgres', q{SET ROLE operator; SELECT state FROM ark.create_restore_point('before the change', reason => 'to be safe')}), 'done', 'a restore point by SQL, as operator');
$node->ark_fails(q{SET ROLE reader; SELECT * FROM ark.create_restore_point('mine')}, qr/permission denied/, 'but not as reader');
$node->ark_fails(q{SELECT * FROM ark.create_restore_point('before the change')}, qr/there is a restore point "before the change" already/, 'a name is given once');
$node->ark_fails(q{SELECT * FROM ark.create_restore_point(repeat('x', 64))}, qr/1 to 63 bytes/, 'and is short');
my $later_xid = $node->safe_psql('postgres', q{SELECT pg_current_xact_id()});
my $late = work();
is($node->safe_psql('postgres', 'SELECT state FROM ark.rebuild_catalog()'), 'done', 'the catalog looks again');
my $rows = rounds($node);

# What there is, on the command line and by SQL.
my $listed = ark_does('pg_ark list --windows', 'list', '--windows');
like($listed, qr/^$second .*\barchive$/m, 'shows the window of the second');
like($listed, qr/^$first .*\barchive$/m, 'and of the first');
like($listed, qr/between the backups +1 +.* yes/, 'and the point');
is($node->safe_psql('postgres', q{SELECT string_agg(kind || ' ' || coalesce(restorable::text, ''), ', ' ORDER BY kind, restore_point) FROM ark.list_restore_points()}),
	'backup true, backup true, point true, point true, window true, window true', 'list_restore_points shows all of it');
is($node->safe_psql('postgres', q{SELECT restore_point, reason, taken_by, label ~ '^timeline 1, ' FROM ark.list_restore_points(kind => 'point') LIMIT 1}),
	'before the change|to be safe|operator|t', 'points with their reason');
is($node->safe_psql('postgres', "SET ROLE reader; SELECT from_lsn < '$late' AND until_lsn > '$late' AND window_start < window_end AND ended_by = 'archive' FROM ark.recovery_windows WHERE backup_id = '$second'"),
	't', 'windows with their positions');
like(ark_does('a plan', 'restore', '--dry-run', '--pgdata', "$store/empty", "--cluster=primary.$system", "--target-lsn=$late"), qr/recovery window on timeline 1: /, 'says the window');

is($node->safe_psql('postgres', q{SELECT restorable, restorable_from < restorable_until, loss_if_now < interval '1 hour', problems::text ~ 'has no backup' FROM ark.status}), 't|t|t|f', 'the status counts it');

# What is chosen.
is(member(chosen('the end', ()), 'backup_id'), $second, 'is reached from the newest');
is(member(chosen('a late position', "--target-lsn=$late"), 'backup_id'), $second, 'from the newest');
is(member(chosen('an early position', "--target-lsn=$early"), 'backup_id'), $first, 'from the one before');
is(member(chosen('a name before the second', '--target-name=between the backups'), 'backup_id'), $first, 'the store knows where it lies');
is(member(chosen('a name behind it', '--target-name=before the change'), 'backup_id'), $second, 'and the other too');
is(member(chosen('a transaction that the second began after', "--target-xid=$xid"), 'backup_id'), $first, 'from the one before');
is(member(chosen('one that came behind it', "--target-xid=$later_xid"), 'backup_id'), $second, 'from the newest');
my $to_xid = restore('to a transaction', "--target-xid=$xid");
is(member($said, 'backup_id'), $first, 'from the backup that it had not ended before');
is(rounds($to_xid), $at_xid, 'with its row, and none of the next one');
$to_xid->stop;
my $unknown = ark('restore', '--dry-run', '--pgdata', "$store/empty", "--cluster=primary.$system", '--target-name=never heard of');
like($unknown->{err}, qr/does not say where restore point "never heard of" lies/, 'a name that it does not know is warned of');
my @outside = ('restore', '--dry-run', '--pgdata', "$store/empty", "--cluster=primary.$system");
ark_refuses('a position behind the end', qr/no recovery window.*its WAL ends at.*The windows are:.*$second, timeline 1: /s, 3, @outside, '--target-lsn=FF/0');
ark_refuses('a moment to come', qr/no recovery window.*its WAL ends with what came to the store at/s, 3, @outside, '--target-time=2999-01-01T00:00:00Z');
ark_refuses('a moment long ago', qr/no recovery window.*it ended at/s, 3, @outside, '--target-time=2001-01-01T00:00:00Z');
ark_refuses('a timeline that there is not', qr/timeline 9 did not go through it/, 3, @outside, '--target-timeline=9');

# Older than the recovery window a held backup can be restored, and only to its end.
ark_does('the first is held', 'hold', $first);
like(ark_does('expiry with a short window', 'expire', '--grace=1s', '--policy={"keep_last":1,"pitr_window":"1 s"}'), qr/older than the recovery window of 1\S* ?s, and backup $second is later/, 'takes what lies between the two');
like(ark_does('the window of the first', 'list', '--windows'), qr/^$first .*\bexpired$/m, 'ends there');
ark_refuses('to go on from there', qr/its WAL ends at .*: the WAL behind it has expired/, 3, @outside, '--restore-point=first');
my $old = restore('the first comes back to its own end', '--restore-point=first', '--target=immediate');
is(rounds($old), $at_first, 'with its row');
$old->stop;
ark_does('the first is released', 'release', $first);

# Expiry: a dry run says what goes and why, and does nothing.
my @before = wal_of('00000001');
my $policy = '{"keep_last":1}';
my $dry = ark_does('a dry run of expiry', 'expire', '--dry-run', "--policy=$policy");
like($dry, qr/^$first +no /m, 'names the backup');
like($dry, qr/ no +backup $second is later, and no kept one needs it$/m, 'and the WAL that goes with it');
like($dry, qr/ yes +backup $second needs it to be restored$/m, 'and what stays');
is_deeply([ wal_of('00000001') ], \@before, 'nothing went');
ark_does('without the sweep', 'expire', '--no-sweep', "--policy=$policy");
is_deeply([ wal_of('00000001') ], \@before, 'the first has ended, and no WAL went');
like($node->safe_psql('postgres', q{SELECT message FROM ark.set_policy('one', keep_last => 1)}), qr/keep the last 1/, 'the same by SQL');
like($node->safe_psql('postgres', q{SELECT message FROM ark.expire_now(grace => '1 s')}), qr/; [1-9][0-9]* WAL files deleted, /, 'expire_now tells of WAL');
my $needed = $node->safe_psql('postgres', "SELECT pg_walfile_name('$second_start'::pg_lsn + 1)");
my @after = wal_of('00000001');
is($after[0], $needed, 'what is left begins with the segment in which the second began');
is_deeply(\@after, [ grep { $_ ge $needed } @before, map { $_ gt $before[-1] ? $_ : () } @after ], 'and nothing behind it is missing');
is($node->safe_psql('postgres', q{SELECT string_agg(restore_point || ' ' || restorable::text, ', ' ORDER BY restore_point) FROM ark.list_restore_points(kind => 'point')}),
	'before the change true, between the backups false', 'a point before the window is told to be lost');
is($node->safe_psql('postgres', q{SELECT message FROM ark.expire_now(grace => '1 s')}) =~ /; 0 WAL files deleted/, 1, 'once more: nothing');

my $copy = restore('the second comes back to the end');
is(rounds($copy), $rows, 'with every row');
$copy->stop;
$copy = restore('and to a name', '--target-name=before the change');
is(rounds($copy), $at_name, 'with the rows of that moment');
$copy->stop;
ark_refuses('a position before the window', qr/no recovery window.*it ended at.*The windows are:\n$second, timeline 1: /s, 3, @outside, "--target-lsn=$early");
ark_refuses('a name before the window', qr/no recovery window of primary.* contains restore point "between the backups"/, 3, @outside, '--target-name=between the backups');

# A recovery window of the policy: the backup that it begins with stays, whatever else the policy says.
like($node->safe_psql('postgres', q{SELECT message FROM ark.set_policy('one', keep_last => 1, pitr_window => '7 days')}), qr/recover to any moment of the last 7 days/, 'a policy with a window');
$node->ark_fails(q{SELECT * FROM ark.set_policy('none', pitr_window => '-1 day')}, qr/longer than nothing/, 'of a length');

# Another timeline: the same directory, promoted.
$node->stop;
open my $signal, '>', $node->data_dir . '/standby.signal' or die $!;
close $signal;
$node->start;
$node->promote;
$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die;
my $on_two = work();
$rows = rounds($node);
is((wal_of('00000002'))[0], '00000002.history', 'the store has the new timeline');
is($node->safe_psql('postgres', "SELECT recoverable_until_lsn >= '$on_two' FROM ark.wal_archive"), 't', 'and is recoverable on it, without another look at the store');
my $plan = chosen('across the promotion', ());
is(member($plan, 'backup_id') . ' ' . member($plan, 'timeline'), "$second 2", 'the older backup goes on upon the new timeline');
$copy = restore('it comes back across the switch');
is(rounds($copy), $rows, 'with every row');
$copy->stop;
my $third = member(ark_does('a backup of the new timeline', 'backup', '--json', '--kind=physical'), 'backup_id');
my $behind = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
my $last = work();
is(member(chosen('the end', ()), 'backup_id'), $third, 'is now reached from there');
is(member(chosen('timeline 1', '--target-timeline=1'), 'backup_id'), $second, 'from the one that is of it');
is(member(chosen('a position before the third', "--target-lsn=$on_two"), 'backup_id'), $second, 'from the second, across the switch');
is(member(chosen('a position behind it', "--target-lsn=$last"), 'backup_id'), $third, 'from the third');
like($node->safe_psql('postgres', q{SELECT message FROM ark.expire_now(grace => '1 s')}), qr/0 of 2 backups expired/, 'within the window nothing expires');
is($node->safe_psql('postgres', q{SELECT string_agg(timeline::text, ',' ORDER BY timeline, from_lsn) FROM ark.recovery_windows}), '1,2,2', 'windows per timeline');
# The newest is damaged, and a verification found it: the one before it is taken, and that is said.
my ($pack) = sort { -s $b <=> -s $a } glob "$path/packs/$third/*";
sub flip_a_byte
{
	open my $handle, '+<:raw', $pack or die "$pack: $!";
	seek $handle, (-s $pack) / 2, 0;
	read $handle, my $byte, 1;
	seek $handle, (-s $pack) / 2, 0;
	print $handle chr(ord($byte) ^ 1);
	close $handle or die;
	return;
}
flip_a_byte();
ark_refuses('a damaged backup', qr/backup $third is damaged/, 6, 'verify', $third);
$copy = restore('a restore does without it');
is(member($said, 'backup_id'), $second, 'from the one before');
like($said, qr/the newest verification of backup $third found it damaged: backup $second is taken/, 'and says so');
is(rounds($copy), rounds($node), 'with every row');
$copy->stop;
flip_a_byte();
ark_does('it is whole again', 'verify', $third);
is(member(chosen('the end', ()), 'backup_id'), $third, 'and taken again');
$copy = restore('timeline 1 is still there', '--target-timeline=1', "--target-lsn=$late");
# Should that be the cluster from now on, it has no base backup of its own yet; the newest is not of its past.
$copy->engine_ok([ 'lease', 'take', '--quiet', @where, "--cluster=primary.$system", '--reason=a test' ], 'it takes the path over');
my $expiry = ark_does('what would expire', 'expire', '--dry-run', "--policy=$policy");
like($expiry, qr/^$second +yes +the newest that the cluster goes on from is never deleted$/m, 'not what it is recovered from');
like($expiry, qr/^$third +yes +the newest backup is never deleted/m, 'and not the newest');
ark_does('the former owner takes it back', 'lease', 'take', '--reason=a test');
$copy->stop;

# A hole: it is named, and nothing behind it is promised.
work();
my $hole = $node->safe_psql('postgres', "SELECT pg_walfile_name(pg_lsn('$behind') + 1048576)");
unlink "$path/wal/00000002/$hole" or die "$hole: $!";
settled();
like(ark_does('a hole', 'list', '--windows'), qr/^$third .*missing $hole$/m, 'is named in the list');
ark_refuses('to the end', qr/WAL segment $hole is missing/, 3, @outside);
is(member(chosen('consistent', '--target=immediate'), 'backup_id'), $third, 'is possible');
ark_does('the backup is whole', 'verify', $third, '--level=checksum');
ark_refuses('and the WAL behind it is not', qr/backup $third is whole, and not all of the WAL.*WAL segment $hole is missing/s, 6, 'verify', $third, '--wal');
is(member(chosen('before the hole', "--target-lsn=$on_two"), 'backup_id'), $second, 'too');
$copy = restore('up to the hole', "--target-lsn=$behind");
is($copy->safe_psql('postgres', 'SELECT max(round) FROM t'), $round - 2, 'everything before is there');
$copy->stop;
is($node->safe_psql('postgres', 'SELECT state FROM ark.rebuild_catalog()'), 'done', 'the catalog');
is($node->safe_psql('postgres', "SELECT why_not FROM ark.list_restore_points(kind => 'window') WHERE restore_point = '$third'"), "WAL segment $hole is missing", 'says it too');

is($node->safe_psql('postgres', "SELECT EXISTS (SELECT FROM ark.status, unnest(problems) AS p WHERE p LIKE 'critical: WAL segment $hole is missing%')"), 't', 'and the status');
my $fourth = ark_does('a new base backup', 'backup', '--json', '--kind=physical');
is($node->safe_psql('postgres', 'SELECT state FROM ark.rebuild_catalog()'), 'done', 'and a look');
is($node->safe_psql('postgres', "SELECT EXISTS (SELECT FROM ark.status, unnest(problems) AS p WHERE p LIKE '%$hole is missing%')"), 'f', 'end that');

# A base backup whose own WAL is lost is no restore point.
my ($id, $own) = (member($fourth, 'backup_id'), $node->safe_psql('postgres', "SELECT pg_walfile_name('" . member($fourth, 'start_lsn') . "'::pg_lsn + 1)"));
rename "$path/wal/00000002/$own", "$store/lost" or die "$own: $!";
settled();
is($node->safe_psql('postgres', 'SELECT state FROM ark.rebuild_catalog()'), 'done', 'its own WAL is lost');
is($node->safe_psql('postgres', "SELECT restorable, why_not FROM ark.list_restore_points(kind => 'physical') WHERE restore_point = '$id'"), "f|WAL segment $own is missing", 'which the list says');
ark_refuses('and verify', qr/backup $id is damaged: .*WAL segment $own is missing/s, 6, 'verify', $id, '--level=exists');
like(ark_does('it takes no place of a whole one', 'expire', '--dry-run', '--policy={"keep_last":1}'), qr/^$third +yes /m, 'which stays');
rename "$store/lost", "$path/wal/00000002/$own" or die "$own: $!";
like(ark_does('it is back', 'verify', $id), qr/is whole at level decode: .* of its WAL in [1-9]/, 'and proven with its WAL');

# Something in the archive that nobody can place: nothing is deleted.
open my $stray, '>', "$path/wal/00000002/notes.txt" or die $!;
close $stray;
ark_refuses('a stray file', qr/"wal\/00000002\/notes.txt" is not the name of a WAL file/, 6, 'expire', "--policy=$policy");
unlink "$path/wal/00000002/notes.txt";
done_testing();
