import { expect, it } from 'vitest';
import { difference } from './lines';

const show = (was: string, now: string, around = 1) => difference(was, now, around).map((l) => l.op + l.text).join('|');

it.each([
  ['a changed line', 'a\nb\nc', 'a\nx\nc', ' a|-b|+x| c'],
  ['an added line', 'a\nb', 'a\nn\nb', ' a|+n| b'],
  ['a removed line', 'a\nn\nb', 'a\nb', ' a|-n| b'],
  ['what is far from a change left out', '1\n2\n3\n4\n5\n6', '1\n2\n3\n4\n5\nx', ' 5|-6|+x'],
  ['no difference', 'a\nb', 'a\nb', ''],
])('%s', (_, was, now, want) => {
  expect(show(was, now)).toBe(want);
});
