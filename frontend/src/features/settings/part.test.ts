import { describe, expect, it } from 'vitest';
import type { Listen } from '../../api/backend';
import { config } from '../../api/fakedata';
import { changes, partOf, withPart } from './part';
import { placesOf, usual } from './trust';

const document = config().document;
const part = partOf(document);
const listener: Listen = { address: '127.0.0.1:8080', accept: ['reverse', 'forward', 'connect', 'socks5'], proxyProtocol: false, username: '', password: '' };

describe('the part of the document that is edited here', () => {
  it.each([
    ['nothing', {}, []],
    ['an address', { listen: [{ ...listener, address: '127.0.0.1:9000' }] }, ['listen.1']],
    ['a password', { listen: [{ ...listener, password: 'word' }] }, ['listen.1']],
    ['a new address', { listen: [...part.listen, { ...listener, address: ':9000' }] }, ['listen.2']],
    ['a removed address', { listen: [] }, ['listen.1']],
    ['networks', { trusted: [] }, ['trusted']],
    ['hosts', { passThrough: ['a', 'b'] }, ['passThrough']],
    ['a certificate', { tls: { certificates: [{ cert: 'a.pem', key: 'a.key' }] } }, ['tls.certificates']],
    ['a limit', { limits: { connections: 10 } }, ['limits.connections']],
    ['two settings of a section', { capture: { max_age: '1h' } }, ['capture.body_cap', 'capture.max_age']],
  ])('tells %s', (_, over, want) => {
    expect(changes(part, { ...part, ...over })).toEqual(want);
  });

  it('goes back into the document, and nothing else of it changes', () => {
    const next = withPart(document, { ...part, trusted: ['10.0.0.0/8'], forward: { timeout: '5s' } });
    expect(next).toEqual({ ...document, trusted: ['10.0.0.0/8'], sections: { capture: { body_cap: '16MiB' }, forward: { timeout: '5s' } } });
  });

  it('leaves a section out that has nothing in it', () => {
    expect(withPart(document, { ...part, capture: {} }).sections).toEqual({});
  });

  it('does not change the document it came from', () => {
    const before = JSON.stringify(document);
    withPart(document, { ...part, capture: {}, listen: [] });
    expect(JSON.stringify(document)).toBe(before);
  });
});

describe('how the certificate is trusted', () => {
  it.each([
    ['Linux x86_64', 'linux', 'update-ca-certificates'],
    ['MacIntel', 'mac', 'add-trusted-cert'],
    ['Win32', 'windows', 'certutil'],
  ])('is told for %s', (platform, place, word) => {
    expect(usual(platform)).toBe(place);
    const [trust, forget] = placesOf(place, '/home/a b/ca.pem').steps;
    expect(trust?.line).toContain(word);
    expect(trust?.line).toContain('"/home/a b/ca.pem"');
    expect((forget?.line ?? '') + (forget?.say ?? '')).not.toBe('');
  });
});
