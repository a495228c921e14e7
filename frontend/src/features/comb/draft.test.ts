import { describe, expect, it } from 'vitest';
import type { Cell, Document } from '../../api/backend';
import { addRoute, changeCell, changeRoute, changes, findCell, free, insertCell, moveCell, moveRoute, removeCell, removeRoute } from './draft';

const cell = (id: string, settings = {}): Cell => ({ id, use: id, when: '', off: false, settings });
const doc: Document = {
  version: 1, trusted: [], passThrough: [], listen: [], sections: {},
  upstreams: [{ name: 'shop', settings: { targets: [] } }],
  cells: [cell('requestid')],
  routes: [
    { name: 'api', when: '', to: 'shop', off: false, lenient: [], cells: [cell('headers', { a: 1 }), cell('mock')] },
    { name: 'web', when: '', to: 'shop', off: false, lenient: [], cells: [] },
  ],
};

describe('edits leave the document they came from alone', () => {
  const before = JSON.stringify(doc);
  const ref = { route: 'api', id: 'mock' };
  it.each([
    ['a cell that is switched off', changeCell(doc, ref, { off: true }), ['api/mock.off']],
    ['two settings', changeCell(doc, { route: 'api', id: 'headers' }, { settings: { a: 2, b: 1 } }), ['api/headers.a', 'api/headers.b']],
    ['a new cell', insertCell(doc, 'api', 0, 'fault')[0], ['fault']],
    ['a removed common cell', removeCell(doc, { route: '', id: 'requestid' }), ['requestid']],
    ['a moved cell', moveCell(doc, ref, -1), ['api/order']],
    ['a moved route', moveRoute(doc, 'web', -1), ['routes']],
    ['a condition', changeRoute(doc, 'web', { when: 'host = "a"' }), ['routes.web.when']],
    ['leniency', changeRoute(doc, 'web', { lenient: ['obs_fold'] }), ['routes.web.lenient']],
    ['the same leniency', changeRoute(doc, 'web', { lenient: [] }), []],
    ['a removed route', removeRoute(doc, 'web'), ['web']],
    ['a new route', addRoute(doc)[0], ['new-route']],
    ['a listener', { ...doc, listen: [{ address: ':1', accept: [], proxyProtocol: false, username: '', password: '' }] }, ['general']],
    ['nothing', moveCell(doc, { route: 'api', id: 'headers' }, -1), []],
  ])('%s is told', (_, next, want) => {
    expect(changes(doc, next)).toEqual(want);
    expect(JSON.stringify(doc)).toBe(before);
  });
});

it('a second cell of a module has an id of its own', () => {
  const [next, ref] = insertCell(doc, 'api', 1, 'headers');
  expect(ref).toEqual({ route: 'api', id: 'headers-2' });
  expect(findCell(next, ref)?.use).toBe('headers');
  expect(next.routes[0]?.cells.map((c) => c.id)).toEqual(['headers', 'headers-2', 'mock']);
});

it('free counts on', () => {
  expect(free('a', ['a', 'a-2'])).toBe('a-3');
});

it('a new route has a name that is not reserved, and a host of its own', () => {
  const [once, name] = addRoute(doc);
  const [twice, another] = addRoute(once);
  expect([name, another]).toEqual(['new-route', 'new-route-2']);
  expect(twice.routes[0]?.when).toBe('host = "new-route-2.localhost"');
});
