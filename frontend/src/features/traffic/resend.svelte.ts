import type { Backend, Exchange, HeaderField, ReplayRequest } from '../../api/backend';
import { Detail } from './detail.svelte';
import { said } from './pages.svelte';

const EDITABLE = 1 << 20; // bytes of a body that is put into the editor; a larger one is sent as recorded

// What the sender sets anew for the edited message, and what may not be chosen (RFC 9110 §7.6.1).
const remade = ['content-length', 'transfer-encoding', 'connection', 'proxy-connection', 'keep-alive', 'te', 'trailer', 'upgrade'];

/** A request under edit, made from a recorded one. */
export class Resend {
  readonly of: Exchange;
  method = $state('');
  url = $state('');
  fields = $state<HeaderField[]>([]);
  body = $state('');
  /** The recorded body goes out: it was not touched, is not text, or is too large to edit. */
  keepBody = $state(true);
  /** Why the body cannot be edited; "" when it can. */
  bodyNote = $state('');
  sending = $state(false);
  problem = $state('');
  /** The exchange that the last sending became; 0 before. */
  sent = $state(0);
  /** What the last sending became, as it comes in. */
  readonly answer: Detail;

  readonly #recorded: string;
  readonly #backend: Backend;

  constructor(backend: Backend, of: Exchange) {
    this.#backend = backend;
    this.of = of;
    this.answer = new Detail(backend);
    this.method = of.row.method;
    this.url = of.url;
    this.fields = of.request.fields.filter((field) => !remade.includes(field.name.toLowerCase())).map((field) => ({ ...field }));
    this.bodyNote = whyNotEditable(of);
    this.#recorded = JSON.stringify(this.request);
  }

  /** It is no longer as it was recorded. */
  get touched(): boolean {
    return JSON.stringify(this.request) !== this.#recorded;
  }

  /** Reads the recorded body into the editor, as sent. */
  async readBody(fetcher: typeof fetch = fetch): Promise<void> {
    if (this.bodyNote !== '' || this.of.request.body.kept === 0) return;
    try {
      const answer = await fetcher(this.#backend.bodyURL(this.of.row.seq, 'request', false));
      if (!answer.ok) throw new Error(`the answer was ${answer.status}`);
      this.body = new TextDecoder('utf-8', { fatal: true }).decode(await answer.arrayBuffer());
    } catch {
      this.bodyNote = 'The body is not UTF-8 text. It goes out as recorded.';
    }
  }

  editBody(text: string): void {
    this.body = text;
    this.keepBody = false;
  }

  addField(): void {
    this.fields.push({ name: '', value: '' });
  }

  removeField(index: number): void {
    this.fields.splice(index, 1);
  }

  get request(): ReplayRequest {
    return {
      seq: this.of.row.seq,
      edited: true,
      method: this.method.trim(),
      url: this.url.trim(),
      fields: this.fields.filter((field) => field.name.trim() !== '').map((field) => ({ name: field.name.trim(), value: field.value })),
      body: this.keepBody ? '' : base64(this.body),
      keepBody: this.keepBody,
    };
  }

  /** Sends it; the result is the new exchange's seq, 0 when it was refused. */
  async send(): Promise<number> {
    this.sending = true;
    this.problem = '';
    try {
      this.sent = await this.#backend.replay(this.request);
      this.answer.open(this.sent);
      return this.sent;
    } catch (error) {
      this.problem = said(error);
      return 0;
    } finally {
      this.sending = false;
    }
  }
}

function whyNotEditable({ request: { body } }: Exchange): string {
  if (body.truncated) return 'Only a part of the body was kept. Write another, or send what there is.';
  if (body.kept > EDITABLE) return 'The body is larger than 1 MB. It goes out as recorded.';
  if (body.encoding !== '') return `The body is coded as ${body.encoding}. It goes out as recorded.`;
  return '';
}

/** Base64 of the text's UTF-8. */
export function base64(text: string): string {
  let binary = '';
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
