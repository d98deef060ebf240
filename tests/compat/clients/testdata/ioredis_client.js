// What applications do with ioredis, feature by feature.
const Redis = require('ioredis')
const assert = require('assert')
const [host, port] = process.argv.slice(2)
console.log('library ioredis ' + require('ioredis/package.json').version)

const open = []
const client = (more = {}) => {
  const c = new Redis({ host, port: Number(port), ...more })
  open.push(c)
  return c
}

async function check (name, run) {
  try {
    await run()
    console.log('ok ' + name)
  } catch (e) {
    console.log(`FAILED ${name}: ${String(e.message).split('\n').join(' ')}`)
  }
}

async function main () {
  const r = client({ connectionName: 'js' })

  await check('connect', async () => {
    assert.equal(await r.ping(), 'PONG')
    assert.equal(await r.set('k', 'v', 'EX', 100), 'OK')
    assert.equal(await r.get('k'), 'v')
    assert.equal(await r.client('GETNAME'), 'js')
    assert.equal(await r.hset('h', { a: 1, b: 2 }), 2)
    assert.deepEqual(await r.hgetall('h'), { a: '1', b: '2' })
    const keys = []
    for await (const some of r.scanStream({ match: '[hk]' })) keys.push(...some)
    assert.deepEqual(keys.sort(), ['h', 'k'])
    const bytes = Buffer.from([0, 255, 13, 10])
    await r.set('bytes', bytes)
    assert.deepEqual(await r.getBuffer('bytes'), bytes)
  })

  await check('pipeline', async () => {
    const p = r.pipeline()
    for (let i = 0; i < 1000; i++) p.set('p:' + i, i).get('p:' + i)
    const got = await p.exec()
    assert.deepEqual(got.filter((_, i) => i % 2).map(x => x[1]), [...Array(1000).keys()].map(String))
    const auto = client({ enableAutoPipelining: true })
    assert.deepEqual(await Promise.all([auto.get('p:1'), auto.get('p:2'), auto.incr('p:3')]), ['1', '2', 4])
  })

  await check('pub/sub', async () => {
    const s = client()
    const got = []
    const done = new Promise(resolve => {
      s.on('message', (channel, text) => got.push(['message', channel, text]))
      s.on('pmessage', (pattern, channel, text) => { got.push([pattern, channel, text]); resolve() })
    })
    assert.equal(await s.subscribe('news'), 1)
    assert.equal(await s.psubscribe('n*'), 2)
    assert.equal(await r.publish('news', 'hello'), 2)
    await done
    assert.deepEqual(got, [['message', 'news', 'hello'], ['n*', 'news', 'hello']])
    await s.unsubscribe('news')
    await s.punsubscribe('n*')
    assert.equal(await s.get('k'), 'v')
    const sharded = client()
    const one = new Promise(resolve => sharded.on('smessage', (channel, text) => resolve([channel, text])))
    await sharded.ssubscribe('shard')
    assert.equal(await r.spublish('shard', 'x'), 1)
    assert.deepEqual(await one, ['shard', 'x'])
  })

  await check('transaction', async () => {
    assert.deepEqual(await r.multi().set('n', 1).incr('n').exec(), [[null, 'OK'], [null, 2]])
    const w = client()
    await w.watch('n')
    await r.incr('n')
    assert.equal(await w.multi().set('n', 100).exec(), null)
    await assert.rejects(r.multi().set('n').exec(), /EXECABORT/)
  })

  await check('stream', async () => {
    const ids = []
    for (let i = 0; i < 3; i++) ids.push(await r.xadd('st', '*', 'i', i))
    await r.xgroup('CREATE', 'st', 'g', '0')
    const got = await r.xreadgroup('GROUP', 'g', 'c', 'COUNT', 2, 'STREAMS', 'st', '>')
    assert.deepEqual(got, [['st', [[ids[0], ['i', '0']], [ids[1], ['i', '1']]]]])
    assert.equal(await r.xack('st', 'g', ids[0]), 1)
    assert.equal((await r.xpending('st', 'g'))[0], 1)
    assert.equal((await r.xautoclaim('st', 'g', 'd', 0, '0'))[1][0][0], ids[1])
  })

  await check('lock', async () => {
    assert.equal(await r.set('lock', 'me', 'PX', 60000, 'NX'), 'OK')
    assert.equal(await r.set('lock', 'you', 'PX', 60000, 'NX'), null)
    assert.equal(await r.del('lock'), 1)
  })

  await check('queue', async () => {
    await r.lpush('q', 'a', 'b', 'c')
    assert.equal(await r.lmove('q', 'working', 'RIGHT', 'LEFT'), 'a')
    assert.equal(await r.rpoplpush('q', 'working'), 'b')
    assert.equal(await r.lrem('working', 1, 'a'), 1)
  })

  await check('blocking', async () => {
    const b = client()
    const waiting = b.blpop('bq1', 'bq2', 10)
    while (!/blocked_clients:1\r/.test(await r.info('clients'))) { /* until it waits */ }
    await r.rpush('bq2', 'x')
    assert.deepEqual(await waiting, ['bq2', 'x'])
    assert.equal(await b.blpop('bq1', 0.05), null)
    const reading = b.xread('BLOCK', 10000, 'STREAMS', 'st', '$')
    while (!/blocked_clients:1\r/.test(await r.info('clients'))) { /* until it waits */ }
    const id = await r.xadd('st', '*', 'new', 1)
    assert.deepEqual(await reading, [['st', [[id, ['new', '1']]]]])
  })

  await check('script', async () => {
    assert.deepEqual(await r.eval('return {KEYS[1], ARGV[1], redis.call("get", KEYS[1])}', 1, 'k', 'a'), ['k', 'a', 'v'])
    r.defineCommand('add', { numberOfKeys: 1, lua: 'return redis.call("incrby", KEYS[1], ARGV[1])' })
    assert.equal(await r.add('counter', 5), 5)
    assert.equal(await r.add('counter', 5), 10)
  })

  await check('reconnect', async () => {
    const c = client()
    const s = client()
    await s.subscribe('back')
    const ids = (await r.client('LIST', 'TYPE', 'PUBSUB')).match(/^id=\d+/gm).map(x => x.slice(3))
    ids.push(String(await c.client('ID')))
    const again = [c, s].map(x => new Promise(resolve => x.once('ready', resolve)))
    for (const id of ids) assert.equal(await r.client('KILL', 'ID', id), 1)
    await Promise.all(again)
    assert.equal(await c.set('after', 'x'), 'OK')
    const message = new Promise(resolve => s.once('message', (_, text) => resolve(text)))
    while (await r.publish('back', 'hello') === 0) { /* until it has subscribed again by itself */ }
    assert.equal(await message, 'hello')
  })

  for (const c of open) c.disconnect()
}

main()
