import { expect, it } from 'vitest';
import type { Cell, Document } from '../../api/backend';
import { cellText } from './toml';

const cell = (id: string): Cell => ({ id, use: id, when: '', off: false, settings: {} });
const doc: Document = {
  version: 1, trusted: [], passThrough: [], listen: [], sections: {}, upstreams: [],
  cells: [cell('requestid')],
  routes: [
    { name: 'a', when: '', to: '', off: false, lenient: [], cells: [cell('mock')] },
    { name: 'b', when: '', to: '', off: false, lenient: [], cells: [cell('headers'), cell('mock')] },
  ],
};
const text = `[[cells]]
use = "requestid"

[[routes]]
name = "a"
  [[routes.cells]]
  use = "mock"

[[routes]]
name = "b"

  # what we are called
  [[routes.cells]]
  use = "headers"
    [routes.cells.response]
    set = { Server = "x" }

  # the next
  [[routes.cells]]
  use = "mock"
`;

it.each([
  ['a common cell', { route: '', id: 'requestid' }, '[[cells]]\nuse = "requestid"'],
  ['the cell of the right route', { route: 'a', id: 'mock' }, '[[routes.cells]]\nuse = "mock"'],
  ['its comment and its tables', { route: 'b', id: 'headers' }, '# what we are called\n[[routes.cells]]\nuse = "headers"\n  [routes.cells.response]\n  set = { Server = "x" }'],
  ['the second of a route', { route: 'b', id: 'mock' }, '# the next\n[[routes.cells]]\nuse = "mock"'],
])('finds %s', (_, at, want) => {
  expect(cellText(text, doc, at)).toBe(want);
});

it('shows the whole text when it is written in another way', () => {
  expect(cellText('routes = []', doc, { route: 'a', id: 'mock' })).toBe('routes = []');
});
