// The pages of the window, in the order of the rail.
export type PageId = 'start' | 'traffic' | 'comb' | 'settings';

export interface PageEntry {
  id: PageId;
  title: string;
  icon: string;
  keys: string;
}

export const pages: PageEntry[] = [
  { id: 'start', title: 'Start', icon: 'house', keys: 'mod+1' },
  { id: 'traffic', title: 'Traffic', icon: 'list', keys: 'mod+2' },
  { id: 'comb', title: 'Comb', icon: 'comb', keys: 'mod+3' },
];

export const settingsPage: PageEntry = { id: 'settings', title: 'Settings', icon: 'sliders-horizontal', keys: 'mod+,' };

export function isPage(text: string): text is PageId {
  return [...pages, settingsPage].some((page) => page.id === text);
}

export function titleOf(id: PageId): string {
  return [...pages, settingsPage].find((page) => page.id === id)?.title ?? '';
}
