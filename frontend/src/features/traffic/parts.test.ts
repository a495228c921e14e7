import { describe, expect, it } from 'vitest';
import type { Delta, Exchange, Leg, Step } from '../../api/backend';
import { exchange, row } from '../../api/fakedata';
import { columnsFor, template } from './columns';
import { cookies, credentials, query } from './decoded';
import { changes, difference, fieldsBefore, headOnWire, setByCells } from './deltas';
import { before, chipAt, comparison, conditions, ended, joinable, joined, quoted } from '../../form/filter/expression';
import { headerHelp } from './headerhelp';
import { nearest, poolStep, rawSides, rawWords } from './raw';
import { strip } from './rows';
import { Scroller } from './scroller.svelte';
import { stripPaths, stripSpoken } from './strip';
import { suggest, unfinished, withSign } from '../../form/filter/suggest';
import { phases, ran, ticks, totals, totalsText } from './timing';
import { gist, telling } from './verdicts';

describe('conditions of a filter', () => {
  it.each([
    ['status >= 400 and host = a', ['status >= 400', 'host = a']],
    ['path = "/a and b" AND x', ['path = "/a and b"', 'x']],
    ['(a and b) and c', ['(a and b)', 'c']],
    ['a or b and c', ['a or b and c']],
    ['host = "x\\" and y"', ['host = "x\\" and y"']],
    ['', []],
    [' and ', []],
  ])('%j is %j', (text, wanted) => expect(conditions(text)).toEqual(wanted));

  it('keep their meaning when they are joined', () => {
    expect(joined([joinable('a or b')], 'c')).toBe('(a or b) and c');
    expect(joined(['a', 'b'], ' ')).toBe('a and b');
    expect(joinable('path = "a or b"')).toBe('path = "a or b"');
  });

  it('end with an and', () => {
    expect([ended('host = a and '), ended('host = a and'), ended('path = "x and ')]).toEqual(['host = a', '', '']);
  });

  it('are found by their place', () => {
    const chips = ['method = GET', 'host = a'];
    expect(before(chips)).toBe('method = GET and host = a and ');
    expect([0, 12, 17, 24, 29, 30].map((at) => chipAt(chips, at))).toEqual([0, 0, 1, 1, 1, -1]);
  });

  it('are taken apart for a chip', () => {
    expect(comparison('path ^= "/v1 x"')).toEqual({ field: 'path', sign: '^=', value: '/v1 x' });
    expect(comparison('not method in (GET, HEAD)')).toBeNull();
    expect([quoted('shop.localhost'), quoted('a "b"'), quoted('and')]).toEqual(['shop.localhost', '"a \\"b\\""', '"and"']);
  });
});

describe('suggestions', () => {
  const rows = Array.from({ length: 32 }, (_, i) => row(i + 1));

  it('are fields at first, then the values that were seen, the frequent ones first', () => {
    expect(suggest('ho', rows)?.list.map((one) => one.becomes)).toEqual(['host = ']);
    const hosts = suggest('status >= 200 and host = ', rows);
    expect(hosts?.list[0]).toMatchObject({ text: 'shop.localhost', becomes: 'status >= 200 and host = shop.localhost', rows: 26 });
    expect(hosts?.list.map((one) => one.rows)).toEqual([26, 2, 2, 2]);
  });

  it('are narrowed by what is typed, and end when it is whole', () => {
    expect(suggest('host = img', rows)?.list.map((one) => one.text)).toEqual(['img.localhost']);
    expect(suggest('host = img.localhost', rows)).toBeNull();
    expect(suggest('nothing = ', rows)).toBeNull();
  });

  it('count as their sign compares', () => {
    expect(suggest('method != ', rows)?.list.find((one) => one.text === 'GET')?.rows).toBe(rows.filter((one) => one.method !== 'GET').length);
    expect(withSign('host = img', '~')).toBe('host ~ img');
  });

  it.each([['status', true], ['status >', true], ['a and host = ', true], ['checkout', false], ['status > 4', false], ['request.header.accept ', true]])('%j is only begun: %j', (text, yes) =>
    expect(unfinished(text)).toBe(yes),
  );
});

describe('columns', () => {
  it('leave room for the URL, and always say which and how it ended', () => {
    expect(columnsFor(760).map((one) => one.id)).toEqual(['id', 'glyph', 'method', 'url', 'status', 'type', 'size', 'time', 'waterfall', 'cells']);
    expect(columnsFor(600).map((one) => one.id)).toEqual(['id', 'glyph', 'method', 'url', 'status', 'size', 'time', 'cells']);
    expect(columnsFor(240).map((one) => one.id)).toEqual(['glyph', 'method', 'url', 'status']);
    expect(template(columnsFor(240))).toBe('14px 51px minmax(0, 1fr) 36px');
  });
});

describe('the little comb', () => {
  it('is drawn with one path for each look, the end last', () => {
    const cells = strip({ ...row(6), cells: 'asaspaa', status: 200 });
    const paths = stripPaths(cells);
    expect(paths.map((path) => path.look)).toEqual(['acted', 'skipped', 'passed', 'end']);
    expect(paths[0]?.d.match(/M/g)).toHaveLength(3);
    expect(stripSpoken(cells)).toBe('5 cells took part, 2 skipped');
  });
});

describe('where a list stands', () => {
  function scroller(count: number): Scroller {
    const made = new Scroller();
    Object.assign(made, { count, row: 26, viewport: 520 });
    return made;
  }

  it('follows the element while that can be as high as the list', () => {
    const list = scroller(1_000);
    expect(list.heard(2_600)).toBe(true);
    expect([list.offset, list.shift, list.first, list.last]).toEqual([2_600, 0, 94, 126]);
    expect(list.heard(2_600)).toBe(false);
    expect(list.wheel(100)).toBe(false);
  });

  it('reaches every row of a list that is too high for an element', () => {
    const list = scroller(10_000_000);
    list.to(list.track.end);
    expect([list.last, list.atEnd]).toEqual([9_999_999, true]);
    expect(list.track.height).toBeLessThan(10_000_000);
    expect(list.first * 26 + list.shift + 520).toBeLessThanOrEqual(list.track.height);
    expect(list.wheel(-26)).toBe(true);
    expect(list.offset).toBe(list.track.end - 26);
  });

  it('brings a row into sight as soon as it is known how much is seen', () => {
    const list = scroller(1_000);
    list.viewport = 0;
    list.reveal(500);
    expect(list.offset).toBe(0);
    list.viewport = 520;
    list.settle();
    expect(list.offset).toBe(501 * 26 - 520);
  });
});

const none: Delta = { fields: [], lineBefore: '', lineAfter: '', body: false };
const noLeg: Leg = { before: [], fields: [], lineBefore: '', lineAfter: '' };
const step = (over: Partial<Step>): Step => ({
  cell: 'r/x', module: 'x', title: 'X', icon: 'hash', stage: 'shape', verdict: 'changed', why: '', facts: [], before: 1_000, after: 0, request: none, response: none, sent: noLeg, came: noLeg, ...over,
});
/** The step of a pool, with the lines of the heads on the wire. */
const pool = (sent: string, came: string, over: Partial<Step> = {}): Step =>
  step({ cell: 'upstream/shop', module: 'upstream', title: 'shop', verdict: 'picked', sent: { ...noLeg, lineBefore: sent, lineAfter: sent }, came: { ...noLeg, lineBefore: came, lineAfter: came }, ...over });

describe('what a step changed', () => {
  function trail(steps: Step[]): Exchange {
    const made = exchange(row(6));
    return {
      ...made, steps,
      request: { ...made.request, fields: [{ name: 'Host', value: 'a' }, { name: 'Authorization', value: 'secret' }, { name: 'Accept', value: '*/*' }] },
      response: made.response && { ...made.response, fields: [{ name: 'Date', value: 'd' }, { name: 'x-id', value: '1' }, { name: 'Content-Length', value: '6' }] },
    };
  }
  const steps = [
    step({ cell: 'r/id', title: 'Id', request: { ...none, fields: [{ op: 'add', name: 'x-id', was: '', now: '1' }] }, response: { ...none, fields: [{ op: 'add', name: 'x-id', was: '', now: '1' }] } }),
    step({ cell: 'r/headers', title: 'Headers', request: { ...none, fields: [{ op: 'remove', name: 'authorization', was: 'secret', now: '' }, { op: 'set', name: 'x-id', was: '1', now: '2' }] } }),
    step({ cell: 'r/compress', title: 'Compress', response: { ...none, body: true, fields: [{ op: 'remove', name: 'Server', was: 'Express', now: '' }, { op: 'set', name: 'Content-Length', was: '60', now: '6' }] } }),
  ];

  it('is told against the request as it came to the step', () => {
    expect(fieldsBefore(trail(steps), 1, 'request').at(-1)).toEqual({ name: 'x-id', value: '1' });
    expect(difference(trail(steps), 1, 'request')).toEqual([
      { before: 'Host: a', after: 'Host: a', op: 'same' },
      { before: 'Authorization: secret', after: '', op: 'remove' },
      { before: 'Accept: */*', after: 'Accept: */*', op: 'same' },
      { before: 'x-id: 1', after: 'x-id: 2', op: 'set' },
    ]);
  });

  it('is told against the answer as it came back to the step', () => {
    expect(fieldsBefore(trail(steps), 2, 'response')).toEqual([{ name: 'Date', value: 'd' }, { name: 'Content-Length', value: '60' }, { name: 'Server', value: 'Express' }]);
    expect(difference(trail(steps), 0, 'response').at(-1)).toEqual({ before: '', after: 'x-id: 1', op: 'add' });
  });

  it('shows an edit that has no place, and hides what is far from one', () => {
    const odd = trail([step({ request: { ...none, fields: [{ op: 'set', name: 'Gone', was: 'x', now: 'y' }] } })]);
    expect(difference(odd, 0, 'request')).toEqual([
      { before: '2 more fields', after: '2 more fields', op: 'more' },
      { before: 'Accept: */*', after: 'Accept: */*', op: 'same' },
      { before: 'Gone: x', after: 'Gone: y', op: 'set' },
    ]);
    expect(difference(odd, 0, 'response')).toEqual([]);
  });

  const asked = 'GET / HTTP/1.1';
  const reached = pool(asked, 'HTTP/1.1 200 OK', {
    sent: {
      before: [{ name: 'Host', value: 'a' }, { name: 'Accept', value: '*/*' }, { name: 'x-id', value: '2' }],
      lineBefore: 'GET http://a/ HTTP/1.1', lineAfter: asked, fields: [{ op: 'set', name: 'Host', was: 'a', now: 'b' }, { op: 'add', name: 'Via', was: '', now: '1.1 p' }],
    },
    came: {
      before: [{ name: 'Content-Length', value: '60' }, { name: 'Server', value: 'Express' }, { name: 'Keep-Alive', value: 'timeout=5' }],
      lineBefore: 'HTTP/1.1 200 OK', lineAfter: 'HTTP/1.1 200 OK', fields: [{ op: 'remove', name: 'Keep-Alive', was: 'timeout=5', now: '' }, { op: 'add', name: 'Via', was: '', now: '1.1 p' }],
    },
  });

  it('is of a pool what the target was sent', () => {
    expect(difference(trail([...steps, reached]), 3, 'request')).toEqual([
      { before: 'GET http://a/ HTTP/1.1', after: asked, op: 'set' },
      { before: 'Host: a', after: 'Host: b', op: 'set' },
      { before: 'Accept: */*', after: 'Accept: */*', op: 'same' },
      { before: 'x-id: 2', after: 'x-id: 2', op: 'same' },
      { before: '', after: 'Via: 1.1 p', op: 'add' },
    ]);
    expect(headOnWire(trail([...steps, reached]), 3, 'request')).toEqual({
      line: asked, fields: [{ name: 'Host', value: 'b' }, { name: 'Accept', value: '*/*' }, { name: 'x-id', value: '2' }, { name: 'Via', value: '1.1 p' }],
    });
  });

  it('is of a pool what became of the answer as it came', () => {
    expect(headOnWire(trail([...steps, reached]), 3, 'response')).toEqual({ line: 'HTTP/1.1 200 OK', fields: reached.came.before });
    expect(difference(trail([...steps, reached]), 3, 'response')).toEqual([
      { before: '1 more field', after: '1 more field', op: 'more' },
      { before: 'Server: Express', after: 'Server: Express', op: 'same' },
      { before: 'Keep-Alive: timeout=5', after: '', op: 'remove' },
      { before: '', after: 'Via: 1.1 p', op: 'add' },
    ]);
  });

  it('is nothing where nothing was on the wire, and of a cell never that', () => {
    const silent = trail([step({ module: 'upstream' }), pool(asked, asked), { ...reached, module: 'x' }]);
    for (const at of [0, 1, 2]) expect([difference(silent, at, 'request'), difference(silent, at, 'response')]).toEqual([[], []]);
  });

  it('is not told by what was passed in vain: a retry begins anew', () => {
    const added = { ...none, fields: [{ op: 'add', name: 'x-try', was: '', now: '1' }] };
    const dropped = { ...none, fields: [{ op: 'remove', name: 'Age', was: '9', now: '' }] };
    const passes = [
      step({ cell: 'r/b', request: added, response: dropped }),
      step({ cell: 'r/c', request: { ...none, fields: [{ op: 'remove', name: 'Accept', was: '*/*', now: '' }] } }),
      // A pool changes nothing of what the cells see.
      { ...reached, request: added, response: dropped },
    ];
    const retried = trail([step({ cell: 'r/retry' }), ...passes, ...passes]);
    const names = (at: number, side: 'request' | 'response') => fieldsBefore(retried, at, side).map((field) => field.name);
    const first = ['Host', 'Authorization', 'Accept'];
    expect([1, 4, 5, 6].map((at) => names(at, 'request'))).toEqual([first, first, [...first, 'x-try'], ['Host', 'Authorization', 'x-try']]);
    const last = ['Date', 'x-id', 'Content-Length'];
    expect([0, 4, 5].map((at) => names(at, 'response'))).toEqual([last, [...last, 'Age'], [...last, 'Age']]);
    // Another pool after the first: its cell is not passed again, and yet it is out of the way.
    const other = trail([step({ cell: 'r/retry' }), { ...reached, request: added, response: dropped }, { ...reached, cell: 'upstream/other' }]);
    expect(fieldsBefore(other, 2, 'request').length).toBe(3);
  });

  it('is found whatever blanks a cell set around a value', () => {
    const blank = trail([step({ response: { ...none, fields: [{ op: 'add', name: 'x-id', was: '', now: ' 1 ' }] } })]);
    expect(fieldsBefore(blank, 0, 'response').map((field) => field.name)).toEqual(['Date', 'Content-Length']);
  });

  it('is of a pool no change of a cell', () => {
    expect([changes(reached), gist(reached), telling([reached]), setByCells(trail([reached])).size]).toEqual(['', '', [], 0]);
    expect(telling([...steps, reached, reached])).toEqual([0]);
    // One edit alone would be named.
    const one = { ...noLeg, fields: [{ op: 'add', name: 'Via', was: '', now: '1.1 p' }] };
    expect([gist(step({ module: 'upstream', sent: one })), gist(step({ module: 'upstream', came: one }))]).toEqual(['', '']);
  });

  it('marks the fields of the answer that a cell put there', () => {
    const by = setByCells(trail(steps));
    expect([by.get('x-id')?.title, by.get('content-length')?.title, by.get('date'), by.get('server')]).toEqual(['Id', 'Compress', undefined, undefined]);
  });

  it('is said in a few words', () => {
    expect(changes(steps[1] as Step)).toBe('request −1 ±1');
    expect(changes(steps[2] as Step)).toBe('response −1 ±1 body');
    expect(gist(steps[0] as Step)).toBe('+ x-id');
    expect(gist(step({ verdict: 'skipped', why: 'when: never' }))).toBe('when: never');
    expect(gist(step({ verdict: 'passed', facts: [{ name: 'left', value: '87 of 100' }] }))).toBe('left 87 of 100');
  });

  it('is opened at the step that tells most', () => {
    expect(telling(steps)).toEqual([0]);
    expect(telling([...steps, step({ verdict: 'failed' })])).toEqual([3]);
    expect(telling([step({})])).toEqual([]);
  });

  it('lies in time between those around it', () => {
    const times = ran([step({ before: 100, after: 100 }), step({ verdict: 'skipped', before: 0, after: 0 }), step({ module: 'upstream', before: 800 })]);
    expect(times).toEqual([[{ left: 0, width: 10 }, { left: 90, width: 10 }], [], [{ left: 10, width: 80 }]]);
    const sum = totals({ ...trail([]), steps: [step({}), step({ verdict: 'passed' }), step({ verdict: 'skipped', before: 0 }), step({ module: 'upstream', verdict: 'picked', before: 5_000 })] });
    expect(sum).toEqual({ acted: 2, passed: 1, skipped: 1, inCells: 2_000, atTarget: 5_000 });
    expect(totalsText(sum)).toBe('2 acted, 1 passed, 1 skipped');
  });
});

describe('raw bytes', () => {
  const [get, ok] = ['GET / HTTP/1.1', 'HTTP/1.1 200 OK'];
  const of = (...steps: Step[]): Exchange => ({ ...exchange(row(6)), steps });
  const offered = (x: Exchange) => rawSides(x).map((side) => side.label);

  it('are offered in the order of the way, where they were on the wire', () => {
    expect(offered(of(step({}), pool(get, ok)))).toEqual(['Request', 'To target', 'From target', 'Response']);
    expect(offered({ ...of(pool(get, '')), response: null })).toEqual(['Request', 'To target']);
    expect(offered(of(pool('', ''), step({ sent: pool(get, ok).sent, came: pool(get, ok).came })))).toEqual(['Request', 'Response']);
    expect(offered({ ...of(), response: null })).toEqual(['Request']);
  });

  it('are of the last pool that did not run beside another', () => {
    const beside = [{ name: 'beside', value: 'slower' }];
    const x = of(pool('', ''), pool(get, ok), step({ facts: beside }), pool('', '', { facts: beside }));
    expect([poolStep(x), offered(x).length, poolStep(of(step({})))]).toEqual([1, 4, -1]);
    expect(offered(of(pool(get, ok), pool('', '')))).toEqual(['Request', 'Response']);
  });

  it('fall back to the client’s end of the way', () => {
    const [none, whole] = [rawSides(of()), rawSides(of(pool(get, ok)))];
    expect([nearest('came', whole), nearest('sent', none), nearest('came', none), nearest('response', rawSides({ ...of(), response: null }))]).toEqual(['came', 'request', 'response', 'request']);
  });

  it('say how they are written', () => {
    const x = of(pool(get, ok));
    const h2: Exchange = { ...of(pool('GET / HTTP/2.0', 'HTTP/2.0 200 OK')), request: { ...x.request, proto: 'HTTP/2.0' } };
    expect([rawWords('request', x), rawWords('sent', x), rawWords('came', x), rawWords('response', x)]).toEqual([
      ', as on the wire', ' head, as on the wire', ' head, as on the wire', ', as on the wire',
    ]);
    expect([rawWords('request', h2), rawWords('sent', h2), rawWords('came', h2), rawWords('response', h2)]).toEqual([
      ', as HTTP/1 would write it', ' head, as HTTP/1 would write it', ' head, as HTTP/1 would write it', ', as on the wire',
    ]);
  });
});

describe('phases', () => {
  const nothing = { dnsStart: -1, dnsDone: -1, connectStart: -1, connectDone: -1, tlsStart: -1, tlsDone: -1, sendStart: -1, sent: -1, firstByte: -1, done: -1 };

  it('are those that happened', () => {
    const of = phases({ ...nothing, connectStart: 180, connectDone: 420, sendStart: 430, sent: 520, firstByte: 900, done: 1_000 }, 1_000);
    expect(of.map((one) => [one.name, one.from, one.to])).toEqual([['Before', 0, 180], ['Connect', 180, 420], ['Send', 430, 520], ['Wait', 520, 900], ['Receive', 900, 1_000]]);
  });

  it('run on while it is pending', () => {
    expect(phases({ ...nothing, sendStart: 10, sent: 20 }, 5_000).at(-1)).toMatchObject({ name: 'Wait', from: 20, to: 5_000 });
  });

  it('are one when nothing was sent on', () => {
    expect(phases({ ...nothing, done: 200 }, 200).map((one) => one.name)).toEqual(['Answered here']);
  });
});

describe('values of headers', () => {
  it('are taken apart', () => {
    expect(query('/a?x=1&y=a+b%20c#z')).toEqual([{ name: 'x', value: '1', note: '' }, { name: 'y', value: 'a b c', note: '' }]);
    expect(cookies([{ name: 'cookie', value: 'a=1; b=x=y' }])).toEqual([{ name: 'a', value: '1', note: '' }, { name: 'b', value: 'x=y', note: '' }]);
    expect(cookies([{ name: 'Set-Cookie', value: 'a=1; Path=/; HttpOnly' }])).toEqual([{ name: 'a', value: '1', note: 'Path=/, HttpOnly' }]);
  });

  it('tell who asks, and how long for', () => {
    const claims = btoa(JSON.stringify({ sub: 'usr', exp: 2_460 })).replaceAll('=', '');
    const token = credentials([{ name: 'Authorization', value: `Bearer ${btoa('{"alg":"ES256"}')}.${claims}.sig` }], 0);
    expect(token?.rows.map((one) => [one.name, one.value, one.note])).toEqual([['alg', 'ES256', ''], ['sub', 'usr', ''], ['exp', '2460', 'in 41 min']]);
    const basic = credentials([{ name: 'authorization', value: `Basic ${btoa('ada:secret')}` }], 0);
    expect(basic?.rows[0]?.value).toBe('ada');
    expect(JSON.stringify(basic)).not.toContain('secret');
    expect(credentials([{ name: 'authorization', value: 'Bearer opaque' }], 0)).toBeNull();
  });

  it.each([
    ['public, max-age=60, stale-while-revalidate=30', 'Any cache may keep this for 60 s, then serve it stale for 30 s more while it fetches a fresh copy.'],
    ['private, max-age=7200', 'Only the client itself may keep this for 2 h.'],
    ['no-store', 'Nobody may keep this.'],
    ['no-cache', 'Any cache may keep this, but must ask whether it is still right before each use.'],
    ['max-age=31536000, immutable', 'Any cache may keep this for 365 d. It does not change.'],
    ['no-transform', 'Who may keep this, and for how long.'],
  ])('Cache-Control: %s', (value, words) => expect(headerHelp('Cache-Control', value)?.text).toBe(words));
});

it.each([
  [310, '0, 100 µs, 200 µs, 300 µs'],
  [4_100, '0, 2 ms, 4 ms'],
  [900_000, '0, 500 ms'],
  [1_650, '0, 0.5 ms, 1.0 ms, 1.5 ms'],
  [3_020_000, '0, 1 s, 2 s, 3 s'],
  [2, '0, 0.5 µs, 1.0 µs, 1.5 µs, 2.0 µs'],
  [0, '0'],
])('the scale of %d µs has round figures', (total, want) => {
  const marks = ticks(total);
  expect(marks.map((mark) => mark.text).join(', ')).toBe(want);
  expect(new Set(marks.map((mark) => mark.text)).size).toBe(marks.length);
  expect(Math.max(...marks.map((mark) => mark.left))).toBeLessThanOrEqual(100);
});
