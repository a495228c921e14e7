import { describe, expect, it } from 'vitest';
import { exchangeIn, rank, score, type Command } from './commands';

const command = (title: string, group = 'Window'): Command => ({ id: title, title, group, icon: '', keys: '', run: () => undefined });

describe('what is typed into the palette', () => {
  it.each([
    ['the beginning of the title', 'Replay the exchange', 'rep', 4],
    ['the beginning of a word', 'Replay the exchange', 'ex', 3],
    ['the middle of a word', 'Replay the exchange', 'change', 2],
    ['the first letters of words', 'Start the demo tour', 'stdt', 1],
    ['several words, in any order', 'Go to route shop-api', 'shop go', 7],
    ['a word that is not there', 'Go to Start', 'replay', 0],
    ['one word that is there and one that is not', 'Go to Start', 'go replay', 0],
  ])('scores %s', (_, title, query, want) => {
    expect(score(title, query)).toBe(want);
  });

  it('puts the best first and keeps the order of equals', () => {
    const all = [command('Export the certificate'), command('Copy the certificate’s fingerprint'), command('Certificate', 'Settings'), command('Go to Start')];
    expect(rank(all, 'cert').map((one) => one.title)).toEqual(['Certificate', 'Export the certificate', 'Copy the certificate’s fingerprint']);
  });

  it('finds by the group as well', () => {
    expect(rank([command('Add a route', 'Comb'), command('Go to Start')], 'comb').map((one) => one.title)).toEqual(['Add a route']);
  });

  it('offers everything while nothing is typed', () => {
    const all = Array.from({ length: 60 }, (_, i) => command(`Command ${i}`));
    expect(rank(all, '  ')).toHaveLength(50);
  });

  it.each([
    ['#1204', 1204],
    ['1,204,278', 1204278],
    [' # 7 ', 7],
    ['12 monkeys', 0],
    ['', 0],
    ['#99999999999999999999', 0],
  ])('reads the exchange in %j', (query, want) => {
    expect(exchangeIn(query)).toBe(want);
  });
});
