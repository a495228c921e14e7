import { Failure, type Backend, type CellAct, type CellArgument, type SchemaField } from '../../api/backend';
import { wordsOf } from '../../api/calls';
import type { Toasts } from '../../ui/toasts.svelte';
import { RecordedFilter } from './recorded.svelte';

/** The field of the form that asks for an argument. */
export function fieldOf(one: CellArgument): SchemaField {
  return {
    name: one.name, title: one.title, help: one.help, kind: 'text', default: '', min: '', max: '', oneOf: [], unit: '', placeholder: one.placeholder ?? '',
    required: one.required ?? false, fields: [],
  };
}

/** What a person does with a running cell: at once, or after the arguments were written into a dialog. */
export class Acting {
  /** Whose arguments are asked for; null while no dialog is open. */
  asked: { cell: string; action: CellAct } | null = $state.raw(null);
  values: Record<string, string> = $state.raw({});
  /** The arguments that are filters over recorded traffic. */
  filters: Record<string, RecordedFilter> = $state.raw({});
  /** What is wrong in words, by the argument; "" is the whole. */
  problems: Record<string, string> = $state.raw({});
  /** The action under way: "shop-api/cache clear"; "" for none. */
  busy = $state('');
  /** What went wrong with an action that has no dialog. */
  failed: { cell: string; message: string } | null = $state.raw(null);

  readonly #backend: Pick<Backend, 'actOnCell' | 'checkFilter' | 'exchanges'>;
  readonly #toasts: Toasts;
  readonly #done: () => void;

  /** `done` is called after each action. */
  constructor(backend: Pick<Backend, 'actOnCell' | 'checkFilter' | 'exchanges'>, toasts: Toasts, done: () => void) {
    this.#backend = backend;
    this.#toasts = toasts;
    this.#done = done;
  }

  /** Does it, or asks for its arguments first. */
  async begin(cell: string, action: CellAct): Promise<void> {
    this.failed = null;
    const wanted = action.arguments ?? [];
    if (wanted.length === 0) return this.#run(cell, action, {});
    this.close();
    this.values = {};
    this.problems = {};
    this.filters = Object.fromEntries(wanted.filter((one) => one.recorded).map((one) => [one.name, new RecordedFilter(this.#backend)]));
    this.asked = { cell, action };
  }

  /** Takes what was written; what was wrong with an argument is forgotten when that is changed. */
  write(values: Record<string, unknown>): void {
    const before = this.values;
    this.values = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
    const same = (name: string) => (this.values[name] ?? '') === (before[name] ?? '');
    this.problems = Object.fromEntries(Object.entries(this.problems).filter(([name]) => name !== '' && same(name)));
  }

  /** Does what the dialog asked for. */
  async run(): Promise<void> {
    const { asked } = this;
    if (asked === null || this.busy !== '') return;
    const given = { ...this.values };
    for (const [name, { text }] of Object.entries(this.filters)) {
      await text.apply();
      if (text.problem !== null || this.asked !== asked) return; // it stands at its field
      if (text.inForce !== '') given[name] = text.inForce;
    }
    const lacks = (asked.action.arguments ?? []).filter((one) => one.required && (given[one.name] ?? '').trim() === '');
    this.problems = Object.fromEntries(lacks.map((one) => [one.name, 'This is needed.']));
    if (lacks.length === 0) await this.#run(asked.cell, asked.action, given);
  }

  close(): void {
    for (const filter of Object.values(this.filters)) filter.close();
    this.asked = null;
  }

  async #run(cell: string, action: CellAct, given: Record<string, string>): Promise<void> {
    if (this.busy !== '') return;
    this.busy = `${cell} ${action.name}`;
    const form = this.asked;
    try {
      const sentence = await this.#backend.actOnCell({ cell, action: action.name, arguments: given });
      if (form !== null && this.asked === form) this.close();
      this.#toasts.show(sentence || `${action.title}: done.`, { tone: 'ok' });
    } catch (error) {
      this.#refused(cell, action, error, form !== null && this.asked === form);
    } finally {
      this.busy = '';
      this.#done();
    }
  }

  #refused(cell: string, action: CellAct, error: unknown, inDialog: boolean): void {
    const message = wordsOf(error);
    const where = error instanceof Failure ? error.problem.where : '';
    const argument = action.arguments?.find((one) => where === one.name || where.endsWith(`.${one.name}`));
    if (inDialog) this.problems = { [argument?.name ?? '']: message };
    else this.failed = { cell, message };
  }
}
