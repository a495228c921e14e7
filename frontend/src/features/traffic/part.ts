// Bodies come in parts (RFC 9110 §14): nothing here ever asks for a whole one.

export interface Part {
  bytes: Uint8Array;
  /** Bytes of the whole; -1 while only its end will tell. */
  total: number;
}

/** Fetches `length` bytes from an offset; fewer at the end. Rejects with words for people. */
export async function part(url: string, from: number, length: number, signal?: AbortSignal): Promise<Part> {
  const answer = await fetch(url, { headers: { Range: `bytes=${from}-${from + length - 1}` }, ...(signal && { signal }) });
  const total = totalIn(answer.headers.get('Content-Range'));
  if (answer.status === 416) return { bytes: new Uint8Array(), total: total >= 0 ? total : from };
  if (answer.status === 206) return { bytes: new Uint8Array(await answer.arrayBuffer()), total };
  if (!answer.ok) throw new Error((await answer.text()).trim().slice(0, 300) || `Reading the bytes: the answer was ${answer.status}.`);
  return whole(answer, from, length);
}

/** An answer without ranges is read only as far as it is needed. */
async function whole(answer: Response, from: number, length: number): Promise<Part> {
  const reader = answer.body?.getReader();
  if (!reader) return { bytes: new Uint8Array(), total: 0 };
  const kept: Uint8Array[] = [];
  let read = 0;
  let done = false;
  while (read < from + length) {
    const next = await reader.read();
    if (next.done) {
      done = true;
      break;
    }
    kept.push(next.value);
    read += next.value.length;
  }
  if (!done) void reader.cancel();
  return { bytes: glued(kept).slice(from, from + length), total: done ? read : -1 };
}

export function glued(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const one of parts) {
    all.set(one, at);
    at += one.length;
  }
  return all;
}

function totalIn(range: string | null): number {
  const found = /\/(\d+)$/.exec(range ?? '');
  return found ? Number(found[1]) : -1;
}
