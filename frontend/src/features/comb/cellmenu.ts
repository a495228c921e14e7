import type { MenuItem } from '../../ui/menu';
import type { Comb } from './comb.svelte';
import { cellsOf, findCell, type CellRef } from './draft';

/** What can be done with a cell: on the comb and in its panel. */
export function cellMenu(comb: Comb, at: CellRef): MenuItem[] {
  if (comb.document === null) return [];
  const siblings = cellsOf(comb.document, at.route);
  const index = siblings.findIndex((c) => c.id === at.id);
  const off = findCell(comb.document, at)?.off ?? false;
  return [
    { label: off ? 'Switch on' : 'Switch off', icon: 'power', keys: ' ', run: () => comb.toggle(at) },
    { label: 'Move left', icon: 'arrow-up', keys: 'alt+ArrowLeft', disabled: index === 0, run: () => comb.move(at, -1) },
    { label: 'Move right', icon: 'arrow-down', keys: 'alt+ArrowRight', disabled: index === siblings.length - 1, run: () => comb.move(at, 1) },
    'line',
    { label: 'Remove', icon: 'trash-2', keys: 'Delete', danger: true, run: () => comb.remove(at) },
  ];
}
