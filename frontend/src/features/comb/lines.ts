// A line of a difference: in both, only before, or only now.
export interface DiffLine {
  op: ' ' | '-' | '+';
  text: string;
}

/** The shortest difference of two texts, line by line, with `around` unchanged lines kept near a change. */
export function difference(was: string, now: string, around = 3): DiffLine[] {
  return near(whole(was.split('\n'), now.split('\n')), around);
}

/** Longest common subsequence by a table: configurations are small, and this is read with one eye. */
function whole(a: string[], b: string[]): DiffLine[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let endA = a.length;
  let endB = b.length;
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    endA--;
    endB--;
  }
  const rows = endA - start;
  const columns = endB - start;
  const width = columns + 1;
  const table = new Uint32Array((rows + 1) * width);
  const longest = (i: number, j: number) => table[i * width + j] ?? 0; // common to the rest of both
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      table[i * width + j] = a[start + i] === b[start + j] ? longest(i + 1, j + 1) + 1 : Math.max(longest(i + 1, j), longest(i, j + 1));
    }
  }
  const out: DiffLine[] = a.slice(0, start).map((text) => ({ op: ' ', text }));
  let i = 0;
  let j = 0;
  while (i < rows || j < columns) {
    if (i < rows && j < columns && a[start + i] === b[start + j]) {
      out.push({ op: ' ', text: a[start + i++] ?? '' });
      j++;
    } else if (i < rows && (j === columns || longest(i + 1, j) >= longest(i, j + 1))) {
      out.push({ op: '-', text: a[start + i++] ?? '' });
    } else {
      out.push({ op: '+', text: b[start + j++] ?? '' });
    }
  }
  return [...out, ...a.slice(endA).map((text): DiffLine => ({ op: ' ', text }))];
}

function near(lines: DiffLine[], around: number): DiffLine[] {
  const keep = new Set<number>();
  lines.forEach((l, i) => {
    if (l.op !== ' ') for (let k = i - around; k <= i + around; k++) keep.add(k);
  });
  return lines.filter((_, i) => keep.has(i));
}
