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
