import type { Memory } from '../api/memory.svelte';

/** Puts the theme and the row height that the memory has on the page, at once and for as long as it lives. */
export function wear(memory: Memory, root: HTMLElement = document.documentElement): () => void {
  const light = matchMedia('(prefers-color-scheme: light)');
  let system: 'light' | 'dark' = $state(light.matches ? 'light' : 'dark');
  const changed = (event: MediaQueryListEvent) => (system = event.matches ? 'light' : 'dark');
  light.addEventListener('change', changed);
  const stop = $effect.root(() => {
    $effect(() => {
      root.dataset['theme'] = memory.theme === 'system' ? system : memory.theme;
      root.dataset['rows'] = memory.rowHeight;
    });
  });
  return () => {
    light.removeEventListener('change', changed);
    stop();
  };
}
