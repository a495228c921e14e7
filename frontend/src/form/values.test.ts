import { describe, expect, it } from 'vitest';
import type { FieldKind, SchemaField } from '../api/backend';
import { asBool, asPairs, below, fromPairs, fromText, range } from './values';

const field = (kind: FieldKind, over: Partial<SchemaField> = {}): SchemaField => ({
  name: 'x', title: 'X', help: '', kind, default: '', min: '', max: '', oneOf: [], unit: '', placeholder: '', required: false, fields: [], ...over,
});

describe('a field and its value', () => {
  it.each([
    ['a figure', 'int', '12', 12],
    ['a figure that is none goes on as it is, for the backend to say so', 'int', '12x', '12x'],
    ['a duration stays a text', 'duration', '1m30s', '1m30s'],
    ['nothing takes the setting out', 'text', '  ', undefined],
    ['blanks are text in code', 'code', '  ', '  '],
    ['and no code is none', 'code', '', undefined],
  ] as const)('%s', (_, kind, text, want) => {
    expect(fromText(field(kind), text)).toBe(want);
  });

  it('a switch that is not set has its default', () => {
    expect([asBool(field('bool', { default: 'true' }), undefined), asBool(field('bool', { default: 'true' }), false)]).toEqual([true, false]);
  });

  it.each([
    [{ min: '1', max: '100' }, '1 to 100'],
    [{ min: '1' }, 'at least 1'],
    [{ max: '1m' }, 'at most 1m'],
    [{ min: '0', max: '1GiB' }, 'at most 1GiB'],
    [{ min: '0s' }, ''],
    [{ min: '0.5' }, 'at least 0.5'],
    [{}, ''],
  ])('the range %o is told as %j', (over, want) => {
    expect(range(field('int', over))).toBe(want);
  });
});

describe('pairs', () => {
  it('stay a table while a table can hold them, and become a list when a name comes twice', () => {
    const was = { A: '1' };
    expect(fromPairs([{ name: 'A', value: '1' }, { name: 'B', value: '2' }], was)).toEqual({ A: '1', B: '2' });
    const twice = [{ name: 'A', value: '1' }, { name: 'A', value: '2' }];
    expect(fromPairs(twice, was)).toEqual(twice);
    expect(asPairs(twice)).toEqual(twice);
    expect(fromPairs([], was)).toBeUndefined();
  });
});

it('problems below a name are found by what is left of their place', () => {
  expect(below({ rules: 'too many', 'rules.1.path': 'no path', rulesets: 'other' }, 'rules')).toEqual({ '': 'too many', '1.path': 'no path' });
});
