import { render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';
import type { Document, Exchange } from '../../api/backend';
import { config, connections, exchange, row } from '../../api/fakedata';
import HexCell from './HexCell.svelte';
import { connectionsText, faultsText, unverified } from './pools';
import { scene, type Material } from './scene';
import { addressOf, shortAddress } from './targets';

const shop = (): Document => config().document;

const open = (doc: Document): Document => ({
  ...doc,
  sections: { ...doc.sections, forward: { skip_verify: true } },
  upstreams: doc.upstreams.map((u) => (u.name === 'shop' ? { ...u, settings: { ...u.settings, skip_verify: true } } : u)),
});

const material = (doc: Document, x: Exchange | null = null): Material => ({
  document: doc, catalogue: { modules: [], upstream: [], capture: [], forward: [], limits: [], tls: [] } as unknown as Material['catalogue'],
  route: doc.routes.find((r) => r.to === 'shop') ?? null, figures: null, problems: [], edited: () => false, exchange: x, now: () => 0, listener: '',
});

const notVerified = (): Exchange => {
  const x = exchange(row(1));
  const step = { ...x.steps[0], cell: 'upstream/shop', module: 'upstream', verdict: 'picked', facts: [{ name: 'certificate', value: 'not verified' }] };
  return { ...x, steps: [...x.steps.filter((s) => s.cell !== 'upstream/shop'), step as Exchange['steps'][number]] };
};

it('a pool that takes any certificate is known by its settings', () => {
  expect(unverified(shop(), 'shop')).toBe(false);
  expect(unverified(open(shop()), 'shop')).toBe(true);
  expect(unverified(open(shop()), 'web')).toBe(false);
  expect(unverified(open(shop()), '')).toBe(true);
});

it('it bears a mark in the comb, live and over an exchange', () => {
  const pool = (m: Material) => scene(m).path.find((h) => h.kind === 'pool');
  expect(pool(material(shop()))?.unverified).toBe(false);
  expect(pool(material(open(shop())))?.unverified).toBe(true);
  expect(pool(material(shop(), notVerified()))?.unverified).toBe(true);
  const hex = pool(material(open(shop())));
  if (hex === undefined) throw new Error('there is no pool');
  const none = () => undefined;
  render(HexCell, { hex, id: 'a', selected: false, transform: '', place: '1 of 1', trail: false, first: true, onclick: none, onkeydown: none, ondrop: none });
  expect(screen.getByRole('treeitem')).toHaveAccessibleName(/certificates are not verified$/);
  expect(document.querySelector('.unverified svg')).not.toBeNull();
});

it('connections and failures are told in a line', () => {
  expect(connectionsText(connections(1200, 3, 1))).toBe('1,200 open · 3 idle · 1 waiting');
  expect(connectionsText({ ...connections(1, 0), streams: 1 })).toBe('1 open · 1 stream of HTTP/2');
  expect(connectionsText(connections(0, 0))).toBe('no connection open');
  const c = connections(1, 0);
  expect(faultsText(c)).toBe('');
  expect(faultsText({ ...c, faults: { ...c.faults, timeout: 1, connect: 3 } })).toBe('3 not reached, 1 timed out');
});

it('targets are named as figures name them', () => {
  expect(addressOf('unix:/run/app.sock')).toBe('unix:/run/app.sock');
  expect(addressOf('unix:///run/app.sock')).toBe('unix:/run/app.sock');
  expect(addressOf('h2c://app.test:50051')).toBe('app.test:50051');
  expect(addressOf('https://app.test')).toBe('app.test:443');
  expect(addressOf('http://127.0.0.1:3000/a/b/')).toBe('127.0.0.1:3000/a/b');
  expect(shortAddress('127.0.0.1:3000/a/b')).toBe(':3000/a/b');
});
