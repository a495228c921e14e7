// The columns of the list, and which of them there is room for.

export type ColumnId = 'id' | 'glyph' | 'method' | 'url' | 'status' | 'type' | 'size' | 'time' | 'waterfall' | 'cells';

export interface Column {
  id: ColumnId;
  title: string;
  /** Pixels; 0 takes what is left. */
  width: number;
  /** Figures stand at the right. */
  right: boolean;
}

const GAP = 8;
const EDGES = 28; // 10 at the left, 18 at the right
const URL_NEEDS = 190; // px below which a URL says too little: another column goes first

/** Which goes first when it gets narrow. What remains always tells which request, and how it ended. */
const giveUp: readonly ColumnId[] = ['waterfall', 'type', 'size', 'cells', 'time', 'id'];

const all: readonly Column[] = [
  { id: 'id', title: '#', width: 58, right: true },
  { id: 'glyph', title: '', width: 14, right: false },
  { id: 'method', title: 'Method', width: 51, right: false },
  { id: 'url', title: 'URL', width: 0, right: false },
  { id: 'status', title: 'Status', width: 36, right: false },
  { id: 'type', title: 'Type', width: 32, right: false },
  { id: 'size', title: 'Size', width: 50, right: true },
  { id: 'time', title: 'Time', width: 46, right: true },
  { id: 'waterfall', title: 'Waterfall', width: 48, right: false },
  { id: 'cells', title: 'Cells', width: 46, right: false },
];

/** The columns for a list so many pixels wide: all of them while the width is not known (0). */
export function columnsFor(width: number): readonly Column[] {
  if (width === 0) return all;
  let shown = all;
  for (const id of giveUp) {
    if (urlWidth(shown, width) >= URL_NEEDS) break;
    shown = shown.filter((column) => column.id !== id);
  }
  return shown;
}

/** As CSS grid-template-columns. */
export function template(columns: readonly Column[]): string {
  return columns.map((column) => (column.width === 0 ? 'minmax(0, 1fr)' : `${column.width}px`)).join(' ');
}

function urlWidth(columns: readonly Column[], width: number): number {
  const fixed = columns.reduce((sum, column) => sum + column.width, 0);
  return width - EDGES - fixed - GAP * (columns.length - 1);
}
