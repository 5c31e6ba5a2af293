# WAL to several stores: the server forgets it when the required ones have it, each of them alone brings every row back, and a store with
# ack=async follows behind, over restarts, and holds nobody up. And WAL that a limit gives up is on record everywhere.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = ArkCluster->new('primary');
$node->init(allows_streaming => 1, extra => [ '--wal-segsize=1', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
my %store = map { $_ => $node->basedir . "/$_" } qw(a b c);
mkdir $_ or die "$_: $!" for values %store;
my %url = map { $_ => "file://$store{$_}?name=$_" . ($_ eq 'c' ? '&ack=async' : '') } keys %store;
my $list = join ',', map { $url{$_} } qw(a b c);
my $bindir = $node->config_data('--bindir');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_ark'\narchive_mode = on\narchive_command = ''\narchive_library = 'pg_ark'\n"
	  . "wal_keep_size = 100\nautovacuum = off\nark.allow_same_disk_wal = on\nark.wal_ship_interval = 0\nark.archive_backlog_patience = 1s\nark.store = '$list'\n");
$node->start;
ask($node, 'CREATE EXTENSION pg_ark');

sub away { my $one = shift; rename $store{$one}, "$store{$one}.away" or die "$one: $!"; return; }
sub back { my $one = shift; rename "$store{$one}.away", $store{$one} or die "$one: $!"; return; }
sub stored { my $one = shift; return join ' ', sort map { m{/wal/\w+/(\S+)$} } glob "$store{$one}/*/wal/*/*"; }
sub says { my ($of, $what) = @_; return PostgreSQL::Test::Utils::slurp_file($of->logfile) =~ $what; }
sub view { my ($columns, $one) = @_; return ask($node, "SELECT $columns FROM ark.wal_archive WHERE store = '$one'"); }
sub until_view { my ($one, $what) = @_; until_true($node, "SELECT $what FROM ark.wal_archive WHERE store = '$one'"); return; }
sub problems { return ask($node, q{SELECT array_to_string(problems, E'\n') FROM ark.status}); }
sub write_wal { my $count = shift; ask($node, q{INSERT INTO t (fill) SELECT md5(i::text) FROM generate_series(1, 2000) AS i; SELECT pg_switch_wal()}) for 1 .. $count; return; }
sub drained
{
	my $segment = ask($node, 'SELECT pg_walfile_name(pg_switch_wal() - 1)');
	until_true($node, "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver");
	return $segment;
}
# The store with ack=async has what the first one has.
sub caught_up
{
	for (1 .. 300) { return 1 if stored('c') eq stored('a'); sleep 0.2; }
	diag(stored('c') . "\n" . stored('a'));
	return 0;
}
# A server that recovers by `restore_command` from a base backup, which holds no WAL.
my $recoveries = 0;
sub recovered
{
	my ($backup, $stores, %options) = @_;
	my $other = ArkCluster->new('recovered' . ++$recoveries);
	$other->init_from_backup($node, $backup);
	$other->append_conf('postgresql.conf', "archive_mode = off\nark.store = ''\nrestore_command = '$bindir/pg_ark wal-fetch --quiet --store=''$stores'' %f %p'\nrecovery_target_action = 'promote'\n");
	open my $signal, '>', $other->data_dir . '/recovery.signal' or die $!;
	close $signal;
	$other->start(fail_ok => $options{fails} // 0);
	return $other if $options{fails};
	$other->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end';
	return $other;
}
sub same
{
	my ($other, $digests, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$other->same_rows('postgres', $digests, $name, without => qr/^sequence|ark_private/);
	$other->stop('immediate');
	return;
}

# Every required store must have it, and is named where it has not.
is($node->engine([ 'init', '--quiet', '--store', $url{a} ])->{exit}, 0, 'the first store is ready');
ask($node, 'CREATE TABLE t (id bigserial PRIMARY KEY, fill text); SELECT pg_switch_wal()');
until_view('b', q{last_error ~ '^store "b": there is no repository'});
like(view('last_error, hint', 'b'), qr/^store "b": there is no repository in store .*\|.*pg_ark init/, 'the other one is not, and that is told');
is(view('failing_since IS NULL, last_error IS NULL, hint', 'a'), 't|t|WAL waits for another store', 'of that one alone');
is(ask($node, 'SELECT archived_count FROM pg_stat_archiver'), '0', 'and the server keeps its WAL');
like(problems(), qr/critical: WAL is not archived since .* store "b": there is no repository/, 'the status says it');
is($node->engine([ 'init', '--quiet', '--store', $list ])->{exit}, 0, 'pg_ark init makes a repository in each');
drained();
is(stored('a'), stored('b'), 'both have all');
isnt(join(' ', map { m{([^/]+)$} } glob "$store{a}/*/keys/*/*"), undef, 'each under its own repository');
$node->backup('base', backup_options => [ '-X', 'none' ]);
write_wal(6);
my $rows = $node->digests('postgres');
drained();
same(recovered('base', $url{$_}), $rows, "store $_ alone brings every row back") for qw(a b);
until_view('c', 'backlog_segments = 0 AND last_archived_wal IS NOT NULL');
my $last = drained();
until_true($node, "SELECT last_archived_wal >= '$last' FROM ark.wal_archive WHERE store = 'c'");
is(view('ack, mode, failing_since IS NULL, lag IS NULL', 'c'), 'async|copy|t|t', 'which the view shows');
is(ask($node, 'SELECT string_agg(ack, \',\' ORDER BY position) FROM ark.stores'), 'required,required,async', 'as the view of stores does');

# What copies is killed, and goes on.
sub copier
{
	my ($postmaster) = split /\n/, PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postmaster.pid');
	my ($worker) = map { (split ' ')[0] } grep { /^\s*\d+\s+$postmaster\s.*pg_ark wal-copy/ } split /\n/, `ps -eo pid,ppid,args`;
	return $worker ? (descendants($worker))[0] : undef;
}
my $killed = copier();
ok($killed, 'an engine copies') and kill 'KILL', $killed;
write_wal(3);
$last = drained();
ok(caught_up(), 'another one goes on after it was killed, and nothing is lost or doubled');
isnt(copier(), $killed, 'which is another one');

# A required store that is away holds all up; one with ack=async nothing.
away('b');
write_wal(3);
until_view('b', 'failing_since IS NOT NULL');
like(view('last_error', 'b'), qr/^store "b": /, 'a required store that is away');
cmp_ok(view('backlog_segments', 'b'), '>', 0, 'keeps WAL waiting');
is(view('failing_since IS NULL', 'a'), 't', 'and is not the fault of the other');
back('b');
drained();
is(stored('a'), stored('b'), 'when it is back it gets what waited');
is(view('failing_since IS NULL AND hint IS NULL', $_), 't', "all is well with $_") for qw(a b);

away('c');
write_wal(3);
drained();
until_view('c', 'failing_since IS NOT NULL');
like(problems(), qr/warning: WAL is not copied to store "c": /, 'an async store that is away is a warning');
set_option($node, 'ark.async_limit', '1ms');
until_true($node, q{SELECT array_to_string(problems, ' ') ~ 'critical: store "c" \(ack=async\) is behind since' FROM ark.status});
pass('and behind its limit a critical problem');
set_option($node, 'ark.async_limit', undef);
$node->restart;
write_wal(1);
drained();
back('c');
until_view('c', 'failing_since IS NULL AND backlog_segments = 0 AND last_archived_wal IS NOT NULL');
$last = drained();
until_true($node, "SELECT last_archived_wal >= '$last' FROM ark.wal_archive WHERE store = 'c'");
$rows = $node->digests('postgres');
ok(caught_up(), 'back, and after a restart of the server, it has what came meanwhile');
same(recovered('base', $url{c}), $rows, 'with every row, from the first segment on: it too is enough alone');

# wal-fetch: the next store where one is away or lacks a file; absent is what all that count prove absent.
sub fetch { my ($name, $stores) = @_; return $node->engine([ 'wal-fetch', '--quiet', '--store', $stores, '--pgdata', $node->data_dir, $name, $node->basedir . '/fetched' ])->{exit}; }
my $none = '00000001000000000000FFFF' =~ s/FFFF$/0FFF/r;
away('a');
is(fetch($last, $list), 0, 'a segment comes from the next store');
is(fetch($none, $list), 203, 'while one is away, a file that the others lack is not proven absent');
back('a');
is(fetch($none, $list), 3, 'else it is');
my ($object) = glob "$store{a}/*/wal/00000001/$last";
rename $object, $node->basedir . '/kept' or die $!;
is(fetch($last, $list), 0, 'a segment that the first store lacks comes from the next');
rename $node->basedir . '/kept', $object or die $!;

# Windows of each store; what is not copied yet waits.
$node->engine_ok([ 'backup', '--kind', 'physical', '--quiet', '--store', $url{$_} ], "a base backup into $_") for qw(a b);
ask($node, 'SELECT * FROM ark.rebuild_catalog()');
is(ask($node, q{SELECT string_agg(DISTINCT store, ',') FROM ark.recovery_windows WHERE restorable}), 'a,b', 'each store has its window');
write_wal(2);
drained();
is(view('recoverable_from IS NOT NULL, recoverable_until >= recoverable_from, recoverable_until_lsn IS NOT NULL, loss_if_now IS NOT NULL, gaps', $_), 't|t|t|t|{}', "the view says up to where $_ recovers")
  for qw(a b);
my $until = view('recoverable_until_lsn', 'a');
write_wal(1);
drained();
is(view("recoverable_until_lsn > '$until'", 'a'), 't', 'which moves with every segment');
set_option($node, 'ark.wal_ship_interval', '500ms');
my $committed = ask($node, q{INSERT INTO t (fill) VALUES ('shipped'); SELECT pg_current_wal_flush_lsn()});
until_view('a', "recoverable_until_lsn >= '$committed' AND shipped_until >= '$committed' AND shipped_at IS NOT NULL");
pass('and with every piece that is shipped of the unfinished one');
is(view('shipped_until IS NULL', 'b'), 't', 'into the first store');
set_option($node, 'ark.wal_ship_interval', '0');
is(view('recoverable_from IS NULL', 'c'), 't', 'a store without a base backup recovers nothing by itself');
away('c');
write_wal(2);
drained();
$node->engine_ok([ 'backup', '--kind', 'physical', '--quiet', '--store', $url{a} ], 'a later base backup');
my $policy = '{"keep_last":1}';
like($node->engine_ok([ 'expire', '--policy', $policy, '--dry-run', '--store', $list ], 'expire'), qr/store "c" has not copied it yet/, 'expiry leaves what a store still lacks');
like($node->engine_ok([ 'expire', '--policy', $policy, '--dry-run', '--store', $list, '--async-limit', '0' ], 'expire'), qr/would go|goes|deleted/, 'for its limit');
unlike($node->engine_ok([ 'expire', '--policy', $policy, '--dry-run', '--store', $list, '--async-limit', '0' ], 'expire'), qr/has not copied it yet/, 'and no longer');
back('c');

# A limit gives WAL up, because somebody set it: told, on record, and the end of the window.
away('b');
write_wal(2);
until_view('b', 'failing_since IS NOT NULL');
my $archived = ask($node, 'SELECT archived_count FROM pg_stat_archiver');
write_wal(4);
is(ask($node, 'SELECT archived_count FROM pg_stat_archiver'), $archived, 'without a limit nothing is given up');
set_option($node, 'ark.archive_backlog_limit', '3MB');
for (1 .. 600)
{
	write_wal(1);
	last if says($node, qr/was given up unarchived/);
	sleep 0.2;
}
ok(says($node, qr/WARNING:  WAL file "\w+" was given up unarchived: more than ark.archive_backlog_limit \(3MB\) waits\n.*DETAIL:  store "b": .*\n.*HINT:  Nothing behind it/), 'a limit gives the oldest up, and says so');
like(problems(), qr/critical: WAL is given up unarchived since/, 'as the status does');
until_view('a', 'backlog_bytes <= 3 << 20');
cmp_ok(view('backlog_bytes', 'a'), '>', 0, 'no more than that');
like(view('gaps', 'a'), qr/more WAL waited than archive_backlog_limit allows/, 'the view names the gap');
back('b');
drained();
set_option($node, 'ark.archive_backlog_limit', undef);
is(view('failing_since IS NULL', 'b'), 't', 'the store is back');
ask($node, 'SELECT * FROM ark.rebuild_catalog()');
my ($gap) = split /\n/, PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/pg_wal/ark_gaps');
my ($first_lost) = split / /, $gap;
is(scalar(() = glob "$store{b}/*/events/cluster/*.wal_gap"), 1, 'where the gap is on record');
is(ask($node, q{SELECT DISTINCT missing, reason ~ '^more WAL waited than archive_backlog_limit allows' FROM ark.recovery_windows WHERE store = 'b'}), "$first_lost|t", 'and why its windows end');
like(problems(), qr/critical: WAL segment $first_lost is missing in the store "b": .*archive_backlog_limit/, 'the status says it');
my $fetched = $node->engine([ 'wal-fetch', '--quiet', '--store', $url{b}, '--pgdata', $node->data_dir, $first_lost, $node->basedir . '/fetched' ]);
is($fetched->{exit}, 205, 'recovery ends there with an error');
like($fetched->{err}, qr/is missing in the store.*archive_backlog_limit/s, 'that says why');
$node->engine_ok([ 'backup', '--kind', 'physical', '--quiet', '--store', $url{b} ], 'the next base backup');
ask($node, 'SELECT * FROM ark.rebuild_catalog()');
is(ask($node, q{SELECT count(*) FROM ark.recovery_windows WHERE store = 'b' AND restorable AND ended_by = 'archive'}), '1', 'opens a new window');
write_wal(1);
drained();
$rows = $node->digests('postgres');
drained();
$node->backup('later', backup_options => [ '-X', 'none' ]);
write_wal(1);
$rows = $node->digests('postgres');
drained();
same(recovered('later', $url{b}), $rows, 'from which every row comes back');

# The same by archive_command.
ask($node, "ALTER SYSTEM SET archive_command = '$bindir/pg_ark wal-push --quiet --store=''$list'' --archive-backlog-limit=3MB --archive-backlog-patience=1s %p'");
set_option($node, 'archive_library', '');
write_wal(1);
drained();
is(stored('a') =~ s/^.* //r, stored('b') =~ s/^.* //r, 'archive_command writes into both');
is(ask($node, q{SELECT mode, recoverable_until_lsn > '0/0' FROM ark.wal_archive WHERE mode <> 'copy'}), 'command|t', 'which the view shows');
away('a');
for (1 .. 600)
{
	write_wal(1);
	last if says($node, qr/warning: WAL file \w+ was given up unarchived/);
	sleep 0.2;
}
ok(says($node, qr/warning: WAL file \w+ was given up unarchived: more than archive_backlog_limit/), 'and gives up by the same limit');
back('a');
drained();
cmp_ok(scalar(() = glob "$store{a}/*/events/cluster/*.wal_gap"), '>=', 1, 'on record too');
$node->stop;
done_testing();
