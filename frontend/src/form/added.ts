import { tick } from 'svelte';

const fields = 'input, select, textarea';

/** Puts the focus into the first field of the list's last item, once that is drawn: who adds one wants to write. */
export async function focusAdded(list: HTMLElement | undefined): Promise<void> {
  await tick();
  const item = [...(list?.children ?? [])].findLast((one) => one.querySelector(fields) !== null); // what is wrong with one stands behind it
  item?.querySelector<HTMLElement>(fields)?.focus();
}
