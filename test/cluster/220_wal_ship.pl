# The WAL of the unfinished segment, shipped: what is committed and shipped survives the loss of the server, over segments, crashes and
# promotions; a moment of a quiet server is a target; and nothing is used past a hole or a fork.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;
use Time::HiRes qw(time sleep);

my $engine = ArkCluster->new('nowhere')->config_data('--bindir') . '/pg_ark';
my $store = PostgreSQL::Test::Utils::tempdir();
mkdir "$store/ark" or die $!;
my $key = "$store/key";
open my $file, '>', $key or die $!;
print $file unpack('H*', join '', map { chr int rand 256 } 1 .. 32), "\n";
close $file;
chmod 0600, $key;
my @key = ("--encryption-key=file:$key");
my @where = ("--store=file://$store/ark", @key);
my $push = "archive_mode = on\narchive_command = '$engine wal-push --quiet @where %p'\n";

my $primary = ArkCluster->new('primary');
$primary->init(allows_streaming => 1, extra => [ '--wal-segsize=1', '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
$primary->append_conf('postgresql.conf', "${push}autovacuum = off\ntrack_commit_timestamp = on\n");
$primary->start;
$primary->safe_psql('postgres', 'CREATE TABLE log (id bigserial PRIMARY KEY, fill text)');
my $system = $primary->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()');
sub ark { my ($node, @arguments) = @_; return $node->engine([ $arguments[0], @where, @arguments[ 1 .. $#arguments ] ]); }
is(ark($primary, 'wal-ship')->{exit}, 3, 'without a repository there is nothing to ship to');
is(ark($primary, 'backup', '--kind=physical', '--quiet')->{exit}, 0, 'a base backup') or die;

# A shipper of a node, which runs until it is ended.
my @ships;
sub ship
{
	my ($node, @arguments) = @_;
	local $ENV{ARK_CONNINFO} = 'host=' . $node->host . ' port=' . $node->port . ' user=' . getpwuid($<);
	my %ship = (out => '', err => '');
	$ship{run} = IPC::Run::start([ $engine, 'wal-ship', @where, @arguments ], '<', \'', '>', \$ship{out}, '2>', \$ship{err});
	push @ships, \%ship;
	return \%ship;
}
# Ends it and returns how it ended.
sub end
{
	my ($ship, $signal) = @_;
	$ship->{run}->signal($signal);
	$ship->{over} = 1;
	eval { $ship->{run}->finish };
	return $ship->{run}->full_result(0);
}
END { my $status = $?; $_->{over} || $_->{run}->signal('KILL') for @ships; $? = $status; }

# What lies in the tail: [timeline, start, end] of every piece and mark.
sub tail
{
	my $from = shift // $store;
	return sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] || $a->[2] <=> $b->[2] }
	  map { m{/(\w{8})/(\w{16})(?:-(\w{16}))?(\.\d+)?$} ? [ hex $1, hex $2, hex($3 // $2), $_, defined $4 ] : () } glob "$from/ark/*/tail/*/*/*";
}
sub lsn { my ($high, $low) = split m{/}, shift; return hex($high) * 2**32 + hex $low; }
# Until the store has a timeline's WAL up to there.
sub shipped
{
	my ($lsn, $timeline) = @_;
	for (1 .. 600)
	{
		return pass("shipped up to $lsn") if grep { $_->[0] == ($timeline // 1) && $_->[2] >= lsn($lsn) } tail();
		sleep 0.1;
	}
	my $told = join "\n", map { $_->{err} } @ships;
	die "not shipped up to $lsn: $told";
}
sub insert { my ($node, $fill) = @_; return $node->safe_psql('postgres', "INSERT INTO log (fill) VALUES ('$fill'); SELECT pg_current_wal_flush_lsn()"); }

# A cluster from the store alone, recovered as far as it goes.
my $restored = 0;
sub restore
{
	my ($name, %options) = @_;
	my $copy = ArkCluster->new('restored' . ++$restored);
	my $from = $options{store} // $store;
	my $result = $copy->engine([ 'restore', "--store=file://$from/ark", @key, '--pgdata', $copy->data_dir, "--cluster=primary.$system", @{ $options{target} // [] } ]);
	is($result->{exit}, 0, $name) or diag("$result->{out}\n$result->{err}");
	$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\narchive_mode = off\nunix_socket_directories = '" . $copy->host . "'\n");
	$copy->start;
	$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery did not end';
	return $copy;
}
sub fills { my ($copy, $like) = @_; my $count = $copy->safe_psql('postgres', "SELECT count(*) FROM log WHERE fill LIKE '$like'"); return $count; }
# After kill9: the last of the old processes may hold its memory for a moment.
sub start_again
{
	my $node = shift;
	for (1 .. 100)
	{
		$node->{_pid} = undef;
		return if $node->start(fail_ok => 1);
		sleep 0.1;
	}
	die 'it does not start again';
}

# A client that notes what was acknowledged, and kill -9 of everything, again and again. What the store had at that moment survives: a
# row whose successor began before the end of the tail was committed before it.
my $all = 0;
for my $round (1 .. 3)
{
	my $ship = ship($primary, '--quiet', $round == 3 ? '--interval=300ms' : '--interval=1s');
	open my $script, '>', "$store/script" or die $!;
	print $script "INSERT INTO log (fill) VALUES (repeat('round$round ', 40)) RETURNING id, pg_current_wal_insert_lsn(), extract(epoch FROM clock_timestamp());\n" for 1 .. 200_000;
	close $script;
	my $client = IPC::Run::start([ 'psql', '-XAtq', '-d', $primary->connstr('postgres'), '-f', "$store/script" ], '<', '/dev/null', '>', "$store/acknowledged", '2>', '/dev/null');
	$primary->poll_query_until('postgres', "SELECT count(*) > 3000 FROM log WHERE fill LIKE 'round$round %'") or die 'no rows';
	shipped($primary->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()'));
	$primary->kill9;
	my $killed = time;
	end($ship, 'KILL') if $round != 2;    # in the second round it has to wait for the server
	eval { $client->finish };
	my $end = (sort { $b <=> $a } map { $_->[2] } tail())[0];
	my @rows = map { [ split /\|/ ] } split /\n/, PostgreSQL::Test::Utils::slurp_file("$store/acknowledged");
	my $safe = 0;
	for my $i (0 .. $#rows - 1) { $safe = $rows[$i][0] if lsn($rows[ $i + 1 ][1]) <= $end; }
	cmp_ok(scalar @rows, '>', 3000, 'rows were acknowledged');
	my $copy = restore("the cluster of round $round comes back");
	my ($count, $last) = split /\|/, $copy->safe_psql('postgres', "SELECT count(*), max(id) FROM log WHERE fill LIKE 'round$round %'");
	cmp_ok($last, '>=', $safe, "with every row that was shipped ($safe of $rows[-1][0])");
	my @lost = grep { $_->[0] > $last } @rows;
	note(sprintf 'lost: %d acknowledged commits, the oldest %.3f s before the kill', scalar @lost, @lost ? $killed - $lost[0][2] : 0);
	cmp_ok($count, '>=', scalar(grep { $_->[0] <= $last } @rows), 'and all before it');
	is(fills($copy, 'round' . ($round - 1) . ' %'), $all, 'and those of the round before') if $round > 1;
	$copy->stop;
	start_again($primary);
	$all = fills($primary, "round$round %");
	if ($round == 2)
	{
		shipped(insert($primary, 'after the crash'));
		is(end($ship, 'TERM'), 0, 'it goes on when the server is back, and ends when it is told');
		like($ship->{err}, qr/^$/, 'quietly');
	}
}

# Pieces go when their segment is archived, and one server has one shipper.
my $ship = ship($primary, '--interval=200ms');
shipped(insert($primary, 'x'));
my $second = ark($primary, 'wal-ship', '--interval=1s');
is($second->{exit}, 7, 'a second one ends');
like($second->{err}, qr/another process ships/, 'and says why');
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
shipped(insert($primary, 'in the next segment'));
my $segment = $primary->safe_psql('postgres', q{SELECT pg_walfile_name(pg_current_wal_lsn())});
for (1 .. 300)
{
	last if !grep { !$_->[4] && $_->[1] < int(lsn($primary->safe_psql('postgres', 'SELECT pg_current_wal_lsn()')) / 2**20) * 2**20 } tail();
	sleep 0.1;
}
my @left = grep { !$_->[4] } tail();
is(scalar(grep { sprintf('%08X', $_->[1] / 2**20) ne substr $segment, 16 } @left), 0, 'what is archived needs no pieces') or diag(map { "$_->[3]\n" } @left);

# A piece is missing: recovery goes up to the hole and no further.
my %at;
for my $fill (map { "row $_" } 1 .. 6)
{
	$at{$fill} = insert($primary, $fill);
	shipped($at{$fill});
}
is(end($ship, 'TERM'), 0, 'it ends');
my $broken = PostgreSQL::Test::Utils::tempdir();
PostgreSQL::Test::Utils::system_or_bail('cp', '-a', "$store/ark", "$broken/ark");
my ($piece) = grep { !$_->[4] && $_->[1] < lsn($at{'row 4'}) && $_->[2] >= lsn($at{'row 4'}) } tail($broken);
unlink $piece->[3] or die "$piece->[3]: $!";
my $copy = restore('a row of pieces that is broken', store => $broken);
my @before = grep { lsn($at{$_}) <= $piece->[1] } sort keys %at;
is($copy->safe_psql('postgres', q{SELECT string_agg(fill, ',' ORDER BY fill) FROM log WHERE fill LIKE 'row %'}), join(',', @before), 'brings what lies before the hole, and nothing from behind it');
$copy->stop;
$copy = restore('the whole row');
is(fills($copy, 'row %'), 6, 'brings everything');
# That copy is not the owner: it ships nothing.
my $foreign = ark($copy, 'wal-ship', '--interval=1s');
is($foreign->{exit}, 7, 'a restored copy may not ship');
like($foreign->{err}, qr/may not write to/, 'and is told so');
$copy->stop;

# A quiet server: a moment behind the last commit becomes a target once the store knows of it.
insert($primary, 'the last');
my ($committed, $idle) = split /\|/, $primary->safe_psql('postgres', q{SELECT (pg_last_committed_xact()).timestamp, clock_timestamp() + interval '1 s'});
sub planned
{
	my $moment = shift;
	return ark($copy, 'restore', "--cluster=primary.$system", '--pgdata', "$store/never", '--dry-run', "--target-time=$moment");
}
my $plan = planned($idle);
is($plan->{exit}, 3, 'a moment that the store does not know is refused');
like($plan->{err}, qr/no recovery window of .* contains .*The windows are:|lies behind what the store knows.*The window is from .* to /s, 'with the window');
$ship = ship($primary, '--interval=200ms');
for (1 .. 300) { $plan = planned($idle); last if $plan->{exit} == 0; sleep 0.1; }
like($plan->{out}, qr/recovery_target_lsn/, 'and later becomes a position') or diag($plan->{err});
cmp_ok(scalar(grep { $_->[4] } tail()), '<=', 2, 'of which one mark tells');
$copy = restore('an idle moment', target => ["--target-time=$idle"]);
is(fills($copy, 'the last'), 1, 'with the last commit before it');
$copy->stop;
$copy = restore('the very moment of the last commit', target => ["--target-time=$committed"]);
is(fills($copy, 'the last'), 1, 'includes it');
$copy->stop;

# Positions of a quiet server. PostgreSQL stops at a record that begins there or further on, and dies where none does.
sub at_position { my ($lsn, @more) = @_; return ark($copy, 'restore', "--cluster=primary.$system", '--pgdata', "$store/never", '--dry-run', "--target-lsn=$lsn", @more); }
sub position { my $out = shift; return $out =~ /^recovery_target_lsn = '(.+)'$/m ? $1 : "none in $out"; }
sub shift_lsn { my ($lsn, $by) = @_; my $value = lsn($lsn) + $by; return sprintf '%X/%X', $value >> 32, $value & 0xFFFFFFFF; }
my $quiet = $primary->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
$plan = at_position($quiet);
like($plan->{err}, qr/no record in the store begins at \Q$quiet\E or behind it/, 'the end of the WAL is a target, and it is told what becomes of it');
my $last_record = position($plan->{out});
cmp_ok(lsn($last_record), '<', lsn($quiet), 'of the record before it');
is(position(at_position($_, '--no-target-inclusive')->{out}), $last_record, "the same without the target itself ($_)") for $quiet, shift_lsn($last_record, 1);
is(position(at_position($_)->{out}), $_, "where a record begins there or behind it PostgreSQL stops by itself ($_)") for $last_record, shift_lsn($last_record, -1);
is(at_position(shift_lsn($quiet, 1))->{exit}, 3, 'behind the end there is nothing');
for my $inclusive ([], ['--no-target-inclusive'])
{
	$copy = restore("the end @$inclusive", target => [ "--target-lsn=$quiet", @$inclusive ]);
	is(fills($copy, 'the last'), 1, 'with all before it');
	$copy->stop;
}
sleep 1;
shipped(insert($primary, 'later'));
is(position(at_position($quiet)->{out}), $quiet, 'with a later record it is a position like any other');
like(planned($idle)->{out}, qr/recovery_target_time/, 'with a later commit it is a time');
$copy = restore('and that too comes back', target => ["--target-time=$idle"]);
is(fills($copy, 'the last') . fills($copy, 'later'), '10', 'without the later commit');
$copy->stop;

# After a switch of segments the server calls itself to be at the beginning of the next one, of which there is nothing.
$primary->safe_psql('postgres', 'CREATE TABLE switched (id int)');
my ($boundary, $behind_header, @plans);
for (1 .. 100)    # the server may write something by itself in between
{
	$primary->safe_psql('postgres', 'INSERT INTO switched VALUES (1)');
	($boundary, $behind_header) = split /\|/, $primary->safe_psql('postgres', 'SELECT pg_switch_wal() IS NULL; SELECT pg_current_wal_lsn(), pg_current_wal_insert_lsn()') =~ s/^f\n//r;
	next if lsn($boundary) % 2**20 != 0 || lsn($behind_header) != lsn($boundary) + 40;
	my $before_boundary = $primary->safe_psql('postgres', "SELECT pg_walfile_name('$boundary'::pg_lsn - 1)");
	$primary->poll_query_until('postgres', "SELECT last_archived_wal >= '$before_boundary' FROM pg_stat_archiver") or die;
	@plans = map { at_position($_) } $boundary, $behind_header;
	last if $primary->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()') eq $behind_header;
}
for my $lsn ($boundary, $behind_header)
{
	$plan = shift @plans;
	is($plan->{exit}, 0, "a position of a quiet server after a switch ($lsn)") or diag($plan->{err});
	cmp_ok(lsn(position($plan->{out})), '<', lsn($boundary), 'becomes the last record');
}
$copy = restore('behind the last segment', target => ["--target-lsn=$behind_header"]);
cmp_ok($copy->safe_psql('postgres', 'SELECT count(*) FROM switched'), '>', 0, 'with all of it');
$copy->stop;

# A segment that is missing in the middle stays a fault, whatever the tail has behind it.
is(end($ship, 'TERM'), 0, 'it ends');
insert($primary, 'y'), $primary->safe_psql('postgres', 'SELECT pg_switch_wal()') for 1 .. 2;
my $archived = $primary->safe_psql('postgres', q{SELECT pg_walfile_name(pg_current_wal_lsn() - 1048576)});
$primary->poll_query_until('postgres', "SELECT last_archived_wal >= '$archived' FROM pg_stat_archiver") or die;
$ship = ship($primary, '--quiet', '--interval=200ms');
shipped(insert($primary, 'z'));
my ($whole) = glob "$store/ark/*/wal/00000001/$archived";
rename $whole, "$store/kept" or die "$archived: $!";
my $fetched = ark($primary, 'wal-fetch', '--quiet', '--pgdata', $primary->data_dir, $archived, "$store/back");
is($fetched->{exit}, 205, 'a segment without which the tail is of no use') or diag($fetched->{err});
rename "$store/kept", $whole or die $!;
my $now = $primary->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())');
is(ark($primary, 'wal-fetch', '--quiet', '--pgdata', $copy->data_dir, $now, "$store/back")->{exit}, 0, 'the unfinished segment');
is(-s "$store/back", 2**20, 'has its full length');

# A standby that has the store alone follows the pieces too.
$primary->backup('alone');
my $follower = ArkCluster->new('follower');
$follower->init_from_backup($primary, 'alone');
$follower->set_standby_mode;
$follower->append_conf('postgresql.conf', "archive_mode = off\nwal_retrieve_retry_interval = '300ms'\nrestore_command = '$engine wal-fetch --quiet @where %f %p'\n");
$follower->start;
for my $round (1 .. 3)
{
	shipped(insert($primary, "to follow $round"));
	ok($follower->poll_query_until('postgres', "SELECT count(*) = $round FROM log WHERE fill LIKE 'to follow %'"), 'a standby without a connection follows what was shipped');
	$primary->safe_psql('postgres', 'SELECT pg_switch_wal()') if $round == 2;
}
$follower->promote;
is(fills($follower, 'to follow %'), 3, 'and is promoted with it');
$follower->stop;

# A standby that has both streams further than the store has pieces. When its primary is gone it asks for the segment again, and what it
# is given must not take the place of what it has.
$primary->backup('both');
my $both = ArkCluster->new('both');
$both->init_from_backup($primary, 'both', has_streaming => 1);
$both->append_conf('postgresql.conf', "archive_mode = off\nwal_retrieve_retry_interval = '300ms'\nrestore_command = '$engine wal-fetch --quiet @where %f %p'\n");
$both->start;
$primary->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = 'both' AND state = 'streaming'}) or die;
shipped(insert($primary, 'streamed and shipped'));
is(end($ship, 'TERM'), 0, 'the shipper ends');
insert($primary, 'streamed, not shipped') for 1 .. 20;
$primary->wait_for_catchup($both);
$primary->kill9;
$both->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_wal_receiver') or die;
$both->poll_query_until('postgres', 'SELECT pg_last_wal_replay_lsn() IS NOT NULL') or die for 1 .. 10;    # time to ask
$both->promote;
$both->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die;
is(fills($both, 'streamed, not shipped'), 20, 'it is promoted with what it has');
$both->stop('immediate');
$both->start;
is(fills($both, 'streamed, not shipped'), 20, 'and its WAL has it');
$both->stop;
start_again($primary);
$ship = ship($primary, '--quiet', '--interval=200ms');

# Failover: the standby did not get the primary's last commits, which are in the tail. They are not its past.
$primary->backup('base');
my $standby = ArkCluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', $push);
$standby->start;
my $waiting = ship($standby, '--quiet', '--interval=200ms');
insert($primary, 'on both');
$primary->wait_for_catchup($standby);
$standby->safe_psql('postgres', q{ALTER SYSTEM SET primary_conninfo = ''});
$standby->reload;
$primary->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_replication WHERE application_name = 'standby'}) or die;
shipped(insert($primary, 'diverged'));
$primary->kill9;
end($ship, 'KILL');
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die;
shipped(insert($standby, 'on the new timeline'), 2);
for (1 .. 600) { last if glob "$store/ark/*/wal/00000001/*.partial"; sleep 0.1; }
$standby->kill9;
end($waiting, 'KILL');
# Before its first shipment the old timeline's pieces are all that the store has of its first segment: a server goes through them.
my $early = PostgreSQL::Test::Utils::tempdir();
PostgreSQL::Test::Utils::system_or_bail('cp', '-a', "$store/ark", "$early/ark");
unlink map { $_->[3] } grep { $_->[0] == 2 } tail($early);
unlink glob "$early/ark/*/wal/00000002/0*[0-9A-F]";
is(scalar(my @of_two = glob "$early/ark/*/wal/00000002/*"), 1, 'only the history of the new timeline');
$copy = restore('the new timeline without anything of its own', store => $early);
is($copy->safe_psql('postgres', 'SELECT timeline_id FROM pg_control_checkpoint()'), 3, 'was gone through');
is(fills($copy, 'on both') . fills($copy, 'on the new timeline') . fills($copy, 'diverged'), '100', 'up to where it left the old one');
$copy->stop;
# What the promoted server archived of the segment in which it left the old timeline is enough, too.
is(scalar(my @partial = glob "$early/ark/*/wal/00000001/*.partial"), 1, 'the end of the old timeline was archived');
unlink map { $_->[3] } tail($early);
$copy = restore('the new timeline without any pieces', store => $early);
is(fills($copy, 'on both') . fills($copy, 'on the new timeline') . fills($copy, 'diverged'), '100', 'up to where it left the old one');
$copy->stop;
$copy = restore('the promoted standby comes back');
is(fills($copy, 'on both') . fills($copy, 'on the new timeline') . fills($copy, 'diverged'), '110', 'with its own past and what it shipped');
$copy->stop;
start_again($primary);
my $old = ark($primary, 'wal-ship', '--interval=1s');
is($old->{exit}, 7, 'the old primary ships nothing any more');

# With a slot, for a server that archives elsewhere.
my $other = ArkCluster->new('other');
$other->init(allows_streaming => 1, extra => ['--wal-segsize=1']);
$other->start;
mkdir "$store/other" or die $!;
is($other->engine([ 'init', '--quiet', "--store=file://$store/other" ])->{exit}, 0, 'another store');
$ENV{ARK_CONNINFO} = 'host=' . $other->host . ' port=' . $other->port . ' user=' . getpwuid($<);
my ($slot_out, $slot_err);
sub ship_with_slot { return IPC::Run::start([ $engine, 'wal-ship', "--store=file://$store/other", '--interval=200ms', '--slot=ark' ], '<', \'', '>', \$slot_out, '2>', \$slot_err); }
sub slot_follows { return $other->poll_query_until('postgres', q{SELECT restart_lsn >= pg_current_wal_flush_lsn() FROM pg_replication_slots WHERE slot_name = 'ark'}) || diag($slot_err); }
my $slot = ship_with_slot();
$other->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1 AS id');
ok(slot_follows(), 'the slot follows what is stored');
$slot->signal('TERM');
eval { $slot->finish };
like($slot_err, qr/made the replication slot "ark".*max_slot_wal_keep_size is -1/s, 'a slot without a limit is warned of');
# Whatever it missed it holds, and nobody else stores that.
$other->safe_psql('postgres', join ' ', map { "INSERT INTO t VALUES ($_); SELECT pg_switch_wal();" } 1 .. 12);
my $missed = $other->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');
$slot = ship_with_slot();
ok(slot_follows(), 'also after it was away');
my @row = sort { $a->[0] <=> $b->[0] } map { m{/(\w{16})-(\w{16})$} ? [ hex $1, hex $2 ] : () } glob "$store/other/*/tail/*/*/*";
my $reach = $row[0][0];
for my $piece (@row) { $reach = $piece->[1] if $piece->[0] <= $reach && $piece->[1] > $reach; }
cmp_ok($reach, '>=', lsn($missed), 'then the store has all of it, without a gap') or diag(map { sprintf "%X-%X\n", @$_ } @row);
$other->stop('fast');
$slot->signal('TERM');
eval { $slot->finish };
is($slot->full_result(0), 0, 'a server with a slot stops, and the shipper ends when it is told');
# A shipper begins before its slot, for what the archiver may not have stored. The server is not told to keep that: it may have removed it.
$other->append_conf('postgresql.conf', "wal_keep_size = '64MB'\n");
$other->start;
$other->safe_psql('postgres', join ' ', map { "INSERT INTO t VALUES ($_); SELECT pg_switch_wal();" } 1 .. 12);
my $holds = q{SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'late'};
my $held = $other->safe_psql('postgres', "CHECKPOINT; SELECT lsn FROM pg_create_physical_replication_slot('late', true)");
is($other->safe_psql('postgres', $holds), $held, 'a slot that holds nothing of the past');
mkdir "$store/late" or die $!;
my @late = ("--store=file://$store/late");
is($other->engine([ $_, '--quiet', @late, $_ eq 'lease' ? ('take', '--reason=a test') : () ])->{exit}, 0, $_) for qw(init lease);
my ($path) = glob "$store/late/other.*";
chmod 0555, $path or die $!;
like($other->engine([ 'wal-ship', @late, '--slot=late' ])->{err}, qr/Permission denied/, 'nothing can be stored');
is($other->safe_psql('postgres', $holds), $held, 'and it still holds what it held');
chmod 0755, $path or die $!;
$other->stop;
done_testing();
