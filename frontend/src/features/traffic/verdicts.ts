// How a step of the X-ray is told.
import type { Step } from '../../api/backend';
import { changes } from './deltas';

export type VerdictTone = 'honey' | 'ok' | 'info' | 'mocked' | 'bad' | 'off';

export function verdictTone(step: Step): VerdictTone {
  switch (step.verdict) {
    case 'changed': return 'honey';
    case 'answered': return 'mocked';
    case 'picked': return 'info';
    case 'failed': return 'bad';
    case 'skipped': return 'off';
    default: return 'ok';
  }
}

/** The line beside the verdict: why it was skipped, else what it decided on, else what it changed. */
export function gist(step: Step): string {
  if (step.why !== '') return step.why;
  const changed = changes(step);
  const facts = step.facts.slice(0, 2).map((fact) => `${fact.name} ${fact.value}`);
  const [only, ...others] = [...step.request.fields, ...step.response.fields];
  if (facts.length > 0) return [changed, ...facts].filter((part) => part !== '').join(', ');
  if (!only || others.some((edit) => edit.name !== only.name)) return changed;
  return `${only.op === 'remove' ? '−' : only.op === 'add' ? '+' : '±'} ${only.name}`;
}

/** The step to look at first: one that failed, else the one that changed most. */
export function telling(steps: readonly Step[]): number[] {
  const failed = steps.findIndex((step) => step.verdict === 'failed');
  if (failed >= 0) return [failed];
  const edits = steps.map((step) => step.request.fields.length + step.response.fields.length);
  const most = Math.max(0, ...edits);
  return most === 0 ? [] : [edits.indexOf(most)];
}
