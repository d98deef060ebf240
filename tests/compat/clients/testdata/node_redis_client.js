// What applications do with node-redis, feature by feature.
const { createClient } = require('redis')
const assert = require('assert')
const [host, port] = process.argv.slice(2)
console.log('library node-redis ' + require('redis/package.json').version)

const open = []
const client = async (more = {}) => {
  const c = createClient({ url: `redis://${host}:${port}`, ...more })
  c.on('error', () => {}) // a connection that is killed on purpose
  await c.connect()
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
  const r = await client({ name: 'js' })

  await check('connect', async () => {
    assert.equal(await r.ping(), 'PONG')
    assert.equal(await r.set('k', 'v', { EX: 100 }), 'OK')
    assert.equal(await r.get('k'), 'v')
    assert.equal(await r.clientGetName(), 'js')
    assert.match((await r.clientInfo()).libName, /node-redis/)
    assert.equal(await r.hSet('h', { a: 1, b: 2 }), 2)
    assert.deepEqual({ ...await r.hGetAll('h') }, { a: '1', b: '2' })
    assert.equal(await r.zAdd('z', [{ value: 'x', score: 1.5 }]), 1)
    const keys = []
    for await (const some of r.scanIterator({ MATCH: '[hk]' })) keys.push(...[some].flat())
    assert.deepEqual(keys.sort(), ['h', 'k'])
  })

  await check('RESP3', async () => {
    const three = await client({ RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' } })
    assert.equal(await three.zScore('z', 'x'), 1.5)
    assert.deepEqual({ ...await three.hGetAll('h') }, { a: '1', b: '2' })
    assert.equal(await three.get('k'), 'v')
    await r.set('k', 'w') // the cached value is invalidated by a push
    for (let got = 'v'; got !== 'w';) {
      await new Promise(resolve => setImmediate(resolve)) // answers from the cache let nothing else happen
      got = await three.get('k')
    }
    await r.set('k', 'v')
  })

  await check('pipeline', async () => {
    const all = []
    for (let i = 0; i < 1000; i++) all.push(r.set('p:' + i, i), r.get('p:' + i))
    const got = await Promise.all(all)
    assert.deepEqual(got.filter((_, i) => i % 2), [...Array(1000).keys()].map(String))
  })

  await check('pub/sub', async () => {
    const s = await client()
    const got = []
    let second
    const done = new Promise(resolve => { second = resolve })
    await s.subscribe('news', (text, channel) => got.push([channel, text]))
    await s.pSubscribe('n*', (text, channel) => { got.push(['n*', channel, text]); second() })
    assert.equal(await r.publish('news', 'hello'), 2)
    await done
    assert.deepEqual(got, [['news', 'hello'], ['n*', 'news', 'hello']])
    await s.unsubscribe()
    await s.pUnsubscribe()
    assert.equal(await s.get('k'), 'v')
    const one = new Promise(resolve => s.sSubscribe('shard', text => resolve(text)))
    while (await r.sPublish('shard', 'x') === 0) { /* until it has subscribed */ }
    assert.equal(await one, 'x')
  })

  await check('transaction', async () => {
    assert.deepEqual(await r.multi().set('n', 1).incr('n').exec(), ['OK', 2])
    const w = await client()
    await w.watch('n')
    await r.incr('n')
    await assert.rejects(w.multi().set('n', '100').exec(), /watched keys has been changed/)
  })

  await check('stream', async () => {
    const ids = []
    for (let i = 0; i < 3; i++) ids.push(await r.xAdd('st', '*', { i: String(i) }))
    await r.xGroupCreate('st', 'g', '0')
    const got = await r.xReadGroup('g', 'c', { key: 'st', id: '>' }, { COUNT: 2 })
    assert.deepEqual(got[0].messages.map(m => m.id), ids.slice(0, 2))
    assert.equal(await r.xAck('st', 'g', ids[0]), 1)
    assert.equal((await r.xPending('st', 'g')).pending, 1)
    assert.equal((await r.xAutoClaim('st', 'g', 'd', 0, '0')).messages[0].id, ids[1])
    assert.equal((await r.xInfoStream('st')).length, 3)
  })

  await check('lock', async () => {
    assert.equal(await r.set('lock', 'me', { PX: 60000, NX: true }), 'OK')
    assert.equal(await r.set('lock', 'you', { PX: 60000, NX: true }), null)
    assert.equal(await r.del('lock'), 1)
  })

  await check('queue', async () => {
    await r.lPush('q', ['a', 'b', 'c'])
    assert.equal(await r.lMove('q', 'working', 'RIGHT', 'LEFT'), 'a')
    assert.equal(await r.lRem('working', 1, 'a'), 1)
  })

  await check('blocking', async () => {
    const b = await client()
    const waiting = b.blPop(['bq1', 'bq2'], 10)
    while (!/blocked_clients:1\r/.test(await r.info('clients'))) { /* until it waits */ }
    await r.rPush('bq2', 'x')
    assert.deepEqual({ ...await waiting }, { key: 'bq2', element: 'x' })
    assert.equal(await b.blPop('bq1', 0.05), null)
  })

  await check('script', async () => {
    assert.deepEqual(await r.eval('return {KEYS[1], ARGV[1], redis.call("get", KEYS[1])}', { keys: ['k'], arguments: ['a'] }), ['k', 'a', 'v'])
  })

  await check('reconnect', async () => {
    const c = await client()
    const id = await c.clientId()
    const again = new Promise(resolve => c.once('ready', resolve))
    assert.equal(await r.clientKill({ filter: 'ID', id }), 1)
    await again
    assert.equal(await c.set('after', 'x'), 'OK')
  })

  for (const c of open) c.destroy()
}

main()
