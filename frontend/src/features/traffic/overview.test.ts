import { render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';
import type { Exchange } from '../../api/backend';
import { exchange, row } from '../../api/fakedata';
import Overview from './Overview.svelte';
import type { Traffic } from './traffic.svelte';

const notVerified = (): Exchange => {
  const x = exchange(row(1));
  const step = { ...x.steps[0], cell: 'upstream/shop', module: 'upstream', verdict: 'picked', facts: [{ name: 'certificate', value: 'not verified' }] };
  return { ...x, steps: [...x.steps.filter((s) => s.cell !== 'upstream/shop'), step as Exchange['steps'][number]] };
};

it('a certificate that was not verified is told', () => {
  const view = render(Overview, { traffic: {} as Traffic, exchange: exchange(row(1)) });
  expect(screen.queryByTitle('Certificates are not verified')).toBeNull();
  view.unmount();
  render(Overview, { traffic: {} as Traffic, exchange: notVerified() });
  expect(screen.getByTitle('Certificates are not verified')).toBeInTheDocument();
});

it('a target that did not answer is not said to have answered', () => {
  const x = exchange(row(1));
  const last = x.steps.at(-1);
  if (!last) throw new Error('there is no step');
  const failed: Exchange = {
    ...x, sentTo: 'example.com:80', problem: { kind: 'unreachable', where: '', message: 'Sending to example.com: no route.', line: 0, column: 0 },
    steps: [...x.steps.slice(0, -1), { ...last, cell: 'upstream/', module: 'upstream', verdict: 'failed' }],
  };
  render(Overview, { traffic: {} as Traffic, exchange: failed });
  const by = screen.getByText('Answered by').nextElementSibling;
  expect(by).toHaveTextContent('Proxycacheexample.com:80 did not');
  expect(document.querySelector('.way .broken')).not.toBeNull();
});

it('a replay comes from here, and from no port', () => {
  const x = exchange(row(1));
  render(Overview, { traffic: {} as Traffic, exchange: { ...x, client: '[::1]:0', row: { ...x.row, replayOf: 1 } } });
  expect(screen.getByText('replayed here')).toBeInTheDocument();
  expect(screen.queryByText('[::1]:0')).toBeNull();
});
