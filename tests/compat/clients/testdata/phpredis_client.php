<?php
// What applications do with phpredis, feature by feature; the lock is that of PHP's own sessions.
ob_start(); // sessions want to be started before any output
[, $host, $port] = $argv;
$port = (int) $port;
echo 'library phpredis ' . phpversion('redis') . "\n";

function check(string $name, callable $run): void
{
    try {
        $run();
        echo "ok $name\n";
    } catch (Throwable $e) {
        echo "FAILED $name: " . get_class($e) . ': ' . str_replace("\n", ' ', $e->getMessage()) . "\n";
    }
}

function same($got, $want): void
{
    if ($got !== $want) {
        throw new Exception(json_encode($got) . ' instead of ' . json_encode($want));
    }
}

function client(): Redis
{
    global $host, $port;
    $r = new Redis();
    $r->connect($host, $port, 60);
    return $r;
}

function until(callable $yes): void
{
    for ($ends = time() + 60; !$yes(); usleep(1000)) {
        if (time() > $ends) {
            throw new Exception('in vain');
        }
    }
}

// beside does something in a process of its own, which joined waits for.
function beside(callable $run): int
{
    $child = pcntl_fork();
    if ($child === 0) {
        $ended = 1;
        try {
            $run();
            $ended = 0;
        } finally {
            posix_kill(getmypid(), $ended === 0 ? SIGTERM : SIGKILL); // what the parent has not written yet stays its own
        }
    }
    return $child;
}

function joined(int $child): void
{
    pcntl_waitpid($child, $status);
    same(pcntl_wtermsig($status), SIGTERM);
}

$r = client();

check('connect', function () use ($r) {
    same($r->ping(), true);
    same($r->set('k', 'v', ['EX' => 100, 'NX']), true);
    same([$r->get('k'), $r->get('none')], ['v', false]);
    same($r->info('server')['redis_mode'], 'standalone');
    same($r->hMSet('h', ['a' => 1, 'b' => 2]), true);
    same($r->hGetAll('h'), ['a' => '1', 'b' => '2']);
    same($r->zAdd('z', 1.5, 'x', 2, 'y'), 2);
    same($r->zRangeByScore('z', '-inf', '(2', ['withscores' => true]), ['x' => 1.5]);
    $r->sAddArray('s', range(1, 1000));
    [$at, $seen] = [null, []];
    while (($some = $r->sScan('s', $at)) !== false) {
        $seen = array_merge($seen, $some);
    }
    same(count(array_unique($seen)), 1000);
    $packed = client();
    $packed->setOption(Redis::OPT_SERIALIZER, Redis::SERIALIZER_PHP);
    $packed->setOption(Redis::OPT_PREFIX, 'app:');
    same($packed->mSet(['list' => [1, 2], 'no' => null]), true);
    same($packed->mGet(['list', 'no', 'none']), [[1, 2], null, false]);
    same($r->exists('app:list'), 1);
});

check('pipeline', function () use ($r) {
    $p = $r->pipeline();
    for ($i = 0; $i < 1000; $i++) {
        $p->set('p', $i)->incr('p');
    }
    $got = $p->lPush('p', 'x')->exec();
    same([$got[0], $got[1], $got[1999], $got[2000]], [true, 1, 1000, false]);
});

check('pub/sub', function () use ($r) {
    $child = beside(function () {
        $r = client();
        until(fn () => $r->publish('news', 'hello') === 2);
    });
    $heard = [];
    $sub = client();
    $sub->setOption(Redis::OPT_READ_TIMEOUT, 60);
    try {
        $sub->psubscribe(['n*', 'new?'], function ($sub, $pattern, $channel, $text) use (&$heard) {
            $heard[] = [$pattern, $channel, $text];
            if (count($heard) === 2) {
                $sub->close(); // the way to make psubscribe end
            }
        });
    } catch (RedisException $e) {
        same($e->getMessage(), 'Connection closed');
    }
    sort($heard);
    same($heard, [['n*', 'news', 'hello'], ['new?', 'news', 'hello']]);
    joined($child);
});

check('transaction', function () use ($r) {
    foreach ([false, true] as $changed) {
        $r->watch('n');
        if ($changed) {
            client()->incr('n');
        }
        same($r->multi()->set('n', 5)->incr('n')->exec(), $changed ? false : [true, 6]);
    }
});

check('stream', function () use ($r) {
    $id = $r->xAdd('st', '*', ['a' => '1']);
    same($r->xGroup('CREATE', 'st', 'g', '0'), true);
    same($r->xReadGroup('g', 'me', ['st' => '>']), ['st' => [$id => ['a' => '1']]]);
    same($r->xPending('st', 'g'), [1, $id, $id, [['me', '1']]]);
    same($r->xClaim('st', 'g', 'you', 0, [$id]), [$id => ['a' => '1']]);
    same($r->xAck('st', 'g', [$id]), 1);
});

check('lock', function () use ($r, $host, $port) { // a session is locked while a page is made
    foreach (['session.save_handler' => 'redis', 'session.save_path' => "tcp://$host:$port?prefix=session:",
        'session.use_cookies' => '0', 'session.cache_limiter' => '', 'session.gc_maxlifetime' => '100',
        'redis.session.locking_enabled' => '1', 'redis.session.lock_retries' => '2',
        'redis.session.lock_wait_time' => '1000', 'redis.session.lock_expire' => '60'] as $name => $value) {
        ini_set($name, $value);
    }
    for ($n = 1; $n <= 2; $n++) {
        session_id('visitor');
        same(session_start(), true);
        $_SESSION['pages'] = ($_SESSION['pages'] ?? 0) + 1;
        same($r->exists('session:visitor_LOCK'), 1);
        session_write_close();
        same([$r->exists('session:visitor_LOCK'), $r->get('session:visitor')], [0, "pages|i:$n;"]);
    }
    $r->set('session:visitor_LOCK', 'another page');
    session_id('visitor');
    @session_start(); // warns, since another page has the lock, and what it changes is not kept
    $_SESSION['pages'] = 100;
    @session_write_close();
    same($r->get('session:visitor'), 'pages|i:2;');
    same($r->get('session:visitor_LOCK'), 'another page');
});

check('queue', function () use ($r) {
    $r->lPush('q', 'a', 'b');
    same($r->rpoplpush('q', 'working'), 'a');
    same($r->lRem('working', 'a', 1), 1);
});

check('blocking', function () use ($r) {
    $child = beside(function () {
        $r = client();
        until(fn () => $r->info('clients')['blocked_clients'] === 1);
        $r->rPush('bq', 'x');
    });
    same($r->blPop(['none', 'bq'], 60), ['bq', 'x']);
    joined($child);
});

check('script', function () use ($r) {
    $text = "return {KEYS[1], redis.call('incrby', KEYS[1], ARGV[1])}";
    same($r->evalSha(sha1($text), ['counter', 5], 1), false);
    same(strtok($r->getLastError(), ' '), 'NOSCRIPT');
    same($r->eval($text, ['counter', 5], 1), ['counter', 5]);
    same($r->evalSha(sha1($text), ['counter', 5], 1), ['counter', 10]);
    same($r->script('exists', sha1($text)), [1]);
});

check('reconnect', function () use ($r) {
    $lost = client();
    $id = $lost->rawCommand('CLIENT', 'ID');
    same($r->rawCommand('CLIENT', 'KILL', 'ID', $id), 1);
    same($lost->set('k', 'w'), true);
    same($lost->rawCommand('CLIENT', 'ID') === $id, false);
});
