import type { Exchange } from '../../api/backend';
import type { Action, Shortcut } from '../../ui/action';
import type { MenuItem } from '../../ui/menu';
import type { Traffic } from './traffic.svelte';

const group = 'Traffic';

/** All that can be done on the page, by name and key. */
export function trafficActions(traffic: Traffic): Action[] {
  const subject = () => traffic.subject > 0;
  const act = (id: string, title: string, keys: string, run: () => unknown, enabled?: () => boolean, sheet?: string): Action => ({
    id: `traffic.${id}`,
    title,
    group,
    ...(keys && { keys }),
    ...(enabled && { enabled }),
    ...(sheet !== undefined && { sheet }),
    run: () => void run(),
  });
  return [
    act('filter', 'Filter the list', '/', () => traffic.filterFocus++),
    act('next', 'Select the next exchange', 'j', () => traffic.move(1)),
    act('previous', 'Select the previous exchange', 'k', () => traffic.move(-1)),
    act('replay', 'Replay the exchange', 'r', () => traffic.replay(), subject),
    act('edit', 'Edit and resend', 'e', () => traffic.edit(), subject),
    act('curl', 'Copy as cURL', 'c', () => traffic.copyCurl(), subject),
    act('mock', 'Mock this', 'm', () => traffic.mock(), subject),
    act('xray', 'Show on the comb', 'x', () => traffic.showOnComb(), subject),
    act('remove', 'Remove what is selected', 'Delete', () => traffic.remove(), () => traffic.choice.size > 0),
    act('undo', 'Undo the removal', 'mod+z', () => traffic.undo(), () => traffic.canUndo && !typing(), ''),
    act('clear', 'Clear the list', 'shift+c', () => traffic.clear(), () => traffic.pages.total > 0),
    act('follow', 'Go to the newest and follow', '', () => traffic.follow()),
    act('record', 'Pause or go on recording', '', () => traffic.setRecording(!traffic.recording)),
    act('export.har', 'Export what the list shows as HAR', '', () => traffic.export('har', 'matching')),
    act('export.postman', 'Export what the list shows for Postman', '', () => traffic.export('postman', 'matching')),
  ];
}

/** What keys do in the list and beside it. */
export const trafficShortcuts: Shortcut[] = [
  { title: 'Go up and down the list', group, keys: ['ArrowUp', 'ArrowDown', 'PageUp', 'PageDown'] },
  { title: 'Go to the first, to the last', group, keys: ['Home', 'End'] },
  { title: 'Select up to here', group, keys: ['shift+ArrowUp', 'shift+ArrowDown'] },
  { title: 'Select all that match', group, keys: ['mod+a'] },
  { title: 'Open the exchange', group, keys: ['Enter'] },
  { title: 'Close the exchange', group, keys: ['Escape'] },
];

/** In a field, undo is the field's own. */
function typing(): boolean {
  const at = document.activeElement;
  return at instanceof HTMLInputElement || at instanceof HTMLTextAreaElement;
}

/** What a right click on the list offers. */
export function rowMenu(traffic: Traffic): MenuItem[] {
  const several = traffic.choice.size > 1;
  const none = traffic.subject === 0;
  const these = several ? `${traffic.choice.size.toLocaleString('en')} exchanges` : 'exchange';
  return [
    { label: 'Replay', icon: 'rotate-cw', keys: 'r', disabled: none, run: () => void traffic.replay() },
    { label: 'Edit and resend', icon: 'pencil', keys: 'e', disabled: none, run: () => void traffic.edit() },
    { label: 'Copy as cURL', icon: 'terminal', keys: 'c', disabled: none, run: () => void traffic.copyCurl() },
    { label: 'Mock this', icon: 'contrast', keys: 'm', disabled: none, run: () => void traffic.mock() },
    { label: 'Show on comb', icon: 'comb', keys: 'x', disabled: none, run: () => void traffic.showOnComb() },
    'line',
    { label: `Export ${these} as HAR`, icon: 'download', disabled: none, run: () => void traffic.export('har', 'chosen') },
    { label: `Export ${these} for Postman`, icon: 'download', disabled: none, run: () => void traffic.export('postman', 'chosen') },
    'line',
    { label: 'Select all that match', icon: 'list', keys: 'mod+a', run: () => traffic.choice.chooseAll() },
    { label: `Remove ${these}`, icon: 'trash-2', keys: 'Delete', danger: true, disabled: none, run: () => void traffic.remove() },
  ];
}

/** What the export button offers. */
export function exportMenu(traffic: Traffic): MenuItem[] {
  const items: MenuItem[] = [];
  const offer = (what: 'chosen' | 'matching' | 'all', words: string) => {
    items.push({ label: `${words} as HAR`, icon: 'download', run: () => void traffic.export('har', what) });
    items.push({ label: `${words} for Postman`, icon: 'download', run: () => void traffic.export('postman', what) });
    items.push('line');
  };
  if (traffic.choice.size > 0) offer('chosen', `The ${traffic.choice.size.toLocaleString('en')} selected`);
  if (traffic.pages.filter !== '') offer('matching', `The ${traffic.pages.count.toLocaleString('en')} that match`);
  offer('all', `All ${traffic.pages.total.toLocaleString('en')}`);
  const toggle = () => {
    traffic.redact = !traffic.redact;
    traffic.remember();
  };
  items.push({ label: 'Blank secrets', icon: traffic.redact ? 'check' : 'square', run: toggle });
  return items;
}

/** What else can be done with the list. */
export function moreMenu(traffic: Traffic): MenuItem[] {
  return [
    { label: 'Go to the newest and follow', icon: 'arrow-down', run: () => traffic.follow() },
    { label: 'Select all that match', icon: 'list', keys: 'mod+a', disabled: traffic.pages.count === 0, run: () => traffic.choice.chooseAll() },
    { label: 'Load the list again', icon: 'refresh-cw', run: () => void traffic.pages.load() },
    'line',
    { label: 'Take back the last removal', icon: 'undo-2', keys: 'mod+z', disabled: !traffic.canUndo, run: () => void traffic.undo() },
    { label: 'Clear the list', icon: 'eraser', keys: 'shift+c', danger: true, disabled: traffic.pages.total === 0, run: () => void traffic.clear() },
  ];
}

/** What else can be done with the exchange that is looked at. */
export function detailMenu(traffic: Traffic, exchange: Exchange): MenuItem[] {
  const { seq } = exchange.row;
  const selection = { seqs: [seq], all: false, filter: '' };
  return [
    { label: 'Copy the URL', icon: 'link', run: () => void traffic.copy(exchange.url, 'the URL') },
    { label: 'Copy the id', icon: 'hash', run: () => void traffic.copy(exchange.id, 'the id') },
    'line',
    { label: 'Export as HAR', icon: 'download', run: () => void traffic.exportThese('har', selection) },
    { label: 'Export for Postman', icon: 'download', run: () => void traffic.exportThese('postman', selection) },
    'line',
    { label: 'Remove', icon: 'trash-2', danger: true, run: () => void traffic.removeThese(selection) },
  ];
}
