import { fireEvent, render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';
import Leniency from './Leniency.svelte';
import { TOLERANCES, withTolerance } from './leniency';

it('a tolerance goes in and out in the order of the choices', () => {
  expect(withTolerance([], 'obs_fold', true)).toEqual(['obs_fold']);
  expect(withTolerance(['status_line', 'obs_fold'], 'line_feed', true)).toEqual(['line_feed', 'obs_fold', 'status_line']);
  expect(withTolerance(['line_feed', 'obs_fold'], 'line_feed', false)).toEqual(['obs_fold']);
  expect(withTolerance(['obs_fold'], 'obs_fold', true)).toEqual(['obs_fold']);
});

it('what is no choice is kept, so that its mistake is told', () => {
  expect(withTolerance(['obs_flod'], 'line_feed', true)).toEqual(['line_feed', 'obs_flod']);
});

it('the form shows what is let pass and tells what is chosen', async () => {
  let told: string[] | undefined;
  const { rerender } = render(Leniency, { value: ['obs_fold'], onchange: (lenient: string[]) => (told = lenient) });
  expect(screen.getByText('1 fault')).toBeInTheDocument();
  await fireEvent.click(screen.getByText(/^Leniency/));
  expect(screen.getAllByRole('checkbox')).toHaveLength(TOLERANCES.length);
  const folded = screen.getByLabelText('Folded fields');
  expect(folded).toBeChecked();
  expect(folded).toHaveAccessibleDescription(/next line/);
  await fireEvent.click(screen.getByLabelText('Line feeds alone'));
  expect(told).toEqual(['line_feed', 'obs_fold']);
  await rerender({ value: ['obs_flod'], problem: 'there is no leniency "obs_flod"' });
  expect(screen.getByRole('alert')).toHaveTextContent('obs_flod');
});
